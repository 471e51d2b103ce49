"""Network load balancers: what a controller in a cluster makes for Services of type LoadBalancer.

The controller itself is `lab.aws.rehearsal.controller`, outside of the account as on AWS; here is what it makes: a
name, an interface in each subnet, and an end that takes time.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.backends import backend
from lab.aws.cloud.network_rules import hold, let_go
from lab.aws.cloud.quotas import LIMITS

BALANCER_GONE = 90.0
"""Seconds that its interfaces stay after its deletion."""

ZONES = {
    "us-east-1": "Z26RNL4JYFTOTI",
    "us-east-2": "ZLMOA37VPKANP",
    "us-west-1": "Z24FKFUX50B4VW",
    "us-west-2": "Z18D5FSROUN65G",
    "eu-central-1": "Z3F0SRJ5LGBH90",
    "eu-west-1": "Z2IFOLAFXWLO4F",
    "ap-southeast-1": "ZKVM4W9LS7TM",
    "ap-northeast-1": "Z31USIVHYNEOWT",
}
"""Hosted zones of network load balancers (AWS General Reference, Elastic Load Balancing endpoints)."""


@dataclass
class Balancer:
    """One load balancer.

    Attributes:
        name: Its DNS name.
        key: What it was made for: cluster, namespace and name of a Service.
        scheme: `internal` or `internet-facing`.
        state: `active` or `deleting`.
    """

    region: str
    name: str
    key: str
    scheme: str
    subnets: list[str]
    state: str = "active"
    held: list[Any] = field(default_factory=list)


BALANCERS: dict[tuple[str, str], Balancer] = {}
"""By region and key."""


class CannotBalance(Exception):
    """The controller would report this as an event of the Service."""


def ensure(region: str, key: str, scheme: str, cluster_vpc: str) -> Balancer:
    """The load balancer of a Service, made where there is none.

    Subnets are found by their role tags, one in each zone, as the controller does it (EKS user guide, network-load-
    balancing.html).

    Raises:
        CannotBalance: No subnets carry the tag, or a quota is reached.
    """
    if found := BALANCERS.get((region, key)):
        return found
    if sum(place == region for place, _ in BALANCERS) >= LIMITS["elb/network-load-balancers-per-region"]:
        raise CannotBalance("TooManyLoadBalancers: the limit of network load balancers in this region is reached")
    ec2 = backend("ec2", region)
    tag = "kubernetes.io/role/internal-elb" if scheme == "internal" else "kubernetes.io/role/elb"
    by_zone: dict[str, str] = {}
    for subnet in ec2.describe_subnets(filters={"vpc-id": cluster_vpc}):
        if any(each["key"] == tag and each["value"] in ("1", "") for each in subnet.get_tags()):
            by_zone.setdefault(subnet.availability_zone, subnet.id)
    if not by_zone:
        raise CannotBalance(
            f"couldn't auto-discover subnets: unable to resolve at least one subnet (tag {tag} in {cluster_vpc})"
        )
    short = f"k8s-{secrets.token_hex(8)}"
    name = f"{short}-{secrets.token_hex(8)}.elb.{region}.amazonaws.com"
    found = Balancer(region, name, key, scheme, sorted(by_zone.values()))
    found.held = [hold(ec2, each, f"ELB net/{short}/{secrets.token_hex(8)}") for each in found.subnets]
    if scheme == "internet-facing":
        for eni in found.held:
            # An address of AWS's own: it keeps an internet gateway from being detached.
            eni.public_ip = f"192.0.2.{1 + len(BALANCERS) % 254}"
    BALANCERS[region, key] = found
    return found


def delete(region: str, key: str) -> None:
    """Delete the load balancer of a Service; its interfaces stay for a while."""
    found = BALANCERS.get((region, key))
    if found is None or found.state == "deleting":
        return
    found.state = "deleting"

    def end() -> None:
        let_go(backend("ec2", region), *found.held)
        BALANCERS.pop((region, key), None)

    CLOCK.later(BALANCER_GONE, end)


def known(name: str) -> bool:
    """Whether a load balancer has this DNS name."""
    return any(each.name == name.rstrip(".") for each in BALANCERS.values())
