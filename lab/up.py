"""Making a lab: from an empty machine to regions, the mesh over them and the tenant. Each step is one function."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab import (
    cgroups,
    down,
    environment,
    images,
    link,
    network,
    preflight,
    processes,
    settings,
    stack,
    tenant,
    tools,
)
from lab.errors import LabError
from lab.image_store import ImageStore
from lab.link import Distance
from lab.machine import NODE_DIRECTORIES
from lab.ownership import Marker, Ownership, State
from lab.paths import Paths
from lab.processes import ProcessIdentity
from lab.region import RegionRuntime, Report
from lab.regions import Topology
from lab.tools import Toolset, cache


@dataclass(frozen=True)
class Options:
    """What a person may ask of `up`.

    Attributes:
        mesh: Deploy the stack and the tenant into the regions.
        keep: Leave what was made when a step fails, to look at it.
        distance: Between the regions; None leaves that of a running lab as it is.
    """

    mesh: bool = True
    keep: bool = False
    distance: Distance | None = None


def up(options: Options, ownership: Ownership, topology: Topology, paths: Paths, report: Report) -> None:
    """Make the lab, or start what is missing of a running one.

    Raises:
        LabError: Says what was in the way. What this call began is taken away again, unless `options.keep`.
    """
    preflight.check_user()
    if options.mesh:
        preflight.check_stack(topology, paths)
    with ownership.locked():
        running = prepare(ownership, topology, paths, report)
        paths.make_private()
        toolset = prepare_tools(paths)
        if not running:
            preflight.check_packet_filter(toolset.path("iptables-restore"))
        runtimes = runtimes_of(topology, toolset, paths, images.build_images(toolset, paths.images))
        with undone_on_failure(ownership, paths, report, undo=not running and not options.keep):
            if not running:
                begin(ownership, topology, paths)
            start_regions(runtimes, report)
            environment.write(paths, topology)
            if options.distance is not None:
                means = link.set_distance(runtimes, options.distance)
                report(f"distance between regions: {options.distance}, by {means}")
            if options.keep or not options.mesh:
                finish(ownership, runtimes)
            if not running:
                # Once more: an engine that a lab before this one left at work may have written its state since.
                stack.forget(paths)
            if options.mesh:
                deploy_mesh(topology, paths, report)
                deploy_tenant(runtimes, report)
                finish(ownership, runtimes)


def prepare(ownership: Ownership, topology: Topology, paths: Paths, report: Report) -> bool:
    """Clear what a lab that was cut off has left, and refuse a machine that this one cannot run on.

    Returns:
        Whether this clone's lab runs.

    Raises:
        LabError: The refusal; nothing was made.
    """
    state = ownership.refuse_others()
    if state is State.BUILDING:
        raise LabError("Another `make up` of this clone is at work: wait until it has ended.")
    if state is State.MINE and (marker := ownership.marker):
        preflight.check_unchanged(marker, topology)
        return True
    if state is State.NONE:
        if down.clear_after_restart(paths, topology):
            report(down.RESTARTED)
    else:
        report(down.cut_off(state, ownership.marker))
        down.take_away(ownership, paths)
    missing = bool(tools.missing(paths.root))
    preflight.check(preflight.this_machine(), topology, paths, cache.folder(), tools_missing=missing)
    return False


def prepare_tools(paths: Paths) -> Toolset:
    """Tools, the links to them that `.lab/env` puts on PATH, and Istio's charts."""
    toolset = tools.ensure()
    toolset.link(paths.bin, paths.pulumi_home)
    toolset.link_charts(paths.charts)
    return toolset


def runtimes_of(
    topology: Topology, toolset: Toolset, paths: Paths, archives: Sequence[images.ImageArchive]
) -> list[RegionRuntime]:
    """The regions, each with the images that its node is to have."""
    store = ImageStore(paths.images, tuple(archive.path for archive in archives), toolset.path("containerd"))
    return [RegionRuntime(region, topology, toolset, paths, images.PAUSE, store) for region in topology.regions]


@contextmanager
def undone_on_failure(ownership: Ownership, paths: Paths, report: Report, *, undo: bool) -> Iterator[None]:
    """Take the lab away when a step fails: no half-made one remains, but for its logs."""
    try:
        yield
    except BaseException as error:
        # Ctrl-C as well: what it leaves half-made is no lab either.
        if not undo:
            raise
        report("This start of the lab failed: what it made is taken away (make up KEEP=1 leaves it).")
        kept = ""
        try:
            if keep_logs(paths):
                kept = f" The logs of this start are kept in {paths.failed_start}."
            down.take_away(ownership, paths)
        except Exception as other:
            # What failed first is the cause, and what the person has to know.
            report(f"It could not be taken away: {other}")
        if isinstance(error, LabError):
            raise LabError(f"{error}{kept}") from error
        if kept:
            report(kept.strip())
        raise


def keep_logs(paths: Paths) -> bool:
    """Put the logs of the regions where taking the lab away leaves them; those of an earlier failure go.

    Returns:
        Whether there were any.
    """
    logs = [path for path in paths.regions.glob("*/log") if path.is_dir()]
    if logs:
        shutil.rmtree(paths.failed_start, ignore_errors=True)
        paths.failed_start.mkdir(parents=True)
    for log in logs:
        log.rename(paths.failed_start / log.parent.name)
    return bool(logs)


def begin(ownership: Ownership, topology: Topology, paths: Paths) -> None:
    """Say on the machine that a lab is made, then make what its regions share."""
    # The last one is where `ip netns add` keeps what it makes, mounted on itself.
    directories = list(_missing((*NODE_DIRECTORIES, network.NAMESPACES)))
    ownership.write(
        Marker(
            clone=str(ownership.clone),
            boot=processes.boot_id(),
            builder=ProcessIdentity.of(os.getpid()),
            namespaces=tuple(network.namespaces(topology)),
            interface=topology.bridge.name,
            settings=settings.to_change(),
            directories=tuple(map(str, directories)),
            controllers=cgroups.to_delegate(),
        )
    )
    down.record_directories(paths, directories)
    for directory in directories:
        directory.mkdir()
    settings.raise_limits()
    network.create_wire(topology)
    for region in topology.regions:
        network.create_region(region, topology)


def _missing(directories: Sequence[Path]) -> Iterator[Path]:
    """The directories that are not there, and those above them, upper ones first."""
    seen: set[Path] = set()
    for directory in directories:
        for path in (*reversed(directory.parents), directory):
            if path not in seen and not path.exists():
                seen.add(path)
                yield path


def start_regions(runtimes: Sequence[RegionRuntime], report: Report) -> None:
    """Start all regions side by side, or what is missing of them.

    Raises:
        LabError: Of the first region that could not be started.
    """

    def start(runtime: RegionRuntime) -> None:
        runtime.start(lambda what: report(f"{runtime.region.name}: {what}"))

    with ThreadPoolExecutor(len(runtimes)) as pool:
        for outcome in [pool.submit(start, runtime) for runtime in runtimes]:
            outcome.result()


def finish(ownership: Ownership, runtimes: Sequence[RegionRuntime]) -> None:
    """Say on the machine that the lab is made, and by which processes it lives.

    Until then it is one that was cut off, should this process die: whether its stack is whole cannot be told.
    """
    marker = ownership.marker
    if marker is None:
        raise LabError("The marker of this lab is gone from /run: start `make down`, then `make up`.")
    regions = {runtime.region.name: runtime.machine.require_init() for runtime in runtimes}
    if marker.builder is not None or marker.regions != regions:
        ownership.write(replace(marker, builder=None, regions=regions))


def deploy_mesh(topology: Topology, paths: Paths, report: Report) -> None:
    """Deploy the stack `local`."""
    started = time.monotonic()
    stack.deploy(topology, paths)
    report(f"mesh deployed after {time.monotonic() - started:.1f} s")


def deploy_tenant(runtimes: Sequence[RegionRuntime], report: Report) -> None:
    """Deploy the sample services of the exam platform into every region."""
    started = time.monotonic()
    with ThreadPoolExecutor(len(runtimes)) as pool:
        for outcome in [pool.submit(tenant.deploy, runtime.region, runtime.kubectl) for runtime in runtimes]:
            outcome.result()
    report(f"tenant deployed after {time.monotonic() - started:.1f} s")
