"""The command lines: train, evaluate and data, each the whole of a script of the same purpose."""
