"""Pixels: frames cut out and decoded, pictures made of them. All of it happens in a process of its own with limits,
because decoders are large, old and written in C, and what they are given comes from anybody.

`decoding.py` is what the rest of the program asks; the other modules run in the worker.
"""
