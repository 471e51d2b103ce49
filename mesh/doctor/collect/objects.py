"""Objects of an API server as facts. Pure."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from cryptography import x509

from components.clusters.pods import containers
from components.config.names import host_of
from components.config.values import Quantity
from components.naming import PROXY_CONTAINER
from mesh.doctor.collect import within
from mesh.doctor.collect.within import Object, listed, mapping
from mesh.doctor.facts import Certificates, Gateway, Key, Node, Proxy, Rule, Scope, Service, Webhook

SYSTEM = "istio-system"

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_LIFETIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_INJECTED = ("istio-injection", "istio.io/rev")


def key_of(item: Object) -> Key:
    """Namespace and name."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def living(pods: Iterable[Object]) -> list[Object]:
    """The pods that run or are about to, without those that end or have ended."""
    return [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") in ("Running", "Pending")
    ]


def ready(pod: Object) -> bool:
    """Whether it is Ready, in the words of Kubernetes."""
    conditions = listed(pod, "status", "conditions")
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def proxy_container(pod: Object) -> Object | None:
    """That of its proxy, if it has one."""
    return next((container for container in containers(pod) if container["name"] == PROXY_CONTAINER), None)


def memory_limit(container: Object) -> float | None:
    """In bytes; None where it has none, or one in a unit that nobody writes."""
    written = mapping(container, "resources", "limits").get("memory")
    if written is None:
        return None
    try:
        return float(Quantity.parse(written).amount)
    except ValueError:
        return None


def environment(container: Object) -> dict[str, str]:
    """The variables with a value of their own."""
    return {entry["name"]: entry["value"] for entry in listed(container, "env") if "value" in entry}


def image_version(container: Object) -> str:
    """The version that the image's tag begins with; empty where it begins otherwise."""
    match = _VERSION.match(container["image"].partition("@")[0].rpartition(":")[2])
    return match[0] if match else ""


def lifetime(written: str | None) -> float:
    """Seconds of a length as Go writes it, `24h0m0s`; Istio's default of a day where there is none."""
    match = _LIFETIME.fullmatch(written) if written else None
    if match is None:
        return 86_400.0
    hours, minutes, seconds = (float(part) if part else 0.0 for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def proxies(pods: Sequence[Object]) -> Iterator[Proxy]:
    """Every pod's proxy, without what only it can tell."""
    for pod in living(pods):
        container = proxy_container(pod)
        if container is None:
            continue
        namespace, name = key_of(pod)
        labels = within.labels(pod)
        # A gateway's own container is the proxy; a sidecar stands beside others.
        gateway = len(pod["spec"]["containers"]) == 1 and pod["spec"]["containers"][0]["name"] == PROXY_CONTAINER
        service = labels.get("service.istio.io/canonical-name") or labels.get("app") or name
        yield Proxy(
            pod=name,
            namespace=namespace,
            service=service,
            kind="gateway" if gateway else "sidecar",
            node=pod["spec"].get("nodeName", ""),
            version=image_version(container),
            ready=ready(pod),
            labels=labels,
            memory_limit=memory_limit(container),
            certificate_lifetime=lifetime(environment(container).get("SECRET_TTL")),
            killed=_killed(pod),
        )


def _killed(pod: Object) -> datetime | None:
    status = pod["status"]
    for state in [*listed(status, "containerStatuses"), *listed(status, "initContainerStatuses")]:
        for which in ("state", "lastState"):
            ended = mapping(state, which, "terminated")
            if state["name"] == PROXY_CONTAINER and ended.get("reason") == "OOMKilled":
                return moment(ended["finishedAt"])
    return None


def moment(written: str) -> datetime:
    """A moment as Kubernetes writes it."""
    return datetime.fromisoformat(written)


def bare(pods: Sequence[Object], namespaces: Sequence[Object]) -> Iterator[Key]:
    """The pods that should have a proxy and have none."""
    injected = {item["metadata"]["name"] for item in namespaces if _injects(item)}
    for pod in living(pods):
        namespace, name = key_of(pod)
        said = {**mapping(pod, "metadata", "annotations"), **within.labels(pod)}
        asked = said.get("sidecar.istio.io/inject")
        wanted = asked == "true" or (namespace in injected and asked != "false")
        # Istio does not inject pods of the host's own network.
        if wanted and not pod["spec"].get("hostNetwork") and proxy_container(pod) is None:
            yield namespace, name


def _injects(namespace: Object) -> bool:
    labels = within.labels(namespace)
    said = labels.get("istio-injection")
    return said == "enabled" or (said is None and bool(labels.get("istio.io/rev")))


def network(namespaces: Sequence[Object]) -> tuple[bool, str | None]:
    """Whether there is an istio-system, and the network that it is labelled with."""
    for item in namespaces:
        if item["metadata"]["name"] == SYSTEM:
            return True, within.labels(item).get("topology.istio.io/network")
    return False, None


def nodes(items: Sequence[Object], offsets: Mapping[str, float]) -> tuple[Node, ...]:
    """The nodes, with the clocks that are known by their names."""
    return tuple(Node(key_of(item)[1], ready(item), offsets.get(key_of(item)[1])) for item in items)


_ROLES: Mapping[str, Literal["ingress", "east-west"]] = {"ingress": "ingress", "eastwestgateway": "east-west"}


def gateways(services: Sequence[Object], pods: Sequence[Object]) -> Iterator[Gateway]:
    """The mesh's gateways: Services of load balancers with Istio's label of a gateway."""
    alive = living(pods)
    for item in services:
        labels = within.labels(item)
        role = _ROLES.get(labels.get("istio", ""))
        if role is None or item["spec"].get("type") != "LoadBalancer":
            continue
        namespace, name = key_of(item)
        selector = mapping(item, "spec", "selector")
        behind = [
            pod for pod in alive if key_of(pod)[0] == namespace and selector.items() <= within.labels(pod).items()
        ]
        given = listed(item, "status", "loadBalancer", "ingress")
        addresses = [address.get("ip") or address.get("hostname") for address in given]
        yield Gateway(
            role, namespace, name, tuple(each for each in addresses if each), len(behind), sum(map(ready, behind))
        )


def webhooks(kind: Literal["mutating", "validating"], configurations: Sequence[Object]) -> Iterator[Webhook]:
    """Those of Istio, which its charts label with a revision."""
    for item in configurations:
        labels = within.labels(item)
        if "istio.io/rev" not in labels:
            continue
        for hook in item["webhooks"]:
            client = hook["clientConfig"]
            service = client.get("service")
            yield Webhook(
                kind=kind,
                configuration=item["metadata"]["name"],
                name=hook["name"],
                revision=labels["istio.io/rev"],
                policy=hook.get("failurePolicy", "Fail"),
                bundle=certificates(base64.b64decode(client.get("caBundle", ""))),
                service=(service["namespace"], service["name"]) if service else None,
            )


def certificates(pem: bytes) -> Certificates | None:
    """Those of a PEM text; None where there is none, or what stands there cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return None


def services(items: Sequence[Object], slices: Sequence[Object]) -> dict[str, Service]:
    """The Services by their DNS names, with how many endpoints are ready."""
    counts: dict[Key, set[str]] = {}
    for item in slices:
        namespace, _ = key_of(item)
        name = within.labels(item).get("kubernetes.io/service-name", "")
        for endpoint in listed(item, "endpoints"):
            if mapping(endpoint, "conditions").get("ready", True):
                counts.setdefault((namespace, name), set()).update(endpoint["addresses"])
    return {
        dns_name(*key_of(item)): Service(
            ports=tuple(port["port"] for port in listed(item, "spec", "ports")),
            ready=len(counts.get(key_of(item), ())),
            selects=bool(item["spec"].get("selector")),
        )
        for item in items
    }


def dns_name(namespace: str, name: str) -> str:
    """A Service's name in full."""
    return host_of(f"{namespace}/{name}")


def rules(items: Sequence[Object]) -> Iterator[Rule]:
    """The DestinationRules, with short names of hosts written out as Istio reads them."""
    for item in items:
        namespace, name = key_of(item)
        host: str = item["spec"]["host"]
        full = host if "." in host or "*" in host else dns_name(namespace, host)
        yield Rule(namespace, name, full, "workloadSelector" in item["spec"])


def scopes(items: Sequence[Object]) -> Iterator[Scope]:
    """The Sidecars."""
    for item in items:
        namespace, name = key_of(item)
        yield Scope(namespace, mapping(item, "spec", "workloadSelector", "labels"), name)


def routed(items: Sequence[Object]) -> frozenset[str]:
    """The hosts of all VirtualServices."""
    return frozenset(host for item in items for host in listed(item, "spec", "hosts"))


def mutual_tls(items: Sequence[Object]) -> str | None:
    """The mode of mutual TLS that holds for the whole mesh."""
    for item in items:
        if key_of(item)[0] == SYSTEM and "selector" not in item["spec"]:
            return mapping(item, "spec", "mtls").get("mode")
    return None
