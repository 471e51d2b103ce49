"""Values on the wire between the engine and a plugin (pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends in a preview for a value that is only known after an `up`."""

_SECRET = "4dabf18193072939515e22adb298388d"


def is_unknown(value: Any) -> bool:
    """Whether the value itself will be known only later (one that holds such values is known)."""
    return value == UNKNOWN


def holds_unknown(value: Any) -> bool:
    """Whether something in the value will be known only later."""
    if isinstance(value, Mapping):
        return any(map(holds_unknown, value.values()))
    if isinstance(value, list):
        return any(map(holds_unknown, value))
    return is_unknown(value)


def known(value: Any) -> Any:
    """The known parts of a value: of an object what is known in it, of a list everything or nothing."""
    if isinstance(value, Mapping):
        return {name: known(each) for name, each in value.items() if not is_unknown(each) and not _partial(each)}
    if isinstance(value, list):
        return [known(each) for each in value]
    return value


def _partial(value: Any) -> bool:
    return isinstance(value, list) and any(is_unknown(each) or _partial(each) for each in value)


def read(message: Any) -> dict[str, Any]:
    """A message's properties as plain values: whole numbers are ints, what is null is left out, secrets are opened (the
    plugin says in its handshake that it takes none, and the engine keeps them secret around it).
    """
    return {name: _read(value) for name, value in json_format.MessageToDict(message).items() if value is not None}


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        if _SECRET in value:
            return _read(value.get("value"))
        return {name: _read(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Plain values as a message; what is None is left out."""
    message = struct_pb2.Struct()
    message.update({name: _write(value) for name, value in values.items() if value is not None})
    return message


def _write(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _write(each) for name, each in value.items() if each is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_write(each) for each in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return value
