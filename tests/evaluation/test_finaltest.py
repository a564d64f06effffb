"""The final test: its figures do not depend on how the images are cut into batches."""

import json

import numpy as np

from tinygan.evaluation.finaltest import reconstruction_test
from tinygan.evaluation.trained import open_run
from tinygan.reconstruction import Search


def test_restarts_do_not_depend_on_the_batches(trained):
    run = open_run(trained, "last", "cpu")

    def losses(search: Search, batch_size: int) -> np.ndarray:
        return np.array(json.loads(reconstruction_test(run, "final", search, batch_size).read_text())["losses"])

    search = Search(steps=1, restarts=3)
    whole = losses(search, 40)
    assert (whole < losses(Search(steps=1), 40)).any()  # some restart counts
    for batch_size in (8, 3, 1):
        np.testing.assert_allclose(losses(search, batch_size), whole, rtol=1e-5)  # float32
