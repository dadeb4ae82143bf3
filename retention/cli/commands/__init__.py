"""One file a command group. Each has `register(app)`; bodies import what they need when they run."""
