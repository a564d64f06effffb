"""HTML as a tree of elements: whatever text goes in is escaped on the way out, so no page part has to think of it."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree

Element = ElementTree.Element
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
Content = "str | Element | Iterable[Content] | None"


def element(tag: str, *content: Content, **attributes: object) -> Element:
    """An element with its content in order: texts, elements, iterables of them; None is left out.

    ``class_`` gives ``class``, ``aria_label`` gives ``aria-label``; True gives a bare attribute, False and None none.
    """
    values = {
        name.rstrip("_").replace("_", "-"): "" if value is True else str(value)
        for name, value in attributes.items()
        if value is not None and value is not False  # 0 stays
    }
    node = Element(tag, values)
    _extend(node, content)
    return node


def page(root: Element) -> bytes:
    """The whole page; a character that UTF-8 or HTML cannot hold becomes a question mark."""
    text = CONTROL.sub("?", ElementTree.tostring(root, encoding="unicode", method="html"))
    return f"<!doctype html>\n{text}\n".encode(errors="replace")


def _extend(node: Element, content: Iterable[Content]) -> None:
    for part in content:
        if isinstance(part, str):
            if len(node):
                node[-1].tail = (node[-1].tail or "") + part
            else:
                node.text = (node.text or "") + part
        elif isinstance(part, Element):
            node.append(part)
        elif part is not None:
            _extend(node, part)
