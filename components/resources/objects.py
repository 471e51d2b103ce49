"""Istio's objects as this program hands them to a cluster, and those that a stack writes itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.mesh import MeshConfig
from components.config.objects import API_VERSIONS, ObjectConfig
from components.config.plain import ordered
from components.naming import child, common_labels, type_token

Spec = dict[str, Any]


@dataclass(frozen=True)
class IstioObject:
    """One object of Istio's: pure data until `create` hands it to a cluster."""

    kind: str
    namespace: str
    name: str
    spec: Spec

    @property
    def api_version(self) -> str:
        """The version that istiod serves without deprecation."""
        return API_VERSIONS[self.kind]

    def manifest(self, labels: Mapping[str, str]) -> Spec:
        """The object as a file for kubectl or istioctl has it."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": dict(labels)},
            "spec": self.spec,
        }


def create(
    parent: pulumi.ComponentResource,
    name: str,
    objects: Iterable[IstioObject],
    *,
    labels: Mapping[str, str],
    cluster: Cluster,
    depends_on: Sequence[pulumi.Resource],
    namespaces: Mapping[str, kubernetes.core.v1.Namespace],
) -> tuple[pulumi.Resource, ...]:
    """Makes `objects` in `cluster` as children of `parent`, whose name is `name`.

    `depends_on` holds istiod, whose webhook refuses or checks them. A namespace of `namespaces` is waited for by data
    flow; one that is not in it is there already.
    """
    return tuple(
        kubernetes.apiextensions.CustomResource(
            # No namespace has a dot, so that no two pairs make one name.
            child(name, f"{found.namespace}.{found.name}"),
            api_version=found.api_version,
            kind=found.kind,
            metadata={
                "name": found.name,
                "namespace": namespaces[found.namespace].metadata["name"]
                if found.namespace in namespaces
                else found.namespace,
                "labels": dict(labels),
            },
            spec=found.spec,
            opts=pulumi.ResourceOptions(parent=parent, provider=cluster.provider, depends_on=list(depends_on)),
        )
        for found in objects
    )


class OwnObjects(pulumi.ComponentResource):
    """The objects that a stack writes itself, in one cluster."""

    def __init__(
        self,
        name: str,
        config: Sequence[ObjectConfig],
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "OwnObjects"), name, None, opts)
        create(
            self,
            name,
            own_objects(config, cluster.name),
            labels=common_labels("own", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces=namespaces,
        )
        self.register_outputs({})


def own_objects(config: Sequence[ObjectConfig], cluster: str) -> list[IstioObject]:
    """Those of the stack's own objects that `cluster` gets."""
    return [
        IstioObject(entry.kind, entry.namespace, entry.name, ordered(entry.spec))
        for entry in config
        if entry.clusters is None or cluster in entry.clusters
    ]
