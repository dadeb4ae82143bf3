"""Policies: from what an archivist wrote to what it means for one study, with reasons.

Pure: no clock, no disk, no database. The specification is docs/policy.md; functions name its sentences ("One rule 5").
"""
