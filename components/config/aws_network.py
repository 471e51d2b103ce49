"""The VPCs of a stack's regions: what is said of them, and the addresses that follow from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from components.config import defaults
from components.config.aws_values import Range, network
from components.config.faults import Fault
from components.config.model import Model

ZONES_LIMIT = 6
"""Zones that a VPC's addresses are divided for: no region has more."""

_TEN = network("10.0.0.0/8")
_SERVICES, _SERVICES_BESIDE_TEN = network("10.100.0.0/16"), network("172.20.0.0/16")
"""What EKS takes for Services where nothing is said, as here (API_KubernetesNetworkConfigRequest): the second one where
the VPC has addresses of 10.0.0.0/8 (awslabs/amazon-eks-ami, bootstrap.sh). So neither is ever within the supernet."""

RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]
"""How long CloudWatch keeps a log, in days: it takes these alone."""

ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "ecr": ("ecr.api", "ecr.dkr"),
    "sts": ("sts",),
    "ec2": ("ec2",),
    "logs": ("logs",),
    "eksAuth": ("eks-auth",),
}
"""The services of each choice of `endpoints`, as in `com.amazonaws.<region>.<service>`."""


class FlowLogsConfig(Model):
    """Who talked to whom in a VPC, by address and port."""

    enabled: bool = True
    """Whether they are written; default true."""

    retention_days: RetentionDays = defaults.FLOW_LOGS_DAYS
    """How long they are kept; default 30."""


class AwsNetworkConfig(Model):
    """The VPCs, one in each region, and how their addresses are divided."""

    supernet: Annotated[Range, Field(examples=["10.64.0.0/13"])]
    """All addresses of the stack, which no network that it is connected with has."""

    vpc_prefix: Annotated[int, Field(ge=16, le=18)] = defaults.VPC_PREFIX
    """Length of the prefix of each VPC's part of it; default 16, the largest VPC: pods take addresses of it."""

    nat: Literal["perZone", "shared"] = defaults.NAT
    """Where nodes leave for the internet; default perZone. `shared`: one gateway for all zones is cheaper; when its
    zone fails, none of them gets out."""

    s3_endpoint: bool = True
    """Whether S3, where the layers of images lie, is reached without NAT; default true. It costs nothing."""

    endpoints: tuple[Literal["ecr", "sts", "ec2", "logs", "eksAuth"], ...] = ()
    """Services of AWS that are reached without NAT; default: none. Each costs by the hour in each zone. `eksAuth`:
    where credentials of Pod Identity come from."""

    flow_logs: FlowLogsConfig = FlowLogsConfig()
    """Flow logs of the VPCs."""

    peers: tuple[Range, ...] = ()
    """Other networks that the VPCs are or will be connected with; default: none. They are kept out of the addresses
    here."""

    def faults(self) -> Iterator[Fault]:
        whole = network(self.supernet)
        if whole.prefixlen > self.vpc_prefix:
            yield Fault(
                f"`{self.supernet}` is smaller than one VPC of /{self.vpc_prefix}",
                "Not even one region would fit",
                f"Write a range of /{self.vpc_prefix} or wider, or raise `vpcPrefix`",
                ("supernet",),
            )
        if not whole.is_private:
            yield Fault(
                f"`{self.supernet}` is not a private range",
                "Hosts on the internet that have these addresses could not be reached from any pod",
                "Take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 (RFC 1918)",
                ("supernet",),
            )
        for index, peer in enumerate(self.peers):
            if network(peer).overlaps(whole):
                yield Fault(
                    f"`{peer}` overlaps the supernet `{self.supernet}`",
                    "Of two routes to one address one is never taken, and a peering is refused",
                    "Move the supernet to addresses that no peer has",
                    ("peers", index),
                )
            if network(peer).overlaps(self.service_range):
                yield Fault(
                    f"`{peer}` overlaps `{self.service_range}`, which EKS takes for Services",
                    "No pod would reach a host there that has the address of a Service of its cluster",
                    "Write the parts of it beside that; where pods call hosts within it, they need addresses elsewhere",
                    ("peers", index),
                )

    @property
    def service_range(self) -> IPv4Network:
        """The addresses of Services, the same in each cluster."""
        return _SERVICES_BESIDE_TEN if network(self.supernet).overlaps(_TEN) else _SERVICES

    @property
    def slots(self) -> int:
        """How many VPCs fit."""
        return int(2 ** max(0, self.vpc_prefix - network(self.supernet).prefixlen))


@dataclass(frozen=True)
class Addresses:
    """The ranges of one VPC: its own, and of its subnets by zone."""

    vpc: str
    private: Mapping[str, str]
    """Of nodes and pods, an eighth of the VPC each."""
    public: Mapping[str, str]
    """Of load balancers that the internet reaches, and of NAT gateways: a 64th of the VPC each."""
    intra: Mapping[str, str]
    """Of the control plane's network interfaces and of transit gateways: a 1024th of the VPC each. No way out."""


def addresses(config: AwsNetworkConfig, slot: int, zones: Sequence[str]) -> Addresses:
    """The ranges of the VPC in `slot`. A zone's ranges follow from its place in the list alone: a zone more at its end
    moves none.

    Of eight parts of the VPC six are for the private subnets of up to six zones, one for the public ones, and one for
    the intra ones. `slot` is below `config.slots`, and there are at most ZONES_LIMIT zones.
    """
    whole = network(config.supernet)
    size = 2 ** (32 - config.vpc_prefix)
    vpc = IPv4Network((int(whole.network_address) + slot * size, config.vpc_prefix))
    parts = list(vpc.subnets(prefixlen_diff=3))
    public = list(parts[ZONES_LIMIT].subnets(prefixlen_diff=3))
    intra = list(parts[ZONES_LIMIT + 1].subnets(prefixlen_diff=7))

    def by_zone(found: Sequence[IPv4Network]) -> dict[str, str]:
        return {zone: str(part) for zone, part in zip(zones, found, strict=False)}

    return Addresses(str(vpc), by_zone(parts), by_zone(public), by_zone(intra))
