"""Floor 5: trials and the figures drawn of them."""
