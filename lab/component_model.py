"""What a component of a region is made of: its command line, its files, and when it counts as serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import kubeconfig
from lab.paths import RegionPaths
from lab.pki import RegionPki
from lab.regions import Region

CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Component:
    """How one component runs.

    Attributes:
        name: Of the component; its log and its process's identity are files of this name.
        arguments: The command with its arguments; the command is a name in the region's bin directory.
        probe: A URL that answers 200, or `host:port` that accepts, or a socket's path, once it serves. None: it serves
            once it runs.
        stop_deadline: Seconds that it gets to end by itself before it is killed.
        environment: Variables on top of those of all components.
        files: What is written before it starts, readable by root only.
    """

    name: str
    arguments: tuple[str, ...]
    probe: str | None = None
    stop_deadline: float = 5
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[Path, str] = field(default_factory=dict[Path, str])


def flags(values: Mapping[str, object]) -> tuple[str, ...]:
    """Command-line flags in the form that all components of Kubernetes take."""
    return tuple(
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()
    )


@dataclass(frozen=True)
class Setting:
    """What a component's command line and files are made of.

    Attributes:
        region: The region it is for.
        paths: The region's files.
        pki: The region's certificates.
        pause_image: Name of the image of a pod's sandbox.
        command: Gives the path of a command by its name.
    """

    region: Region
    paths: RegionPaths
    pki: RegionPki
    pause_image: str
    command: Callable[[str], Path]

    def path(self, name: str) -> Path:
        """Where a configuration file of the region goes."""
        return self.paths.run / name

    def kubeconfig(self, user: str) -> dict[Path, str]:
        """The kubeconfig of one of the region's own users, by its path."""
        text = kubeconfig.render(self.region, self.pki.authority.certificate, user, self.pki.pair(user))
        return {self.path(f"{user}.kubeconfig"): text}
