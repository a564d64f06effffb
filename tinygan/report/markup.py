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


def row(head: Content, cells: Iterable[Content], class_: str | None = None) -> Element:
    """A table's row; what is no ``td`` yet becomes one."""
    tds = [one if getattr(one, "tag", "") == "td" else element("td", one) for one in cells]
    return element("tr", element("th", head, scope="row"), tds, class_=class_)


def table(
    name: str, columns: Iterable[str], *bodies: Content, class_: str | None = None, caption: str | None = None
) -> Element:
    """A table in a box of its own, in which it scrolls where it is larger; each body is a list of rows or a ``tbody``.

    One with a caption in it is long, and scrolls downwards too.
    """
    head = element("tr", [element("th", text, scope="col") for text in columns])
    parts = [body if isinstance(body, Element) else element("tbody", body) for body in bodies]
    inner = [caption and element("caption", caption), element("thead", head), parts]
    whole = element("table", inner, aria_label=name, class_=class_)
    return element(
        "div", whole, class_="scroll tall" if caption else "scroll", tabindex="0", role="region", aria_label=name
    )


def swatch(style: str) -> Element:
    """A short piece of a series' line, for legends and headings."""
    line = element("path", class_=f"curve {style}", d="M2,5H38")
    return element("svg", line, class_="swatch", viewBox="0 0 40 10", aria_hidden="true")


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
