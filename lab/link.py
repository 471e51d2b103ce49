"""Distance between regions: latency and loss on the way from each region to each other one, on a running lab.

Where the kernel has netem it does it, on the bridge's ports. Some kernels come without it (it is a module of its own):
there packets from the other regions wait in a queue that a small process empties (packet_delay.py). Either way only
traffic between regions is slowed, and neither this machine's own traffic to them nor traffic within one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import network
from lab.errors import LabError
from lab.processes import ProcessIdentity
from lab.region import RegionRuntime
from lab.regions import Region, Topology
from lab.waiting import wait_for

QUEUE = 77
"""Number of the netfilter queue; each network namespace has its own."""
DELAY = "packet-delay"
BAND = 4
"""The port's band for traffic between regions: the three before it are those that all other traffic is spread over."""

_LATENCY = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_LOSS = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Distance:
    """How far apart two regions are.

    Attributes:
        latency: Seconds that the way there and back takes longer; half of it is added to each way.
        loss: Share of packets lost on each way, 0 to 1.
    """

    latency: float = 0.0
    loss: float = 0.0

    @classmethod
    def parse(cls, latency: str, loss: str) -> Distance:
        """The distance from a person's words: `60ms`, `0.1%`.

        Raises:
            LabError: A word is not of that form, or out of range.
        """
        latency_match, loss_match = _LATENCY.fullmatch(latency), _LOSS.fullmatch(loss)
        if not latency_match:
            raise LabError(f"`{latency}` is no latency: write a number with its unit, for example 60ms.")
        if not loss_match:
            raise LabError(f"`{loss}` is no share of packets to lose: write a percentage, for example 0.1%.")
        seconds = float(latency_match[1]) / (1000 if latency_match[2] == "ms" else 1)
        share = float(loss_match[1]) / 100
        if seconds > 10 or share > 1:
            raise LabError(f"A latency of {latency} with a loss of {loss} is no link any more: at most 10s and 100%.")
        return cls(seconds, share)

    @property
    def none(self) -> bool:
        """Whether the regions are side by side."""
        return not self.latency and not self.loss

    def __str__(self) -> str:
        return (
            "no distance"
            if self.none
            else f"{self.latency * 1000:g} ms there and back, {self.loss * 100:g} % loss each way"
        )


def kernel_has_netem() -> bool:
    """Whether the kernel can delay packets by itself, tried in a network namespace that vanishes with the trial."""
    trial = "ip link set lo up && tc qdisc add dev lo root netem delay 1ms"
    return subprocess.run(("unshare", "--net", "sh", "-c", trial), capture_output=True, check=False).returncode == 0


def sources(region: Region, topology: Topology) -> list[str]:
    """Where packets from the other regions come from: their nodes, that pods hide behind, and their load balancers."""
    return [
        source
        for peer in topology.peers(region)
        for source in (f"{peer.node_address}/32", str(peer.load_balancer_cidr))
    ]


def netem_commands(region: Region, topology: Topology, distance: Distance) -> list[str]:
    """What tc is told for the port of one region: packets from the other regions take the band that is delayed."""
    port = region.namespace
    commands = [
        f"qdisc replace dev {port} root handle 1: prio bands {BAND}",
        f"qdisc replace dev {port} parent 1:{BAND} handle 40: netem limit 100000 "
        f"delay {distance.latency / 2 * 1e6:.0f}us loss {distance.loss * 100:g}%",
    ]
    commands += [
        f"filter add dev {port} parent 1: protocol ip u32 match ip src {source} flowid 1:{BAND}"
        for source in sources(region, topology)
    ]
    return commands


def set_distance(runtimes: list[RegionRuntime], distance: Distance) -> str:
    """Put a distance between the regions, or take it away again.

    Returns:
        By which means.
    """
    netem = kernel_has_netem()
    for runtime in runtimes:
        _clear(runtime)
        if distance.none:
            continue
        if netem:
            lines = netem_commands(runtime.region, runtime.topology, distance)
            command = (*network.inside(network.WIRE_NAMESPACE), "tc", "-batch", "-")
            network.run(*command, stdin="\n".join(lines) + "\n")
        else:
            _queue(runtime, distance)
    return "netem" if netem else "a queue (this kernel has no netem)"


def _rules(runtime: RegionRuntime) -> list[str]:
    # queue-bypass: with the process gone, packets pass undelayed instead of being lost.
    return [
        f"PREROUTING -i {network.NODE_INTERFACE} -s {source} -j NFQUEUE --queue-num {QUEUE} --queue-bypass"
        for source in sources(runtime.region, runtime.topology)
    ]


def _identity_file(runtime: RegionRuntime) -> Path:
    return runtime.paths.run / f"{DELAY}.pid"


def _iptables(runtime: RegionRuntime, *arguments: str, check: bool = True) -> None:
    network.run(*runtime.machine.enter(str(runtime.toolset.path("iptables")), "-t", "mangle", *arguments), check=check)


def _clear(runtime: RegionRuntime) -> None:
    port = runtime.region.namespace
    network.run(*network.inside(network.WIRE_NAMESPACE), "tc", "qdisc", "delete", "dev", port, "root", check=False)
    identity = ProcessIdentity.read(_identity_file(runtime))
    if identity is None:
        return
    for rule in _rules(runtime):
        _iptables(runtime, "-D", *rule.split(), check=False)
    identity.kill()
    wait_for(lambda: not identity.alive, deadline=5, what="the delay of packets to end", interval=0.02)
    _identity_file(runtime).unlink()


def _queue(runtime: RegionRuntime, distance: Distance) -> None:
    program = Path(__file__).with_name("packet_delay.py")
    arguments = (sys.executable, str(program), str(QUEUE), f"{distance.latency / 2:.6f}", f"{distance.loss:.6f}")
    log = runtime.paths.log / f"{DELAY}.log"
    identity = runtime.machine.spawn(arguments, log)
    identity.write(_identity_file(runtime))

    def listening() -> bool:
        if not identity.alive:
            raise LabError(f"{runtime.region.name}: the delay of packets ended at once (see {log}).")
        table = Path(f"/proc/{runtime.machine.require_init().pid}/net/netfilter/nfnetlink_queue").read_text()
        return any(line.split()[:1] == [str(QUEUE)] for line in table.splitlines())

    wait_for(listening, deadline=10, what="the delay of packets to begin", interval=0.02)
    for rule in _rules(runtime):
        _iptables(runtime, "-A", *rule.split())
