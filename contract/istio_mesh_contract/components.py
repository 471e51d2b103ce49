"""What a consumer makes in the mesh: its namespaces, how its services are treated, who reaches them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from istio_mesh_contract import objects, rules
from istio_mesh_contract.model import MeshOutputs
from istio_mesh_contract.objects import Spec
from istio_mesh_contract.problems import refused

if TYPE_CHECKING:
    from istio_mesh_contract.mesh import Mesh

_TOKEN = "istio-mesh-contract:index:"


class MeshNamespace(pulumi.ComponentResource):
    """A namespace in the mesh, in one or more clusters: injected, mutual TLS alone, and nobody let in at first."""

    name: str
    """Its name, the same in every cluster."""

    clusters: tuple[str, ...]
    """The clusters that have it."""

    providers: Mapping[str, kubernetes.Provider]
    """The way into each of them."""

    by_cluster: Mapping[str, kubernetes.core.v1.Namespace]
    """The namespace of each cluster; what is made in one takes its name from it."""

    ready: Mapping[str, Sequence[pulumi.Resource]]
    """By cluster, what is there before the first pod."""

    def __init__(
        self,
        name: str,
        mesh: "Mesh",
        *,
        providers: Mapping[str, kubernetes.Provider],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"{_TOKEN}MeshNamespace", name, None, opts)
        self.name, self.providers, self.clusters = name, dict(providers), tuple(providers)
        if not providers:
            raise refused(
                f"namespace `{name}`", "it is in no cluster", "Nothing would be made", "Give the provider of each"
            )
        labels = mesh.outputs.apply(
            lambda outputs: rules.namespace_labels(outputs, name, self.clusters, mesh.source) | objects.LABELS
        )
        self.by_cluster = {
            cluster: kubernetes.core.v1.Namespace(
                f"{name}-{cluster}",
                metadata={"name": name, "labels": labels},
                opts=pulumi.ResourceOptions(parent=self, provider=provider),
            )
            for cluster, provider in providers.items()
        }
        denied = self.everywhere(self, "AuthorizationPolicy", "default.deny", objects.default_deny())
        strict = self.everywhere(self, "PeerAuthentication", "default", objects.strict())
        self.ready = {cluster: (denied[cluster], strict[cluster]) for cluster in self.clusters}
        self.register_outputs({})

    def everywhere(
        self, parent: pulumi.Resource, kind: str, name: str, spec: pulumi.Input[Spec]
    ) -> dict[str, kubernetes.apiextensions.CustomResource]:
        """One of Istio's objects in the namespace, in each of its clusters, by cluster."""
        return {
            cluster: kubernetes.apiextensions.CustomResource(
                f"{self.name}-{kind}-{name}-{cluster}",
                api_version=objects.API[kind],
                kind=kind,
                metadata={"name": name, "namespace": namespace.metadata["name"], "labels": objects.LABELS},
                spec=spec,
                opts=pulumi.ResourceOptions(parent=parent, provider=self.providers[cluster]),
            )
            for cluster, namespace in self.by_cluster.items()
        }


class MeshService(pulumi.ComponentResource):
    """How callers treat a service: its one DestinationRule, and its route within the mesh."""

    key: str
    """`namespace/name`."""

    host: str
    """Its DNS name in every cluster."""

    account: str
    """Service account of its pods."""

    timeout: str
    """Of a request with all its tries."""

    def __init__(
        self,
        key: str,
        namespace: MeshNamespace,
        *,
        ports: Mapping[str, int],
        workload: Mapping[str, str],
        account: str,
        timeout: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"{_TOKEN}MeshService", key, None, opts)
        self.key, self.namespace, self.workload = key, namespace, workload
        self.account, self.timeout, self.ports = account, timeout, ports
        name = rules.split(key)[1]
        self.host = objects.host_of(namespace.name, name)
        routed = [number for port, number in ports.items() if _has_requests(port)]
        rule = objects.destination_rule(self.host, routed, crossing=len(namespace.clusters) > 1)
        namespace.everywhere(self, "DestinationRule", name, rule)
        if routed:
            namespace.everywhere(self, "VirtualService", name, objects.mesh_route(self.host, routed, timeout))
        self.register_outputs({})

    @property
    def name(self) -> str:
        """Its own name."""
        return rules.split(self.key)[1]

    def port(self, name: str | None) -> int:
        """Number of the port that gets public requests: the named one, else `http` or the only one of its kind.

        Raises ContractError.
        """
        routed = {port: number for port, number in self.ports.items() if _has_requests(port)}
        chosen = name or ("http" if "http" in routed else next(iter(routed), "") if len(routed) == 1 else "")
        if chosen not in routed:
            known = f"Those with requests are {', '.join(f'`{port}`' for port in routed)}" if routed else "It has none"
            raise refused(
                f"service `{self.key}`",
                f"it has no port `{name}` with requests" if name else "it is not known which port gets public requests",
                "The ingress could not route them",
                f"{known}: name one as `port`, whose first word is http, http2, grpc or grpc-web",
            )
        return routed[chosen]

    def allow(self, parent: pulumi.Resource, name: str, principal: pulumi.Output[str]) -> None:
        """Lets an identity call it, by a policy of that name."""
        spec = principal.apply(lambda known: objects.allow(self.workload, known))
        self.namespace.everywhere(parent, "AuthorizationPolicy", f"{self.name}.{name}", spec)


class Exposure(pulumi.ComponentResource):
    """A public host, or paths of it, routed to a service."""

    host: str
    """The host."""

    def __init__(
        self,
        host: str,
        mesh: "Mesh",
        *,
        service: MeshService,
        port: int,
        paths: Sequence[str],
        timeout: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"{_TOKEN}Exposure", f"{service.key}-{host}", None, opts)
        self.host = host
        _check_paths(host, paths)
        namespace = service.namespace
        gateway = mesh.outputs.apply(lambda outputs: rules.gateway_of(outputs, host, namespace.name, mesh.source))
        spec = gateway.apply(
            lambda found: objects.public_route(
                host, found.gateway, paths, host=service.host, port=port, timeout=timeout
            )
        )
        # A first label that no host has stands for the wildcard.
        readable = host.replace("*.", "wildcard.", 1)
        namespace.everywhere(self, "VirtualService", f"{service.name}.{readable}", spec)
        service.allow(self, readable, gateway.apply(lambda found: found.principal))
        self.register_outputs({})


class Allowance(pulumi.ComponentResource):
    """One caller that may call one service."""

    def __init__(
        self,
        mesh: "Mesh",
        *,
        caller: str,
        callee: str | MeshService,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        theirs = callee if isinstance(callee, str) else callee.key
        super().__init__(f"{_TOKEN}Allowance", f"{caller}-{theirs}", None, opts)
        namespace, name = rules.split(caller)
        identity = mesh.outputs.apply(_identity(mesh, caller, theirs))
        if isinstance(callee, MeshService):
            callee.allow(self, f"from.{namespace}.{name}", identity)
        # The platform's own service has its policy already; the program still fails where it is not offered.
        self.register_outputs({"caller": identity})


def _identity(mesh: "Mesh", caller: str, callee: str) -> Callable[[MeshOutputs], str]:
    """Who the caller is, once it is seen that it may call."""
    namespace, _ = rules.split(caller)
    target, _ = rules.split(callee)

    def known(outputs: MeshOutputs) -> str:
        if not mesh.owns(target):
            if not mesh.owns(namespace):
                raise refused(
                    f"caller `{caller}`",
                    f"neither it nor `{callee}` is in a namespace of this program",
                    "It is not this program's to allow",
                    "Name a caller or a callee of your own",
                )
            rules.check_callee(outputs, callee, namespace, mesh.source)
        if mesh.owns(namespace):
            return rules.principal(outputs.mesh.trust_domain, namespace, mesh.account(caller))
        return rules.caller_of(outputs, caller, target, mesh.source)

    return known


def _has_requests(port: str) -> bool:
    """Whether proxies see requests on a port of that name, and not connections alone (istio.io: protocol selection)."""
    return port.partition("-")[0] in ("http", "http2", "grpc")


def _check_paths(host: str, paths: Sequence[str]) -> None:
    wrong = next((path for path in paths if not path.startswith("/") or "*" in path.removesuffix("/*")), None)
    if wrong is not None or not paths:
        raise refused(
            f"host `{host}`",
            f"`{wrong}` is no path" if wrong is not None else "no path of it is named",
            "No request could match it",
            "Write one path as in `/health`, or a path with all below it as in `/shop/*`",
        )
