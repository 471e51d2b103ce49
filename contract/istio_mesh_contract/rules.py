"""What the platform lets other teams do, read from its outputs. Whatever is not allowed is refused with the line that
the platform's stack would need.
"""

from collections.abc import Collection

from istio_mesh_contract.model import EVERYBODY, ClusterOutputs, GatewayOutputs, MeshOutputs, ServiceOutputs
from istio_mesh_contract.problems import near, refused

SYSTEM = "istio-system"
"""Namespace of the control plane; policies in it hold for the whole mesh."""


def split(service: str) -> tuple[str, str]:
    """Namespace and name of a service as `namespace/name`. Raises ContractError."""
    namespace, slash, name = service.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise refused(
            f"service `{service}`",
            "it is no service's name",
            "It is not known which one is meant",
            "Write namespace and name, as in `shop/catalogue`",
        )
    return namespace, name


def cluster_of(outputs: MeshOutputs, name: str, source: str) -> ClusterOutputs:
    """The cluster of that name. Raises ContractError."""
    if name not in outputs.clusters:
        raise refused(
            f"{source}: clusters",
            f"there is no cluster `{name}`",
            "Nothing can be made in it",
            near(name, outputs.clusters),
        )
    return outputs.clusters[name]


def namespace_labels(outputs: MeshOutputs, namespace: str, clusters: Collection[str], source: str) -> dict[str, str]:
    """The labels by which pods of a namespace join the mesh, where it may be made in those clusters.

    Raises ContractError.
    """
    theirs = {split(key)[0] for key in outputs.services} | {split(g.gateway)[0] for g in outputs.gateways.values()}
    if namespace in theirs | {SYSTEM} or namespace.startswith("kube-"):
        raise refused(
            f"namespace `{namespace}`",
            f"it is the platform's: `{source}` has its own in it",
            "It would be taken over, and a `destroy` of this program would delete it with everything in it",
            "Take a name of your own",
        )
    for name in clusters:
        primary = cluster_of(outputs, name, source).primary
        if primary is not None and primary not in clusters:
            raise refused(
                f"namespace `{namespace}`: cluster `{name}`",
                f"its control plane is that of `{primary}`, in which the namespace is not made",
                "Istio reads objects there alone: nothing would be denied, allowed or routed",
                f"Give the provider of `{primary}` too",
            )
    # Without `istio-injection`, which would win over the revision.
    return {"istio.io/rev": outputs.mesh.tag or outputs.mesh.revision}


def gateway_of(outputs: MeshOutputs, host: str, namespace: str, source: str) -> GatewayOutputs:
    """The gateway by which a namespace may expose a host. Raises ContractError."""
    served = [gateway for gateway in outputs.gateways.values() if _covers(gateway.host, host)]
    # An exact server gets the host's requests before a wildcard does.
    found = min(served, key=lambda gateway: (gateway.host != host, -len(gateway.host)), default=None)
    if found is None:
        raise refused(
            f"host `{host}`",
            f"the ingress of `{source}` does not serve it",
            "No request for it would ever arrive",
            f"Ask for it below `istio-mesh:gateways.ingress.servers`: `- {{hosts: [{host}], tls: ..., "
            f"offeredTo: [{namespace}]}}`",
        )
    if not {namespace, EVERYBODY} & set(found.offered_to):
        to = f"to {' and '.join(found.offered_to)}" if found.offered_to else "to nobody"
        raise refused(
            f"host `{host}`",
            f"`{source}` offers it {to}, and not to the namespace `{namespace}`",
            "Two teams would route one host, and Istio take one of the routes",
            f"Ask for it below `istio-mesh:gateways.ingress.servers`, at the one with `{found.host}`: "
            f"`offeredTo: [{', '.join([*found.offered_to, namespace])}]`",
        )
    return found


def principal(trust_domain: str, namespace: str, account: str) -> str:
    """A workload's identity as policies name it."""
    return f"{trust_domain}/ns/{namespace}/sa/{account}"


def _service(outputs: MeshOutputs, name: str, where: str, source: str, consequence: str) -> ServiceOutputs:
    """A service of the platform; the caller has looked for it in its own namespaces. Raises ContractError."""
    service = outputs.services.get(name)
    if service is None:
        raise refused(
            where,
            f"it is neither in a namespace of this program nor a service of `{source}`",
            consequence,
            near(name, outputs.services)
            if outputs.services
            else "Name one of this program: its namespace is made by `mesh.namespace` first",
        )
    return service


def caller_of(outputs: MeshOutputs, caller: str, namespace: str, source: str) -> str:
    """Who a service of the platform is, where it may call services in a namespace. Raises ContractError."""
    consequence = "Its identity is not known, and whoever takes the name would be let in"
    service = _service(outputs, caller, f"caller `{caller}`", source, consequence)
    if namespace not in service.calls_out:
        raise refused(
            f"caller `{caller}`",
            f"`{source}` does not let it call the namespace `{namespace}`",
            "Its proxy would not know the service, and every request would be refused there",
            f'Ask for the line `istio-mesh:services["{caller}"].callsOut: '
            f"[{', '.join([*service.calls_out, namespace])}]`",
        )
    return service.principal


def check_callee(outputs: MeshOutputs, callee: str, namespace: str, source: str) -> None:
    """Whether the platform lets a namespace call one of its services. Raises ContractError."""
    service = _service(outputs, callee, f"callee `{callee}`", source, "Nothing could be allowed there")
    if namespace not in service.offered_to:
        raise refused(
            f"callee `{callee}`",
            f"`{source}` does not offer it to the namespace `{namespace}`",
            "Every request would be answered 403",
            f'Ask for the line `istio-mesh:services["{callee}"].offeredTo: '
            f"[{', '.join([*service.offered_to, namespace])}]`",
        )


def _covers(served: str, host: str) -> bool:
    return served == host or (served.startswith("*.") and host.removeprefix("*.").endswith(served[1:]))
