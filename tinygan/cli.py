"""What the scripts' command lines share."""

import argparse

from tinygan.errors import UsageError


class OneLineParser(argparse.ArgumentParser):
    """Reports a typing error as one line instead of the whole usage."""

    def error(self, message: str) -> None:
        """Raise UsageError."""
        raise UsageError(f"{message}; see {self.prog} --help")
