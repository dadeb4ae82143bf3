"""Ingest: files become packages. Scan, group by study, pack in one pass over the bytes, write, read back, commit."""
