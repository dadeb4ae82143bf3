"""The demonstration: the whole life of a few real studies, done by the same services that the commands call."""
