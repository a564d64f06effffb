"""Primitives: each in a plain array version, later beside a fast one that is tested against it."""
