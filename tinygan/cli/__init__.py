"""The command lines: train, evaluate and data, each the whole of a script of the same purpose."""

from tinygan.cli.parser import OneLineParser, add_number, add_path, filled, number, numbers, path, size
from tinygan.text import did_you_mean

__all__ = ["OneLineParser", "add_number", "add_path", "did_you_mean", "filled", "number", "numbers", "path", "size"]
