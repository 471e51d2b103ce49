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

import yaml

from lab import cgroups, network
from lab.errors import LabError
from lab.ownership import Marker
from lab.paths import MACHINE_STATE, Paths
from lab.regions import Topology
from lab.tools import host
from lab.tools.build import FIRST_BUILD_GIB

GIB = 1024**3
MINIMUM_DISK = 3 * GIB
"""Images and their store take 1 GiB, what pods and logs write another; the rest is to spare."""
ENGINE_MEMORY, REGION_MEMORY = GIB, 3 * GIB // 2
"""What `pulumi up` with its provider takes, and a region with the mesh and the tenant."""

STACK_FILE = "Pulumi.local.yaml"

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
        interfaces: The names of all interfaces.
        network_namespaces: The names of all named network namespaces.
        missing_controllers: Controllers of control groups that are needed and not there.
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
    interfaces: Sequence[str]
    network_namespaces: Sequence[str]
    missing_controllers: Sequence[str]
    missing_commands: Callable[[Sequence[str]], list[str]]
    missing_namespaces: Sequence[str]
    kernel_fault: Callable[[Path], str]


COMMANDS = ("ip", "nsenter", "unshare", "mount", "setsid", "setpriv", "sh")
"""What the lab calls of the system itself: iproute2, util-linux and a shell."""

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def check(machine: Machine, topology: Topology, paths: Paths, cache: Path, *, tools_missing: bool) -> None:
    """Refuse a machine that the lab cannot run on.

    Args:
        machine: The machine.
        topology: What the lab is to be.
        paths: The clone's files.
        cache: Where tools are kept.
        tools_missing: Whether some have to be made, which takes far more disk than to run the lab.

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
    if machine.missing_controllers:
        raise LabError(
            f"This machine has no controller {', '.join(machine.missing_controllers)} of control groups, which every "
            "kubelet needs: take `cgroup_disable=...` off the kernel's command line, or use a virtual machine instead "
            "of a container that is not given it."
        )
    _check_place(paths)
    needed = {paths.root: (MINIMUM_DISK, "the clone", "")}
    if tools_missing:
        hint = ", or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to a larger disk"
        needed[cache] = (FIRST_BUILD_GIB * GIB, "the tools' cache", hint)
    for place, (least, what, hint) in needed.items():
        free = machine.free_disk(place)
        if free < least:
            raise LabError(
                f"Only {free / GIB:.1f} GiB are free on the disk of {what} ({place}), and the lab needs "
                f"{least / GIB:.0f} GiB: make room there{hint}."
            )
    memory = ENGINE_MEMORY + REGION_MEMORY * len(topology.regions)
    if machine.available_memory < memory:
        raise LabError(
            f"Only {machine.available_memory / GIB:.1f} GiB of memory are available, and the lab needs "
            f"{memory / GIB:.1f} GiB for {len(topology.regions)} regions: end other programs or use a larger machine."
        )
    check_names(machine, topology)
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
        raise LabError(
            "The lab makes network namespaces and mounts, which only root may: open a root shell "
            "(`sudo -s`) in this clone and stay in it."
        )


def _check_place(paths: Paths) -> None:
    # In KUBECONFIG and PATH the one parts two files; the other parts the options of a mount.
    for mark in ":,":
        if mark in str(paths.root):
            raise LabError(
                f"The clone is in {paths.root}, and `{mark}` in a path would be taken for the end of it: move the "
                "clone to a place without."
            )
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


def check_names(machine: Machine, topology: Topology) -> None:
    """Refuse a machine that has something of the lab's exact names while no lab is known: it may be someone else's.

    Raises:
        LabError: Names it, and how to remove it.
    """
    taken = [
        *(
            (f"a network namespace {name}", f"ip netns delete {name}")
            for name in network.namespaces(topology)
            if name in machine.network_namespaces
        ),
        *(
            (f"an interface {name}", f"ip link delete {name}")
            for name in (topology.bridge.name,)
            if name in machine.interfaces
        ),
    ]
    for what, removal in taken:
        raise LabError(
            f"There is {what} on this machine already, and no mark in {MACHINE_STATE} that it is a lab's, so it is "
            f"left alone. If nobody needs it, remove it (`{removal}`); else choose another name in lab/regions.yaml."
        )


def check_unchanged(marker: Marker, topology: Topology) -> None:
    """Refuse to go on with a running lab whose regions file was changed since.

    Raises:
        LabError: Says which regions run.
    """
    names = {region.name for region in topology.regions}
    if names != set(marker.regions) or marker.interface != topology.bridge.name:
        raise LabError(
            f"lab/regions.yaml was changed: the lab that runs has the regions {', '.join(marker.regions)} on "
            f"{marker.interface}, the file has {', '.join(sorted(names))} on {topology.bridge.name}. Clusters of one "
            "mesh are made together: `make down`, then `make up`."
        )


def check_stack(topology: Topology, paths: Paths) -> None:
    """Refuse a stack file that does not name the lab's regions as its clusters.

    Raises:
        LabError: Says which lines to add or to take out.
    """
    path = paths.root / STACK_FILE
    try:
        clusters = yaml.safe_load(path.read_text())["config"]["istio-mesh:clusters"]
        named = {entry["name"]: str((entry.get("existing") or {}).get("kubeconfig", "")) for entry in clusters}
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise LabError(
            f"{path}: the clusters of the stack cannot be read ({error}). Restore the file: git checkout {STACK_FILE}."
        ) from error
    missing = [region for region in topology.regions if region.name not in named]
    if missing:
        lines = "".join(
            f"\n    - name: {region.name}\n      region: {region.region}\n"
            f"      existing: {{kubeconfig: .lab/kubeconfig-{region.name}, context: {region.name}}}"
            for region in missing
        )
        raise LabError(
            f"{STACK_FILE} does not name every region of lab/regions.yaml, so the mesh would leave some out. Add to "
            f"istio-mesh:clusters:{lines}"
        )
    ours = {region.name for region in topology.regions}
    for name, kubeconfig in named.items():
        # A person may well join another cluster of their own; only those of the lab come from it.
        if name not in ours and kubeconfig.startswith(".lab/"):
            raise LabError(
                f"{STACK_FILE} names the cluster {name} by {kubeconfig}, and lab/regions.yaml has no such region: take "
                "it out of istio-mesh:clusters, or add the region."
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
        available_memory=int(host.memory_gib() * GIB) if linux else 0,
        addresses=network.addresses() if has_ip else (),
        routes=[
            (route["dst"], route.get("dev", "no interface"))
            for route in (network.routes() if has_ip else ())
            if route["dst"] != "default" and _is_range(route["dst"])
        ],
        interfaces=network.interfaces() if linux else (),
        network_namespaces=network.list_namespaces(),
        missing_controllers=cgroups.missing_controllers() if linux else (),
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
