"""Refusals of a machine: each is tried on a machine that lacks one thing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.ownership import Marker
from lab.paths import CLONE as CLONE_OF_TESTS
from lab.paths import Paths
from lab.preflight import GIB, STACK_FILE, Machine, check, check_stack, check_unchanged
from lab.processes import ProcessIdentity
from lab.regions import Topology, load_regions

FIT = Machine(
    system="Linux",
    user=0,
    free_disk=lambda _: 100 * GIB,
    available_memory=16 * GIB,
    addresses=(("lo", "127.0.0.1/8"), ("eth0", "192.0.2.2/24"), ("docker0", "172.17.0.1/16")),
    routes=(("192.0.2.0/24", "eth0"), ("10.0.0.0/8", "tun0"), ("128.0.0.0/1", "tun0"), ("172.17.0.0/16", "docker0")),
    interfaces=("lo", "eth0", "docker0"),
    network_namespaces=("lab-of-someone-else",),
    missing_controllers=(),
    missing_commands=lambda _: [],
    missing_namespaces=(),
    kernel_fault=lambda _: "",
)
CACHE = Path("/home/someone/.cache/istio-mesh-lab")
CLONE = Path("/home/someone/mesh")


def refusal(clone: Path = CLONE, tools_missing: bool = True, **changes: Any) -> str:
    with pytest.raises(LabError) as refused:
        check(replace(FIT, **changes), load_regions(), Paths(clone), CACHE, tools_missing=tools_missing)
    return str(refused.value)


def test_a_fit_machine_is_not_refused() -> None:
    check(FIT, load_regions(), Paths(CLONE), CACHE, tools_missing=True)


@pytest.mark.parametrize(
    ("changes", "cause", "cure"),
    [
        ({"system": "Darwin"}, "needs Linux, and this is Darwin", "two clusters of kind or k3d"),
        ({"user": 1000}, "only root may", "open a root shell (`sudo -s`) in this clone and stay in it"),
        ({"missing_commands": lambda _: ["ip"]}, "Not found on PATH: ip", "apt-get install iproute2"),
        ({"missing_namespaces": ("cgroup",)}, "no namespaces of the kind cgroup", "use a kernel of a distribution"),
        ({"available_memory": 3 * GIB}, "the lab needs 4.0 GiB for 2 regions", "end other programs"),
        ({"missing_controllers": ("memory",)}, "no controller memory of control groups", "`cgroup_disable=...`"),
        (
            {"network_namespaces": ("lab-use1",)},
            "There is a network namespace lab-use1 on this machine already",
            "`ip netns delete lab-use1`",
        ),
        ({"interfaces": ("meshlab0",)}, "There is an interface meshlab0", "`ip link delete meshlab0`"),
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
    [(CLONE, "the disk of the clone"), (CACHE, "or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to a larger disk")],
)
def test_a_full_disk_is_named_by_what_is_on_it(full: Path, sentence: str) -> None:
    text = refusal(free_disk=lambda place: 2 * GIB if place == full else 100 * GIB)
    assert "Only 2.0 GiB are free" in text
    assert str(full) in text
    assert sentence in text


def test_the_disk_of_builds_is_asked_for_only_when_something_is_to_be_built() -> None:
    check(replace(FIT, free_disk=lambda _: 4 * GIB), load_regions(), Paths(CLONE), CACHE, tools_missing=False)
    text = refusal(free_disk=lambda _: 4 * GIB, tools_missing=True)
    assert "the disk of the tools' cache" in text
    assert "the lab needs 12 GiB" in text
    assert "the lab needs 3 GiB" in refusal(free_disk=lambda _: 2 * GIB, tools_missing=False)


@pytest.mark.parametrize("clone", ["/home/some:one/mesh", "/home/some,one/mesh"])
def test_a_path_that_would_be_taken_for_two_is_refused(clone: str) -> None:
    assert "would be taken for the end of it" in refusal(clone=Path(clone))


def topology_of(*names: str) -> Topology:
    first = load_regions().regions[0]
    regions = [first.model_copy(update={"name": name, "region": f"region-{name}"}) for number, name in enumerate(names)]
    return load_regions().model_copy(update={"regions": tuple(regions)})


def test_a_region_that_the_local_stack_does_not_name_is_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    shutil.copy(CLONE_OF_TESTS / STACK_FILE, tmp_path)
    check_stack(load_regions(), Paths(tmp_path))
    with pytest.raises(LabError) as refused:
        check_stack(topology_of("use1", "usw2", "euw1"), Paths(tmp_path))
    text = str(refused.value)
    assert "    - name: euw1\n      region: region-euw1\n" in text
    added = yaml.safe_load(text.partition("istio-mesh:clusters:\n")[2])
    assert added[0]["existing"] == {"kubeconfig": ".lab/kubeconfig-euw1", "context": "euw1"}
    with pytest.raises(LabError, match=r"names the cluster usw2 by \.lab/kubeconfig-usw2"):
        check_stack(topology_of("use1"), Paths(tmp_path))


def test_a_running_lab_and_another_regions_file_do_not_go_together() -> None:
    process = ProcessIdentity(1, 1)
    marker = Marker(str(CLONE), "boot", None, {"use1": process, "usw2": process}, interface="meshlab0")
    check_unchanged(marker, load_regions())
    with pytest.raises(LabError, match=r"`make down`, then `make up`"):
        check_unchanged(marker, topology_of("use1", "usw2", "euw1"))


def test_more_regions_need_more_memory() -> None:
    machine = replace(FIT, available_memory=5 * GIB)
    with pytest.raises(LabError, match=r"needs 5\.5 GiB for 3 regions"):
        check(machine, topology_of("a", "b", "c"), Paths(CLONE), CACHE, tools_missing=False)


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

    assert "sudo -s" in refusal(user=1000, kernel_fault=probe)
