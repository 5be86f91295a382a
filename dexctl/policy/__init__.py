"""Floor 3: networks, their distribution over actions, and checkpoints."""

# Of a run folder: where its checkpoints are. Here, since naming it loads no torch.
CHECKPOINTS = "checkpoints"
