"""The words every other layer speaks: identifiers, digests, facts, layout, findings, errors, the clock.

Nothing here imports another part of retention, and nothing here does input or output (except the system clock).
"""
