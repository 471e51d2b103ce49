"""The lab's network on this machine: a network namespace per region, a bridge that joins them, routes between them.

The bridge stands in a network namespace of its own (`lab-wire`), and this machine is one more plug in it, by the
interface that the regions file names. So no packet between regions passes this machine's own packet filter or
forwarding: a container engine's `FORWARD DROP` does not cut the regions apart, and nothing has to be changed on the
machine for them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lab.errors import LabError
from lab.regions import WIRE, Region, Topology

T = TypeVar("T")

# Python 3.11 has no os.setns.
_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000

NAMESPACES = Path("/run/netns")
WIRE_NAMESPACE = f"lab-{WIRE}"
NODE_INTERFACE = "eth0"
HOST_PORT = "host"
"""The bridge's port that this machine is plugged into."""

REGION_SETTINGS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    f"net.ipv4.conf.{NODE_INTERFACE}.rp_filter": 0,
    # Pods are reached through the node, and every packet that it refuses is answered: a redirect, or a limit of one
    # answer a second, would make a refusal look like a lost packet, and a client wait for its time-out.
    "net.ipv4.conf.all.send_redirects": 0,
    f"net.ipv4.conf.{NODE_INTERFACE}.send_redirects": 0,
    "net.ipv4.icmp_ratelimit": 0,
}
"""Kernel settings of a region's own network namespace; none of them is the machine's."""


def run(*command: str, check: bool = True, stdin: str | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Run a command and give what it wrote.

    Args:
        command: Its words.
        check: Whether it has to end with 0.
        stdin: What it reads; by default what the caller would.
        variables: Its environment; by default the caller's.

    Raises:
        LabError: It failed; names the command and its complaint.
    """
    result = subprocess.run(command, input=stdin, env=variables, capture_output=True, text=True, check=False)
    if check and result.returncode:
        raise LabError(f"`{' '.join(command)}` failed: {(result.stderr or result.stdout).strip()}.")
    return result.stdout


def inside(namespace: str) -> tuple[str, ...]:
    """The words that run a command in a network namespace.

    Not `ip netns exec`: that mounts a new /sys, in which the kubelet finds no control groups.
    """
    return ("nsenter", f"--net={NAMESPACES / namespace}", "--")


def namespaces(topology: Topology) -> list[str]:
    """The names of all network namespaces of the lab."""
    return [WIRE_NAMESPACE, *(region.namespace for region in topology.regions)]


def create_wire(topology: Topology) -> None:
    """Make the bridge and this machine's plug in it."""
    bridge = topology.bridge
    run("ip", "netns", "add", WIRE_NAMESPACE)
    _ip_batch(
        WIRE_NAMESPACE,
        "link set lo up",
        f"link add {bridge.name} type bridge",
        f"link set {bridge.name} up",
    )
    run("ip", "link", "add", bridge.name, "type", "veth", "peer", "name", HOST_PORT, "netns", WIRE_NAMESPACE)
    _ip_batch(WIRE_NAMESPACE, f"link set {HOST_PORT} master {bridge.name} up")
    _ip_batch(
        None,
        f"address add {bridge.host_address}/{bridge.network.prefixlen} dev {bridge.name}",
        f"link set {bridge.name} up",
        *(f"route add {region.load_balancer_cidr} via {region.node_address}" for region in topology.regions),
    )


def create_region(region: Region, topology: Topology) -> None:
    """Make a region's network namespace, plug it into the bridge and give it its routes."""
    run("ip", "netns", "add", region.namespace)
    _ip_batch(
        WIRE_NAMESPACE,
        f"link add {region.namespace} type veth peer name {NODE_INTERFACE} netns {region.namespace}",
        f"link set {region.namespace} master {topology.bridge.name} up",
    )
    _ip_batch(
        region.namespace,
        "link set lo up",
        f"address add {region.node_address}/{topology.bridge.network.prefixlen} dev {NODE_INTERFACE}",
        f"link set {NODE_INTERFACE} up",
        # Addresses of Services are translated by kube-proxy's rules, but only packets that have a route get as far.
        f"route add {region.service_cidr} dev {NODE_INTERFACE} src {region.node_address}",
        f"route add {region.load_balancer_cidr} dev {NODE_INTERFACE} src {region.node_address}",
        *(f"route add {peer.load_balancer_cidr} via {peer.node_address}" for peer in topology.peers(region)),
    )
    script = "; ".join(f"echo {value} >/proc/sys/{key.replace('.', '/')}" for key, value in REGION_SETTINGS.items())
    run(*inside(region.namespace), "/bin/sh", "-ec", script)


def packet_filter(region: Region) -> str:
    """A region's own rules, for iptables-restore: what leaves it is masqueraded, what comes in reaches no pod directly.

    So the regions are different networks to Istio, as two VPCs are: pods of one cannot be addressed from another, only
    load balancers can.
    """
    pods, node = region.pod_cidr, NODE_INTERFACE
    return "\n".join(
        (
            "*nat",
            f"-A POSTROUTING -s {pods} -o {node} -j MASQUERADE",
            "COMMIT",
            "*filter",
            f"-A FORWARD -i {node} -d {pods} -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT",
            f"-A FORWARD -i {node} -d {pods} -j REJECT",
            # No Service has this address, or kube-proxy would have translated it: say so at once.
            f"-A FORWARD -d {region.load_balancer_cidr} -j REJECT",
            f"-A FORWARD -d {region.service_cidr} -j REJECT",
            "COMMIT",
            "",
        )
    )


def exists(namespace: str) -> bool:
    """Whether a network namespace of this name is there."""
    return namespace in list_namespaces()


def list_namespaces() -> list[str]:
    """The named network namespaces of this machine."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.name for path in NAMESPACES.iterdir())
    return []


def remove(names: Sequence[str], interface: str) -> None:
    """Remove network namespaces, and this machine's plug in the lab's network with the routes over it."""
    if interface in interfaces():
        run("ip", "link", "delete", interface, check=False)
    for name in names:
        if exists(name):
            run("ip", "netns", "delete", name, check=False)


def interfaces() -> list[str]:
    """The names of this machine's interfaces."""
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def routes() -> list[dict[str, str]]:
    """This machine's routes of version 4, of all tables that `ip route` shows by default."""
    return json.loads(run("ip", "-json", "-4", "route", "show") or "[]")


def addresses() -> list[tuple[str, str]]:
    """This machine's addresses of version 4: interface, and address with prefix length."""
    links = json.loads(run("ip", "-json", "-4", "address", "show") or "[]")
    return [
        (link["ifname"], f"{entry['local']}/{entry['prefixlen']}")
        for link in links
        for entry in link.get("addr_info", [])
    ]


def _ip_batch(namespace: str | None, *lines: str) -> None:
    prefix = ("ip", "-netns", namespace) if namespace else ("ip",)
    run(*prefix, "-batch", "-", stdin="\n".join(lines) + "\n")


def call_inside(namespace: str, function: Callable[[], T]) -> T:
    """Call a function whose sockets are then made in a network namespace.

    Only a thread made for the call enters it; the calling one stays where it is.
    """
    outcome: list[T] = []
    problem: list[Exception] = []

    def enter_and_call() -> None:
        try:
            with (NAMESPACES / namespace).open() as file:
                if _libc.setns(file.fileno(), _CLONE_NEWNET):
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), str(NAMESPACES / namespace))
            outcome.append(function())
        except Exception as error:
            problem.append(error)

    thread = threading.Thread(target=enter_and_call)
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return outcome[0]
