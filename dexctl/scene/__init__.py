"""Floor 1: hand, object and cameras as a MuJoCo model."""
