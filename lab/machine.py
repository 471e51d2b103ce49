"""The machine of a region: Linux namespaces with `pause` as their first process, and processes inside of them.

When the first process ends, the kernel ends every other one in its process namespace, and with the last of them the
region's mounts vanish: stopping a region is one signal, and complete.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from lab import cgroups, network
from lab.errors import LabError
from lab.paths import RegionPaths
from lab.processes import ProcessIdentity, namespace_id, namespace_pid
from lab.regions import Region
from lab.tools import Toolset
from lab.waiting import wait_for

INIT = "init"
"""File name of the identity of a region's first process."""

COMMANDS = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"),
    *("etcd", "coredns", "metallb-controller", "containerd", "containerd-shim-runc-v2", "ctr", "runc"),
    *("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"),
)
"""What a region's components call by name: they find it in the region's own bin directory."""

NODE_DIRECTORIES = tuple(
    Path(path)
    for path in (
        *("/var/lib/etcd", "/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/etc/cni", "/opt/cni"),
        *("/var/log/pods", "/var/log/containers"),
    )
)
"""Where a region mounts its own directories: they must exist on the machine, where they stay empty (region_init.sh)."""

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
NOTHING: Mapping[str, str] = MappingProxyType({})


class RegionMachine:
    """The machine of one region of this clone's lab.

    Args:
        region: What it is, as the regions file says.
        toolset: Where its commands come from.
        paths: Its files.
    """

    def __init__(self, region: Region, toolset: Toolset, paths: RegionPaths) -> None:
        self._region = region
        self._toolset = toolset
        self._paths = paths

    @property
    def init(self) -> ProcessIdentity | None:
        """The region's first process; None where the region does not run."""
        identity = ProcessIdentity.read(self._paths.run / f"{INIT}.pid")
        return identity if identity and identity.alive else None

    def require_init(self) -> ProcessIdentity:
        """The region's first process.

        Raises:
            LabError: The region does not run.
        """
        init = self.init
        if init is None:
            raise LabError(f"The region {self._region.name} does not run. Start the lab: make up.")
        return init

    def create(self) -> ProcessIdentity:
        """Make the region's namespaces, with `pause` as their first process. The network is there already."""
        for directory in (self._paths.log, self._paths.run, self._paths.data, self._paths.directory / "bin"):
            directory.mkdir(parents=True, exist_ok=True)
        for command in COMMANDS:
            link = self._paths.directory / "bin" / command
            link.unlink(missing_ok=True)
            link.symlink_to(self._toolset.path(command))
        cgroups.create(self._region.name)
        pause, log = self._toolset.path("pause"), self._paths.log / f"{INIT}.log"
        command = (
            *network.inside(self._region.namespace),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--propagation", "private"),
            *("/bin/sh", str(Path(__file__).with_name("region_init.sh"))),
        )
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "NODE_NAME": self._region.node_name,
            "DATA": str(self._paths.data),
            "CGROUPS": "\n".join(f"{tree.mount} {tree.options or '-'}" for tree in cgroups.hierarchies()),
            "PAUSE": str(pause),
        }
        with log.open("ab") as output:
            outer = subprocess.Popen(
                # The group that the region is to see as its root: entering a group's namespace takes the one one is in.
                cgroups.joining(cgroups.roots(self._region.name), *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=variables,
                start_new_session=True,
            )

        def ready() -> ProcessIdentity | None:
            if outer.poll() is not None:
                raise LabError(f"The region {self._region.name} could not be made: {last_line(log)} (see {log}).")
            for pid in cgroups.pids(self._region.name):
                if namespace_pid(pid) == 1 and Path(f"/proc/{pid}/exe").samefile(pause):
                    return ProcessIdentity.of(pid)
            return None

        init = wait_for(ready, deadline=20, what=f"the namespaces of {self._region.name} (see {log})", interval=0.02)
        init.write(self._paths.run / f"{INIT}.pid")
        # `unshare` only waits for its child: without it, nothing of the region runs outside of its namespaces.
        outer.kill()
        outer.wait()
        cgroups.delegate(self._region.name)
        return init

    def enter(self, *command: str) -> tuple[str, ...]:
        """The words that run a command inside the region."""
        return ("nsenter", f"--target={self.require_init().pid}", *NAMESPACES, "--", *command)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables of every process of the region."""
        path = f"{self._paths.directory / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        # Not the caller's environment: a proxy or a KUBECONFIG of a person's shell must not reach a region.
        return {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}

    def spawn(self, arguments: Sequence[str], log: Path, extra: Mapping[str, str] = NOTHING) -> ProcessIdentity:
        """Start a process in the region that goes on by itself.

        Args:
            arguments: The command and its arguments.
            log: What it writes is appended to this file; it reads nothing.
            extra: Variables on top of those of every process.

        Returns:
            Its identity on this machine.

        Raises:
            LabError: It ended at once; names the log and its last line.
        """
        # The shell joins the region's control groups (0 stands for itself), then leaves the command behind as an orphan
        # that the region's first process takes over, and says its id as the region counts.
        script = f'{cgroups.JOIN} exec </dev/null; setsid "$@" >>"$LOG" 2>&1 & echo $!'
        variables = {**self.environment, **extra, "LOG": str(log), "JOIN": " ".join(map(str, cgroups.inner_leaves()))}
        inside = namespace_id(self.require_init().pid, "pid")
        inner = int(
            network.run(*self.enter("/bin/sh", "-c", script, arguments[0], *arguments), variables=variables) or 0
        )

        def found() -> ProcessIdentity | None:
            for pid in cgroups.pids(self._region.name):
                # A container counts its processes anew: one of it may have the same id in its own namespace.
                if namespace_pid(pid) == inner and namespace_id(pid, "pid") == inside:
                    return ProcessIdentity.of(pid)
            raise LabError(f"{self._region.name}: {arguments[0]} ended at once: {last_line(log)} (see {log}).")

        return wait_for(found, deadline=5, what=f"the process of {arguments[0]}")

    def file(self, path: str) -> Path:
        """Where a file of the region's own file system is to be found on this machine."""
        return Path(f"/proc/{self.require_init().pid}/root{path}")


def last_line(log: Path) -> str:
    """The last line of a log, which mostly says why."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it wrote nothing"
