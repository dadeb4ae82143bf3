"""Who asks at a door, and how that is proven: certificates, tokens of providers, API tokens, accounts."""
