"""`istio-mesh:clusters[].eks`: a cluster that the stack makes in one region of AWS."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.config import defaults
from components.config.addons import ADDONS, BROUGHT_BY_AUTO_MODE, METRICS_SERVER, default_version
from components.config.aws_network import ZONES_LIMIT
from components.config.aws_values import PublicRange
from components.config.faults import Fault, invalid
from components.config.model import Model, exactly_one
from components.config.names import Labels
from components.config.support import DEFAULT_EKS, EKS_SUPPORTED, eks_support_of
from components.config.values import DnsLabel, matching

ZONES_MINIMUM = 2
"""Zones that EKS asks for (Amazon EKS networking requirements)."""

_INSTANCE_TYPE = re.compile(r"([a-z]+)(\d+)([a-z-]*)\.(\d*x?large|medium|small|metal(?:-\d+xl)?)")
_ADDON_VERSION = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")


def _version(value: str) -> str:
    if eks_support_of(value) is None:
        raise invalid(
            f"`{value}` is not a version of EKS that is known here",
            "EKS would refuse the cluster, or its end of support would come unannounced",
            f"Take one of {', '.join(row.version for row in EKS_SUPPORTED)}, in quotes",
        )
    return value


InstanceType = Annotated[
    str,
    matching(_INSTANCE_TYPE, "an instance type", "No node would start", "Write family and size, as in `m7g.large`"),
    Field(examples=["m7g.large"]),
]
"""An EC2 instance type, as in `m7g.large`."""


def is_graviton(instance_type: str) -> bool:
    """Whether it has an ARM processor: a `g` behind the number of its generation (`m7g`, `c7gn`), or the family a1.

    Source: docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html.
    """
    found = _INSTANCE_TYPE.fullmatch(instance_type)
    return found is not None and ("g" in found[3].split("-")[0] or found[1] + found[2] == "a1")


AddonVersion = Annotated[
    str,
    matching(
        _ADDON_VERSION,
        "an add-on's version",
        "EKS would refuse it",
        "Write it as `aws eks describe-addon-versions` does, as in `v1.13.2-eksbuild.1`",
    ),
    Field(examples=["v1.13.2-eksbuild.1"]),
]
"""Version of an EKS add-on, as in `v1.13.2-eksbuild.1`."""


class AutoModeConfig(Model):
    """EKS Auto Mode: nodes, their network, disks and load balancers are EKS's own business."""

    node_pools: tuple[Literal["general-purpose", "system"], ...] = ("general-purpose", "system")
    """EKS's own node pools that are on; default both: the mesh's pods run in the first one."""

    def faults(self) -> Iterator[Fault]:
        if "general-purpose" not in self.node_pools:
            yield Fault(
                "`general-purpose` is not among the node pools",
                "The other one takes only pods that tolerate its taint, and the mesh's would wait for ever",
                "Add it",
                ("nodePools",),
            )


class NodeGroupConfig(Model):
    """Nodes of one kind, which EKS starts, replaces and drains."""

    instance_types: Annotated[tuple[InstanceType, ...], Field(min_length=1, examples=[["m7g.large"]])]
    """What may be started, all of one architecture; of several the first that can be had."""

    min: Annotated[int, Field(ge=1, le=450)]
    """At least so many nodes; also how many there are at first. Before it is raised above the present number: `aws eks
    update-nodegroup-config --scaling-config desiredSize=<number>`, since who scales the nodes owns that number."""

    max: Annotated[int, Field(ge=1, le=450)]
    """At most so many nodes."""

    image: Literal["AL2023", "Bottlerocket"] = defaults.NODE_IMAGE
    """Operating system; default AL2023."""

    spot: bool = False
    """Whether spare capacity is taken, which is far cheaper and taken back with two minutes' notice; default false."""

    disk_gib: Annotated[int, Field(ge=20, le=16_384)] = defaults.NODE_DISK
    """Disk of each node for images and logs, in GiB; default 50."""

    labels: Labels | None = None
    """Labels of its nodes; default: none."""

    def faults(self) -> Iterator[Fault]:
        if self.min > self.max:
            yield Fault(
                f"min ({self.min}) is above max ({self.max})",
                "EKS refuses such a node group",
                "Lower `min` or raise `max`",
                ("min",),
            )
        if len({is_graviton(found) for found in self.instance_types}) > 1:
            yield Fault(
                "there are Graviton and x86 types in one group",
                "One image is started on all of them, and half of the nodes would not come up",
                "Make a group for each architecture",
                ("instanceTypes",),
            )
        if self.spot and len(self.instance_types) == 1:
            yield Fault(
                f"there is no other type than {self.instance_types[0]} for spot nodes",
                "When AWS takes that type back, all of them go at once and none can be had",
                "Name several types of one size, as in `[m7g.large, m6g.large, m7gd.large]`",
                ("instanceTypes",),
            )

    @property
    def ami_type(self) -> str:
        """As EKS calls image and architecture: `AL2023_ARM_64_STANDARD`."""
        arm = is_graviton(self.instance_types[0])
        if self.image == "Bottlerocket":
            return f"BOTTLEROCKET_{'ARM_64' if arm else 'x86_64'}"
        return f"AL2023_{'ARM_64' if arm else 'x86_64'}_STANDARD"


class ComputeConfig(Model):
    """What pods run on: exactly one of the two. A cluster keeps the one that it was made with: a load balancer does not
    change the controller that it belongs to."""

    auto_mode: AutoModeConfig | None = None
    """EKS Auto Mode."""

    node_groups: Annotated[dict[DnsLabel, NodeGroupConfig], Field(min_length=1)] | None = None
    """Managed node groups, by name; the add-ons and the AWS Load Balancer Controller come with them."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "autoMode",
            "nodeGroups",
            why="Pods would have no node, or two owners of their nodes",
            cure="Write `autoMode: {}`, or the node groups",
        )


class EndpointConfig(Model):
    """How the API server is reached. From the VPC it always is."""

    public_from: tuple[PublicRange, ...] = ()
    """Ranges from which it is reached over the internet too; default: none, it is private. The addresses of the peers'
    NAT gateways are added."""


class EksClusterConfig(Model):
    """A cluster of EKS with a VPC of its own; what all regions share is `istio-mesh:aws`."""

    slot: Annotated[int, Field(ge=0, examples=[0])]
    """Which part of `aws.network.supernet` is its VPC's, from 0. Written down, because a VPC cannot be moved: it must
    not change when a cluster is added, taken out or sorted."""

    version: Annotated[str, AfterValidator(_version)] = DEFAULT_EKS
    """Kubernetes' minor version; default 1.35. Raised by one at a time, one region after the other."""

    zones: Annotated[tuple[str, ...], Field(examples=[["us-east-1a", "us-east-1b", "us-east-1c"]])] | None = None
    """Its zones, as in `us-east-1a`, at least two; default: the region's first three of
    components/config/regions.py, where an account has them. A zone more comes at the end, for nodes of groups and load
    balancers; the control plane and Auto Mode's nodes keep those that they began with, so none may go."""

    compute: ComputeConfig = ComputeConfig.model_validate({"autoMode": {}})
    """What pods run on; default: EKS Auto Mode."""

    endpoint: EndpointConfig = EndpointConfig()
    """How the API server is reached."""

    addons: dict[DnsLabel, AddonVersion] = Field(default={})
    """Versions of add-ons, by name; default: those of components/config/addons.py for this Kubernetes."""

    def faults(self) -> Iterator[Fault]:
        yield from self._zone_faults()
        automatic = self.compute.auto_mode is not None
        for name in self.addons:
            if name not in ADDONS:
                yield Fault(
                    f"there is no add-on `{name}` here",
                    "Its version would mean nothing",
                    f"Known here: {', '.join(f'`{known}`' for known in ADDONS)}",
                    ("addons", name),
                )
            elif automatic and name in BROUGHT_BY_AUTO_MODE:
                yield Fault(
                    f"Auto Mode brings `{name}` itself",
                    "A second one would fight with it over the nodes",
                    "Take it out, or write node groups in place of `autoMode`",
                    ("addons", name),
                )
        unknown = [name for name in self.addon_names if self._version_of(name) is None]
        if unknown:
            yield Fault(
                f"the versions of {', '.join(unknown)} for Kubernetes {self.version} are not known here",
                "What runs would be whatever EKS takes for the newest that day",
                "Write them, as `aws eks describe-addon-versions` shows them, or take another `version`",
                ("addons",),
            )

    def _zone_faults(self) -> Iterator[Fault]:
        if self.zones is None:
            return
        count = len(self.zones)
        if count < ZONES_MINIMUM:
            yield Fault(
                "there is no zone" if count == 0 else f"{self.zones[0]} is the only zone",
                "EKS refuses a control plane in one zone alone, and all nodes would fail with it",
                f"Name at least {ZONES_MINIMUM}, better three, or leave it out",
                ("zones",),
            )
        if count > ZONES_LIMIT:
            yield Fault(
                f"there are {count} zones",
                f"A VPC's addresses are divided for {ZONES_LIMIT}",
                "Take some out",
                ("zones",),
            )

    @property
    def addon_names(self) -> tuple[str, ...]:
        """The add-ons of this cluster: of Auto Mode that alone which it does not bring."""
        return (METRICS_SERVER,) if self.compute.auto_mode is not None else tuple(ADDONS)

    @property
    def pinned(self) -> Mapping[str, str]:
        """The version of each add-on of this cluster."""
        return {name: found for name in self.addon_names if (found := self._version_of(name)) is not None}

    def _version_of(self, name: str) -> str | None:
        return self.addons.get(name) or default_version(name, self.version)
