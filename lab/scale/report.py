"""`make bench SCALE=1`: the figures of scale as one table, to `.lab/scale.json`."""

from __future__ import annotations

from rich.console import Console

from lab import environment
from lab.bench import Row, keep, show
from lab.paths import Paths
from lab.regions import Topology
from lab.scale import preview
from lab.scale.deployed import FACTOR, SERVICES, SHARE, Deployed, measure
from lab.scale.preview import AIMED, GIBIBYTES, SECONDS, Preview

GROWTH = 1.0
"""The aim: processor time of a resource in the largest preview, as a part of that in one of a tenth of its services."""


def run(topology: Topology, paths: Paths, console: Console) -> bool:
    """Measure, print the table, write the file.

    Returns:
        Whether every target was met.

    Raises:
        LabError: A step failed.
    """

    def report(line: str) -> None:
        console.print(f"  {line}", style="dim", markup=False)

    with preview.bench(paths.root) as bench:
        previews = preview.table(bench, preview.SIZES, report)
        largest = next(found for found in previews if (found.services, found.regions) == AIMED)
        bare = preview.bare(bench, largest.resources)
        report(preview.described(bare, "bare resources"))
        rows = _previews(previews, bare)
        if paths.environment.exists():
            kubeconfigs = {region.name: paths.region(region.name).kubeconfig for region in topology.regions}
            variables = environment.process_environment(paths, topology)
            rows += _deployed(measure(bench, variables, kubeconfigs, report))
        else:
            console.print("No lab is running here, so nothing is deployed: make up.")
    paths.make_private()
    show(rows, console)
    keep(rows, paths.lab / "scale.json")
    return all(row.verdict != "missed" for row in rows)


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
            Row(f"{name}: memory", "GiB", GIBIBYTES if aimed else None, [found.use.peak / 2**30], _parts(found)),
        ]
    cpu = sum(bare.use.cpu.values())
    note = f"{bare.resources} resources; {1000 * cpu / bare.resources:.1f} ms of processor time for each"
    rows += [
        Row("as many bare resources", "s", None, [bare.use.seconds], note),
        Row("as many bare resources: memory", "GiB", None, [bare.use.peak / 2**30], _parts(bare)),
    ]
    services, regions = AIMED
    growth = each[AIMED] / each[services // 10, regions]
    rows.append(
        Row("a resource's share at ten times the services", "x", GROWTH, [growth], "no faster than the resources")
    )
    return rows


def _parts(preview: Preview) -> str:
    return ", ".join(f"{who} {size / 2**20:.0f} MiB" for who, size in sorted(preview.use.peaks.items()))


def _deployed(found: Deployed) -> list[Row]:
    scoped, everything = (size / 2**20 for size in found.proxy)
    rows = [
        Row(
            f"pulumi up of {SERVICES} services' objects",
            "s",
            FACTOR * found.apply,
            [found.up],
            f"{found.objects} objects",
        ),
        Row("kubectl apply --server-side of the same", "s", None, [found.apply], "all regions side by side"),
        Row("a proxy with its Sidecar", "MiB", SHARE * everything, [scoped], f"{found.clusters[0]} clusters"),
        Row("a proxy without one", "MiB", None, [everything], f"{found.clusters[1]} clusters"),
    ]
    for region, (before, after) in found.istiod.items():
        mean, slowest = found.push[region]
        note = f"{before / 2**20:.0f} MiB before"
        rows += [
            Row(f"istiod of {region}", "MiB", None, [after / 2**20], note),
            Row(f"push to a proxy in {region}", "ms", None, [mean], f"99 of 100 within {slowest:.0f} ms"),
        ]
    return rows
