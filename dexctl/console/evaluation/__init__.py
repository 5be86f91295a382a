"""The sessions of ``dexctl evaluate``: a file for each thing that it scores; ``modes`` chooses among them."""
