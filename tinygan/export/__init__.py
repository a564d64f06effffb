"""A trained network for other programs: folded.py makes a flat list of operations of it, the rest writes that list."""
