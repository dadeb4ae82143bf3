"""The verifier that travels in every bundle: one file that needs Python alone. `report verify` runs the same file."""
