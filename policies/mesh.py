"""What the objects of a stack say of its mesh together: control planes, hosts, who selects what."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.config.names import CLUSTER_DOMAIN, full_host
from components.config.objects import ROOT_NAMESPACE
from policies.catalogue import Setting
from policies.istio_gateways import VIRTUAL_SERVICE
from policies.istio_security import DESTINATION_RULE
from policies.istio_versions import CHARTS
from policies.kubernetes_namespaces import NAMESPACE
from policies.kubernetes_services import SERVICE
from policies.resources import Stack, Subject
from policies.unknowns import Node

SERVICE_ENTRY = "networking.istio.io/ServiceEntry"

MUTATING_WEBHOOK = "admissionregistration.k8s.io/MutatingWebhookConfiguration"

MESH = "mesh"
"""In place of a Gateway: all sidecars."""

PRIMARY = "topology.istio.io/controlPlaneClusters"
"""Annotation of a remote cluster's root namespace: the cluster whose istiod serves it."""


@dataclass(frozen=True)
class Plane:
    """The istiod chart in one cluster: a control plane, or the way of a remote cluster to one."""

    release: Subject

    @property
    def cluster(self) -> str:
        return self.release.cluster

    @property
    def name(self) -> str | None:
        """The cluster's name in the mesh; `Kubernetes` where none is said."""
        said = self.release.value("global", "multiCluster", "clusterName")
        return said.text or ("Kubernetes" if said.missing else None)

    @property
    def remote(self) -> bool:
        return self.release.value("profile").is_("remote")

    @property
    def root(self) -> str:
        """Its namespace, whose policies hold for the whole mesh."""
        return self.release["namespace"].text or ROOT_NAMESPACE

    @property
    def revisions(self) -> list[str]:
        """Its revision and the tags of it; `default` where it has no revision."""
        revision = self.release.value("revision")
        names = [revision.text or "default"] if revision.known else []
        return [*names, *self.release.value("revisionTags").texts]


def planes(stack: Stack) -> list[Plane]:
    """Those of all clusters."""
    return [Plane(release) for release in stack.releases("istiod")]


def tags(stack: Stack, cluster: str) -> list[Node]:
    """Revision tags of a cluster that are objects of their own, as `istioctl tag set` makes them."""
    found = (webhook.labels["istio.io/tag"] for webhook in stack.of(MUTATING_WEBHOOK, cluster=cluster))
    return [tag for tag in found if not tag.missing]


def told_in(stack: Stack) -> Mapping[str, str]:
    """For each cluster the one whose objects its proxies are told: itself, or a remote cluster's primary."""
    found = planes(stack)
    by_name = {plane.name: plane.cluster for plane in found if not plane.remote and plane.name}
    told = {cluster: cluster for cluster in stack.clusters}
    for plane in found:
        if plane.remote:
            for namespace in stack.of(NAMESPACE, cluster=plane.cluster):
                primary = namespace.annotations[PRIMARY].text
                if primary in by_name:
                    told[plane.cluster] = by_name[primary]
    return told


@dataclass(frozen=True)
class Destination:
    """Where a route sends requests to."""

    node: Node
    host: str
    """In full."""
    subset: Node

    @property
    def service(self) -> tuple[str, str] | None:
        """Namespace and name, where it is a Service of the clusters."""
        name, _, rest = self.host.partition(".")
        namespace, _, domain = rest.partition(".")
        return (namespace, name) if domain == f"svc.{CLUSTER_DOMAIN}" else None


def destinations(route: Subject, *, mirrors: bool = True) -> Iterator[Destination]:
    """Every destination of a VirtualService whose host is known."""
    for protocol in ("http", "tcp", "tls"):
        for entry in route.spec[protocol]:
            found = [target["destination"] for target in entry["route"]]
            if mirrors and protocol == "http":
                found += [mirror["destination"] for mirror in entry["mirrors"]]
                found += [entry["mirror"]] if entry["mirror"].given else []
            for destination in found:
                host = destination["host"].text
                if host is not None and (route.namespace or "." in host):
                    yield Destination(destination, full_host(host, route.namespace), destination["subset"])
                elif host is not None:
                    # A short name is of a namespace that is not known.
                    _ = route.properties.at("metadata", "namespace").text


def hosts(stack: Stack, setting: Setting) -> "Hosts":
    """Every host that the stack makes or declares."""
    known: set[str] = set(setting.parameters.services_elsewhere)
    hidden: set[str] = set()
    for service in stack.of(SERVICE):
        if service.object_name and service.namespace:
            known.add(full_host(service.object_name, service.namespace))
        else:
            hidden.add(service.namespace)
    for entry in stack.of(SERVICE_ENTRY):
        names = entry.spec["hosts"]
        known.update(text for item in names for text in item.texts)
        hidden.update([""] if not all(item.known for item in names) else [])
    # Who says how to talk to a host stands for it: the Service may be the tenant's own, made elsewhere.
    for rule in stack.of(DESTINATION_RULE):
        host = rule.spec["host"].text
        if host and (rule.namespace or "." in host):
            known.add(full_host(host, rule.namespace))
    for release in stack.releases():
        namespace = release["namespace"].text or "default"
        name = release.value("name").text or release["name"].text or release.resource.name
        if release.chart == "istiod":
            revisions = Plane(release).revisions[:1]
            known.update(full_host(f"istiod-{r}" if r != "default" else "istiod", namespace) for r in revisions)
        elif release.chart == "gateway":
            known.add(full_host(name, namespace))
        elif release.chart not in CHARTS:
            hidden.add(namespace)
    return Hosts(known, hidden)


@dataclass(frozen=True)
class Hosts:
    """Hosts that are known, wildcards among them, and namespaces (empty: any) that may hold others."""

    known: set[str]
    hidden: set[str]

    def has(self, host: str) -> bool:
        """Whether the host is made or declared somewhere."""
        return host in self.known or any(
            fnmatch.fnmatchcase(host, pattern) for pattern in self.known if "*" in pattern or "?" in pattern
        )

    def may_have(self, destination: Destination) -> bool:
        """Whether it may be among what is not seen: Services without a name yet, or inside of a Helm Release."""
        service = destination.service
        return "" in self.hidden or (service is not None and service[0] in self.hidden)


def selects(policy: Subject, labels: Mapping[str, str] | None) -> bool:
    """Whether an object of Istio's may hold for pods that have these labels; one without a selector holds for all."""
    if policy.spec["targetRefs"].given or policy.spec["targetRef"].given:
        return False
    wanted = policy.spec.at("selector", "matchLabels").words
    return labels is None or all(labels.get(name) == value for name, value in wanted.items())


class Pods:
    """Labels of the pods behind Services: their selectors, or the usual label where a Service is made elsewhere."""

    def __init__(self, stack: Stack) -> None:
        self._selectors = {
            (service.namespace, service.object_name): service.spec["selector"]
            for service in stack.of(SERVICE)
            if not service.spec["selector"].missing
        }

    def labels(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Of one Service's pods; None where they are not known."""
        selector = self._selectors.get((namespace, name))
        if selector is None:
            return {"app": name}
        return selector.words if selector.complete else None


class Selection:
    """Objects of Istio's by the pods that they hold for, however many there are."""

    def __init__(self, objects: Iterable[Subject]) -> None:
        self._by_label: dict[tuple[str, tuple[str, str] | None], list[Subject]] = {}
        self._by_namespace: dict[str, list[Subject]] = {}
        for found in objects:
            wanted = found.spec.at("selector", "matchLabels").words
            # One label is enough to leave most of them out.
            key = (found.namespace, next(iter(wanted.items()), None))
            self._by_label.setdefault(key, []).append(found)
            self._by_namespace.setdefault(found.namespace, []).append(found)

    def of(self, namespace: str) -> list[Subject]:
        """All of a namespace; of ``: those whose namespace is not known."""
        return self._by_namespace.get(namespace, [])

    def holding(self, namespace: str, labels: Mapping[str, str] | None) -> list[Subject]:
        """Those that may hold for pods of the namespace with these labels, of the whole mesh's among them."""
        places = dict.fromkeys((namespace, ROOT_NAMESPACE))
        if labels is None:
            near = [found for place in places for found in self.of(place)]
        else:
            keys = [(place, key) for place in places for key in (None, *labels.items())]
            near = [found for key in keys for found in self._by_label.get(key, ())]
        return [found for found in near if selects(found, labels)]


def gateways_of(route: Subject) -> list[str]:
    """Gateways of a VirtualService as `namespace/name`, `mesh` among them, as far as they are known."""
    said = route.spec["gateways"]
    if said.missing:
        return [MESH]
    return [name if name == MESH or "/" in name else f"{route.namespace}/{name}" for name in said.texts]


def visible_beyond(found: Subject) -> bool:
    """Whether other namespaces see it too."""
    texts = found.spec["exportTo"].texts
    return not texts or texts != ["."]


def routes(stack: Stack, cluster: str | None = None) -> list[Subject]:
    """VirtualServices, of one cluster where it is named."""
    return stack.of(VIRTUAL_SERVICE, cluster=cluster)
