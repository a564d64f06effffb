"""Web pages that need nothing else: Jinja's templates, in which every text is escaped, and no other file or network."""

import re
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def render(package: str, template: str, **values: object) -> bytes:
    """The page that ``package``'s file ``template`` makes of ``values``; ``source("x.css")`` in it is a file as it is.

    A character that UTF-8 or HTML cannot hold becomes a question mark.
    """

    def read(name: str) -> str:
        return resources.files(package).joinpath(name).read_text(encoding="utf-8")

    layout = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    pages = Environment(loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, **layout)
    pages.globals["source"] = lambda name: Markup(read(name))  # our own styles and scripts
    return CONTROL.sub("?", pages.get_template(template).render(values)).encode(errors="replace")
