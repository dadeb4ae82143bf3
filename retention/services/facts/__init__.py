"""Facts about patients: said, weighed (what would they change), recorded, approved."""
