"""`make bench SCALE=1`: the figures of scale as one table, to `.lab/scale.json`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from lab import environment, stack
from lab.bench import Row, keep, show
from lab.errors import LabError
from lab.paths import Paths
from lab.regions import Topology
from lab.scale import preview
from lab.scale.deployed import FACTOR, FEW, SHARE, Deployed, Region, measure
from lab.scale.preview import AIMED, GIBIBYTES, SECONDS, Bench, Preview
from lab.scale.processes import Use

GROWTH = 1.0
"""The aim, with any number of regions: processor time of a resource in the preview of the most services, as a part of
that in one of a tenth of them."""


def run(topology: Topology, paths: Paths, console: Console, *, deploys: bool = True) -> bool:
    """Measure, print the table, write the file.

    Args:
        topology: The lab's regions.
        paths: The lab's folders.
        console: Where the table goes.
        deploys: Whether services are deployed into the running lab; else there are previews alone.

    Returns:
        Whether every target was met.

    Raises:
        LabError: A step failed, or no lab is running and one is needed.
    """
    if deploys and stack.state(paths) is None:
        raise LabError(
            "No lab is running here, so nothing can be deployed into it: `make up` first, or `make bench "
            "SCALE=previews` for the previews alone."
        )

    def report(line: str) -> None:
        console.print(f"  {line}", style="dim", markup=False)

    with preview.bench(paths.root) as bench:
        previews = preview.table(bench, preview.SIZES, report)
        largest = next(found for found in previews if (found.services, found.regions) == AIMED)
        bare = preview.bare(bench, largest.resources)
        report(preview.described(bare, "bare resources"))
        rows = _previews(previews, bare)
        if deploys:
            rows += _deployed(_measured(topology, paths, bench.folder, report))
    paths.make_private()
    show(rows, console)
    keep(rows, paths.lab / "scale.json")
    return all(row.verdict != "missed" for row in rows)


def _measured(topology: Topology, paths: Paths, folder: Path, report: Callable[[str], None]) -> Deployed:
    variables = environment.process_environment(paths, topology)
    lab = Bench(paths.root, paths.lab, variables, paths.charts)
    return measure(lab, [Region(region.name, variables) for region in topology.regions], folder, report)


def _previews(previews: list[Preview], bare: Preview) -> list[Row]:
    rows: list[Row] = []
    each: dict[tuple[int, int], float] = {}
    for found in previews:
        size = (found.services, found.regions)
        name = f"preview of {found.services} services x {found.regions} regions"
        cpu = sum(found.use.cpu.values())
        each[size] = 1000 * cpu / found.resources
        aimed = size == AIMED
        note = f"{found.resources} resources; {each[size]:.1f} ms of processor time for each"
        rows += [
            Row(name, "s", SECONDS if aimed else None, [found.use.seconds], note),
            Row(f"{name}: memory", "GiB", GIBIBYTES if aimed else None, [found.use.peak / 2**30], _parts(found.use)),
        ]
    cpu = sum(bare.use.cpu.values())
    note = f"{bare.resources} resources; {1000 * cpu / bare.resources:.1f} ms of processor time for each"
    rows += [
        Row("as many bare resources", "s", None, [bare.use.seconds], note),
        Row("as many bare resources: memory", "GiB", None, [bare.use.peak / 2**30], _parts(bare.use)),
    ]
    services, _ = AIMED
    for regions in sorted({regions for _, regions in each}):
        growth = each[services, regions] / each[services // 10, regions]
        name = f"a resource's processor time at ten times the services, {regions} regions"
        rows.append(Row(name, "x", GROWTH, [growth], f"{services} services; no faster than the resources"))
    return rows


def _parts(use: Use) -> str:
    return ", ".join(f"{who} {size / 2**20:.0f} MiB" for who, size in sorted(use.peaks.items()))


def _deployed(found: Deployed) -> list[Row]:
    scoped, everything = (size / 2**20 for size in found.proxy)
    rows = [
        Row(f"pulumi up with {FEW} more services", "s", None, [found.each_step], "the state written at each step"),
        Row("the same", "s", None, [found.at_the_end], "the state written once, at the end"),
        Row(
            f"pulumi up with {found.services} more services",
            "s",
            FACTOR * found.apply,
            [found.up.seconds],
            f"the state written at the end; {found.objects} more objects; target: {FACTOR} x kubectl",
        ),
        Row("kubectl apply --server-side of the same objects", "s", None, [found.apply], "all regions side by side"),
        Row("pulumi up of it without a change", "s", None, [found.unchanged.seconds]),
        Row("pulumi up: memory", "GiB", None, [found.up.peak / 2**30], _parts(found.up)),
        Row("a proxy with its Sidecar", "MiB", SHARE * everything, [scoped], f"{found.clusters[0]} clusters"),
        Row("a proxy with a Sidecar of the whole mesh", "MiB", None, [everything], f"{found.clusters[1]} clusters"),
    ]
    for region, (size, killed) in found.gateways.items():
        note = f"killed {killed} times while they came" if killed else ""
        rows.append(Row(f"the gateway between networks of {region}", "MiB", None, [size / 2**20], note))
    for region, (before, after) in found.istiod.items():
        mean, slowest = found.push[region]
        note = f"{before / 2**20:.0f} MiB before"
        rows += [
            Row(f"istiod of {region}", "MiB", None, [after / 2**20], note),
            Row(f"push to a proxy in {region}", "ms", None, [mean], f"99 of 100 within {slowest:.0f} ms"),
        ]
    return rows
