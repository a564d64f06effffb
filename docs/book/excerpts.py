"""Code of the package in the book, pulled by the name of the object; a name that does not exist fails the build.

    ```{excerpt} tinygan.layers.Linear.apply_weight
    ```

shows that function without its docstring (the chapter is the longer one), with the file and the lines it stands in.
`` {source}`tinygan.losses.least_squares` `` is a checked name within a sentence.

After the build every page is read once more: none may fetch anything from elsewhere.
"""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

ROOT = Path(__file__).parents[2]
FETCHES = re.compile(
    rb"""(?:<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|data|srcset)=|<link\b[^>]*?\shref="""
    rb"""|url\(|@import\s)\s*["']?(?:https?:)?//[^"'\s>)]*"""
)


def find(name: str) -> object:
    """The object of this dotted name.

    Raises:
        ValueError: there is none.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                raise ValueError(f"{name}: {'.'.join(parts[:length])} has no {part!r}")
            found = getattr(found, part)
        return found
    raise ValueError(f"{name}: there is no such module")


def excerpt(name: str) -> tuple[str, str, int, int]:
    """Source without docstring and common indentation, file from the root, first and last line."""
    found = inspect.unwrap(find(name))
    lines, first = inspect.getsourcelines(found)
    file = Path(inspect.getsourcefile(found)).resolve().relative_to(ROOT)
    text = textwrap.dedent("".join(lines))
    return without_docstrings(text).strip("\n"), file.as_posix(), first, first + len(lines) - 1


def without_docstrings(text: str) -> str:
    """Python source with every docstring cut out."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) and len(node.body) > 1:
            docstring = node.body[0]
            for k in range(docstring.lineno - 1, docstring.end_lineno):
                lines[k] = None
            if isinstance(node, ast.ClassDef) and lines[docstring.end_lineno] == "":
                lines[docstring.end_lineno] = None
    return "\n".join(line for line in lines if line is not None)


class Excerpt(SphinxDirective):
    """One object's source."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            text, file, first, last = excerpt(self.arguments[0])
        except (ValueError, TypeError, OSError) as error:
            raise self.error(f"excerpt {self.arguments[0]}: {error}") from error
        self.env.note_dependency(str(ROOT / file))
        code = nodes.literal_block(text, text, language="python")
        place = nodes.caption("", "", nodes.literal("", file), nodes.Text(f", lines {first} to {last}"))
        return [nodes.container("", place, code, classes=["excerpt"], literal_block=True)]


class Source(SphinxRole):
    """A checked name: the last part of it is shown."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            find(self.text)
        except ValueError as error:
            return [], [self.inliner.reporter.error(str(error), line=self.lineno)]
        return [nodes.literal("", self.text.rpartition(".")[2], reftitle=self.text)], []


def fetches_nothing(app: Sphinx, failed: Exception | None) -> None:
    """Fail if a page or a style of the finished book names something to fetch from elsewhere."""
    if failed is None and app.builder.format == "html":
        for file in sorted(Path(app.outdir).rglob("*")):
            if file.suffix in (".html", ".css"):
                for match in FETCHES.finditer(file.read_bytes()):
                    raise ExtensionError(f"{file} fetches from elsewhere: {match.group().decode()}")


def setup(app: Sphinx) -> dict:
    app.add_directive("excerpt", Excerpt)
    app.add_role("source", Source())
    app.connect("build-finished", fetches_nothing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
