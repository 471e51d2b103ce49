"""The place that the engine runs in: a network of its own in the lab, as the stack's `deployFrom` says.

It is a network namespace without a name, held by a process, and goes with it. From there the regions' API servers are
reached only where the account has a way open (ways.py); the account itself, which stands for AWS's own endpoints,
always.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address

from lab import network
from lab.regions import Topology
from lab.waiting import wait_for

_PORT, _INTERFACE = "runner", "eth0"


@contextmanager
def place(topology: Topology, address: IPv4Address, port: str = _PORT) -> Generator[Sequence[str]]:
    """A place in a running lab's network for as long as the block lasts; the words that start a command in it.

    Args:
        topology: The lab's.
        address: Its address in the nodes' network.
        port: Name of its plug in the bridge.
    """
    # With this process it ends too, however that ends.
    words = ("unshare", "--net", "--", "setpriv", "--pdeathsig", "KILL", "sleep", "infinity")
    holder = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        inside = ("nsenter", f"--target={holder.pid}", "--net", "--")
        own = network.run("readlink", "/proc/self/ns/net")

        def apart() -> bool:
            found = network.run("readlink", f"/proc/{holder.pid}/ns/net", check=False)
            return found not in ("", own)

        wait_for(apart, deadline=5, what="a network of the engine's own", interval=0.02)
        bridge = topology.bridge
        wire = ("ip", "-netns", network.WIRE_NAMESPACE)
        network.run(*wire, "link", "add", port, "type", "veth", "peer", "name", _INTERFACE, "netns", str(holder.pid))
        network.run(*wire, "link", "set", port, "master", bridge.name, "up")
        lines = [
            "link set lo up",
            f"address add {address}/{bridge.network.prefixlen} dev {_INTERFACE}",
            f"link set {_INTERFACE} up",
            *(f"route add {each.load_balancer_cidr} via {each.node_address}" for each in topology.regions),
        ]
        network.run(*inside, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")
        yield inside
    finally:
        holder.kill()
        holder.wait()
