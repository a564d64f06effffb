"""A page is its template, with every text escaped and files of the package as they are."""

import pytest
from jinja2 import UndefinedError

from tinygan.webpage import render


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    """The name of a package with a template that shows ``text`` and a script."""
    folder = tmp_path / "a_package_with_a_page"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "page.html").write_text('<p>{{ text }}</p>\n<script>{{ source("page.js") }}</script>\n')
    (folder / "page.js").write_text("1 < 2 && {{ 3 }};")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def test_text_is_escaped_and_files_are_not(package):
    page = render(package, "page.html", text="<b>\"&'")
    assert page == b"<p>&lt;b&gt;&#34;&amp;&#39;</p>\n<script>1 < 2 && {{ 3 }};</script>\n"


def test_what_no_page_can_hold_is_a_question_mark(package):
    assert render(package, "page.html", text="a\x00b\x1bc\x85d\ud800e×").startswith("<p>a?b?c?d?e×</p>".encode())


def test_a_forgotten_value_is_an_error(package):
    with pytest.raises(UndefinedError, match="text"):
        render(package, "page.html")
