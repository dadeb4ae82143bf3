"""What the archive measures of itself, for those who watch it: numbers, and never who or what they are about."""
