"""Istio's former release for a running lab, to bring the mesh to it and back: charts beside the others, images in the
nodes. It is built the first time that somebody asks for it, and no part of a lab otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lab import images, tools
from lab.paths import Paths
from lab.region import RegionRuntime, Report
from lab.tools.catalogue import FORMER, FORMER_ISTIO


def add(runtimes: Sequence[RegionRuntime], paths: Paths, report: Report) -> str:
    """Give it to the regions, and say which version it is.

    Raises:
        LabError: It cannot be built, or a node refuses its images.
    """
    former = tools.ensure([FORMER])
    former.link_charts(paths.charts_of(FORMER_ISTIO), FORMER)
    archives = images.build_former_images(runtimes[0].toolset, former, paths.images / FORMER)

    def give(runtime: RegionRuntime) -> None:
        for archive in archives:
            runtime.ctr_import(archive.path)
        report(f"{runtime.region.name}: has the images of Istio {FORMER_ISTIO}")

    with ThreadPoolExecutor(len(runtimes)) as pool:
        for outcome in [pool.submit(give, runtime) for runtime in runtimes]:
            outcome.result()
    return FORMER_ISTIO
