"""Disposal: the only way a record leaves (policy.md, Disposal). Proposal, approvals, grace, execution, certificate."""
