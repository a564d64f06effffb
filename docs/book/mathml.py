"""Formulas as MathML in the page itself: no script, nothing fetched."""

import re

from docutils import nodes
from latex2mathml.converter import convert


def draw(formula: str, display: str) -> str:
    """A formula in TeX as MathML; dx and δx are one symbol each, set closely."""
    return re.sub(
        r"<mi>([dδ]|&#x003B4;)</mi><mi>(\w)</mi>", r'<mi class="d">\1\2</mi>', convert(formula, display=display)
    )


def inline(translator, node: nodes.math) -> None:
    """A formula within a sentence."""
    translator.body.append(draw(node.astext(), "inline"))
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    translator.body.append(f'<div class="formula">{draw(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app) -> dict:
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
