"""How good is a generator? reconstruction.py is the paper's answer; measures/ holds others."""

USUAL_COUNTS = {"samples": 64, "modes": 16384, "measures": 2000}  # of images, unless --count is given
