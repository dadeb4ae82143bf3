"""Use cases, one a file. They take what they need; they never choose a driver."""
