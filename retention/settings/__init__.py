"""archive.yaml: read, checked with line and column, written with its comments kept."""
