"""Learn, simulate and run dexterous in-hand manipulation from the command line."""

__version__ = "0.1.0"
