"""Floor 0: profiles, the TOML that describes a hand, an object, a task, a training run and a machine."""
