"""Formulas as MathML in the page itself: no script, nothing fetched."""

import re

from docutils import nodes
from latex2mathml.converter import convert


def draw(formula: str, display: str) -> str:
    """A formula in TeX as MathML; dx and δx are one symbol each, set closely, and so is the name of a function."""
    closely = re.sub(
        r"<mi>([dδ]|&#x003B4;)</mi>(<msub>)?<mi>(\w)</mi>",
        r'\2<mi class="d">\1\3</mi>',
        convert(formula, display=display),
    )
    return re.sub(r"<mo[^>]*>([a-z]{2,})</mo>", r"<mi>\1</mi>", closely)


def inline(translator, node: nodes.math) -> None:
    """A formula within a sentence."""
    translator.body.append(draw(node.astext(), "inline"))
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    """A formula on lines of its own; parts that a wide space separates may stand below each other."""
    parts = (draw(part, "block") for part in node.astext().split(r"\qquad"))
    translator.body.append(f'<div class="formula">{"".join(parts)}</div>')
    raise nodes.SkipNode


def setup(app) -> dict:
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
