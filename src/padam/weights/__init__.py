"""Published weights that no package ships: what they are, and fetching them."""
