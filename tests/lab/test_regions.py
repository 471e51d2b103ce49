"""Many regions: every pair of them is wired, and a preview costs no more for each pair as they grow in number."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from itertools import pairwise, permutations

import pytest

from lab.paths import Paths
from lab.scale.preview import Bench, Preview, bench, previewed
from lab.scale.stacks import region_names

REGIONS = (2, 5, 10)
SERVICES = 3
REMOTE_SECRET = re.compile(r"kubernetes:core/v1:Secret remote-(\w+)-in-(\w+) create")


@pytest.fixture(scope="module")
def apart(paths: Paths) -> Generator[Bench]:
    """An engine with a backend of its own, and regions that are only asked who they are."""
    with bench(paths.root) as found:
        yield found


@pytest.mark.proof("C7", "2, 5 and 10 regions previewed: every pair wired, the cost of a pair not growing")
def test_every_pair_of_regions_is_wired(apart: Bench, record: Callable[..., None]) -> None:
    previews: dict[int, Preview] = {}
    for regions in REGIONS:
        previews[regions] = preview = previewed(apart, SERVICES, regions)
        wired = REMOTE_SECRET.findall(preview.use.output)
        assert len(wired) == regions * (regions - 1)
        assert set(wired) == set(permutations(region_names(regions), 2))
    # Processor time: what else the machine does is not the program's cost.
    cpu = {regions: sum(preview.use.cpu.values()) for regions, preview in previews.items()}
    record(
        resources={str(regions): preview.resources for regions, preview in previews.items()},
        seconds={str(regions): round(preview.use.seconds, 1) for regions, preview in previews.items()},
        cpu_s={str(regions): round(used, 1) for regions, used in cpu.items()},
        cpu_ms_per_pair={str(n): round(1000 * used / (n * (n - 1))) for n, used in cpu.items()},
    )
    for fewer, more in pairwise(REGIONS):
        pairs = more * (more - 1) / (fewer * (fewer - 1))
        assert cpu[more] <= cpu[fewer] * pairs, f"{more} regions: a pair costs more than with {fewer}"
        resources = previews[more].resources / previews[fewer].resources
        assert cpu[more] <= cpu[fewer] * resources, f"{more} regions: a resource costs more than with {fewer}"
