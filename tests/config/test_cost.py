"""docs/cost.md: fresh, and its counts those of what is made."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import cost
from tests.aws import aws_stack, groups, made, private_stack
from tests.builders import Yaml, with_secrets

PRICES: dict[str, Any] = yaml.safe_load(cost.PRICES.read_text())


def test_the_page_is_made_from_stack_files_and_prices() -> None:
    assert cost.PATH.read_text() == cost.rendered(), f"run `{cost.COMMAND}`"


def of_file(stack: str) -> Yaml:
    written = yaml.safe_load((Path(cost.ROOT) / f"Pulumi.{stack}.yaml").read_text())["config"]
    return with_secrets({key.removeprefix("istio-mesh:"): value for key, value in written.items()})


@pytest.mark.parametrize(
    "values",
    [
        *(pytest.param(of_file(stack), id=stack) for stack in cost.STACKS),
        pytest.param(private_stack(4, aws__betweenRegions={"transitGateway": {}}), id="transit gateways"),
        pytest.param(aws_stack(1, aws__network__endpoints=["ecr", "logs", "eksAuth"]), id="one region"),
        pytest.param(private_stack(3, aws__network__nat="shared"), id="shared NAT"),
        pytest.param(aws_stack(2, clusters__1__eks__compute=groups(diskGib=80)), id="node groups in one region"),
    ],
)
def test_what_is_counted_is_what_is_made(values: Yaml) -> None:
    recording, _ = made(values)

    def number(*types: str) -> int:
        return sum(len(recording.of_type(found)) for found in types)

    counted = cost.counts(cost.stack_of(values))
    regions = number("Cluster")
    assert counted["controlPlane"] == regions
    assert counted["natGateway"] == number("NatGateway")
    assert counted["key"] == number("Key")
    zones = sum(1 for found in recording.of_type("Subnet") if "-public-" in found.name)
    assert counted["publicAddress"] == number("Eip") + zones
    interfaces = [found for found in recording.of_type("VpcEndpoint") if found.inputs["vpcEndpointType"] == "Interface"]
    assert counted["interfaceEndpoint"] == sum(len(found.inputs["subnetIds"]) for found in interfaces)
    disks = [found.inputs["blockDeviceMappings"][0]["ebs"] for found in recording.of_type("LaunchTemplate")]
    sizes = [found.inputs["scalingConfig"] for found in recording.of_type("NodeGroup")]
    assert counted["disk"] == sum(disk["volumeSize"] * size["minSize"] for disk, size in zip(disks, sizes, strict=True))
    assert {disk["volumeType"] for disk in disks} <= {"gp3"}, "the price is of that type"
    # A peering is an attachment of both gateways.
    assert counted["transitAttachment"] == number("VpcAttachment") + 2 * number("PeeringAttachment")


def test_every_price_has_its_source() -> None:
    rows = [row for part in ("hourly", "monthly", "used") for row in PRICES[part].values()]
    assert all(row["price"] > 0 and "aws.amazon.com/" in row["source"] for row in rows)
    assert set(PRICES["hourly"]) | set(PRICES["monthly"]) == set(cost.counts(cost.stack_of(aws_stack(1))))


def test_a_month_is_counted_in_hours() -> None:
    assert cost.Item("", 3, 0.1, "hour", "").monthly(730) == pytest.approx(219)
    assert cost.Item("", 2, 1.5, "month", "").monthly(730) == 3


def test_the_sum_says_where_nodes_are_not_in_it() -> None:
    on = "Together, without the nodes of Auto Mode"
    assert cost.together(cost.stack_of(of_file("prod"))) == on
    assert cost.together(cost.stack_of(of_file("staging"))) == "Together"
    assert cost.together(cost.stack_of(aws_stack(2, clusters__1__eks__compute=groups()))) == on


def test_a_node_of_a_group_has_its_disk() -> None:
    stack = cost.stack_of(aws_stack(2, clusters__1__eks__compute=groups(diskGib=80)))
    (disk,) = [item for item in cost.items(stack, PRICES) if item.name.startswith("GiB of the disks")]
    assert (disk.count, disk.unit) == (3 * 80, "month")
    assert disk.monthly(730) == pytest.approx(3 * 80 * 0.08)


def test_a_node_type_without_a_price_is_told() -> None:
    group = {"instanceTypes": ["x2gd.large"], "min": 1, "max": 1}
    values = aws_stack(1, clusters__0__eks__compute={"nodeGroups": {"rare": group}})
    with pytest.raises(KeyError, match=r"x2gd\.large"):
        list(cost.items(cost.stack_of(values), PRICES))
