"""The catalog: an index of packages, journal and keyring, in SQL. It can be lost and rebuilt."""
