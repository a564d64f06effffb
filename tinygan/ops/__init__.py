"""Primitives: each as a plain formula, and beside it the fast versions that are tested against it."""
