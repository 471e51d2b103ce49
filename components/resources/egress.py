"""What lies outside the mesh and may be called from it: one ServiceEntry for each external service."""

from collections.abc import Sequence

import pulumi

from components.clusters.cluster import Cluster
from components.config.egress import ExternalConfig
from components.config.mesh import MeshConfig
from components.config.names import split
from components.config.platform import Platform
from components.config.ports import protocol_of
from components.mesh.control_plane import NAMESPACE
from components.naming import common_labels, type_token
from components.resources.objects import IstioObject, Spec, create


class Egress(pulumi.ComponentResource):
    """External services that something in one cluster may call. All other hosts are refused, mesh-wide.

    They are declared in Istio's own namespace, once for the callers of several namespaces, and shown to those
    namespaces alone; within them a caller's Sidecar names what it may call.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "Egress"), name, None, opts)
        create(
            self,
            name,
            egress_objects(platform, cluster.name),
            labels=common_labels("egress", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces={},
        )
        self.register_outputs({})


def egress_objects(platform: Platform, cluster: str) -> list[IstioObject]:
    """Every ServiceEntry of the cluster of that name."""
    running = {service.key for service in platform.running(cluster)}
    callers = {
        name: [caller for caller in config.callers if caller in running] for name, config in platform.external.items()
    }
    return [
        IstioObject("ServiceEntry", NAMESPACE, name, external_spec(config, callers[name]))
        for name, config in platform.external.items()
        if callers[name]
    ]


def external_spec(config: ExternalConfig, callers: Sequence[str]) -> Spec:
    """The ServiceEntry of an external service for callers by `namespace/name`."""
    return {
        "hosts": sorted(config.hosts),
        "location": "MESH_EXTERNAL",
        "resolution": config.resolution,
        "ports": [
            {"name": name, "number": port.number, "protocol": (protocol_of(name, port) or "tcp").upper()}
            for name, port in sorted(config.ports.items(), key=lambda item: item[1].number)
        ],
        "exportTo": sorted({split(caller)[0] for caller in callers}),
        **({"addresses": sorted(config.addresses)} if config.addresses else {}),
        **({"endpoints": [{"address": address} for address in sorted(config.endpoints)]} if config.endpoints else {}),
    }
