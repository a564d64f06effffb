"""Networks, each read from top to bottom."""
