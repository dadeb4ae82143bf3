"""The catalog: an index of packages, journal and keyring, in a relational database.

It is a projection (design §2.3): whatever it says can be said again from the online volumes, so it may be lost and
rebuilt, and it is never asked for what only the truth can answer. Three rules hold in here:

- rows never leave: callers give and get the dataclasses of `records`, keyed by public identifiers;
- the database itself refuses what must not happen twice or be undone (`guards`), so a stray program with a SQL shell
  can disturb the projection but not quietly rewrite it;
- every list is backed by an index and read a page at a time, so that a million studies need no more memory than ten.

Nothing is imported here: `records` stays cheap for those who only need the words.
"""
