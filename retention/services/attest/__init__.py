"""Attestations: what the archive puts its name to about one study or one disposal, so that it verifies alone."""
