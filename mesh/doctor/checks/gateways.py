"""Where requests enter regions and pass between them."""

from collections.abc import Iterator
from typing import Literal

from mesh.doctor.facts import Gateway, Region, Snapshot, Unseen
from mesh.doctor.findings import Finding, fault, unseen, warning

Role = Literal["ingress", "east-west"]

_MEANS: dict[Role, str] = {
    "ingress": "No request from outside is answered in this region",
    "east-west": "No request of another region is answered in this one, and its endpoints are as if they were not "
    "there",
}


def gateways(snapshot: Snapshot) -> Iterator[Finding]:
    """Gateways that are missing, have no address, another one than the stack says, or no pods."""
    for name, region in snapshot.answering.items():
        if not region.mesh:
            yield fault(
                "mesh-missing",
                name,
                "istio-system",
                cause="There is no namespace istio-system, though the stack has a mesh here",
                consequence="This region is in no mesh",
                cure="Run `pulumi up --refresh`; where the cluster was rebuilt, `pulumi refresh` before",
                command=snapshot.kubectl(name, "get", "namespaces"),
            )
            continue
        for role in _MEANS:
            yield from _gateway(snapshot, region, role)


def _gateway(snapshot: Snapshot, region: Region, role: Role) -> Iterator[Finding]:
    gateway = region.gateway(role)
    said = _address(snapshot, region.name, role)
    if gateway is None:
        yield fault(
            "gateway-missing",
            region.name,
            role,
            cause=f"There is no Service of the {role} gateway",
            consequence=_MEANS[role],
            cure="Run `pulumi up --refresh`, which makes it anew",
            command=snapshot.kubectl(region.name, "get", "services", "-A", "-l", "istio"),
        )
        return
    name = f"{gateway.namespace}/{gateway.name}"
    if not gateway.addresses:
        yield fault(
            "gateway-address",
            region.name,
            name,
            cause=f"The {role} gateway has no address: its load balancer was not made, or lost it",
            consequence=_MEANS[role],
            cure="See the events of its Service: quota, subnets and the controller of load balancers",
            command=snapshot.kubectl(region.name, "describe", "service", "-n", gateway.namespace, gateway.name),
        )
    elif said is not None and said not in gateway.addresses:
        yield fault(
            "gateway-moved",
            region.name,
            name,
            cause=f"The {role} gateway is at {gateway.addresses[0]}, and the stack says {said}",
            consequence="Who goes by the stack's outputs, DNS among them, does not reach it",
            cure="Run `pulumi up --refresh`, which takes the address over",
            command=snapshot.kubectl(region.name, "get", "service", "-n", gateway.namespace, gateway.name),
        )
    if gateway.ready == 0:
        yield fault(
            "gateway-endpoints",
            region.name,
            name,
            cause=_without_pods(gateway, role),
            consequence=_MEANS[role],
            cure="See its pods, and whether istiod was there when they started",
            command=snapshot.kubectl(region.name, "get", "pods", "-n", gateway.namespace, "-l", f"app={gateway.name}"),
        )
    elif gateway.ready < gateway.pods:
        yield warning(
            "gateway-pods",
            region.name,
            name,
            cause=f"Of the {gateway.pods} pods of the {role} gateway {gateway.pods - gateway.ready} "
            f"{'is' if gateway.pods - gateway.ready == 1 else 'are'} not ready",
            consequence="The others carry its load",
            cure="See its pods",
            command=snapshot.kubectl(region.name, "get", "pods", "-n", gateway.namespace, "-l", f"app={gateway.name}"),
        )


def _without_pods(gateway: Gateway, role: Role) -> str:
    if gateway.pods == 0:
        return f"The {role} gateway has no pod"
    if gateway.pods == 1:
        return f"The one pod of the {role} gateway is not ready"
    return f"None of the {gateway.pods} pods of the {role} gateway is ready"


def _address(snapshot: Snapshot, region: str, role: Role) -> str | None:
    stack = snapshot.of_stack(region)
    return (stack.ingress if role == "ingress" else stack.east_west).host


def networks(snapshot: Snapshot) -> Iterator[Finding]:
    """Regions whose network is not labelled as the stack says."""
    for name, region in snapshot.answering.items():
        wanted = snapshot.of_stack(name).network
        if not region.mesh or region.network == wanted:
            continue
        said = "has no label of its network" if region.network is None else f"says network `{region.network}`"
        yield fault(
            "network-label",
            name,
            "istio-system",
            cause=f"The namespace istio-system {said}, and the stack says `{wanted}`",
            consequence="istiods take endpoints here for directly reachable: requests of other regions run into "
            "time-outs",
            cure=f"Run `pulumi up --refresh`, or set the label topology.istio.io/network to {wanted}",
            command=snapshot.kubectl(name, "get", "namespace", "istio-system", "--show-labels"),
        )


def usable(region: Region) -> bool:
    """Whether other regions can get in: what else is wrong between regions is not said where they cannot."""
    gateway = region.gateway("east-west")
    return gateway is not None and bool(gateway.addresses) and gateway.ready > 0


def ways(snapshot: Snapshot) -> Iterator[Finding]:
    """Requests from each region's gateway to each other one."""
    denied: dict[str, Unseen] = {}
    for (here, there), way in snapshot.ways.items():
        if isinstance(way, Unseen):
            denied.setdefault(here, way)
        elif way.error and usable(snapshot.answering[there]):
            yield fault(
                "way-closed",
                here,
                f"{here} to {there}",
                cause=f"A request from the gateway of {here} to that of {there} at {way.address} got no answer: "
                f"{way.error}",
                consequence=f"No service of {there} is reached from {here}, and no failure here is made up for there",
                cure="See routes, peering and firewalls between the two: 15443 must be open",
                command=snapshot.kubectl(
                    here,
                    "exec",
                    "-n",
                    "istio-system",
                    "deploy/istio-eastwestgateway",
                    "--",
                    "pilot-agent",
                    "wait",
                    "--url",
                    f"http://{way.address}",
                    "--timeoutSeconds",
                    "1",
                ),
            )
    for here, why in denied.items():
        yield unseen(
            "way-unseen",
            here,
            "",
            cause=f"Requests from {here} to the other regions were not sent: {why.cause}",
            consequence="A firewall between regions is not found",
            cure=why.cure,
            command=snapshot.kubectl(here, "auth", "can-i", "create", "pods/exec", "-n", "istio-system"),
        )


def doors(snapshot: Snapshot) -> Iterator[Finding]:
    """Gateways that this machine does not get through to; their certificates are judged elsewhere."""
    for name, door in snapshot.east_west.items():
        if door.error and usable(snapshot.answering[name]):
            yield unseen(
                "certificate-unseen",
                name,
                door.name,
                cause=f"{door.name} was not reached from this machine by the east-west gateway ({door.address}): "
                f"{door.error}",
                consequence="Its certificate was not seen; other regions may reach it all the same",
                cure="Run it where the gateways of regions are reached, or see the pods of the service",
                command=f"openssl s_client -connect {door.address} -servername {_server_name(door.name)} -alpn istio",
            )
    for name, found in snapshot.ingress.items():
        for door in found:
            if door.error:
                yield warning(
                    "ingress-closed",
                    name,
                    door.name,
                    cause=f"{door.name} was not reached from this machine at {door.address}: {door.error}",
                    consequence="Clients that come the same way do not reach it either",
                    cure="See the firewall of the load balancer, and whether the gateway has the host's certificate",
                    command=f"openssl s_client -connect {door.address} -servername {door.name}",
                )


def _server_name(shown: str) -> str:
    host, _, port = shown.rpartition(":")
    return f"outbound_.{port}_._.{host}"
