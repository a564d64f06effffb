"""What files say to somebody whom their permissions bind."""

import os
from contextlib import contextmanager


@contextmanager
def as_somebody():
    """As a user whom permissions bind; root may read everything and becomes nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
