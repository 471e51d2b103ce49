"""The lab's topology as data: the regions, their names and their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lab.cgroups import ENGINE
from lab.errors import LabError

REGIONS_FILE = Path(__file__).with_name("regions.yaml")

NAME = re.compile(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?")
"""A region's name is part of an interface's name (`lab-<name>`), and Linux cuts those at 15 characters (IFNAMSIZ)."""

WIRE = "wire"
"""The network namespace between the regions is named like a region's own, so no region may have this name."""


class Model(BaseModel):
    """Base of the topology's models: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bridge(Model):
    """The network that joins this machine and the nodes of all regions.

    Attributes:
        name: This machine's interface in it.
        network: Its address range.
        host_address: This machine's address in it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9]{0,13}$")
    network: IPv4Network
    host_address: IPv4Address


class Region(Model):
    """One region: a Kubernetes cluster of one node.

    Attributes:
        name: Name of the cluster, its context and its files; at most 10 characters.
        region: Label topology.kubernetes.io/region of its node.
        zone: Label topology.kubernetes.io/zone of its node.
        node_address: Address of its node in the bridge's network; the API server listens there.
        pod_cidr: Addresses of its pods, not reachable from outside the region.
        service_cidr: Addresses of its Services, not reachable from outside the region.
        load_balancer_cidr: Addresses of its Services of type LoadBalancer, reachable from this machine and the other
        regions.
    """

    name: str
    region: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    zone: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    node_address: IPv4Address
    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    load_balancer_cidr: IPv4Network

    @field_validator("name")
    @classmethod
    def _fits_an_interface(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"`{name}` is no name for a region: it has to begin with a letter, hold only a-z, 0-9 and -, and have "
                "at most 10 characters, because it becomes part of a network interface's name"
            )
        if name == WIRE:
            raise ValueError(f"`{name}` is the name of the network between the regions: choose another")
        if name == ENGINE:
            raise ValueError(f"`{name}` is the name of the control group of Pulumi's engine: choose another")
        return name

    @property
    def node_name(self) -> str:
        """Name of its node."""
        return f"{self.name}-node"

    @property
    def namespace(self) -> str:
        """Name of its network namespace, and of the interface that joins it to the others."""
        return f"lab-{self.name}"

    @property
    def api_server(self) -> str:
        """URL of its API server, the same for this machine and for the other regions."""
        return f"https://{self.node_address}:6443"

    @property
    def dns_address(self) -> IPv4Address:
        """Address of the Service kube-dns: the tenth of its range, as kubeadm has it."""
        return self.service_cidr[10]

    @property
    def kubernetes_address(self) -> IPv4Address:
        """Address of the Service kubernetes: the first of its range, as the API server chooses it."""
        return self.service_cidr[1]


class Topology(Model):
    """All of the lab's network: the bridge and the regions. No two ranges overlap, no name or address is used twice."""

    bridge: Bridge
    regions: tuple[Region, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _addresses_are_apart(self) -> Topology:
        if self.bridge.host_address not in self.bridge.network:
            raise ValueError(
                f"bridge: host_address {self.bridge.host_address} is not in its network {self.bridge.network}"
            )
        taken: dict[str, str] = {str(self.bridge.host_address): "this machine"}
        names: set[str] = set()
        for region in self.regions:
            if region.name in names:
                raise ValueError(f"two regions are named `{region.name}`: each name can be used once")
            names.add(region.name)
            if region.node_address not in self.bridge.network:
                raise ValueError(
                    f"{region.name}: node_address {region.node_address} is not in the bridge's network "
                    f"{self.bridge.network}, so nothing could reach the node"
                )
            owner = taken.setdefault(str(region.node_address), region.name)
            if owner != region.name:
                raise ValueError(f"{region.name}: node_address {region.node_address} belongs to {owner} already")
            if region.service_cidr.prefixlen > 28:
                raise ValueError(
                    f"{region.name}: service_cidr {region.service_cidr} is too small to hold the tenth address, "
                    "kube-dns: use /28 or larger"
                )
        for (one, first), (other, second) in combinations(self._ranges(), 2):
            if first.overlaps(second):
                raise ValueError(f"{one} {first} overlaps {other} {second}: routes between them would be ambiguous")
        return self

    def _ranges(self) -> Iterator[tuple[str, IPv4Network]]:
        yield "bridge: network", self.bridge.network
        for region in self.regions:
            yield f"{region.name}: load_balancer_cidr", region.load_balancer_cidr
            yield f"{region.name}: pod_cidr", region.pod_cidr
            yield f"{region.name}: service_cidr", region.service_cidr

    @property
    def host_ranges(self) -> dict[str, IPv4Network]:
        """The ranges that this machine gets a route to, by what they are: they must be free on it."""
        return {what: cidr for what, cidr in self._ranges() if not what.endswith(("pod_cidr", "service_cidr"))}

    def region(self, name: str) -> Region:
        """The region of this name.

        Raises:
            LabError: There is none.
        """
        for region in self.regions:
            if region.name == name:
                return region
        known = ", ".join(region.name for region in self.regions)
        raise LabError(f"There is no region `{name}` in {REGIONS_FILE.name}; there are {known}.")

    def peers(self, region: Region) -> tuple[Region, ...]:
        """All regions but this one."""
        return tuple(other for other in self.regions if other.name != region.name)


def load_regions(path: Path = REGIONS_FILE) -> Topology:
    """Read the topology from its data file.

    Raises:
        LabError: The file cannot be read or says something that cannot be; names every fault with its place.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path}: the lab's regions cannot be read: {error}.") from error
    try:
        return Topology.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(_fault(part["loc"], part["msg"]) for part in error.errors())
        raise LabError(f"{path}: {faults}. Mend the file and start again.") from error


def _fault(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(step) for step in location)
    what = message.removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
