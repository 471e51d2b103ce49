"""What the lab needs of a machine, asked before anything is made: each refusal is one sentence with cause and cure."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from lab import cgroups, network
from lab.errors import LabError
from lab.paths import Paths
from lab.regions import Topology

GIB = 1024**3
MINIMUM_DISK = 8 * GIB
"""Tools take 2 GiB, their builds 4 GiB more, images and what pods write 1 GiB."""
MINIMUM_MEMORY = 4 * GIB
"""Two regions with the mesh and the tenant take 3 GiB, `pulumi up` and its provider 1 GiB."""

WIDEST_ROUTE = 8
"""Prefix length below which a route is a default route in disguise (VPNs split it in two): the lab's own wins over it.
"""


@dataclass(frozen=True)
class Machine:
    """What is asked of the machine, so that each refusal can be tried on any.

    Attributes:
        system: Name of the operating system's kernel.
        user: Numeric id of the user.
        free_disk: Bytes free in a directory's file system.
        available_memory: Bytes that can be had without swapping.
        addresses: Interface and address with prefix length, of all interfaces.
        routes: Destination and interface of all routes; the default route left out.
        missing_commands: Which of these commands cannot be found.
        missing_namespaces: Which kinds of namespaces the kernel lacks.
        kernel_fault: What the kernel refuses of namespaces, veth, bridges, overlay mounts; empty if nothing.
    """

    system: str
    user: int
    free_disk: Callable[[Path], int]
    available_memory: int
    addresses: Sequence[tuple[str, str]]
    routes: Sequence[tuple[str, str]]
    missing_commands: Callable[[Sequence[str]], list[str]]
    missing_namespaces: Sequence[str]
    kernel_fault: Callable[[Path], str]


COMMANDS = ("ip", "nsenter", "unshare", "mount", "setsid", "setpriv", "sh")
"""What the lab calls of the system itself: iproute2, util-linux and a shell."""

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def check(machine: Machine, topology: Topology, paths: Paths, cache: Path) -> None:
    """Refuse a machine that the lab cannot run on.

    Args:
        machine: The machine.
        topology: What the lab is to be.
        paths: The clone's files.
        cache: Where tools are kept.

    Raises:
        LabError: The first thing that is missing.
    """
    _check_user(machine.system, machine.user)
    if missing := machine.missing_commands(COMMANDS):
        raise LabError(
            f"Not found on PATH: {', '.join(missing)}. The lab cannot make its regions without: install iproute2 and "
            "util-linux (apt-get install iproute2 util-linux)."
        )
    if machine.missing_namespaces:
        raise LabError(
            f"This kernel has no namespaces of the kind {', '.join(machine.missing_namespaces)}, of which a region is "
            "made: use a kernel of a distribution, or a virtual machine instead of a container."
        )
    _check_place(paths)
    for place, what in ((paths.root, "the clone"), (cache, "the tools' cache")):
        free = machine.free_disk(place)
        if free < MINIMUM_DISK:
            raise LabError(
                f"Only {free / GIB:.1f} GiB are free on the disk of {what} ({place}), and the lab needs "
                f"{MINIMUM_DISK / GIB:.0f} GiB: make room there"
                + (", or set XDG_CACHE_HOME to a larger disk." if place == cache else ".")
            )
    if machine.available_memory < MINIMUM_MEMORY:
        raise LabError(
            f"Only {machine.available_memory / GIB:.1f} GiB of memory are available, and the lab needs "
            f"{MINIMUM_MEMORY / GIB:.0f} GiB: end other programs or use a larger machine."
        )
    check_addresses(machine, topology)
    if fault := machine.kernel_fault(paths.lab):
        raise LabError(
            f"{fault}. The lab needs namespaces, veth pairs, bridges and overlay mounts: use a kernel of a "
            "distribution that has them, on a real or virtual machine instead of in a container."
        )


def check_user() -> None:
    """Refuse at once who cannot make a lab at all, before even the lock of the machine is taken.

    Raises:
        LabError: Not Linux, or not root.
    """
    _check_user(platform.system(), os.geteuid())


def _check_user(system: str, user: int) -> None:
    if system != "Linux":
        raise LabError(
            f"The lab needs Linux, and this is {system}: use a Linux machine or virtual machine, or point the local "
            'stack at two clusters of kind or k3d (README, "your own clusters").'
        )
    if user != 0:
        raise LabError("The lab makes network namespaces and mounts, which only root may: run the command with sudo.")


def _check_place(paths: Paths) -> None:
    hidden = (
        "/run",
        "/var/run",
        "/var/lib/kubelet",
        "/var/lib/containerd",
        "/var/lib/etcd",
        "/var/lib/cni",
        "/opt/cni",
    )
    for directory in hidden:
        if paths.root.is_relative_to(directory):
            raise LabError(
                f"The clone is in {paths.root}, and a region has its own {directory}: its programs could not see the "
                "clone. Move the clone to another place, a home directory for one."
            )


def check_addresses(machine: Machine, topology: Topology) -> None:
    """Refuse a machine that uses one of the lab's addresses for something else.

    Raises:
        LabError: Names the range of the regions file, and what uses it.
    """
    for what, cidr in topology.host_ranges.items():
        for interface, address in machine.addresses:
            if IPv4Interface(address).network.overlaps(cidr):
                raise _taken(what, cidr, f"this machine's interface {interface} has the address {address}")
        for destination, interface in machine.routes:
            if IPv4Network(destination, strict=False).prefixlen < WIDEST_ROUTE:
                continue
            if IPv4Network(destination, strict=False).overlaps(cidr):
                raise _taken(what, cidr, f"this machine has a route to {destination} by {interface}")


def _taken(what: str, cidr: IPv4Network, by: str) -> LabError:
    return LabError(
        f"The lab's {what} {cidr} is in use here: {by}, which the lab would cut off. Choose another range in "
        "lab/regions.yaml, or take the other one away."
    )


def check_packet_filter(restore: Path) -> None:
    """Refuse a machine whose kernel lacks what kube-proxy's rules need, tried in a network namespace of its own.

    Args:
        restore: iptables-restore, of the kind (nft or legacy) that the tools hold.

    Raises:
        LabError: Says what the kernel refused.
    """
    rules = (
        "*nat",
        ":LAB - [0:0]",
        "-A LAB -m comment --comment probe -m statistic --mode random --probability 0.5 -j RETURN",
        "-A LAB -m addrtype --dst-type LOCAL -p tcp -j DNAT --to-destination 127.0.0.1:1",
        "-A LAB -m mark ! --mark 0x4000/0x4000 -j MASQUERADE --random-fully",
        "COMMIT",
        "*filter",
        "-A FORWARD -m conntrack --ctstate DNAT -j REJECT",
        "COMMIT",
        "",
    )
    command = ("unshare", "--net", str(restore))
    result = subprocess.run(command, input="\n".join(rules), capture_output=True, text=True, check=False)
    if result.returncode:
        raise LabError(
            f"This kernel refuses a rule that kube-proxy needs ({' '.join(result.stderr.split())}): load its netfilter "
            "modules (modprobe -a nf_tables nft_compat xt_conntrack xt_statistic xt_addrtype) or use a kernel of a "
            "distribution."
        )


def this_machine() -> Machine:
    """The machine that this runs on, with the addresses and routes of a lab on it included."""
    linux = platform.system() == "Linux"
    has_ip = linux and shutil.which("ip") is not None
    return Machine(
        system=platform.system(),
        user=os.geteuid(),
        free_disk=_free_disk,
        available_memory=_available_memory() if linux else 0,
        addresses=network.addresses() if has_ip else (),
        routes=[
            (route["dst"], route.get("dev", "no interface"))
            for route in (network.routes() if has_ip else ())
            if route["dst"] != "default" and _is_range(route["dst"])
        ],
        missing_commands=lambda commands: [command for command in commands if shutil.which(command) is None],
        missing_namespaces=[kind for kind in NAMESPACES if not Path(f"/proc/self/ns/{kind}").exists()] if linux else (),
        kernel_fault=_kernel_fault,
    )


def _is_range(text: str) -> bool:
    try:
        IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def _free_disk(directory: Path) -> int:
    # A directory that is to be made has the disk of the first one above it that exists.
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


# Everything that a region is made of, made once in namespaces that vanish with the shell.
_TRIAL = """
trial() { what=$1; shift; "$@" || { echo "$what" >&2; exit 1; }; }
trial "mounting proc" mount -t proc proc /proc
trial "mounting sysfs" mount -t sysfs sysfs /sys
trial "making a bridge" ip link add lab-trial type bridge
trial "making a veth pair" ip link add lab-trial-a type veth peer name lab-trial-b
trial "mounting tmpfs" mount -t tmpfs tmpfs /run
layers="lowerdir=$DIRECTORY/l,upperdir=$DIRECTORY/u,workdir=$DIRECTORY/w"
trial "mounting an overlay in $DIRECTORY" mount -t overlay -o "$layers" overlay "$DIRECTORY/m"
echo 1 >/proc/sys/net/ipv4/ip_forward || { echo "writing to /proc/sys" >&2; exit 1; }
"""


def _kernel_fault(directory: Path) -> str:
    if not cgroups.hierarchies():
        return "This machine has no control groups mounted at /sys/fs/cgroup"
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix="preflight-") as trial:
        for name in "luwm":
            (Path(trial) / name).mkdir()
        command = (
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--cgroup",
            "--fork",
            "--propagation",
            "private",
        )
        result = subprocess.run(
            (*command, "sh", "-c", _TRIAL),
            env={"PATH": os.environ.get("PATH", os.defpath), "DIRECTORY": trial},
            capture_output=True,
            text=True,
            check=False,
        )
        # overlayfs leaves this directory with mode 000 for a moment when the namespace goes.
        with contextlib.suppress(OSError):
            shutil.rmtree(Path(trial) / "w")
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["unshare failed"]
        return f"This kernel does not allow {lines[-1]} ({'; '.join(lines[:-1]) or 'no reason given'})"
    return ""
