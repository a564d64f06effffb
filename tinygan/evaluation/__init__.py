"""How good is a generator? reconstruction.py is the paper's answer; measures/ holds others."""
