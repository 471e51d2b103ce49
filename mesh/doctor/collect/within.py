"""Reading into values of JSON: what is not there is empty."""

from typing import Any, cast

Object = dict[str, Any]


def mapping(value: object, *path: str) -> Object:
    """The map at a path; empty where there is none."""
    found = _at(value, path)
    return cast(Object, found) if isinstance(found, dict) else {}


def listed(value: object, *path: str) -> list[Any]:
    """The list at a path; empty where there is none."""
    found = _at(value, path)
    return cast(list[Any], found) if isinstance(found, list) else []


def labels(item: Object) -> dict[str, str]:
    """The labels of an object."""
    return mapping(item, "metadata", "labels")


def _at(value: object, path: tuple[str, ...]) -> object:
    for step in path:
        if not isinstance(value, dict):
            return None
        value = cast(Object, value).get(step)
    return value
