"""What the installed pulumi-aws package says of a resource type: its inputs with their types, and its outputs.

The package's classes are generated from the schema of the real provider, so an input that they do not know, the real
provider does not know either.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# The way from a class to the names and types on the wire is the SDK's own; it has no public door.
from pulumi import _types

from lab.aws.plugin.values import is_unknown

TOKEN = re.compile(r"aws:(?P<module>[a-z0-9]+)/(?P<file>[A-Za-z0-9]+):(?P<name>[A-Za-z0-9]+)")


class UnknownType(Exception):
    """The package has no such resource type."""


@dataclass(frozen=True)
class Schema:
    """A resource type.

    Attributes:
        inputs: Types of the inputs, by their names on the wire.
        required: Those that have to be given.
        outputs: Names of the outputs, inputs among them.
    """

    inputs: Mapping[str, Any]
    required: frozenset[str]
    outputs: frozenset[str]

    def faults(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with these inputs: the property's path, and a sentence."""
        yield from _object_faults("", values, self.inputs, self.required)


@cache
def schema_of(token: str) -> Schema:
    """The schema of a type token such as `aws:ec2/vpc:Vpc`.

    Raises:
        UnknownType: The installed pulumi-aws has no such type.
    """
    match = TOKEN.fullmatch(token)
    try:
        if not match:
            raise AttributeError
        module = importlib.import_module(f"pulumi_aws.{match['module']}")
        resource, name = getattr(module, match["name"]), match["name"]
        # `...InitArgs` where `...Args` is the name of a part of another type.
        arguments = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")
    except (ImportError, AttributeError):
        raise UnknownType(f"{token}: the installed pulumi-aws has no such resource type") from None
    return Schema(
        inputs=_types.input_type_types(arguments),
        required=_required(arguments),
        outputs=frozenset(_types.resource_types(resource)),
    )


def _required(arguments: type) -> frozenset[str]:
    names = _types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters
    return frozenset(
        names[name] for name, each in parameters.items() if name in names and each.default is inspect.Parameter.empty
    )


def _object_faults(
    path: str, values: Mapping[str, Any], types: Mapping[str, Any], required: frozenset[str]
) -> Iterator[tuple[str, str]]:
    for name in sorted(required - values.keys()):
        yield path + name, "is required and missing"
    for name, value in values.items():
        if name not in types:
            yield path + name, f"is no input of this type; it has {', '.join(sorted(types))}"
        else:
            yield from _faults(path + name, value, types[name])


def _faults(path: str, value: Any, wanted: Any) -> Iterator[tuple[str, str]]:
    wanted = _types.unwrap_type(wanted)
    origin = typing.get_origin(wanted)
    if value is None or is_unknown(value):
        return
    if isinstance(wanted, type) and _types.is_input_type(wanted):
        if isinstance(value, Mapping):
            yield from _object_faults(f"{path}.", value, _types.input_type_types(wanted), _required(wanted))
        else:
            yield path, _wrong(value, "an object")
    elif origin in (collections.abc.Sequence, list):
        if not isinstance(value, list):
            yield path, _wrong(value, "a list")
            return
        for index, item in enumerate(value):
            yield from _faults(f"{path}[{index}]", item, typing.get_args(wanted)[0])
    elif origin in (collections.abc.Mapping, dict):
        if not isinstance(value, Mapping):
            yield path, _wrong(value, "an object")
            return
        for key, item in value.items():
            yield from _faults(f"{path}.{key}", item, typing.get_args(wanted)[1])
    elif origin is not None:
        # A choice: an enumeration of the package beside the plain value, or text beside a document.
        choices = typing.get_args(wanted)
        if all(any(_faults(path, value, choice)) for choice in choices):
            yield path, _wrong(value, " or ".join(_plain(choice) for choice in choices))
    elif not _is(value, wanted):
        yield path, _wrong(value, _plain(wanted))


def _is(value: Any, wanted: Any) -> bool:
    if wanted is Any:
        return True
    if wanted is bool or isinstance(value, bool):
        return wanted is bool and isinstance(value, bool)
    if wanted is int:
        return isinstance(value, (int, float)) and float(value).is_integer()
    if wanted is float:
        return isinstance(value, (int, float))
    return isinstance(value, str)


def _plain(wanted: Any) -> str:
    return {str: "text", bool: "true or false", int: "a whole number", float: "a number"}.get(wanted, "text")


def _wrong(value: Any, wanted: str) -> str:
    return f"is {value!r}, and has to be {wanted}"
