"""The lab's command line. Every command ends with 0, with 1 for what it refuses or what is not up, or with 2 for a
misuse.
"""

from __future__ import annotations

import contextlib
import datetime
import shlex
import signal
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lab import bench as bench_module
from lab import cgroups, components, link, preflight, status, tools
from lab import changes as changes_module
from lab import down as down_module
from lab import former as former_module
from lab import up as up_module
from lab.errors import LabError
from lab.image_store import ImageStore
from lab.images import PAUSE
from lab.link import Distance
from lab.ownership import Ownership, State
from lab.paths import Paths
from lab.region import RegionRuntime
from lab.regions import Topology, load_regions
from lab.scale import report as scale_module
from lab.status import RegionStatus

app = typer.Typer(
    name="lab",
    help="Two real Kubernetes regions on this machine, with the mesh over them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

console = Console(soft_wrap=True, highlight=False)
complaints = Console(stderr=True, soft_wrap=True, highlight=False)

HALF = "staging"
"""The stack whose resources in AWS go through faults and kills with `rehearse --full`: what is made there is made and
deleted often, and nothing protects it."""

NOT_RUNNING = "No lab is running here: make up."


def report(what: str) -> None:
    """One line of a command's progress, with the time."""
    console.print(f"{datetime.datetime.now().astimezone():%H:%M:%S}  {what}", markup=False)


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Show the lab's own errors as the sentence that they are, and end with 1.

    A request to end (SIGTERM, or SIGHUP when the terminal goes) becomes an exception, so that what was begun is taken
    away again.
    """

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` asks for a command that outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    except LabError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def running_regions(paths: Paths, topology: Topology) -> list[RegionRuntime]:
    """The regions of this clone's lab.

    Raises:
        LabError: No lab of this clone runs, or the regions file was changed since.
    """
    preflight.check_user()
    ownership = Ownership(paths)
    state, marker = ownership.refuse_others(), ownership.marker
    if state is State.BUILDING:
        raise LabError("The lab is being made just now: wait until `make up` has ended.")
    if state is not State.MINE or marker is None:
        raise LabError(NOT_RUNNING)
    preflight.check_unchanged(marker, topology)
    toolset = tools.ensure()
    store = ImageStore(paths.images, (), toolset.path("containerd"))
    return [RegionRuntime(region, topology, toolset, paths, PAUSE, store) for region in topology.regions]


Latency = Annotated[str | None, typer.Option(help="Added to the way between regions, there and back: 60ms.")]
Loss = Annotated[str | None, typer.Option(help="Share of packets lost on each way between regions: 0.1%.")]


def distance_of(latency: str | None, loss: str | None) -> Distance | None:
    """The distance that a person asks for; None where nothing is asked."""
    return None if latency is None and loss is None else Distance.parse(latency or "0ms", loss or "0%")


@app.command()
def up(
    mesh: Annotated[bool, typer.Option(help="Deploy the stack `local` and the tenant into the regions.")] = True,
    keep: Annotated[bool, typer.Option(help="Leave what was made when a step fails.")] = False,
    latency: Latency = None,
    loss: Loss = None,
) -> None:
    """Make the lab; of a running one, start what is missing."""
    with sentences():
        paths, topology = Paths(), load_regions()
        options = up_module.Options(mesh=mesh, keep=keep, distance=distance_of(latency, loss))
        up_module.up(options, Ownership(paths), topology, paths, report)
        if mesh:
            show(topology, paths)


@app.command()
def former() -> None:
    """Give Istio's former release to the running lab: docs/upgrade-istio.md goes from it, and to it."""
    with sentences():
        paths = Paths()
        version = former_module.add(running_regions(paths, load_regions()), paths, report)
        console.print(f"Istio {version}: its charts are in {paths.charts_of(version)}, its images in the nodes.")


@app.command()
def down() -> None:
    """Take the lab away, leaving nothing behind."""
    with sentences():
        preflight.check_user()
        paths, topology = Paths(), load_regions()
        down_module.down(Ownership(paths), topology, paths, report)


@app.command("status")
def status_command() -> None:
    """What runs in each region, and how to send the first request. Ends with 1 when something is not up."""
    with sentences():
        show(load_regions(), Paths())


def show(topology: Topology, paths: Paths) -> None:
    """Print the status of all regions.

    Raises:
        LabError: Something is not up; says what.
    """
    statuses = status.gather(running_regions(paths, topology), paths)
    console.print(table(statuses))
    console.print(f"Memory of the whole lab: {cgroups.memory_bytes() / 2**30:.2f} GiB", markup=False)
    faults = [f"{region.name}: {fault}" for region in statuses for fault in region.faults]
    if faults:
        raise LabError("Not everything is up. " + "; ".join(faults) + ".")
    if any(region.hosts for region in statuses):
        status.keep_ingress_authority(topology, paths)
    console.print("The first request:", markup=False)
    console.print(f"  {status.first_request(topology, statuses, paths)}", markup=False)
    console.print(
        f"A shell with pulumi, kubectl and istioctl:\n  . {paths.environment.relative_to(paths.root)}", markup=False
    )


def table(statuses: list[RegionStatus]) -> Table:
    """All regions side by side, a row for each thing."""
    now = datetime.datetime.now(datetime.UTC)
    result = Table(show_header=True, header_style="bold")
    result.add_column("")
    for region in statuses:
        result.add_column(region.name, overflow="fold")

    def ready(is_ready: bool) -> str:
        return "ready" if is_ready else "[red]not ready[/red]"

    rows: dict[str, list[str]] = {
        "node": [ready(region.node_ready) for region in statuses],
        "components": [
            f"[red]not serving: {', '.join(region.stopped)}[/red]"
            if region.stopped
            else f"{len(components.NAMES)} serve"
            for region in statuses
        ],
        "istiod": [
            "\n".join(f"{name} {ready(ok)}" for name, ok in region.istiod.items()) or "none" for region in statuses
        ],
        "gateways": [
            "\n".join(
                f"{gate.name} {gate.address or '[red]no address[/red]'} {ready(gate.ready)}" for gate in region.gateways
            )
            or "none"
            for region in statuses
        ],
        "remote clusters": [
            "\n".join(f"{name} {state}" for name, state in region.remotes.items()) or "none" for region in statuses
        ],
        "certificates": ["\n".join(one.describe(now) for one in region.certificates) for region in statuses],
    }
    for what, cells in rows.items():
        result.add_row(what, *cells)
    return result


class Action(StrEnum):
    """What can be done with a component."""

    START = "start"
    STOP = "stop"
    STATUS = "status"


@app.command()
def component(region: str, name: str, action: Action) -> None:
    """Start or stop one component of a region, or say whether it serves (ends with 1 when it does not)."""
    with sentences():
        paths, topology = Paths(), load_regions()
        wanted = topology.region(region)
        runtime = next(each for each in running_regions(paths, topology) if each.region == wanted)
        handle = runtime.component(name)
        if action is Action.START:
            handle.start()
        elif action is Action.STOP:
            handle.stop()
        process = handle.process
        state = "does not run" if process is None else f"runs as process {process.pid}"
        serves = handle.serving
        report(
            f"{region}: {name} {state}{'' if serves or process is None else ', but does not answer'}; log: {handle.log}"
        )
        if not serves and action is not Action.STOP:
            raise typer.Exit(1)


@app.command("link")
def link_command(latency: str = "0ms", loss: str = "0%") -> None:
    """Put a distance between the regions of a running lab; without options, take it away."""
    with sentences():
        paths, topology = Paths(), load_regions()
        distance = Distance.parse(latency, loss)
        means = link.set_distance(running_regions(paths, topology), distance)
        report(f"distance between regions: {distance}, by {means}")


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is done; the medians count.")] = 3,
    scale: Annotated[bool, typer.Option("--scale", help="Many services and regions instead, once.")] = False,
    previews: Annotated[bool, typer.Option("--previews", help="With --scale: without what needs a lab.")] = False,
    policies: Annotated[
        bool, typer.Option("--policies", help="What the policy pack takes alone; needs no lab.")
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="What each change of a running mesh takes, in the running lab.")
    ] = False,
) -> None:
    """Measure times and memory beside the documented istioctl steps. Takes a running lab down first, and every one that
    it makes. With --scale: previews of up to 1,000 services in up to 10 regions, then 1,000 services deployed into the
    running lab by the program, and taken away again. With --policies: what the policy pack takes. With --changes: each
    change of a running mesh under load, beside the commands of the way by hand. Ends with 1 when a target is missed, a
    change is not proven, or no lab runs.
    """
    with sentences():
        if changes:
            if not changes_module.run(Paths(), console):
                raise typer.Exit(1)
            return
        if scale or previews:
            if not scale_module.run(load_regions(), Paths(), console, deploys=not previews):
                raise typer.Exit(1)
            return
        if policies:
            if not bench_module.policies(Paths(), rounds=rounds, console=console):
                raise typer.Exit(1)
            return
        preflight.check_user()
        if not bench_module.bench(load_regions(), Paths(), rounds=rounds, console=console):
            raise typer.Exit(1)


@app.command()
def rehearse(
    stacks: Annotated[
        list[str] | None, typer.Option("--stack", help="A stack of AWS: previewed, or with --deploy deployed.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Kill the engine at all points, of staging in AWS too, or in Helm.")
    ] = False,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Deploy those stacks into the running lab's regions.")
    ] = False,
) -> None:
    """Rehearse AWS without an account: a small program through all acts, faults and kills among them, and the first
    preview of each stack that is named. With --deploy the stacks alone, from nothing to nothing in a lab without a mesh
    (`make up MESH=0`). Rows go to the evidence file. Ends with 1 when one is not proven.
    """
    with sentences():
        # What stands in for AWS is needed by nothing else here.
        from lab.aws.rehearsal import run
        from lab.aws.rehearsal.rows import COMMAND, Rows
        from lab.aws.rehearsal.stacks import Stack

        paths = Paths()
        names = stacks or []
        command = f"{COMMAND} STACKS={shlex.quote(' '.join(names))} DEPLOY=1" if deploy else COMMAND
        rows = Rows(report, command)
        try:
            for name in names:
                stack = Stack.load(paths.root, name)
                if deploy:
                    run.whole(rows, stack, paths, running_regions(paths, load_regions()), full=full)
                else:
                    run.preview(rows, stack, paths)
            if not deploy:
                run.small(rows, full=full)
            if full and not deploy:
                run.half(rows, Stack.load(paths.root, HALF), paths, full=full)
        finally:
            rows.write(paths.evidence)
        if not rows.proven:
            raise LabError("There was nothing to rehearse: name a stack by --stack.")


def main() -> None:
    """Run the command line."""
    # A line of progress is of use only when it is seen at once, in a log of CI too.
    sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    app()
