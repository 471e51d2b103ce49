"""Values of a stack file that no model has read: looked at where they have the shape, else left to others to refuse."""

from collections.abc import Mapping
from typing import Any, cast


def as_dict(value: object) -> dict[str, Any]:
    """The value where it is a map; else an empty one."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value where it is a list; else an empty one."""
    return cast(list[object], value) if isinstance(value, list) else []


def found_at(value: Mapping[str, Any], *keys: str) -> object:
    """What stands at the end of this way of keys; None where there is nothing."""
    found: object = dict(value)
    for key in keys:
        found = as_dict(found).get(key)
    return found


def ordered(value: Any) -> Any:
    """The same with the keys of every map in order, so that what is rendered does not hang on how a file is written."""
    if isinstance(value, dict):
        found = cast(dict[str, Any], value)
        return {key: ordered(found[key]) for key in sorted(found, key=str)}
    return [ordered(item) for item in cast(list[Any], value)] if isinstance(value, list) else value
