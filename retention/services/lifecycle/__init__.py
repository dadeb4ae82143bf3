"""The life of studies over the tiers: what the plan asks for, and making it so."""
