"""One stream for all device work of the process, whatever CuPy does with the current one."""

import numpy as np

from tinygan.device import open_backend


def test_reading_an_array_with_gaps_leaves_the_stream(xp):
    backend = open_backend("gpu")
    ours = xp.cuda.get_current_stream()
    x = backend.to_device(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(backend.to_host(x.T[::2]), np.arange(12.0).reshape(3, 4).T[::2])
    assert xp.cuda.get_current_stream() == ours
    x.T[::2].get()  # not through the backend
    assert xp.cuda.get_current_stream() == ours


def test_another_stream_for_a_while(xp):
    open_backend("gpu")
    ours = xp.cuda.get_current_stream()
    assert ours.ptr != 0
    with xp.cuda.Stream(non_blocking=True) as other:
        assert xp.cuda.get_current_stream() == other
    assert xp.cuda.get_current_stream() == ours
    open_backend("gpu")
    assert xp.cuda.get_current_stream() == ours
