"""Services: load balancers that are open by accident, ports whose protocol nobody knows."""

from collections.abc import Iterator
from dataclasses import dataclass

from policies.aws_clusters import is_world
from policies.catalogue import ADVISORY, MANDATORY, Finding, Setting, resource_policy
from policies.resources import GATEWAY_CHART, RELEASE, Subject
from policies.unknowns import Node

SERVICE = "core/Service"

_PREFIX = "service.beta.kubernetes.io/"
_SCHEMES = (
    f"{_PREFIX}aws-load-balancer-scheme",
    f"{_PREFIX}aws-load-balancer-internal",
    f"{_PREFIX}azure-load-balancer-internal",
    "networking.gke.io/load-balancer-type",
)
_RANGES = f"{_PREFIX}load-balancer-source-ranges"
_AWS_CLASSES = ("service.k8s.aws/", "eks.amazonaws.com/")
STATUS_PORT = 15021
"""Of gateways: says whether they are ready, and nothing else."""
EAST_WEST_PORTS = (15443, 15012, 15017)
"""Of gateways between networks: traffic of services, istiod, its webhooks."""


@dataclass(frozen=True)
class Balancer:
    """A Service of type LoadBalancer, or the values of a Release that makes one."""

    service: Node
    """What stands below `spec` of the one and `service` of the other."""
    annotations: Node
    ports: list[float]
    """Numbers that are known."""
    east_west: bool
    """Whether it leads from one network of the mesh to another."""

    @property
    def public(self) -> bool:
        """Whether it says that it is reached from the Internet."""
        return self.annotations[_SCHEMES[0]].is_("internet-facing")

    @property
    def ranges(self) -> list[str]:
        """Who may reach it, as far as it is known."""
        said = self.annotations[_RANGES].text or ""
        return [*self.service["loadBalancerSourceRanges"].texts, *(part.strip() for part in said.split(",") if part)]

    @property
    def limited(self) -> bool:
        """Whether it says who may reach it, known or not."""
        return not (self.service["loadBalancerSourceRanges"].missing and self.annotations[_RANGES].missing)


def balancer(found: Subject) -> Balancer | None:
    """The load balancer that a resource makes; None where it makes none."""
    if found.resource.type == RELEASE:
        service = found.value("service")
        if not (service["type"].missing or service["type"].is_("LoadBalancer")):
            return None
        network = found.value("networkGateway").given
        default = [STATUS_PORT, *(EAST_WEST_PORTS if network else (80, 443))]
        ports = _numbers(service["ports"]) if service["ports"].given and not network else [float(p) for p in default]
        return Balancer(service, service["annotations"], ports, network or bool({*ports} & {*EAST_WEST_PORTS}))
    if not found.spec["type"].is_("LoadBalancer"):
        return None
    ports = _numbers(found.spec["ports"])
    return Balancer(found.spec, found.annotations, ports, bool({*ports} & {*EAST_WEST_PORTS}))


def _numbers(ports: Node) -> list[float]:
    return [number for port in ports if (number := port["port"].number) is not None]


@resource_policy(
    "kubernetes-load-balancer",
    MANDATORY,
    on=[SERVICE, GATEWAY_CHART],
    description="A load balancer says whether it is internal or public, and a public one who may reach it.",
    reason="Which of the two is the default differs by controller and cloud, and one day by version.",
    source="AWS Load Balancer Controller: Service annotations; EKS best practices: load balancing",
)
def load_balancer(found: Subject, setting: Setting) -> Iterator[Finding]:
    made = balancer(found)
    if made is None:
        return
    kind = made.service["loadBalancerClass"]
    own = not kind.missing and not (kind.text or "").startswith(_AWS_CLASSES)
    if not own and all(made.annotations[name].missing for name in _SCHEMES):
        yield Finding(
            "the load balancer does not say whether it is internal or public",
            "The default differs by controller and cloud: what was meant for peers may be on the Internet",
            f"add the annotation `{_SCHEMES[0]}: internal`, or `internet-facing`",
            made.annotations.path,
        )
    open_ports = {*setting.parameters.ingress_ports, STATUS_PORT}
    if made.public and not made.limited and not open_ports.issuperset(made.ports):
        yield Finding(
            "the load balancer is public, and everybody may reach ports that are not for everybody",
            "Whatever listens behind them is found by scanners within minutes",
            "list who may in `loadBalancerSourceRanges`",
            made.service.path,
        )


@resource_policy(
    "istio-east-west-open",
    MANDATORY,
    on=[SERVICE, GATEWAY_CHART],
    description="The ports between networks are not open to the world.",
    reason="15443 leads to every service of the mesh by its name, and 15012 to istiod itself.",
    source="Istio: multi-primary on different networks, expose services (the gateway's access is to be limited)",
)
def east_west_open(found: Subject, _: Setting) -> Iterator[Finding]:
    made = balancer(found)
    if made is None or not made.east_west:
        return
    world = next((text for text in made.ranges if is_world(text)), None)
    if world is not None or (made.public and not made.limited):
        yield Finding(
            f"the gateway between networks is open to {world or 'the world'}",
            "Its port 15443 leads to every service of the mesh by its name",
            "make it internal, or name the peers' ranges alone in `loadBalancerSourceRanges`",
            made.service.path,
        )


@resource_policy(
    "kubernetes-port-protocol",
    ADVISORY,
    on=[SERVICE],
    description="A Service's ports say what is spoken on them.",
    reason="Istio guesses the protocol of an unnamed port from its first bytes, and takes it for TCP where it cannot: "
    "routes, tokens and rules by path then hold for nothing there.",
    source="Istio: protocol selection",
)
def port_protocol(service: Subject, _: Setting) -> Iterator[Finding]:
    if service.spec["type"].is_("ExternalName"):
        return
    for port in service.spec["ports"]:
        if port["name"].missing and port["appProtocol"].missing and not port["protocol"].is_("UDP"):
            yield Finding(
                f"port {port['port'].shown} says no protocol",
                "Where Istio takes it for TCP, routes, tokens and rules by path hold for nothing",
                "name it by its protocol, as in `http` or `grpc-api`, or set `appProtocol`",
                port.path,
            )
