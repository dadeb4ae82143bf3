"""Reports that prove themselves: from one JSON document to PDF, tables and a signed bundle, without an archive."""
