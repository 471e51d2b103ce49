"""What the stacks of AWS cost: `python -m components.config.cost` writes docs/cost.md from their files and prices.yaml.

Counted is what a stack makes, whatever its load; what goes by use is listed with its price alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter

from components.config.aws import AwsConfig
from components.config.aws_faults import zones_of
from components.config.aws_network import ENDPOINTS
from components.config.clusters import ClusterConfig
from components.config.eks import EksClusterConfig
from components.config.faults import NAMESPACE

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docs" / "cost.md"
PRICES = Path(__file__).with_name("prices.yaml")

COMMAND = "make cost"
"""What renews the page."""

STACKS = ("staging", "prod")

_GATEWAYS = 2
"""Load balancers of a cluster: ingress and east-west."""

_FAST = 10
"""Seconds between two questions of a health check that costs more."""


@dataclass(frozen=True)
class Item:
    """One kind of thing that is paid for by its time."""

    name: str
    count: int
    price: float
    """US dollars for each unit."""
    unit: str
    """`hour` or `month`."""
    source: str

    def monthly(self, hours: int) -> float:
        """US dollars a month, of `hours`."""
        return self.count * self.price * (hours if self.unit == "hour" else 1)


@dataclass(frozen=True)
class Stack:
    """What of a stack decides on its costs."""

    clusters: Sequence[tuple[ClusterConfig, EksClusterConfig]]
    aws: AwsConfig
    check_interval: int | None
    """Seconds between two health checks; None without a public name."""
    private_authority: bool


def stack_of(values: Mapping[str, Any]) -> Stack:
    """Of a stack file's values, those that are still to be set left aside."""
    clusters = TypeAdapter(tuple[ClusterConfig, ...]).validate_python(values["clusters"])
    name = values.get("gateways", {}).get("ingress", {}).get("name")
    return Stack(
        clusters=[(cluster, cluster.eks) for cluster in clusters if cluster.eks is not None],
        aws=AwsConfig.model_validate(values["aws"]),
        check_interval=None if name is None else name.get("healthCheck", {}).get("interval", 30),
        private_authority="privateCa" in values["trust"].get("root", {}),
    )


def counts(stack: Stack) -> dict[str, int]:
    """How many there are of each, by the names in prices.yaml."""
    network, between = stack.aws.network, stack.aws.between_regions
    zones = [len(zones_of(cluster, eks)) for cluster, eks in stack.clusters]
    regions = len(stack.clusters)
    gateways = regions if network.nat == "shared" else sum(zones)
    services = sum(len(ENDPOINTS[choice]) for choice in network.endpoints)
    # A load balancer on the internet has an address in each zone.
    public = sum(zones) * (_GATEWAYS if between.public_load_balancers is not None else 1)
    pairs = len(list(combinations(range(regions), 2)))
    checks = 0 if stack.check_interval is None else regions
    groups = [group for _, eks in stack.clusters for group in (eks.compute.node_groups or {}).values()]
    fast = stack.check_interval == _FAST
    return {
        "controlPlane": regions,
        "natGateway": gateways,
        "publicAddress": gateways + public,
        "interfaceEndpoint": services * sum(zones),
        "loadBalancer": _GATEWAYS * regions,
        "transitAttachment": regions + 2 * pairs if between.transit_gateway is not None and regions > 1 else 0,
        "disk": sum(group.min * group.disk_gib for group in groups),
        "key": regions,
        "healthCheck": 0 if fast else checks,
        "fastHealthCheck": checks if fast else 0,
        "privateAuthority": int(stack.private_authority),
    }


_NAMES: Mapping[str, str] = {
    "controlPlane": "EKS control plane",
    "natGateway": "NAT gateway",
    "publicAddress": "Public IPv4 address (NAT gateways, public load balancers)",
    "interfaceEndpoint": "Interface endpoint in a zone",
    "loadBalancer": "Network Load Balancer (ingress, east-west)",
    "transitAttachment": "Attachment of a transit gateway",
    "disk": "GiB of the disks of nodes in groups (gp3), of the least number of them",
    "key": "KMS key",
    "healthCheck": "Route 53 health check",
    "fastHealthCheck": "Route 53 health check, every ten seconds",
    "privateAuthority": "AWS Private CA, general purpose (shared with other stacks, where it is)",
}


def items(stack: Stack, prices: Mapping[str, Any]) -> Iterator[Item]:
    """What is paid for by its time; what there is none of is left out."""
    for name, count in counts(stack).items():
        unit = "hour" if name in prices["hourly"] else "month"
        row = prices[f"{unit}ly"][name]
        if count:
            yield Item(_NAMES[name], count, row["price"], unit, row["source"])
    for cluster, eks in stack.clusters:
        for group, found in (eks.compute.node_groups or {}).items():
            kind = found.instance_types[0]
            spot = ", at its price on demand: spot is far below" if found.spot else ""
            yield Item(
                f"Node {kind} of `{cluster.name}` ({group}: {found.min} to {found.max}{spot})",
                found.min,
                prices["instances"][kind],
                "hour",
                "aws.amazon.com/ec2/pricing/on-demand",
            )


def together(stack: Stack) -> str:
    """What the sum is of: nobody knows before how many nodes Auto Mode starts."""
    automatic = any(eks.compute.auto_mode is not None for _, eks in stack.clusters)
    return "Together, without the nodes of Auto Mode" if automatic else "Together"


def rendered() -> str:
    """The page's text."""
    return "\n".join(_page(yaml.safe_load(PRICES.read_text()))).rstrip("\n") + "\n"


def _page(prices: Mapping[str, Any]) -> Iterator[str]:
    hours = cast(int, prices["hours"])
    yield from (
        f"<!-- Written by `{COMMAND}` from the stack files and components/config/prices.yaml: what is changed here is "
        "lost. -->",
        "",
        "# What the stacks of AWS cost",
        "",
        f"List prices in US dollars in us-east-1, without taxes and discounts; a month has {hours} hours. They were "
        f"written down on {prices['date']} (components/config/prices.yaml) and not checked against the pages named: do "
        "that before a budget is made of them. Counted is what a stack makes whatever its load. EKS Auto Mode starts "
        "nodes by what pods ask for: they come on top, each at the price of its type, about 12 % of it, and its disks.",
    )
    for name in STACKS:
        written = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
        stack = stack_of({key.removeprefix(f"{NAMESPACE}:"): v for key, v in written.items()})
        found = list(items(stack, prices))
        yield from (
            "",
            f"## {name}",
            "",
            "| What | Count | Price | Unit | A month | Source |",
            "|---|--:|--:|---|--:|---|",
        )
        for item in found:
            yield (
                f"| {item.name} | {item.count} | {item.price:g} | {item.unit} | {item.monthly(hours):.2f} | "
                f"{item.source} |"
            )
        yield f"| **{together(stack)}** | | | | **{sum(item.monthly(hours) for item in found):.2f}** | |"
    yield from ("", "## By use", "", "| Price | For each | Source |", "|--:|---|---|")
    yield from (f"| {row['price']:g} | {row['unit']} | {row['source']} |" for row in prices["used"].values())


if __name__ == "__main__":
    PATH.write_text(rendered())
