"""Properties as the engine hands them over: known, secret, or not known before the update.

A policy reads them through `Node`. What is not known there is neither right nor wrong: reading it notes the place, and
every answer is the one by which nothing is refused. So a policy goes on, and what else it finds is still refused.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from google.protobuf.struct_pb2 import Struct, Value


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN: Final = _Marker("UNKNOWN")
"""A value that only the update will give."""

ABSENT: Final = _Marker("ABSENT")
"""No value: nothing is said at that place."""


@dataclass(frozen=True)
class Secret:
    """A value that the engine knows as a secret; no message may hold it."""

    value: Any


# In place of values that are not known, by their types (pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go).
_SENTINELS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# Marks maps that stand for something else, a secret among them (sdk/go/common/resource/sig).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def received(properties: Struct) -> dict[str, Any]:
    """The properties of a request of the engine."""
    return {key: _received(value) for key, value in properties.fields.items()}


def _received(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _told({key: _received(item) for key, item in value.struct_value.fields.items()})
    if kind == "list_value":
        return [_received(item) for item in value.list_value.values]
    if kind == "string_value":
        return _told(value.string_value)
    if kind == "number_value":
        return value.number_value
    return value.bool_value if kind == "bool_value" else None


def marked(value: Any) -> Any:
    """The same of plain values of Python, where sentinels and signatures stand as the engine writes them."""
    if isinstance(value, dict):
        return _told({key: marked(item) for key, item in cast(dict[str, Any], value).items()})
    if isinstance(value, list):
        return [marked(item) for item in cast(list[Any], value)]
    return _told(value)


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, dict):
        found = cast(dict[str, Any], value)
        return Secret(found.get("value")) if found.get(_SIGNATURE) == _SECRET else found
    return value


Tell = Callable[[str], None]
"""Is told the place of each value that would have to be known."""


class Node:
    """What stands at one place of a resource's properties.

    Reading never fails: of a place that is not there, or is of another kind than is asked for, the answer is nothing.
    """

    __slots__ = ("_raw", "_tell", "path", "secret")

    def __init__(self, raw: Any, path: str, tell: Tell, *, secret: bool = False) -> None:
        while isinstance(raw, Secret):
            raw, secret = raw.value, True
        self._raw, self.path, self._tell, self.secret = raw, path, tell, secret

    def __getitem__(self, key: str | int) -> "Node":
        raw = self._raw
        if raw is UNKNOWN:
            return self
        if isinstance(key, str):
            found = cast(dict[str, Any], raw).get(key, ABSENT) if isinstance(raw, dict) else ABSENT
            path = f"{self.path}.{key}" if self.path else key
        else:
            items = cast(list[Any], raw) if isinstance(raw, list) else []
            found = items[key] if key < len(items) else ABSENT
            path = f"{self.path}[{key}]"
        return Node(found, path, self._tell, secret=self.secret)

    def at(self, *keys: str | int) -> "Node":
        """What stands below it, step by step."""
        found = self
        for key in keys:
            found = found[key]
        return found

    def __iter__(self) -> Iterator["Node"]:
        """The items of a list."""
        raw: Any = self._raw
        self._known()
        if isinstance(raw, list):
            yield from (self[index] for index in range(len(cast(list[Any], raw))))

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """The entries of a map."""
        raw: Any = self._raw
        self._known()
        if isinstance(raw, dict):
            yield from ((key, self[key]) for key in cast(dict[str, Any], raw))

    @property
    def missing(self) -> bool:
        """Whether there is surely nothing, or something empty."""
        return self._known() and (self._raw is ABSENT or self._raw is None or self._raw in ("", [], {}))

    @property
    def given(self) -> bool:
        """Whether there surely is something. What is neither `missing` nor `given` is not known."""
        return self._known() and not (self._raw is ABSENT or self._raw is None or self._raw in ("", [], {}))

    @property
    def text(self) -> str | None:
        """The text; None where there is none, or where it is not known."""
        return self._raw if self._known() and isinstance(self._raw, str) else None

    @property
    def number(self) -> float | None:
        """The number, also where it is written as a text."""
        if not self._known() or isinstance(self._raw, bool):
            return None
        try:
            return float(self._raw) if isinstance(self._raw, int | float | str) else None
        except ValueError:
            return None

    def is_(self, *values: object) -> bool:
        """Whether it surely is one of these."""
        return self._known() and self._raw in values and not (isinstance(self._raw, bool) and not _bools(values))

    def is_not(self, *values: object) -> bool:
        """Whether it surely is none of these; nothing at all is none of them."""
        return self._known() and not self.is_(*values)

    @property
    def texts(self) -> list[str]:
        """The texts of a list, or the one text that stands in its place; those that are not known are left out."""
        if isinstance(self._raw, str):
            return [self._raw]
        return [text for item in self if (text := item.text) is not None]

    @property
    def words(self) -> dict[str, str]:
        """The entries of a map whose values are texts, such as labels; those that are not known are left out."""
        return {key: text for key, item in self.items() if (text := item.text) is not None}

    @property
    def complete(self) -> bool:
        """Whether all below it is known. Notes the first place that is not."""
        return all(item.complete for _, item in self.items()) and all(item.complete for item in self) and self._known()

    @property
    def whole(self) -> Any:
        """The value as plain maps and lists, without what is not known; for a secret nothing but its shape changes."""
        if isinstance(self._raw, dict):
            return {key: item.whole for key, item in self.items() if item.known}
        if isinstance(self._raw, list):
            return [item.whole for item in self if item.known]
        return None if self._raw is ABSENT or self._raw is UNKNOWN else self._raw

    @property
    def parsed(self) -> "Node":
        """What a JSON document says that stands here as a text, or is written out; nothing where it is none."""
        if not isinstance(self._raw, str):
            return self
        try:
            return Node(marked(json.loads(self._raw)), self.path, self._tell, secret=self.secret)
        except json.JSONDecodeError:
            return Node(ABSENT, self.path, self._tell, secret=self.secret)

    @property
    def known(self) -> bool:
        """Whether it is known, which may be that there is nothing. Notes nothing."""
        return self._raw is not UNKNOWN

    @property
    def shown(self) -> str:
        """For messages: the value, unless it is a secret. Notes nothing."""
        if self._raw is UNKNOWN:
            return "a value that is not known yet"
        if self._raw is ABSENT or self._raw is None:
            return "nothing"
        if self.secret:
            return "a secret"
        return shown(self._raw) if isinstance(self._raw, int | float) else f"`{shown(self._raw)}`"

    def _known(self) -> bool:
        if self._raw is UNKNOWN:
            self._tell(self.path)
            return False
        return True


def shown(value: object) -> str:
    """A plain value for a message: whole numbers without a fraction, truth in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _bools(values: tuple[object, ...]) -> bool:
    return any(isinstance(value, bool) for value in values)


_SHORTEST = 4
"""A text below it is a flag or a number, and stands in every other sentence."""


def secrets_in(value: Any, *, within: bool = False) -> frozenset[str]:
    """The texts in properties that are secret."""
    if isinstance(value, Secret):
        return secrets_in(value.value, within=True)
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).values()
        return frozenset[str]().union(*(secrets_in(item, within=within) for item in items))
    if isinstance(value, list):
        return frozenset[str]().union(*(secrets_in(item, within=within) for item in cast(list[Any], value)))
    return frozenset({value} if within and isinstance(value, str) and len(value) >= _SHORTEST else ())


def unnoticed(_: str) -> None:
    """For readers to whom it is all the same: nothing is noted."""


EMPTY: Mapping[str, Any] = MappingProxyType({})
