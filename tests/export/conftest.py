"""The small trained run of the evaluation's tests."""

from tests.evaluation.conftest import few_shapes, trained, trained_once

__all__ = ["few_shapes", "trained", "trained_once"]
