"""Routes and what they lead to: hosts, versions, gateways, time-outs, and who says it twice."""

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any, cast

from components.config.names import full_host
from policies.catalogue import MANDATORY, Finding, Setting, resource_policy, stack_policy
from policies.istio_extensions import ENVOY_FILTER, every
from policies.istio_gateways import GATEWAY, VIRTUAL_SERVICE
from policies.istio_security import DESTINATION_RULE
from policies.mesh import (
    MESH,
    Destination,
    Pods,
    destinations,
    gateways_of,
    hosts,
    routes,
    visible_beyond,
)
from policies.resources import Stack, Subject
from policies.unknowns import Node


@stack_policy(
    "stack-route-host",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="Routes lead to hosts that exist: a Service, a ServiceEntry, or a host with a DestinationRule.",
    reason="Istio answers 503 for a host that it does not know, and says nothing of it.",
    source="istioctl analyze IST0101; Istio: VirtualService, Destination",
)
def route_host(stack: Stack, setting: Setting) -> Iterator[Finding]:
    known = hosts(stack, setting)
    for route in routes(stack):
        seen: set[str] = set()
        for found in destinations(route):
            if found.host in seen or known.has(found.host):
                continue
            seen.add(found.host)
            if known.may_have(found):
                stack.unknown(route, found.node["host"].path)
                continue
            yield Finding(
                f"there is no host `{found.host}`",
                "Requests are answered 503",
                "correct the name (without a dot it is of the route's own namespace), add its Service or ServiceEntry, "
                "or name it in `istio-mesh:policies.parameters.servicesElsewhere`",
                found.node["host"].path,
                route,
            )


@stack_policy(
    "stack-route-subset",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="Routes lead to versions (subsets) that a DestinationRule defines.",
    reason="Istio answers 503 for a subset that nobody defines, all of the host's pods notwithstanding.",
    source="istioctl analyze IST0101; Istio: VirtualService, Destination",
)
def route_subset(stack: Stack, _: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        rules: dict[str, list[Subject]] = {}
        hidden = False
        for rule in stack.of(DESTINATION_RULE, cluster=cluster):
            host = rule.spec["host"].text
            if host is None or not (rule.namespace or "." in host):
                hidden = True
            else:
                rules.setdefault(full_host(host, rule.namespace), []).append(rule)
        wildcards = [host for host in rules if "*" in host]
        for route in routes(stack, cluster):
            for found in destinations(route):
                wanted = found.subset.text
                if wanted is None:
                    continue
                names = [found.host, *(host for host in wildcards if fnmatch.fnmatchcase(found.host, host))]
                of_host = [rule for name in names for rule in rules.get(name, ())]
                subsets = [subset["name"] for rule in of_host for subset in rule.spec["subsets"]]
                if any(subset.is_(wanted) for subset in subsets):
                    continue
                known = all(subset.known for subset in subsets) and all(r.spec["subsets"].known for r in of_host)
                if hidden or not known:
                    stack.unknown(route, found.subset.path)
                    continue
                yield Finding(
                    f"no DestinationRule of `{found.host}` has a subset `{wanted}`"
                    if of_host
                    else f"`{found.host}` has no DestinationRule, and so no subset `{wanted}`",
                    "Requests are answered 503",
                    "define the subset with its pods' labels, or correct the name",
                    found.subset.path,
                    route,
                )


@stack_policy(
    "stack-route-gateway",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="VirtualServices name Gateways that exist.",
    reason="Under a name that no Gateway has the routes are nowhere: requests are answered 404.",
    source="istioctl analyze IST0101; Istio: VirtualService, gateways",
)
def route_gateway(stack: Stack, setting: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        gateways = stack.of(GATEWAY, cluster=cluster)
        known = [f"{found.namespace}/{found.object_name}" for found in gateways]
        known += setting.parameters.gateways_elsewhere
        for route in routes(stack, cluster):
            for name in gateways_of(route):
                if name == MESH or any(fnmatch.fnmatchcase(name, pattern) for pattern in known):
                    continue
                if name.startswith("/") or not all(found.namespace and found.object_name for found in gateways):
                    stack.unknown(route, "spec.gateways")
                    continue
                yield Finding(
                    f"there is no Gateway `{name}`",
                    "The routes are nowhere, and requests are answered 404",
                    "write `namespace/name` of one that exists, or name it in "
                    "`istio-mesh:policies.parameters.gatewaysElsewhere`",
                    "spec.gateways",
                    route,
                )


@stack_policy(
    "stack-duplicate-destinationrule",
    MANDATORY,
    on=[DESTINATION_RULE],
    description="A host has one DestinationRule.",
    reason="Of two Istio takes the subsets of both and the traffic policy of the older one: the other is not there.",
    source="Istio: traffic management best practices, split large DestinationRules; istioctl analyze IST0139",
)
def duplicate_destination_rule(stack: Stack, _: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        first: dict[str, list[Subject]] = {}
        for rule in stack.of(DESTINATION_RULE, cluster=cluster):
            host = rule.spec["host"].text
            if host is None or not rule.spec["workloadSelector"].missing:
                continue
            full = full_host(host, rule.namespace)
            other = next((one for one in first.get(full, ()) if _together(one, rule)), None)
            first.setdefault(full, []).append(rule)
            if other is not None:
                yield Finding(
                    f"`{full}` has {other.title} already",
                    "Istio takes the traffic policy of the older one, and the other is not there",
                    "make one of the two",
                    "spec.host",
                    rule,
                )


@stack_policy(
    "stack-duplicate-virtualservice",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="A host has one VirtualService at each gateway.",
    reason="For sidecars the older one counts; at a gateway the routes of both are put in an order that nobody chose.",
    source="Istio: traffic management best practices, split large VirtualServices; istioctl analyze IST0109",
)
def duplicate_virtual_service(stack: Stack, _: Setting) -> Iterator[Finding]:
    for cluster in stack.clusters:
        first: dict[tuple[str, str], list[Subject]] = {}
        for route in routes(stack, cluster):
            told: set[tuple[str, str]] = set()
            for host in route.spec["hosts"].texts:
                full = full_host(host, route.namespace)
                for gateway in gateways_of(route):
                    seen = first.setdefault((full, gateway), [])
                    other = next((one for one in seen if _together(one, route)), None)
                    seen.append(route)
                    if other is None or (full, other.title) in told:
                        continue
                    told.add((full, other.title))
                    where = "for sidecars" if gateway == MESH else f"at `{gateway}`"
                    yield Finding(
                        f"`{full}` has {other.title} {where} already",
                        "Which routes hold is chance",
                        "put the routes of both into one, in the order that is meant",
                        "spec.hosts",
                        route,
                    )


def _together(one: Subject, other: Subject) -> bool:
    """Whether some proxy is told both."""
    return one.namespace == other.namespace or (visible_beyond(one) and visible_beyond(other))


@resource_policy(
    "istio-route-shadowed",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="Every route sees requests: no earlier one takes all of its.",
    reason="The first route that matches counts: one behind a wider one is a rollout that never begins.",
    source="istioctl analyze IST0130; Istio: VirtualService, routes are matched in order",
)
def route_shadowed(route: Subject, _: Setting) -> Iterator[Finding]:
    earlier: list[tuple[int, Mapping[str, Any]]] = []
    for index, entry in enumerate(route.spec["http"]):
        if not entry["match"].complete:
            continue
        conditions = [cast(Mapping[str, Any], match.whole) for match in entry["match"]] or [{}]
        takers = [next((i for i, before in earlier if _covers(before, one)), None) for one in conditions]
        if all(taker is not None for taker in takers):
            yield Finding(
                f"spec.http[{takers[0]}] takes all of its requests",
                "It never sees one",
                "put the narrower one first, or take it out",
                entry.path,
            )
        earlier += [(index, condition) for condition in conditions]


def _covers(wider: Mapping[str, Any], narrower: Mapping[str, Any]) -> bool:
    """Whether all requests of one condition are among those of the other."""
    for name, value in wider.items():
        if name in ("name", "statPrefix", "ignoreUriCase"):
            continue
        other = narrower.get(name)
        if name == "uri":
            same = wider.get("ignoreUriCase") == narrower.get("ignoreUriCase")
            if not (isinstance(other, dict) and same and _path_covers(value, cast(dict[str, Any], other))):
                return False
        elif isinstance(value, dict) and isinstance(other, dict) and name in ("headers", "queryParams", "sourceLabels"):
            if not cast(dict[str, Any], value).items() <= cast(dict[str, Any], other).items():
                return False
        elif value != other:
            return False
    return True


def _path_covers(wider: Mapping[str, Any], narrower: Mapping[str, Any]) -> bool:
    if "prefix" in wider:
        path = narrower.get("prefix", narrower.get("exact"))
        return isinstance(path, str) and path.startswith(str(wider["prefix"]))
    return wider == narrower


@stack_policy(
    "istio-route-timeout",
    MANDATORY,
    on=[VIRTUAL_SERVICE],
    description="Every route has a time-out, or the streams of its service end when they are idle.",
    reason="Istio has none: one server that hangs holds the connections of its callers until they hang as well.",
    source="Istio: VirtualService, timeout (off by default); envoyproxy.io: how do I configure timeouts",
)
def route_timeout(stack: Stack, _: Setting) -> Iterator[Finding]:
    pods = Pods(stack)
    for cluster in stack.clusters:
        filters = [found for found in stack.of(ENVOY_FILTER, cluster=cluster) if _ends_idle(found)]
        for route in routes(stack, cluster):
            for entry in route.spec["http"]:
                if not entry["timeout"].missing or not entry["route"].given:
                    continue
                if any(not _streams(pods, filters, found) for found in _targets(route, entry)):
                    yield Finding(
                        "there is no time-out",
                        "One server that hangs holds the connections of its callers until they hang as well",
                        "set `timeout`, as in `15s`; for streams end the idle ones, by `stream_idle_timeout` in an "
                        "EnvoyFilter for the service",
                        entry.path,
                        route,
                    )


def _targets(route: Subject, entry: Node) -> Iterator[Destination]:
    yield from (found for found in destinations(route, mirrors=False) if found.node.path.startswith(f"{entry.path}."))


def _ends_idle(found: Subject) -> bool:
    nodes = (node for patch in found.spec["configPatches"] for node in every(patch))
    return any(not node["stream_idle_timeout"].missing for node in nodes)


def _streams(pods: Pods, filters: list[Subject], destination: Destination) -> bool:
    """Whether the proxies of the destination end idle streams."""
    if destination.service is None:
        return False
    namespace, name = destination.service
    labels = pods.labels(namespace, name)
    return any(
        found.namespace == namespace and (labels is None or wanted.items() <= labels.items())
        for found in filters
        for wanted in [found.spec.at("workloadSelector", "labels").words]
    )
