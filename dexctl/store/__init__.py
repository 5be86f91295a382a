"""Floor 1: what lies on disk."""
