"""Volumes: places that hold shards, and the rules of placing them. Drivers know nothing of what they store."""
