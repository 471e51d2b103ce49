"""Which ways between regions the account has open, and the same in the lab's network.

A packet between regions of the lab is let through where AWS would let it through: where a peering connection (or
transit gateways) joins the two VPCs, the route tables of the private subnets of both sides lead there and back, and a
security group of the target lets the source's range in on that port. Of all ports, those of the east-west gateway and
of the API server are decided so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.regions import Topology

GATEWAY_PORT, API_PORT = 15443, 443
PORTS: Mapping[int, int] = {GATEWAY_PORT: 15443, API_PORT: 6443}
"""Port on AWS, and in the lab."""

CHAIN = "AWS-WAYS"
"""The chain in a region's table `mangle`: it is asked before addresses of Services are translated."""


@dataclass(frozen=True)
class Way:
    """A way between regions of AWS that is open: from, to, port on AWS."""

    source: str
    target: str
    port: int


def rules(topology: Topology, target: str, ways: Iterable[Way]) -> str:
    """A region's rules, for `iptables-restore --noflush`: what comes from other regions to the decided ports is
    dropped, as a security group drops it, unless its way is open. target: the region's name in the lab.
    """
    region = topology.region(target)
    open_ways = set(ways)
    lines = ["*mangle", f":{CHAIN} - [0:0]"]
    for peer in topology.peers(region):
        for port, here in PORTS.items():
            way = Way(peer.region, region.region, port)
            verdict = "RETURN" if way in open_ways else "DROP"
            lines.append(f"-A {CHAIN} -s {peer.node_address} -p tcp --dport {here} -j {verdict}")
    return "\n".join([*lines, "COMMIT", ""])


def hook() -> tuple[str, ...]:
    """Words of iptables by which packets come to the chain."""
    return ("-t", "mangle", "-I", "PREROUTING", "-j", CHAIN)


def unhook() -> tuple[tuple[str, ...], ...]:
    """Words of iptables by which it all goes away."""
    return (
        ("-t", "mangle", "-D", "PREROUTING", "-j", CHAIN),
        ("-t", "mangle", "-F", CHAIN),
        ("-t", "mangle", "-X", CHAIN),
    )
