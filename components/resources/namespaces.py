"""Where services live in a cluster: their namespaces, what each knows of the mesh, and the names of those elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config import defaults
from components.config.mesh import MeshConfig
from components.config.names import CLUSTER_DOMAIN
from components.config.platform import Platform, Service
from components.mesh.control_plane import NAMESPACE, IstioSystem
from components.naming import child, common_labels, type_token
from components.resources.objects import IstioObject, Spec, create


class MeshNamespaces(pulumi.ComponentResource):
    """The namespaces of services in one cluster, those that exceptions from strict mutual TLS name among them.

    Made with injection before anything is in them. They stay when a service or the stack goes: what runs in them is
    other people's. One that was there already is taken as it is.
    """

    by_name: Mapping[str, kubernetes.core.v1.Namespace]
    """The namespaces, by name."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        control_plane: IstioSystem,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "MeshNamespaces"), name, None, opts)
        # One of an exception is MeshSecurity's until a service is declared in it.
        former = pulumi.create_urn(child(cluster.name, "security"), type_token("resources", "MeshSecurity"))
        self.by_name = {
            namespace: kubernetes.core.v1.Namespace(
                child(name, namespace),
                # The one label is all that stays behind, and a stack of another mesh id finds none that is somebody
                # else's.
                metadata={"name": namespace, "labels": mesh.injection(namespace)},
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=cluster.provider,
                    retain_on_delete=True,
                    # After istiod: pods would not be injected before.
                    depends_on=list(control_plane.ready),
                    aliases=[pulumi.Alias(name=child(cluster.name, f"security-namespace-{namespace}"), parent=former)],
                ),
            )
            for namespace in platform.namespaces(cluster.name)
        }
        self.register_outputs({})


class Scopes(pulumi.ComponentResource):
    """What proxies of one cluster know: those that they call, and no other; so does the cluster's DNS.

    A proxy's memory then grows with what its service calls, not with the mesh.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        mesh: MeshConfig,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        configured: Platform | None = None,
        always: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`always`: hosts that every proxy has to know: collectors of traces.

        `platform` is as the cluster has it, `configured` as its control plane is told it; default: the same.
        """
        super().__init__(type_token("resources", "Scopes"), name, None, opts)
        labels = common_labels("scopes", mesh_id=mesh.id)
        create(
            self,
            name,
            scope_objects(configured or platform, cluster.name, always) if cluster.primary is None else [],
            labels=labels,
            cluster=cluster,
            depends_on=depends_on,
            namespaces=namespaces,
        )
        for service in platform.stubs(cluster.name):
            kubernetes.core.v1.Service(
                child(name, f"{service.namespace}.{service.name}"),
                metadata={
                    "name": service.name,
                    "namespace": namespaces[service.namespace].metadata["name"],
                    # No labels: it stays behind, and a stack of another mesh id finds none that is somebody else's.
                    # It waits for no pod: there is none, by intent.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec=cast(Any, stub_spec(service)),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=cluster.provider,
                    # When the service comes to this cluster, its own deployment takes this Service over: taking it
                    # away then would cut off its callers. Like its namespace it stays.
                    retain_on_delete=True,
                ),
            )
        self.register_outputs({})


def scope_objects(platform: Platform, cluster: str, always: Sequence[str] = ()) -> list[IstioObject]:
    """Every Sidecar of the cluster of that name."""
    running = platform.running(cluster)
    known = [_anywhere(host) for host in always]
    return [
        *(
            IstioObject("Sidecar", namespace, "default", namespace_scope(known))
            for namespace in sorted({service.namespace for service in running})
        ),
        *(
            # `default` is the namespace's own, and might be a service's name; a name with a dot is none's.
            IstioObject("Sidecar", service.namespace, f"{service.name}.scope", service_scope(platform, service, known))
            for service in running
        ),
    ]


def _anywhere(host: str) -> str:
    """A host as a Sidecar names it: that of a Service with its namespace, any other wherever it is declared."""
    suffix = f".svc.{CLUSTER_DOMAIN}"
    if host.endswith(suffix):
        return f"{host.removesuffix(suffix).rpartition('.')[2]}/{host}"
    return f"*/{host}"


def service_scope(platform: Platform, service: Service, always: Sequence[str] = ()) -> Spec:
    """The Sidecar of a service: the hosts that its proxies know."""
    return {
        "workloadSelector": {"labels": service.selector},
        "egress": [{"hosts": sorted({*called_hosts(platform, service), *always}) or list(defaults.SCOPE_OF_NO_CALLS)}],
    }


def called_hosts(platform: Platform, service: Service) -> list[str]:
    """Hosts that a service may call, as `namespace/host`: external ones and other teams' namespaces among them."""
    return [
        *(f"{called.namespace}/{called.host}" for called in platform.called_by(service)),
        *(f"{namespace}/*" for namespace in sorted(service.config.calls_out)),
        *(f"{NAMESPACE}/{host}" for external in platform.external_of(service) for host in sorted(external.hosts)),
    ]


def namespace_scope(always: Sequence[str] = ()) -> Spec:
    """The Sidecar of a namespace's other pods, of which the stack knows nothing: their own namespace alone."""
    return {"egress": [{"hosts": sorted({*defaults.SCOPE_OF_OTHER_PODS, *always})}]}


def stub_spec(service: Service) -> Spec:
    """A Service where no pod of it runs: callers' DNS then knows the name, and their proxies the other regions."""
    return {
        "selector": service.selector,
        "ports": [
            {
                "name": name,
                "port": port.number,
                "targetPort": port.number,
                "protocol": "TCP",
                **({"appProtocol": port.protocol} if port.protocol is not None else {}),
            }
            for name, port in sorted(service.config.ports.items(), key=lambda item: item[1].number)
        ],
    }
