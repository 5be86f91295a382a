"""Floor 3: the task, batched."""
