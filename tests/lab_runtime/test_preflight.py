"""Refusals of a machine: each is tried on a machine that lacks one thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.paths import Paths
from lab.preflight import GIB, Machine, check
from lab.regions import load_regions

FIT = Machine(
    system="Linux",
    user=0,
    free_disk=lambda _: 100 * GIB,
    available_memory=16 * GIB,
    addresses=(("lo", "127.0.0.1/8"), ("eth0", "192.0.2.2/24"), ("docker0", "172.17.0.1/16")),
    routes=(("192.0.2.0/24", "eth0"), ("10.0.0.0/8", "tun0"), ("128.0.0.0/1", "tun0"), ("172.17.0.0/16", "docker0")),
    missing_commands=lambda _: [],
    missing_namespaces=(),
    kernel_fault=lambda _: "",
)
CACHE = Path("/home/someone/.cache/istio-mesh-lab")
CLONE = Path("/home/someone/mesh")


def refusal(clone: Path = CLONE, **changes: Any) -> str:
    with pytest.raises(LabError) as refused:
        check(replace(FIT, **changes), load_regions(), Paths(clone), CACHE)
    return str(refused.value)


def test_a_fit_machine_is_not_refused() -> None:
    check(FIT, load_regions(), Paths(CLONE), CACHE)


@pytest.mark.parametrize(
    ("changes", "cause", "cure"),
    [
        ({"system": "Darwin"}, "needs Linux, and this is Darwin", "two clusters of kind or k3d"),
        ({"user": 1000}, "only root may", "with sudo"),
        ({"missing_commands": lambda _: ["ip"]}, "Not found on PATH: ip", "apt-get install iproute2"),
        ({"missing_namespaces": ("cgroup",)}, "no namespaces of the kind cgroup", "use a kernel of a distribution"),
        ({"available_memory": 3 * GIB}, "Only 3.0 GiB of memory", "end other programs"),
        (
            {"kernel_fault": lambda _: "This kernel does not allow making a bridge (Operation not supported)"},
            "does not allow making a bridge (Operation not supported). ",
            "use a kernel of a distribution",
        ),
    ],
)
def test_what_is_missing_is_said_with_its_cure(changes: dict[str, Any], cause: str, cure: str) -> None:
    sentence = refusal(**changes)
    assert cause in sentence
    assert cure in sentence


@pytest.mark.parametrize(
    ("full", "sentence"),
    [(CLONE, "the disk of the clone"), (CACHE, "set XDG_CACHE_HOME to a larger disk")],
)
def test_a_full_disk_is_named_by_what_is_on_it(full: Path, sentence: str) -> None:
    text = refusal(free_disk=lambda place: 2 * GIB if place == full else 100 * GIB)
    assert "Only 2.0 GiB are free" in text
    assert str(full) in text
    assert sentence in text


def test_an_address_in_use_is_named_with_its_interface() -> None:
    text = refusal(addresses=(("eth1", "198.18.12.7/24"),))
    assert "usw2: load_balancer_cidr 198.18.12.0/24 is in use here" in text
    assert "interface eth1 has the address 198.18.12.7/24" in text
    assert "lab/regions.yaml" in text


def test_a_route_to_a_larger_range_is_in_the_way_too() -> None:
    text = refusal(routes=(("198.18.0.0/15", "utun3"),))
    assert "bridge: network 198.18.0.0/24 is in use here: this machine has a route to 198.18.0.0/15 by utun3" in text


def test_a_clone_that_a_region_would_hide_is_refused() -> None:
    assert "Move the clone" in refusal(clone=Path("/run/user/0/mesh"))


def test_nothing_is_probed_for_someone_who_is_not_root() -> None:
    def probe(_: Path) -> str:
        raise AssertionError("the kernel was probed")

    assert "sudo" in refusal(user=1000, kernel_fault=probe)
