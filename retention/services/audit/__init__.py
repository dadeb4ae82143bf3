"""Fixity audits: read back, verify, repair. A finding is data; only what stops the whole audit raises."""
