"""Staging: what was received and acknowledged, in synced logs on two volumes, until it is packed into packages."""
