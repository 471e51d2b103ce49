"""The regions file: what it may say, and the sentence that refuses the rest."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.regions import REGIONS_FILE, load_regions


def region(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": f"r{number}",
        "region": f"region-{number}",
        "zone": f"region-{number}a",
        "node_address": f"198.18.0.{10 + number}",
        "load_balancer_cidr": f"198.18.{10 + number}.0/24",
        "pod_cidr": f"10.{100 + number}.0.0/16",
        "service_cidr": f"10.{200 + number}.0.0/16",
    } | changes


def written(tmp_path: Path, *regions: dict[str, Any], **bridge: str) -> Path:
    path = tmp_path / "regions.yaml"
    network = {"name": "meshlab0", "network": "198.18.0.0/24", "host_address": "198.18.0.1"} | bridge
    path.write_text(yaml.safe_dump({"bridge": network, "regions": list(regions)}))
    return path


def test_the_default_file_has_the_two_regions_that_the_local_stack_names() -> None:
    topology = load_regions(REGIONS_FILE)
    assert [(each.name, each.region, each.zone) for each in topology.regions] == [
        ("use1", "us-east-1", "us-east-1a"),
        ("usw2", "us-west-2", "us-west-2a"),
    ]


def test_a_third_region_is_a_third_entry(tmp_path: Path) -> None:
    topology = load_regions(written(tmp_path, region(1), region(2), region(3)))
    third = topology.region("r3")
    assert [peer.name for peer in topology.peers(third)] == ["r1", "r2"]
    assert third.api_server == "https://198.18.0.13:6443"
    assert (third.kubernetes_address, third.dns_address) == (IPv4Address("10.203.0.1"), IPv4Address("10.203.0.10"))


def test_only_ranges_that_the_machine_gets_a_route_to_must_be_free_on_it(tmp_path: Path) -> None:
    ranges = load_regions(written(tmp_path, region(1))).host_ranges
    assert {what: str(cidr) for what, cidr in ranges.items()} == {
        "bridge: network": "198.18.0.0/24",
        "r1: load_balancer_cidr": "198.18.11.0/24",
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pod_cidr": "10.101.128.0/17"}, "r1: pod_cidr 10.101.0.0/16 overlaps r2: pod_cidr 10.101.128.0/17"),
        ({"load_balancer_cidr": "198.18.0.128/25"}, "bridge: network 198.18.0.0/24 overlaps r2: load_balancer_cidr"),
        ({"service_cidr": "10.102.1.0/24"}, "r2: pod_cidr 10.102.0.0/16 overlaps r2: service_cidr 10.102.1.0/24"),
        ({"name": "r1"}, "two regions are named `r1`"),
        ({"node_address": "198.18.0.11"}, "node_address 198.18.0.11 belongs to r1 already"),
        ({"node_address": "198.18.0.1"}, "node_address 198.18.0.1 belongs to this machine already"),
        (
            {"node_address": "198.18.1.1"},
            "is not in the bridge's network 198.18.0.0/24, so nothing could reach the node",
        ),
        ({"service_cidr": "10.220.0.0/29"}, "too small to hold the tenth address"),
        ({"name": "eu-central-1"}, "regions.1.name: `eu-central-1` is no name for a region"),
        ({"name": "Use1"}, "`Use1` is no name for a region"),
        ({"name": "wire"}, "`wire` is the name of the network between the regions"),
        ({"name": "engine"}, "`engine` is the name of the control group of Pulumi's engine"),
        ({"zone": ""}, "regions.1.zone"),
        ({"pod_cidr": "10.102.0.1/16"}, "regions.1.pod_cidr"),
        ({"colour": "blue"}, "regions.1.colour: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    path = written(tmp_path, region(1), region(2, **changes))
    with pytest.raises(LabError) as refused:
        load_regions(path)
    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_host_address_outside_of_its_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"host_address 10\.0\.0\.1 is not in its network"):
        load_regions(written(tmp_path, region(1), host_address="10.0.0.1"))


@pytest.mark.parametrize("text", ["regions: [", "", "[]", "bridge: {}\nregions: []"])
def test_a_file_that_is_no_topology_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "regions.yaml"
    path.write_text(text)
    with pytest.raises(LabError, match=str(path)):
        load_regions(path)


def test_an_unknown_region_is_named_beside_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no region `r9`.*r1, r2"):
        load_regions(written(tmp_path, region(1), region(2))).region("r9")
