"""Types, defaults and docstrings of the models in words, for the reference."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from itertools import pairwise
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from components.config import (
    access,
    aws,
    aws_values,
    eks,
    names,
    pem,
    policies,
    routes,
    telemetry,
    traffic,
    values,
    workload,
)
from components.config.model import Model


@dataclass(frozen=True)
class Value:
    """A kind of value with a name of its own."""

    words: str
    """As a reader calls one."""
    module: ModuleType
    name: str
    """The Python name of the type."""
    shown: bool = True
    """Whether the reference tells what it is; the words of the others say it."""

    @property
    def type(self) -> Any:
        return getattr(self.module, self.name)

    @property
    def meaning(self) -> str:
        """What its docstring says."""
        if isinstance(self.type, type):
            return joined(getdoc(self.type) or "")
        return documented(self.module)[self.name]


VALUES = (
    Value("length of time", values, "Duration"),
    Value("short length of time", values, "ShortDuration"),
    Value("amount of cpu or memory", values, "Quantity"),
    Value("size", values, "ByteSize"),
    Value("DNS label", values, "DnsLabel"),
    Value("DNS name", values, "DnsSubdomain"),
    Value("host", values, "Host"),
    Value("trust domain", values, "TrustDomain"),
    Value("service", names, "ServiceName"),
    Value("path", names, "PathPattern"),
    Value("path", access, "AccessPath", shown=False),
    Value("header", names, "HeaderName"),
    Value("headers", routes, "Headers"),
    Value("labels", names, "Labels"),
    Value("tag", telemetry, "TagName"),
    Value("tag's value", telemetry, "TagValue", shown=False),
    Value("attribute", telemetry, "Attribute", shown=False),
    Value("range of addresses", aws_values, "Range"),
    Value("public range", aws_values, "PublicRange"),
    Value("account number", aws_values, "AccountId", shown=False),
    Value("principal", aws_values, "Principal"),
    Value("policy", aws_values, "PolicyArn", shown=False),
    Value("certificate authority", aws_values, "AuthorityArn", shown=False),
    Value("region", aws, "RegionName", shown=False),
    Value("value of a tag", aws, "TagValue", shown=False),
    Value("instance type", eks, "InstanceType"),
    Value("version of an add-on", eks, "AddonVersion", shown=False),
    Value("port", values, "Port", shown=False),
    Value("percent", workload, "Percent", shown=False),
    Value("percent", routes, "Share", shown=False),
    Value("whole number", values, "Generation", shown=False),
    Value("whole number", traffic, "Count", shown=False),
    Value("certificate in PEM", pem, "PemCertificate"),
    Value("private key", pem, "PrivateKey"),
    Value("day", policies, "Day"),
)

_NAMED: Mapping[str, str] = {
    "TlsConfig": "TLS",
    "JwtConfig": "JWT",
    "JwksConfig": "JWKS",
    "IstiodConfig": "istiod",
    "CertManagerTls": "cert-manager",
    "GeneratedTls": "Generated certificate",
    "EastWestConfig": "East-west",
    "BlueGreenConfig": "Blue-green",
    "AwsConfig": "AWS",
    "AwsNetworkConfig": "AWS network",
    "AwsTagsConfig": "AWS tags",
    "AwsLogsConfig": "Control-plane logs",
    "KeysConfig": "KMS keys",
    "CertManagerConfig": "cert-manager",
    "EksClusterConfig": "EKS cluster",
    "ManagementVpcConfig": "Management VPC",
    "PrivateCaConfig": "Private CA",
    "ExternalConfig": "External service",
    "WasmConfig": "Wasm module",
}
"""Models whose class name does not make a heading."""

_MANY = re.compile(r"^(.*?)( of .*)?$")
_NO_PLURAL = ("anything", "percent", "headers", "labels", "tag's value")


def joined(text: str) -> str:
    """A docstring as one line; paragraphs are told apart no more."""
    return " ".join(text.split())


def documented(module: ModuleType) -> Mapping[str, str]:
    """The docstrings below a module's names, in their order: Python keeps none of them."""
    assert module.__file__ is not None
    return _documented(Path(module.__file__))


@cache
def _documented(file: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    body = ast.parse(file.read_text()).body
    for statement, following in pairwise(body):
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[statement.targets[0].id] = joined(following.value.value)
    return found


def title(model: type[BaseModel]) -> str:
    """The heading of a model: `PublicHostConfig` is `Public host`."""
    name = model.__name__
    words = re.findall(r"[A-Z][a-z0-9]*", name.removesuffix("Config"))
    return _NAMED.get(name) or " ".join([words[0], *(word.lower() for word in words[1:])])


def key_of(name: str, field: FieldInfo) -> str:
    """A field's key in the YAML."""
    return field.alias or name


def hints(model: type[BaseModel]) -> Mapping[str, Any]:
    """The fields' types as they are written."""
    return get_type_hints(model, include_extras=True)


def models_in(annotation: Any) -> Iterator[tuple[type[Model], str]]:
    """The models that a type names, each with what stands between the key and it: ``, `[]`, `.<service>`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation, ""
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from models_in(arguments[0])
    elif origin is tuple:
        yield from ((model, f"[]{step}") for model, step in models_in(arguments[0]))
    elif origin is dict:
        yield from ((model, f".<{_plain(arguments[0])}>{step}") for model, step in models_in(arguments[1]))
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from models_in(argument)


class Wording:
    """Says types in words, with links to where a model or a kind of value is told."""

    def __init__(self, links: Mapping[object, str]) -> None:
        """`links`: targets by model, and by the words of a value."""
        self._links = links

    def say(self, annotation: Any, *, many: bool = False) -> str:
        """A type in words; `many` for the plural."""
        annotation = _without_none(annotation)
        value = _value(annotation)
        if value is not None:
            return self._linked(value.words, many) + _range(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            written = next((item for item in arguments[1:] if isinstance(item, BeforeValidator)), None)
            either = getattr(written, "json_schema_input_type", None)
            if get_origin(either) in (Union, UnionType):
                return " or ".join(self.say(item) for item in get_args(either))
            return self.say(arguments[0], many=many) + _range(annotation)
        if origin in (tuple, list):
            return f"list{'s' if many else ''} of {self.say(arguments[0], many=True)}"
        if origin is dict:
            return f"map{'s' if many else ''} from {self.say(arguments[0])} to {self.say(arguments[1])}"
        if origin is Literal:
            return self._choice(arguments)
        if isinstance(annotation, type) and issubclass(annotation, Model):
            return self._model(annotation, many)
        return _many(_BASIC[annotation], many)

    @staticmethod
    def _choice(arguments: tuple[Any, ...]) -> str:
        said = [f"`{yaml_of(item)}`" for item in arguments]
        return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"

    def _model(self, model: type[Model], many: bool) -> str:
        said = f"[{title(model)}]({self._links[model]})"
        # The short form stands first (`_or` of ports.py).
        short = model.model_json_schema().get("anyOf")
        return said if short is None else f"{_many(_SHORT[short[0]['type']], many)} or {said}"

    def _linked(self, words: str, many: bool) -> str:
        target = self._links.get(words)
        said = _many(words, many)
        return f"[{said}]({target})" if target is not None else said


_BASIC: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Any: "anything",
}

_SHORT = {"integer": "number", "string": "host"}
"""Short forms of models, by their type in the schema."""

_CLAUSE = re.compile(r"(?:^|(?P<mark>[;.]) )[Dd]efault:? (?P<clause>.+?)\.(?= |$)")


def meaning_and_default(model: type[BaseModel], name: str, field: FieldInfo) -> tuple[str, str]:
    """What a field means and what it is when left out, from its docstring and its value.

    A docstring says its default after a semicolon: `...; default 5s.` Raises ValueError where it says another value
    than the model has, or where neither says one.
    """
    text = joined(field.description or "")
    found = _CLAUSE.search(text)
    clause = found["clause"] if found else None
    if found:
        before, after = text[: found.start()], text[found.end() :]
        text = f"{before.rstrip('.')}.{after}" if before else after.strip()
    if field.is_required():
        return text, "needed"
    value: Any = field.default
    if isinstance(value, BaseModel):
        said = _differs(value)
        return text, f"`{said}`" if said else clause or "each key's own"
    if field.default_factory is not None or value is None or value in ((), {}):
        # Of several keys exactly one is given.
        return text, clause or "none"
    said = yaml_of(value)
    if clause is None or isinstance(value, tuple):
        return text, f"`{said}`"
    plain = clause.replace("`", "")
    if re.split(r"[,:] ", plain)[0] != said:
        raise ValueError(f"{model.__name__}.{name}: its docstring has the default {clause!r}, and its value is {said}")
    return text, f"`{said}`{plain[len(said) :]}"


def yaml_of(value: Any) -> str:
    """A value as a stack file has it, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return "{" + ", ".join(f"{key}: {yaml_of(item)}" for key, item in items) + "}"
    if isinstance(value, BaseModel):
        return _differs(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml_of(item) for item in cast(list[Any], value)) + "]"
    return str(value)


def _differs(value: BaseModel) -> str:
    """What a model says that is not its fields' own default; empty when nothing."""
    said = _said(value)
    return yaml_of(said) if said else ""


def _said(value: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(value).model_fields.items():
        item: Any = getattr(value, name)
        if not field.is_required() and item == field.default:
            continue
        found[key_of(name, field)] = _said(item) if isinstance(item, BaseModel) else item
    return found


def _plain(annotation: Any) -> str:
    value = _value(annotation)
    return value.words if value is not None else "name"


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        (left,) = (item for item in get_args(annotation) if item is not NoneType)
        return left
    if get_origin(annotation) is Annotated and NoneType in get_args(get_args(annotation)[0]):
        return _without_none(get_args(annotation)[0])
    return annotation


def _value(annotation: Any) -> Value | None:
    """The kind of value that a type is, with constraints of its own or without; the narrowest."""
    best: tuple[int, Value] | None = None
    for value in VALUES:
        if value.type == annotation:
            return value
        # Of `Annotated[Annotated[str, a], b]` Python makes `Annotated[str, a, b]`.
        theirs = get_args(value.type) if get_origin(value.type) is Annotated else (value.type,)
        if get_origin(annotation) is not Annotated or get_args(annotation)[: len(theirs)] != theirs:
            continue
        if best is None or len(theirs) > best[0]:
            best = len(theirs), value
    return best[1] if best is not None else None


def _range(annotation: Any) -> str:
    """`, 1 to 100`, from the constraints of a type; empty when it has none."""
    bounds: dict[type, Any] = {}
    for item in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        for bound in item.metadata if isinstance(item, FieldInfo) else [item]:
            if isinstance(bound, Ge):
                bounds[Ge] = bound.ge
            elif isinstance(bound, Le):
                bounds[Le] = bound.le
    low, high = bounds.get(Ge), bounds.get(Le)
    # What a machine's word can hold is no limit to a reader.
    if high is not None and high >= 2**31 - 1:
        high = None
    if low is not None and high is not None:
        return f", {yaml_of(low)} to {yaml_of(high)}"
    return f", at least {yaml_of(low)}" if low is not None else ""


def _many(words: str, many: bool) -> str:
    found = _MANY.match(words)
    if not many or found is None or words.startswith("`") or words in _NO_PLURAL:
        return words
    noun = found[1]
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and not noun.endswith("ey") else f"{noun}s"
    return f"{plural}{found[2] or ''}"
