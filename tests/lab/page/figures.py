"""The figures of a proof, as it recorded them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.lab.page.markup import Markup, element

LONGEST_LIST = 40  # entries of a list that are shown; the evidence file has all


def figures(found: Mapping[str, Any]) -> Markup:
    """Names and values, values of values below them."""
    parts: list[Markup] = []
    for name, value in found.items():
        parts.append(element("dt", name.replace("_", " ")))
        parts.append(element("dd", _value(value)))
    return element("dl", *parts)


def _value(value: Any) -> object:
    if isinstance(value, Mapping):
        return figures(value) if value else "none"
    if isinstance(value, list):
        if not value:
            return "none"
        if any(isinstance(part, (Mapping, list)) for part in value):
            shown = [element("li", _value(part)) for part in value[:LONGEST_LIST]]
            more = element("li", f"and {len(value) - LONGEST_LIST} more") if len(value) > LONGEST_LIST else None
            return element("ol", *shown, more)
        return ", ".join(_scalar(part) for part in value)
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,.10g}" if isinstance(value, (int, float)) else str(value)
