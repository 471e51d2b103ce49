"""What policies judge: resources of one engine's run, alone or all of a stack together."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from policies.unknowns import EMPTY, UNKNOWN, Node, Secret, Tell, unnoticed

RELEASE = "kubernetes:helm.sh/v3:Release"
"""Type of a Helm Release, which hides what it renders: its values are judged."""

ISTIOD, GATEWAY_CHART = "helm/istiod", "helm/gateway"
"""Keys of Releases of these charts."""


@dataclass(frozen=True)
class Resource:
    """One resource as the program asked for it."""

    type: str
    """Type token, as in `aws:eks/cluster:Cluster`."""
    name: str
    """Logical name."""
    urn: str
    properties: Mapping[str, Any]
    provider: str = ""
    """URN of its provider, by which one cluster is told from another; empty for the default one."""
    provider_properties: Mapping[str, Any] = field(default_factory=lambda: EMPTY, repr=False)
    protect: bool = False
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """URNs by the properties that come from them."""

    @cached_property
    def key(self) -> str:
        """By which policies choose: `group/Kind` of an object of Kubernetes (`core/Service`), `helm/chart` of a Helm
        Release, else the type token."""
        if self.type == RELEASE:
            return f"helm/{self.chart}"
        if not self.type.startswith("kubernetes:") or self._patch:
            return self.type
        _, module, kind = self.type.split(":", 2)
        version = self.properties.get("apiVersion")
        group = version.rpartition("/")[0] if isinstance(version, str) else module.rpartition("/")[0]
        said = self.properties.get("kind")
        return f"{group or 'core'}/{said if isinstance(said, str) else kind}"

    @property
    def _patch(self) -> bool:
        """Whether it is a part of an object that somebody else makes: what it does not say may be said there."""
        name = self.type.rpartition(":")[2]
        return name.endswith("Patch") and name.removesuffix("Patch") == self.properties.get("kind")

    @property
    def chart(self) -> str:
        """Name of a Release's chart without its source: `istiod` of `oci://registry.example.com/charts/istiod`."""
        chart = self.properties.get("chart")
        return chart.rstrip("/").rpartition("/")[2] if isinstance(chart, str) else ""

    @property
    def api_version(self) -> str:
        """`apiVersion` of an object of Kubernetes, as it says it itself or by its type token."""
        said = self.properties.get("apiVersion")
        if isinstance(said, str):
            return said
        module = self.type.split(":")[1]
        return module.removeprefix("core/")


class Subject:
    """One resource before one policy, which is noted whenever it would have to know what is not known yet."""

    def __init__(self, resource: Resource, tell: Tell = unnoticed) -> None:
        self.resource = resource
        self.properties = Node(resource.properties, "", tell)

    def __repr__(self) -> str:
        return f"Subject({self.resource.type}, {self.resource.name})"

    def __getitem__(self, key: str) -> Node:
        return self.properties[key]

    @property
    def spec(self) -> Node:
        return self.properties["spec"]

    @property
    def cluster(self) -> str:
        """By which objects of one cluster are told from those of another."""
        return self.resource.provider

    @property
    def kind(self) -> str:
        """`VirtualService`, `Cluster`."""
        return self.resource.key.rpartition("/")[2].rpartition(":")[2]

    @property
    def object_name(self) -> str:
        """Name of an object of Kubernetes; empty where it is not known. Notes nothing."""
        return _plain(self.resource.properties, "name")

    @property
    def namespace(self) -> str:
        """Its namespace; `default` where none is said, empty where it is not known. Notes nothing."""
        metadata = self.resource.properties.get("metadata")
        if metadata is UNKNOWN or "namespace" in _map(metadata):
            return _plain(self.resource.properties, "namespace")
        return "default"

    @property
    def title(self) -> str:
        """For messages about another resource: `VirtualService exam/api-service`."""
        if self.resource.type.startswith("kubernetes:") and self.resource.type != RELEASE:
            return f"{self.kind} `{self.namespace}/{self.object_name}`"
        return f"{self.kind} `{self.resource.name}`"

    @property
    def labels(self) -> Node:
        return self.properties.at("metadata", "labels")

    @property
    def annotations(self) -> Node:
        return self.properties.at("metadata", "annotations")

    @property
    def chart(self) -> str:
        """Name of a Release's chart."""
        return self.resource.chart

    def value(self, *keys: str) -> Node:
        """A value of a Release; the istiod chart takes what is below `pilot` for its root, which wins."""
        values = self.properties["values"]
        if keys[0] in ("env", "autoscaleMin", "replicaCount", "autoscaleEnabled") and values["pilot"].given:
            within = values["pilot"].at(*keys)
            if within.given:
                return within
        return values.at(*keys)


class Stack:
    """All resources of a stack before one policy."""

    def __init__(self, resources: Sequence[Resource], tell: Callable[[Resource, str], None]) -> None:
        self._tell = tell
        self._index = resources if isinstance(resources, Index) else Index(resources)

    def of(self, *keys: str, cluster: str | None = None) -> list[Subject]:
        """Those of one of the keys, in the order of the stack; of one cluster, where it is named."""
        return [
            Subject(resource, lambda path, resource=resource: self._tell(resource, path))
            for key in keys
            for resource in self._index.by_key.get(key, ())
            if cluster is None or resource.provider == cluster
        ]

    def releases(self, *charts: str) -> list[Subject]:
        """Helm Releases: of charts of these names, or all."""
        keys = [f"helm/{chart}" for chart in charts] or [key for key in self._index.by_key if key.startswith("helm/")]
        return self.of(*keys)

    @property
    def clusters(self) -> list[str]:
        """Every cluster that holds an object of Kubernetes, in the order of the stack."""
        return self._index.clusters

    def unknown(self, subject: Subject, path: str) -> None:
        """Notes that a resource cannot be judged, for want of what stands at a place of it."""
        self._tell(subject.resource, path)

    def ancestors(self, subject: Subject, *properties: str) -> set[str]:
        """URNs of all resources that these properties of a resource come from, however far back."""
        direct = self._index.urns
        ahead = [urn for name in properties for urn in subject.resource.property_dependencies.get(name, ())]
        found: set[str] = set()
        while ahead:
            urn = ahead.pop()
            if urn not in found:
                found.add(urn)
                ahead += direct[urn].dependencies if urn in direct else ()
        return found

    def resource(self, urn: str) -> Resource | None:
        """The resource of that URN."""
        return self._index.urns.get(urn)


class Index(list[Resource]):
    """Resources by what policies look for, made once for all of them."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        told = {resource.urn: resource for resource in resources}
        super().__init__(_placed(resource, told) for resource in told.values())
        self.by_key: dict[str, list[Resource]] = {}
        self.urns: dict[str, Resource] = {}
        clusters: dict[str, None] = {}
        for resource in self:
            self.by_key.setdefault(resource.key, []).append(resource)
            self.urns[resource.urn] = resource
            if resource.type.startswith("kubernetes:"):
                clusters[resource.provider] = None
        self.clusters = list(clusters)


def _placed(resource: Resource, told: Mapping[str, Resource]) -> Resource:
    """The resource with its namespace, where that is not known but comes from a Namespace whose name is.

    So it is in the preview on an account without clusters: a provider that is not there yet answers nothing.
    """
    release = resource.type == RELEASE
    metadata = _map(resource.properties.get("metadata"))
    if (resource.properties if release else metadata).get("namespace") is not UNKNOWN:
        return resource
    sources = resource.property_dependencies.get("namespace" if release else "metadata", ())
    found = (told.get(urn) for urn in sources)
    names = {_plain(source.properties, "name") for source in found if source and source.key == "core/Namespace"}
    if len(names) != 1 or "" in names:
        return resource
    known = {"namespace": names.pop()}
    placed = known if release else {"metadata": {**metadata, **known}}
    return dataclasses.replace(resource, properties={**resource.properties, **placed})


def _plain(properties: Mapping[str, Any], name: str) -> str:
    value = _map(properties.get("metadata")).get(name)
    while isinstance(value, Secret):
        value = value.value
    return value if isinstance(value, str) else ""


def _map(value: Any) -> Mapping[str, Any]:
    while isinstance(value, Secret):
        value = value.value
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
