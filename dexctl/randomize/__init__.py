"""Floor 2: what makes every simulation a little different."""
