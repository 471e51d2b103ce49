"""Which ways between regions the account has open, and the same in the lab's network.

A packet between regions of the lab, or from the engine to one, is let through where AWS would let it through: where a
peering connection (or transit gateways) joins the two VPCs, the route tables of both sides' subnets lead there and
back, and a security group of the target lets the source's range in on that port; of an API server that is public, where
its allow-list has the source's addresses. Of all ports, those of the east-west gateway and of the API server are
decided so, for everybody in the lab's network but this machine itself, from which the lab is looked after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.network import NODE_INTERFACE
from lab.regions import Topology

GATEWAY_PORT, API_PORT = 15443, 443
PORTS: Mapping[int, int] = {GATEWAY_PORT: 15443, API_PORT: 6443}
"""Port on AWS, and in the lab."""

CHAIN = "AWS-WAYS"
"""The chain in a region's table `mangle`: it is asked before addresses of Services are translated."""


FROM_RUNNER = "runner"
"""Source of the ways of the place that the engine is in."""


@dataclass(frozen=True)
class Way:
    """A way that is open: from a region of AWS, or the engine's place; to a region; port on AWS."""

    source: str
    target: str
    port: int


def runner_address(topology: Topology) -> IPv4Address:
    """The address in the lab's network of the place that the engine is in: the last one."""
    return topology.bridge.network.broadcast_address - 1


def rules(topology: Topology, target: str, ways: Iterable[Way]) -> str:
    """A region's rules, for `iptables-restore --noflush`: what comes from outside to the decided ports is dropped, as a
    security group drops it, unless its way is open. target: the region's name in the lab.
    """
    region = topology.region(target)
    sources = {peer.region: peer.node_address for peer in topology.peers(region)}
    sources[FROM_RUNNER] = runner_address(topology)
    open_ways = set(ways)
    lines = ["*mangle", f":{CHAIN} - [0:0]"]
    for port, here in PORTS.items():
        lines += [
            f"-A {CHAIN} -s {address} -p tcp --dport {here} -j RETURN"
            for source, address in sources.items()
            if Way(source, region.region, port) in open_ways
        ]
        lines.append(f"-A {CHAIN} ! -s {topology.bridge.host_address} -p tcp --dport {here} -j DROP")
    return "\n".join([*lines, "COMMIT", ""])


# What a region's own pods ask of their API server does not pass here.
_FROM_OUTSIDE = ("PREROUTING", "-i", NODE_INTERFACE, "-j", CHAIN)


def hook() -> tuple[str, ...]:
    """Words of iptables by which packets come to the chain."""
    return ("-t", "mangle", "-I", *_FROM_OUTSIDE)


def unhook() -> tuple[tuple[str, ...], ...]:
    """Words of iptables by which it all goes away."""
    return (
        ("-t", "mangle", "-D", *_FROM_OUTSIDE),
        ("-t", "mangle", "-F", CHAIN),
        ("-t", "mangle", "-X", CHAIN),
    )
