"""retention: a long-term retention and compliance archive for medical imaging."""

__version__ = "0.1.0"
