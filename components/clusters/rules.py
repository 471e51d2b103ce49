"""Who of the other regions comes in, and where: rules by ranges, as a security group is known in its region alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.clusters.account import Place
from components.naming import child, type_token

HTTPS = 443
MESH_PORT = 15443
"""Where the east-west gateway takes requests of other networks."""

ISTIOD_PORTS = (15012, 15017)
"""Where it takes what remote clusters ask of istiod, of proxies and of API servers."""


@dataclass(frozen=True)
class Caller:
    """Who may come in: a name of it, and its ranges."""

    name: str
    ranges: Sequence[pulumi.Input[str]]


class Rules(pulumi.ComponentResource):
    """What a cluster takes from outside of its VPC; within it EKS's own group lets everything through.

    Pods have the group of their nodes, so a rule in it is one for the gateway's pods.
    """

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        nodes: pulumi.Input[str],
        api: pulumi.Input[str],
        readers: Sequence[Caller],
        peers: Sequence[Caller],
        remotes: Sequence[Caller],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`readers` ask the API server; `peers` come to the gateway between networks, `remotes` to istiod by it.
        `nodes` and `api` are ids of security groups."""
        super().__init__(type_token("clusters", "Rules"), name, None, opts)
        wanted = [
            *((api, "api", HTTPS, caller) for caller in readers),
            *((nodes, "mesh", MESH_PORT, caller) for caller in peers),
            *((nodes, "istiod", port, caller) for caller in remotes for port in ISTIOD_PORTS),
        ]
        for group, purpose, port, caller in wanted:
            for number, cidr in enumerate(caller.ranges, 1):
                rest = f"-{number}" if len(caller.ranges) > 1 else ""
                aws.vpc.SecurityGroupIngressRule(
                    child(name, f"{purpose}-{port}-{caller.name}{rest}"),
                    security_group_id=group,
                    description=f"{_PURPOSES[purpose]} from {caller.name}",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    cidr_ipv4=cidr,
                    tags=place.tags(f"{purpose}-{caller.name}"),
                    opts=place.options(self),
                )
        self.register_outputs({})


_PURPOSES: Mapping[str, str] = {
    "api": "API server",
    "mesh": "East-west gateway",
    "istiod": "istiod by the east-west gateway",
}
