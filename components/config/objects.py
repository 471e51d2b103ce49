"""`istio-mesh:objects`: Istio's objects written out, for what the program has no word for.

What they say is checked where they can break or open the mesh; what the program says itself cannot be said again here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AfterValidator, Field

from components.config.faults import Fault, Location, invalid
from components.config.model import Model
from components.config.plain import as_dict, as_list, found_at
from components.config.values import DnsLabel

Kind = Literal[
    "AuthorizationPolicy",
    "DestinationRule",
    "EnvoyFilter",
    "Gateway",
    "PeerAuthentication",
    "ProxyConfig",
    "RequestAuthentication",
    "ServiceEntry",
    "Sidecar",
    "Telemetry",
    "VirtualService",
    "WasmPlugin",
    "WorkloadEntry",
    "WorkloadGroup",
]

_NOT_NETWORKING_V1 = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "EnvoyFilter": "networking.istio.io/v1alpha3",
    "PeerAuthentication": "security.istio.io/v1",
    "ProxyConfig": "networking.istio.io/v1beta1",
    "RequestAuthentication": "security.istio.io/v1",
    "Telemetry": "telemetry.istio.io/v1",
    "WasmPlugin": "extensions.istio.io/v1alpha1",
}

API_VERSIONS: Mapping[str, str] = {
    kind: _NOT_NETWORKING_V1.get(kind, "networking.istio.io/v1") for kind in cast(tuple[str, ...], get_args(Kind))
}
"""The newest version of each kind that Istio 1.29 to 1.31 serve."""

ROOT_NAMESPACE = "istio-system"
"""Where an object holds for the whole mesh."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def _object_name(value: str) -> str:
    if len(value) > 253 or not _NAME.fullmatch(value):
        raise invalid(
            f"`{value}` is not an object's name" if value else "it is empty",
            "The API server refuses it (RFC 1123)",
            "Use at most 253 lower-case letters, digits, inner hyphens and dots",
        )
    return value


class ObjectConfig(Model):
    """One of Istio's objects, in every cluster or in some."""

    kind: Annotated[Kind, Field(examples=["EnvoyFilter"])]
    """Its kind; the version is the newest that Istio serves."""

    name: Annotated[str, AfterValidator(_object_name), Field(examples=["larger-headers"])]
    """Its name."""

    namespace: Annotated[DnsLabel, Field(examples=["exam"])]
    """Its namespace; what is in `istio-system` holds for the whole mesh."""

    clusters: Annotated[tuple[DnsLabel, ...], Field(min_length=1, examples=[["use1"]])] | None = None
    """The clusters that get it; default all."""

    spec: Annotated[dict[str, Any], Field(examples=[{"workloadSelector": {"labels": {"app": "exam-service"}}}])]
    """Its `spec`, as Istio's reference has it."""

    def faults(self) -> Iterator[Fault]:
        check = _CHECKS.get(self.kind)
        if check is not None:
            yield from (fault.under(("spec",)) for fault in check(self))


ObjectsConfig = tuple[ObjectConfig, ...]
"""Objects, in any order."""


def _peer_authentication(entry: ObjectConfig) -> Iterator[Fault]:
    if entry.namespace == ROOT_NAMESPACE and "selector" not in entry.spec:
        yield Fault(
            "the mesh-wide PeerAuthentication is made by the program, with mode STRICT",
            "Of two for the whole mesh Istio takes the older one",
            "Take it out; an exception has its place in `istio-mesh:security.permissive`",
        )
        return
    open_modes = ("PERMISSIVE", "DISABLE")
    if found_at(entry.spec, "mtls", "mode") in open_modes:
        yield Fault(
            f"mode {found_at(entry.spec, 'mtls', 'mode')} without a port",
            "Everything that it holds for would take plain text from anybody",
            "Name workload and port in `istio-mesh:security.permissive`",
            ("mtls", "mode"),
        )
    for port, setting in as_dict(entry.spec.get("portLevelMtls")).items():
        if as_dict(setting).get("mode") in open_modes:
            yield Fault(
                f"port {port} takes plain text",
                "It is not among the exceptions that the stack lists",
                "Name workload and port in `istio-mesh:security.permissive`",
                ("portLevelMtls", port, "mode"),
            )


def _authorization_policy(entry: ObjectConfig) -> Iterator[Fault]:
    if entry.spec.get("action", "ALLOW") != "ALLOW":
        return
    for index, rule in enumerate(as_list(entry.spec.get("rules"))):
        if not as_dict(rule):
            yield Fault(
                "a rule without a condition allows everybody everything",
                "The default deny of the namespace would be worth nothing",
                "Say from whom, as `callers` of the service",
                ("rules", index),
            )
        for position, item in enumerate(as_list(as_dict(rule).get("from"))):
            source = as_dict(as_dict(item).get("source"))
            for number, name in enumerate(as_list(source.get("principals"))):
                # With `trustDomains` beside it the domain is said.
                if isinstance(name, str) and name.startswith("*") and not source.get("trustDomains"):
                    yield _any_trust_domain(name, ("rules", index, "from", position, "source", "principals", number))


def _any_trust_domain(name: str, where: Location) -> Fault:
    return Fault(
        "`*` is everybody with a certificate" if name == "*" else f"`{name}` is whoever has such a name",
        "A caller of any trust domain would be let in, and the default deny of the namespace be worth nothing",
        "Name the trust domain too, as in `exam-platform.com/ns/exam/sa/web-frontend`, or let the service say it in "
        "`callers`",
        where,
    )


def _virtual_service(entry: ObjectConfig) -> Iterator[Fault]:
    for protocol in ("http", "tcp", "tls"):
        for index, route in enumerate(as_list(entry.spec.get(protocol))):
            weights = [as_dict(target).get("weight") for target in as_list(as_dict(route).get("route"))]
            given = [weight for weight in weights if isinstance(weight, int)]
            if given and (len(given) != len(weights) or sum(given) != 100):
                yield Fault(
                    f"the weights add up to {sum(given)}",
                    "Istio takes them for shares of that sum, and nobody sees what is meant",
                    "Make them add up to 100, each given",
                    (protocol, index, "route"),
                )


def _destination_rule(entry: ObjectConfig) -> Iterator[Fault]:
    yield from _traffic_policy(as_dict(entry.spec.get("trafficPolicy")), ("trafficPolicy",))
    names: list[object] = []
    for index, item in enumerate(as_list(entry.spec.get("subsets"))):
        subset = as_dict(item)
        yield from _traffic_policy(as_dict(subset.get("trafficPolicy")), ("subsets", index, "trafficPolicy"))
        if subset.get("name") in names:
            yield Fault(
                f"`{subset.get('name')}` is there twice", "Istio refuses it", "Name it once",
                ("subsets", index, "name"),
            )  # fmt: skip
        names.append(subset.get("name"))


def _traffic_policy(policy: Mapping[str, Any], where: Location) -> Iterator[Fault]:
    outliers = policy.get("outlierDetection")
    locality = as_dict(found_at(policy, "loadBalancer", "localityLbSetting"))
    if found_at(policy, "loadBalancer", "simple") == "LEAST_CONN":
        yield Fault(
            "LEAST_CONN is gone",
            "Istio takes it for LEAST_REQUEST, and one day for an error",
            "Write LEAST_REQUEST",
            (*where, "loadBalancer", "simple"),
        )
    if "consecutiveErrors" in as_dict(outliers):
        yield Fault(
            "`consecutiveErrors` is gone",
            "Nothing would be ejected",
            "Write `consecutive5xxErrors`",
            (*where, "outlierDetection", "consecutiveErrors"),
        )
    place = (*where, "loadBalancer", "localityLbSetting")
    if locality.get("distribute") and (locality.get("failover") or locality.get("failoverPriority")):
        yield Fault("there is `distribute` with a failover", "Istio refuses it", "Keep one of the two", place)
    elif locality and locality.get("enabled") is not False and outliers is None:
        yield Fault(
            "there is no outlier detection beside it",
            "Istio does not see that endpoints are bad, and requests stay with them",
            "Add `outlierDetection` with `maxEjectionPercent: 100`",
            place,
        )
    elif locality and locality.get("enabled") is not False and as_dict(outliers).get("maxEjectionPercent") != 100:
        yield Fault(
            "the outlier detection beside it does not eject every endpoint",
            "The last bad ones of a region keep their requests (default 10 %: none of fewer than ten is ejected)",
            "Set `maxEjectionPercent: 100`",
            (*where, "outlierDetection"),
        )


def _gateway(entry: ObjectConfig) -> Iterator[Fault]:
    for index, item in enumerate(as_list(entry.spec.get("servers"))):
        server = as_dict(item)
        passes = found_at(server, "tls", "mode") == "AUTO_PASSTHROUGH"
        for position, host in enumerate(as_list(server.get("hosts"))):
            if isinstance(host, str) and host.rpartition("/")[2] == "*":
                yield Fault(
                    f"`{host}` takes every host",
                    "Requests for names that nobody declared would be let in",
                    "Write `*.local`" if passes else "Name the hosts",
                    ("servers", index, "hosts", position),
                )


def _wasm_plugin(entry: ObjectConfig) -> Iterator[Fault]:
    if not entry.spec.get("sha256") and "@sha256:" not in str(entry.spec.get("url", "")):
        yield Fault(
            "the module is not pinned by a sum",
            "What proxies run could be replaced by whoever may write to where it lies",
            "Add `sha256`, or say it in `istio-mesh:extensions.wasm`",
            ("sha256",),
        )


def _telemetry(entry: ObjectConfig) -> Iterator[Fault]:
    if entry.namespace == ROOT_NAMESPACE and "selector" not in entry.spec and "targetRefs" not in entry.spec:
        yield Fault(
            "the mesh-wide Telemetry is made from `istio-mesh:telemetry`",
            "Of two for the whole mesh Istio takes the older one",
            "Say it in `istio-mesh:telemetry`, or name a namespace or a workload",
        )


_CHECKS: Mapping[str, Callable[[ObjectConfig], Iterator[Fault]]] = {
    "AuthorizationPolicy": _authorization_policy,
    "DestinationRule": _destination_rule,
    "Gateway": _gateway,
    "PeerAuthentication": _peer_authentication,
    "Telemetry": _telemetry,
    "VirtualService": _virtual_service,
    "WasmPlugin": _wasm_plugin,
}
