"""Floor 4: environment and policy together, and the worker that sends what they bring."""
