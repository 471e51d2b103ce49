"""HTML and SVG that cannot be broken by what is put into it."""

from __future__ import annotations

import html
from typing import Any

VOID = frozenset({"meta"})  # of HTML; in SVG every element is closed


class Markup(str):
    """Text that is markup already; any other text is escaped."""


def element(name: str, /, *content: object, **attributes: Any) -> Markup:
    """An element; ``class_`` is the attribute ``class``, ``stroke_width`` is ``stroke-width``. None and False leave an
    attribute or a part of the content out."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{html.escape(str(value))}"')
    opened = f"<{' '.join(words)}>"
    return Markup(opened if name in VOID and not content else f"{opened}{joined(*content)}</{name}>")


def joined(*content: object) -> Markup:
    """All of it, one after the other."""
    parts = [part for part in content if part is not None and part is not False]
    return Markup("".join(part if isinstance(part, Markup) else html.escape(str(part)) for part in parts))
