"""Moving packages between tiers, and dropping what a move left behind (design §2.6, ADR 14)."""
