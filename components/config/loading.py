"""From the stack's configuration to the typed model, with every fault of the file at once."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast, get_origin

import pulumi
import pulumi.runtime
from pydantic import TypeAdapter, ValidationError

from components.config.access import IssuerConfig
from components.config.aws import AwsConfig
from components.config.aws_faults import aws_faults, name_faults
from components.config.clusters import ClusterConfig, cluster_faults, primary_faults, remotes_of
from components.config.egress import ExternalConfig, egress_faults
from components.config.explain import explain, unknown
from components.config.extensions import ExtensionsConfig
from components.config.faults import NAMESPACE, ConfigError, Fault, Location, set_secret
from components.config.gateways import GatewaysConfig
from components.config.mesh import MeshConfig
from components.config.pem import holds_key
from components.config.protection import reference_faults
from components.config.references import (
    Known,
    drain_faults,
    egress_references,
    host_faults,
    service_faults,
    unserved_faults,
)
from components.config.security import SecurityConfig
from components.config.service_files import with_files
from components.config.services import ServiceConfig
from components.config.stack import StackConfig
from components.config.telemetry import TelemetryConfig
from components.config.tools import services as tool_services
from components.config.tools import tools_faults
from components.config.trust import TrustConfig, provided_faults
from components.config.upgrades import upgrade_faults

_ADAPTERS = {
    # Optional, because an absent value is a fault of its own; the annotation carries the field's constraints.
    (field.alias or name): TypeAdapter[Any](field.rebuild_annotation())
    for name, field in StackConfig.model_fields.items()
}

_MAPS = {
    field.alias or name for name, field in StackConfig.model_fields.items() if get_origin(field.annotation) is dict
}
"""Values whose entries stand by themselves: a fault of one does not hide those of the others."""


def load(config: pulumi.Config) -> StackConfig:
    """Reads and checks all that the stack says. Raises ConfigError with every fault of it, before any resource."""
    raw, faults = _read(config)
    checked, found = check(raw)
    told = {fault.where for fault in found}
    # Where a key is where none belongs, or is none that can be used, that is told already.
    faults += [fault for fault in _plain_keys(config, raw) if fault.where not in told]
    if faults or found or checked is None:
        raise ConfigError(_unique([*faults, *found]))
    return checked


def check(raw: Mapping[str, Any]) -> tuple[StackConfig | None, list[Fault]]:
    """The model of the parsed values, or every fault of them."""
    faults = [unknown(key, _ADAPTERS, (key,)) for key in raw if key not in _ADAPTERS]
    raw, of_files = with_files(raw)
    faults += of_files
    values: dict[str, Any] = {}
    for key, adapter in _ADAPTERS.items():
        field = next(info for name, info in StackConfig.model_fields.items() if (info.alias or name) == key)
        if key not in raw:
            if field.is_required():
                faults.append(_missing(key))
            continue
        value, found = _entries(adapter, raw[key], (key,)) if key in _MAPS else _validated(adapter, raw[key], (key,))
        values[key] = value
        faults += found
    faults += _between(raw, values, complete=not of_files)
    if faults:
        return None, _unique(faults)
    return StackConfig.model_validate(values), []


def _read(config: pulumi.Config) -> tuple[dict[str, Any], list[Fault]]:
    """Every value of the namespace as parsed JSON.

    `Config.get` gives secrets in plain, which validation needs; from then on the models hold them as SecretStr.
    `Config.get_object` is not used: its error quotes the value.
    """
    prefix = f"{config.name}:"
    keys = sorted({key.removeprefix(prefix) for key in pulumi.runtime.get_config_env() if key.startswith(prefix)})
    raw: dict[str, Any] = {}
    faults: list[Fault] = []
    for key in keys:
        text = config.get(key) or ""
        try:
            raw[key] = json.loads(text)
        except json.JSONDecodeError:
            if key not in _ADAPTERS:
                raw[key] = None
                continue
            faults.append(
                Fault(
                    "it is a single text, not a structured value",
                    "Nothing of it can be read",
                    f"Write it as YAML below `{NAMESPACE}:{key}:`, or set it by `pulumi config set --path`",
                    (key,),
                )
            )
    return raw, faults


def _plain_keys(config: pulumi.Config, raw: Mapping[str, Any]) -> Iterator[Fault]:
    """A fault for each private key in a value that the engine does not know as a secret.

    The engine knows secrets by the whole value: a key in plain text beside an encrypted one is not seen.
    """
    secret = pulumi.runtime.get_config_secret_keys_env()
    for key, value in raw.items():
        if f"{config.name}:{key}" in secret:
            continue
        for where in _key_locations(value, (key,)):
            yield Fault(
                "the key is in plain text",
                "It stays so in the stack's file and in the history of its state, for all who may read them",
                f"Take the key for disclosed: have another made, with its certificate, and set it by "
                f"`{set_secret(where)}`",
                where,
            )


def _key_locations(value: object, here: Location) -> Iterator[Location]:
    if isinstance(value, dict):
        for key, item in cast(dict[str, object], value).items():
            yield from _key_locations(item, (*here, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast(list[object], value)):
            yield from _key_locations(item, (*here, index))
    elif isinstance(value, str) and holds_key(value):
        yield here


def _validated(adapter: TypeAdapter[Any], raw: object, where: Location) -> tuple[Any, list[Fault]]:
    """The value or None, and its faults.

    pydantic stops before the rules of a model when one of its fields is wrong. A second look, with the wrong items
    of lists left out, finds those rules' faults too: two servers with one host beside a third with a bad port.
    """
    try:
        return adapter.validate_python(raw), []
    except ValidationError as problem:
        faults = explain(problem, where)
    pruned, places = _without(raw, [fault.where[len(where) :] for fault in faults])
    if places:
        try:
            return _Partial(adapter.validate_python(pruned), places), faults
        except ValidationError as problem:
            # A list that only the leaving-out made too short is none of the file's faults.
            again = explain(problem, where, leave_out=("too_short",))
            faults += [_replaced(fault, len(where), places) for fault in again]
    return None, faults


def _entries(adapter: TypeAdapter[Any], raw: object, where: Location) -> tuple[Any, list[Fault]]:
    """The entries of a map that have no fault of their own, and the faults of the others."""
    if not isinstance(raw, dict):
        return _validated(adapter, raw, where)
    right: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, entry in cast(dict[str, object], raw).items():
        value, found = _validated(adapter, {name: entry}, where)
        faults += found
        if not found:
            right |= value
    return right, faults


class _Partial:
    """A value that was read without its faulty list items; `places` tells where the rest stood in the file."""

    def __init__(self, value: Any, places: Mapping[Location, list[int]]) -> None:
        self.value, self.places = value, places


def _between(raw: Mapping[str, Any], values: Mapping[str, Any], *, complete: bool) -> Iterator[Fault]:
    """Faults between clusters, between clusters and trust, and between services and all that they name.

    Where the services are not `complete`, since a file of them has a fault, nothing is said between them: whatever
    names one of that file would seem wrong.
    """
    numbered = cast(list[tuple[int, ClusterConfig]], _numbered(values.get("clusters")))
    yield from (fault.under(("clusters",)) for fault in cluster_faults(numbered))

    listed = raw.get("clusters")
    if not isinstance(listed, list):
        return
    # Names as written: a cluster with a fault elsewhere is still a cluster of that name.
    entries = [cast(dict[str, Any], entry) for entry in cast(list[Any], listed) if isinstance(entry, dict)]
    names = [str(entry["name"]) for entry in entries if "name" in entry]
    yield from (fault.under(("clusters",)) for fault in primary_faults(numbered, names))
    clusters = [cluster for _, cluster in numbered]
    aws, mesh = values.get("aws"), values.get("mesh")
    yield from aws_faults(
        numbered,
        aws if isinstance(aws, AwsConfig) else None,
        mesh if isinstance(mesh, MeshConfig) else None,
        given="aws" in raw,
        wanted=any("eks" in entry for entry in entries),
    )
    if isinstance(mesh, MeshConfig):
        yield from upgrade_faults(numbered, mesh, _namespaces(raw, values, names) if complete else None)
    gateways = values.get("gateways")
    if isinstance(gateways, GatewaysConfig):
        yield from name_faults(gateways, clusters, names, aws if isinstance(aws, AwsConfig) else None)
    trust = values.get("trust")
    if isinstance(trust, TrustConfig):
        yield from (fault.under(("trust",)) for fault in provided_faults(trust, names, remotes_of(clusters)))
    if complete:
        yield from _between_services(raw, values, names, clusters)


def _between_services(
    raw: Mapping[str, Any], values: Mapping[str, Any], names: Sequence[str], clusters: Sequence[ClusterConfig]
) -> Iterator[Fault]:
    services = cast(dict[str, ServiceConfig], values.get("services") or {})
    external = cast(dict[str, ExternalConfig], values.get("egress") or {})
    written = _keys(raw.get("services"))
    telemetry = values.get("telemetry")
    tools = telemetry.tools if isinstance(telemetry, TelemetryConfig) else None
    of_tools = tool_services(tools, names)
    known = Known([*written, *of_tools], names, {cluster.name: cluster.region for cluster in clusters})
    yield from (fault.under(("services",)) for fault in service_faults(services, known))
    yield from (fault.under(("egress",)) for fault in (*egress_faults(external), *egress_references(external, known)))
    gateways = values.get("gateways", GatewaysConfig())
    if isinstance(gateways, GatewaysConfig):
        yield from (fault.under(("services",)) for fault in host_faults(services, gateways))
        if len(names) > 1:
            yield from drain_faults(services, gateways)
        if len(services) == len(written):
            # A stack without services leaves its hosts to other programs, with tools too.
            taking = {**services, **of_tools} if services else {}
            yield from (fault.under(("gateways",)) for fault in unserved_faults(taking, gateways))
    if isinstance(telemetry, TelemetryConfig) and tools is not None:
        collector = None if telemetry.tracing is None else telemetry.tracing.collector.host
        served = gateways if isinstance(gateways, GatewaysConfig) else None
        remotes = {cluster.name: cluster.primary for cluster in clusters if cluster.primary is not None}
        found = tools_faults(tools, collector=collector, written=written, names=names, remotes=remotes, gateways=served)
        yield from (fault.under(("telemetry", "tools")) for fault in found)
    extensions = values.get("extensions")
    yield from reference_faults(
        services=services,
        written=written,
        issuers=cast(dict[str, IssuerConfig], values.get("issuers") or {}),
        written_issuers=_keys(raw.get("issuers")),
        extensions=extensions if isinstance(extensions, ExtensionsConfig) else ExtensionsConfig(),
        gateways=gateways if isinstance(gateways, GatewaysConfig) else GatewaysConfig(),
        objects=_numbered(values.get("objects")),
        clusters=names,
        remotes=remotes_of(clusters),
    )


def _namespaces(raw: Mapping[str, Any], values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The namespaces of services, those with a fault of their own among them, of tools, and of exceptions from mutual
    TLS."""
    security, telemetry = values.get("security"), values.get("telemetry")
    excepted = [entry.namespace for entry in security.permissive] if isinstance(security, SecurityConfig) else []
    tools = telemetry.tools if isinstance(telemetry, TelemetryConfig) else None
    services = [*_keys(raw.get("services")), *tool_services(tools, names)]
    return sorted({*(key.partition("/")[0] for key in services), *excepted})


def _keys(value: Any) -> list[str]:
    """The names in a map as written, those of entries with a fault among them."""
    return list(cast(dict[str, Any], value)) if isinstance(value, dict) else []


def _numbered(value: Any) -> list[tuple[int, Any]]:
    """The items of a list without faults, with their indexes in the file."""
    if isinstance(value, _Partial):
        return list(zip(value.places[()], value.value, strict=True))
    return list(enumerate(value or ()))


def _without(raw: object, faulty: Iterable[Location]) -> tuple[object, dict[Location, list[int]]]:
    """`raw` without the list items that hold a fault, and for each shortened list the indexes that were kept."""
    drop: dict[Location, set[int]] = {}
    for location in faulty:
        index = next((i for i, step in enumerate(location) if isinstance(step, int)), None)
        if index is not None:
            drop.setdefault(location[:index], set()).add(cast(int, location[index]))
    places: dict[Location, list[int]] = {}

    def copy(value: object, here: Location) -> object:
        if isinstance(value, dict):
            return {key: copy(item, (*here, key)) for key, item in cast(dict[str, object], value).items()}
        if isinstance(value, list) and here in drop:
            items = cast(list[object], value)
            places[here] = [index for index in range(len(items)) if index not in drop[here]]
            return [items[index] for index in places[here]]
        return cast(object, value)

    return copy(raw, ()), places


def _replaced(fault: Fault, depth: int, places: Mapping[Location, list[int]]) -> Fault:
    """The fault with its list indexes as they are in the file."""
    where = list(fault.where)
    for position in range(depth, len(where)):
        kept = places.get(tuple(fault.where[depth:position]))
        step = where[position]
        if kept is not None and isinstance(step, int) and step < len(kept):
            where[position] = kept[step]
    return Fault(fault.what, fault.consequence, fault.cure, tuple(where))


def _missing(key: str) -> Fault:
    field = StackConfig.model_fields[key]
    return Fault(
        "it is missing",
        f"{(field.description or '').rstrip('.')}: without it there is no mesh",
        "Add it to the stack's file; Pulumi.local.yaml shows how",
        (key,),
    )


def _unique(faults: Iterable[Fault]) -> list[Fault]:
    """In the order of the file's values, each once."""
    order = {key: index for index, key in enumerate(_ADAPTERS)}
    return sorted(dict.fromkeys(faults), key=lambda fault: order.get(str(fault.where[0]), len(order)))
