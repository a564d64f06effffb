"""The book's sources: every part of the reading core is in exactly one chapter, and every chapter has its parts."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tinygan import layers, losses, ops, optim
from tinygan.layers import Layer

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "docs" / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]-*.md"))
EXCERPT = re.compile(r"^```\{excerpt\} (\S+)$", re.MULTILINE)
CELL = re.compile(
    r"^```\{code-cell\} python\n(?:---\n(.*?)---\n|((?::[^\n]*\n)+))?(.*?)^```$", re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def excerpts():
    sys.path.insert(0, str(BOOK))
    yield pytest.importorskip("excerpts", reason="needs the extra `book`")
    sys.path.remove(str(BOOK))


def reading_core() -> dict[str, set[str]]:
    """What must be in the book, with the names under which it may be pulled."""
    core = {}
    for name in layers.__all__:
        thing = getattr(layers, name)
        if isinstance(thing, type) and issubclass(thing, Layer):
            core[f"layer {name}"] = {f"tinygan.layers.{name}"}
    for kind, module in (("loss", losses), ("optimiser", optim)):
        tree = ast.parse(Path(module.__file__).read_text())
        wanted = ast.FunctionDef if kind == "loss" else ast.ClassDef
        for node in tree.body:
            if isinstance(node, wanted) and not node.name.startswith("_"):
                core[f"{kind} {node.name}"] = {f"{module.__name__}.{node.name}"}
    for name in ops.OPERATIONS:
        core[f"operation {name}"] = {f"tinygan.ops.reference.{name}"}
    return core


def not_in_one_chapter(texts: dict[str, str]) -> dict[str, list[str]]:
    """What of the reading core is in no chapter, or in several, or twice in one, and where."""
    pulled = [(chapter, name) for chapter, text in texts.items() for name in EXCERPT.findall(text)]
    core = reading_core()
    assert len(core) > 45
    places = {part: [chapter for chapter, name in pulled if name in wanted] for part, wanted in core.items()}
    return {part: found for part, found in places.items() if len(found) != 1}


@pytest.fixture
def texts():
    return {chapter.stem: chapter.read_text() for chapter in CHAPTERS}


def test_the_reading_core_is_in_exactly_one_chapter_each(texts):
    assert not_in_one_chapter(texts) == {}


def test_what_is_in_no_chapter_or_in_two_is_told(texts):
    pulled = "```{excerpt} tinygan.layers.TReLU\n```\n"
    texts["05-batch-norm"] += pulled
    texts["07-logits"] = texts["07-logits"].replace(
        "{excerpt} tinygan.losses.least_squares", "{excerpt} tinygan.losses"
    )
    assert not_in_one_chapter(texts) == {"layer TReLU": ["04-kinks", "05-batch-norm"], "loss least_squares": []}


def test_every_name_that_a_chapter_imports_is_used(texts):
    for chapter, text in texts.items():
        trees = [ast.parse(code) for *_, code in CELL.findall(text)]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
        assert names <= {node.id for node in nodes if isinstance(node, ast.Name)}, chapter


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_its_parts(chapter):
    text = chapter.read_text()
    cells = CELL.findall(text)
    assert re.search(r"^# .+\?$", text, re.MULTILINE), "no question in the title"
    for heading in ("## With numbers", "## The check", "## The picture", "## What people get wrong", "## Exercise"):
        assert f"\n{heading}\n" in text, f"no {heading!r}"
    assert text.index("code-cell") < text.index("$$" if "$$" in text else "{excerpt}"), "numbers come first"
    assert EXCERPT.search(text), "no excerpt"
    check = text[text.index("## The check") : text.index("## What people get wrong")]
    assert re.search(r"^\s*assert ", check, re.MULTILINE), "nothing is checked"
    assert any("show(" in code for *_, code in cells), "no figure"
    folded, _, solution = cells[-1]
    assert "hide-cell" in folded, "the solution is not folded"
    assert "Solution" in folded, "the solution is not named"
    assert re.search(r"^\s*assert ", solution, re.MULTILINE), "the solution is not checked"


@pytest.mark.parametrize("chapter", sorted(BOOK.glob("*.md")), ids=lambda path: path.stem)
def test_the_sources_are_sound_without_being_run(chapter):
    text = chapter.read_text()
    for *_, code in CELL.findall(text):
        ast.parse(code)
    prose = re.sub(r"```.*?```|\$[^$]*\$|`[^`\n]*`", "", text, flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose):
        assert link.startswith("http") or (BOOK / link).exists(), f"broken link {link}"
    assert max(map(len, text.splitlines())) <= 120


def test_a_wrong_name_is_refused_and_a_right_one_comes_without_its_docstring(excerpts):
    text, file, first, last = excerpts.excerpt("tinygan.layers.Linear.apply_weight")
    assert text.startswith("def apply_weight(")
    assert '"""' not in text
    assert file == "tinygan/layers/linear.py"
    source = (ROOT / file).read_text().splitlines()[first - 1 : last]
    assert "dx = ops.matmul(dy, w.T)" in text
    assert any("dx = ops.matmul(dy, w.T)" in line for line in source)
    for wrong in ("tinygan.layers.Lineal", "tinygan.nothing.at.all", "tinygan.ops.reference.matmul.nothing"):
        with pytest.raises(ValueError, match=r"has no|no such"):
            excerpts.find(wrong)


@pytest.mark.parametrize(
    ("page", "fetched"),
    [
        (b'<script src="https://cdn.example/x.js">', True),
        (b'<link rel="stylesheet" href="//fonts.example/a.css">', True),
        (b"body { background: url(http://example/a.png) }", True),
        (b'<a href="https://arxiv.org/abs/1704.03971">the paper</a>', False),
        (b'<script src="_static/a.js"></script><img src="data:image/png;base64,AA">', False),
    ],
)
def test_what_a_page_fetches_is_told_from_what_it_links_to(excerpts, page, fetched):
    assert bool(excerpts.FETCHES.search(page)) == fetched


def test_every_name_in_the_book_exists(excerpts):
    for chapter in BOOK.glob("*.md"):
        text = chapter.read_text()
        for name in EXCERPT.findall(text) + re.findall(r"\{source\}`([^`]+)`", text):
            excerpts.find(name)
