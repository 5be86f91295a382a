"""Floor 3: networks, their distribution over actions, and checkpoints."""
