"""Scripts end in an exit code and one line."""

import pytest

from tinygan.errors import NonFiniteError, Stopped, TinyganError, UsageError, run_script


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TinyganError("the disk\n is full"), 1, "error: the disk is full"),
        (NonFiniteError("a loss"), 1, "error: a loss"),
        (UsageError("no such option"), 2, "error: no such option"),
        (Stopped("all saved", 15), 143, "all saved"),
        (FileNotFoundError(2, "No such file or directory", "images"), 1, "error: images: No such file or directory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_expected_failure_is_one_line(capsys, error, code, line):
    def main(arguments):
        raise error

    assert run_script(main, []) == code
    assert capsys.readouterr().err == line + "\n"
    assert run_script(main, ["--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_success_is_silent(capsys):
    assert run_script(lambda arguments: None, []) == 0
    assert capsys.readouterr() == ("", "")


def test_a_defect_is_shown_whole():
    def main(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_script(main, [])
