"""The command lines: train, evaluate and data, each the whole of a script of the same purpose."""

from tinygan.cli.parser import OneLineParser, filled, number, numbers, path, size
from tinygan.text import did_you_mean

__all__ = ["OneLineParser", "did_you_mean", "filled", "number", "numbers", "path", "size"]
