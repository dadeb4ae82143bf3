"""Texts that people write and the archive reads: YAML with the place of every value, and faults shown at their place.

Below the layers that know what a text means (settings, policy): here nothing is known but how it is written.
"""
