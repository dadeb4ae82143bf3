"""The history of the schema, one step a file; run by `catalog.migration`.

A step that has been released is never edited: it says what a catalog of that day looks like.
"""
