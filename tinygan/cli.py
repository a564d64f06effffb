"""What the scripts' command lines share."""

import argparse

from tinygan.errors import UsageError


class OneLineParser(argparse.ArgumentParser):
    """Reports a typing error as one line instead of the whole usage."""

    def error(self, message: str) -> None:
        """Raise UsageError."""
        raise UsageError(f"{message}; see {self.prog} --help")


def parse_size(text: str) -> tuple[int, int]:
    """``32`` or ``WIDTHxHEIGHT`` to (height, width)."""
    width, _, height = text.lower().partition("x")
    try:
        return int(height or width), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 64 or 178x218 (width x height)") from None
