"""Floor 4: learning from experience."""
