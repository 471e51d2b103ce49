"""pydantic's errors, said as this program says its faults: where, what, consequence, cure."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from types import NoneType
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from components.config.faults import SET, SET_SECRET, Fault, InvalidValue, Location
from components.config.pem import PemCertificate
from components.config.stack import StackConfig

_IGNORED = "It would be ignored, and the stack would not be what its file says"
_UNREADABLE = "Nothing can be made of it"
_SCHEMA = "schema/istio-mesh.schema.json says what is taken here"


def explain(problem: ValidationError, where: Location, *, leave_out: Collection[str] = ()) -> list[Fault]:
    """Every fault of `problem`, placed below `where`; errors of the types in `leave_out` are skipped."""
    errors = problem.errors(include_url=False, include_input=True)
    return [
        fault
        for error in errors
        if error["type"] not in leave_out and not _follows(error)
        for fault in _explained(error, where)
    ]


def unknown(key: str, known: Iterable[str], where: Location) -> Fault:
    """An unknown key, with the known one that was probably meant."""
    names = list(known)
    # Keys are compared without case and separators: `trust_domain` and `TrustDomain` mean `trustDomain`.
    plain = {_plain(name): name for name in names}
    near = difflib.get_close_matches(_plain(key), plain, n=1, cutoff=0.6)
    cure = f"Did you mean `{plain[near[0]]}`?" if near else f"Known here: {', '.join(f'`{name}`' for name in names)}"
    return Fault(f"there is no key `{key}`", _IGNORED, cure, where)


def _follows(error: ErrorDetails) -> bool:
    """Whether it only follows from another error, which is told by itself."""
    # A default made from a field that is wrong; a list that counts only its right items.
    return error["type"] == "default_factory_not_called" or (error["type"] == "too_short" and bool(error["input"]))


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _explained(error: ErrorDetails, where: Location) -> Iterator[Fault]:
    location = (*where, *(step for step in error["loc"] if step != "[key]"))
    carried = error.get("ctx", {}).get("error")
    if isinstance(carried, InvalidValue):
        yield from (fault.under(location) for fault in carried.faults)
        return
    if error["type"] == "extra_forbidden":
        model = _models(_annotation(location[:-1]))
        names = [info.alias or name for name, info in model.model_fields.items()] if model else []
        yield unknown(str(location[-1]), names, location)
        return
    yield _SAID.get(error["type"], _other)(error, location)


def _absent(_: ErrorDetails, location: Location) -> Fault:
    field = _field(location)
    key = location[-1]
    example = field.examples[0] if field and field.examples else None
    meaning = (field.description or "").split(". ")[0].rstrip(".") if field else ""
    if field is not None and _bare(field.annotation) is SecretStr:
        cure = f"Set it by `{SET_SECRET}`"
    elif field is not None and _bare(field.annotation) is PemCertificate:
        cure = f"Set it by `{SET}`"
    else:
        cure = f"Add it, as in `{key}: {_yaml(example)}`" if example is not None else "Add it"
    return Fault("it is missing", f"It has no default. {meaning}" if meaning else "It has no default", cure, location)


def _wrong_type(expected: str, example: str) -> Callable[[ErrorDetails, Location], Fault]:
    def say(error: ErrorDetails, location: Location) -> Fault:
        return Fault(f"it is {_kind(error['input'])}, not {expected}", _UNREADABLE, _example(example, error), location)

    return say


def _example(example: str, error: ErrorDetails) -> str:
    value = error["input"]
    if example == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        # The commonest slip: YAML reads 1.31 as a number, and 1.30 as 1.3.
        return f'Put it in quotes, as in `"{value}"`'
    return {
        "text": "Write a text",
        "number": "Write a whole number, as in `2`",
        "truth": "Write `true` or `false`",
        "list": "Write each item on a line of its own that begins with `- `",
        "map": "Write `key: value` lines below it",
    }[example]


def _choice(error: ErrorDetails, location: Location) -> Fault:
    expected = str(error.get("ctx", {}).get("expected", "")).replace("'", "`").replace(" or ", ", ")
    return Fault(
        f"it is {_kind(error['input'], shown=True)}", f"Only these are known: {expected}", "Take one", location
    )


def _limit(words: str) -> Callable[[ErrorDetails, Location], Fault]:
    def say(error: ErrorDetails, location: Location) -> Fault:
        bound = next(iter(error.get("ctx", {}).values()), "")
        return Fault(
            f"{error['input']} is {words} {bound}", "It is out of the range that makes sense",
            f"Write a number that is not {words} {bound}", location,
        )  # fmt: skip

    return say


def _empty(_: ErrorDetails, location: Location) -> Fault:
    return Fault("it is empty", "There has to be at least one", "Add one", location)


def _other(error: ErrorDetails, location: Location) -> Fault:
    return Fault(
        error["msg"][:1].lower() + error["msg"][1:],
        _UNREADABLE,
        _SCHEMA,
        location,
    )


_SAID: dict[str, Callable[[ErrorDetails, Location], Fault]] = {
    "missing": _absent,
    "string_type": _wrong_type("a text", "text"),
    "int_type": _wrong_type("a whole number", "number"),
    "int_parsing": _wrong_type("a whole number", "number"),
    "int_from_float": _wrong_type("a whole number", "number"),
    "bool_type": _wrong_type("true or false", "truth"),
    "bool_parsing": _wrong_type("true or false", "truth"),
    "tuple_type": _wrong_type("a list", "list"),
    "dict_type": _wrong_type("a map of keys and values", "map"),
    "model_type": _wrong_type("a map of keys and values", "map"),
    "literal_error": _choice,
    "greater_than_equal": _limit("below"),
    "less_than_equal": _limit("above"),
    "too_short": _empty,
    "string_too_short": _empty,
}


def _kind(value: object, *, shown: bool = False) -> str:
    """What kind of thing it is; its text only where `shown`, since any text may be a secret."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"`{value}`" if shown else "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "a map of keys and values"
        case _:
            return "something else"


def _yaml(example: Any) -> str:
    if isinstance(example, dict):
        items = cast(dict[str, Any], example).items()
        return "{" + ", ".join(f"{key}: {_yaml(value)}" for key, value in items) + "}"
    if isinstance(example, list):
        return "[" + ", ".join(_yaml(item) for item in cast(list[Any], example)) + "]"
    return str(example)


def _annotation(location: Location) -> Any:
    """The type that stands at a location of the stack file."""
    current: Any = StackConfig
    for step in location:
        model = _models(current)
        if model is not None:
            field = _by_alias(model, str(step))
            current = field.annotation if field else None
        else:
            # The item of a tuple or the value of a dict.
            arguments = [item for item in get_args(_bare(current)) if item is not Ellipsis]
            current = arguments[-1] if arguments else None
    return current


def _field(location: Location) -> FieldInfo | None:
    model = _models(_annotation(location[:-1]))
    return _by_alias(model, str(location[-1])) if model else None


def _by_alias(model: type[BaseModel], alias: str) -> FieldInfo | None:
    return next((info for name, info in model.model_fields.items() if (info.alias or name) == alias), None)


def _bare(annotation: Any) -> Any:
    """Without Annotated and `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is not None and NoneType in get_args(annotation):
        return _bare(next(item for item in get_args(annotation) if item is not NoneType))
    return annotation


def _models(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None
