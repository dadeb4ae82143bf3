"""The demonstration: the whole life of a few real studies, done by the same services that the commands call.

The first act keeps, breaks and mends an archive; the second lives through twenty years of a hospital in a rehearsal.
"""
