"""`make rehearse`: a stack from nothing to nothing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab import tools
from lab.aws.rehearsal import acts, clusters, meshing
from lab.aws.rehearsal.acts import DayTwo, Stage, Trouble
from lab.aws.rehearsal.changes import day_two
from lab.aws.rehearsal.engine import Engine
from lab.aws.rehearsal.half import api_servers, in_aws, nameless
from lab.aws.rehearsal.lab_regions import at_work
from lab.aws.rehearsal.rows import Rows, equal
from lab.aws.rehearsal.runner import place
from lab.aws.rehearsal.scene import Scene, looked_into, scene
from lab.aws.rehearsal.stacks import Stack
from lab.aws.rehearsal.ways import runner_address
from lab.aws.rehearsal.whole import Whole, kept, unprotected
from lab.errors import LabError
from lab.paths import Paths
from lab.region import RegionRuntime

SMALL = Path(__file__).parents[1] / "small"
"""A program of AWS's resources alone, which needs no lab."""

SMALL_ACCOUNT = "111122223333"
KILLS, KILLS_IN_FULL = (2, 1), (10, 5)
"""At how many points of `up` and of `destroy` the engine is killed."""


def small(rows: Rows, *, full: bool) -> None:
    """The small program through all acts.

    Raises:
        LabError: Something was not as it should be; its row says what.
    """
    with tempfile.TemporaryDirectory(prefix="istio-mesh-rehearsal-") as name:
        folder = Path(name)
        program = folder / "program"
        shutil.copytree(SMALL, program, ignore=shutil.ignore_patterns("__pycache__"))
        _use_this_python(program)
        config = folder / "Pulumi.small.yaml"
        config.write_text("config: {}\n", encoding="utf-8")
        with (
            scene(program, stack="small", number=SMALL_ACCOUNT, config=config, folder=folder) as found,
            looked_into(found.account),
        ):
            stage = acts.first(found.engine, found.account, SMALL_ACCOUNT, rows)
            acts.day_two(stage, small_changes())
            acts.gone(stage)
            _through_trouble(stage, full=full)


@contextmanager
def of_stack(stack: Stack, paths: Paths, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Generator[Scene]:
    """The program on a stack, with the overlay and its secrets, and an account with what it takes for granted.

    Args:
        stack: The stack.
        paths: Of the clone.
        host: The address that the account listens on.
        prefix: Words that the engine is started with: where it runs.
    """
    with tempfile.TemporaryDirectory(prefix="istio-mesh-rehearsal-") as name:
        folder = Path(name)
        config = folder / f"Pulumi.{stack.name}.yaml"
        stack.write(config, paths.root)
        tools.ensure(["istioctl"]).link_charts(paths.charts)
        where = {"stack": stack.name, "number": stack.account, "config": config, "folder": folder, "host": host}
        with scene(paths.root, prefix=prefix, **where) as found, looked_into(found.account):
            found.set_up(stack)
            yield found


def preview(rows: Rows, stack: Stack, paths: Paths) -> None:
    """The program's first preview of a stack, on an account with nothing in it.

    Raises:
        LabError: It failed, or something was made.
    """
    with (
        of_stack(stack, paths) as found,
        rows.row("A6", f"{stack.name}: a first preview shows the whole graph, and makes nothing") as figures,
    ):
        shown = found.engine.preview()
        equal("calls that change something in a preview", found.account.changes(), 0)
        aws = sum(count for kind, count in shown.by_type().items() if " aws:" in kind)
        figures.update(resources=len(shown.steps), of_aws=aws, seconds=round(shown.seconds, 1))


def half(rows: Rows, stack: Stack, paths: Paths, *, full: bool) -> None:
    """What a stack makes in AWS, through faults and kills; nothing is made in its clusters.

    Raises:
        LabError: Something was not as it should be; its row says what.
    """
    with of_stack(stack, paths) as found, api_servers(found.account, found.engine.folder, stack.clusters()):
        found.engine.title = f"{stack.name}, in AWS alone"
        acts.edited(nameless)(found.engine)
        found.engine.targets = in_aws(urn for _, urn in found.engine.preview().steps)
        stage = acts.first(found.engine, found.account, stack.account, rows)
        acts.gone(stage)
        _through_trouble(stage, full=full)


def whole(rows: Rows, stack: Stack, paths: Paths, runtimes: Sequence[RegionRuntime], *, full: bool) -> None:
    """A stack from nothing to nothing, its clusters backed by the regions of a running lab that has no mesh in it
    (`make up MESH=0`).

    Args:
        rows: What is found.
        stack: The stack.
        paths: Of the clone.
        runtimes: The lab's regions.
        full: Whether the engine is killed while Helm is at work too; not in a stack that keeps something when it goes.

    Raises:
        LabError: Something was not as it should be; its row says what.
    """
    topology = runtimes[0].topology
    if standing := clusters.meshed(runtimes):
        raise LabError(
            f"There is a mesh in {standing} already, and the stack {stack.name} makes its own there. Take the lab down "
            "and bring it up without one: make down, then make up MESH=0."
        )
    with (
        place(topology, runner_address(topology)) as inside,
        of_stack(stack, paths, host=str(topology.bridge.host_address), prefix=inside) as found,
        at_work(found.account, runtimes, stack.clusters()) as controllers,
    ):
        before = clusters.objects(runtimes)
        stage = acts.first(found.engine, found.account, stack.account, rows)
        acted = Whole(stack, stage, runtimes, controllers)
        acted.tokens()
        acted.authorities()
        traffic = acted.traffic()
        acted.examined(traffic)
        acted.gateway_rule(traffic)
        acted.routes(traffic)
        acted.api_rule()
        acted.public_name()
        acted.elsewhere()
        acts.previewed(stage, day_two(stack))
        acted.protected()
        acts.day_two(stage, unprotected(stack))
        acts.gone(stage, kept(stack))
        clusters.take_away_tenant(runtimes)
        acted.nothing_left(before)
        if full and not kept(stack):
            meshing.kills(stage, runtimes, before)


def _through_trouble(stage: Stage, *, full: bool) -> None:
    """From nothing, each time: refused calls, then the engine killed."""
    acts.troubles(stage, TROUBLES)
    ups, destroys = KILLS_IN_FULL if full else KILLS
    acts.kills(stage, "up", ups)
    acts.kills(stage, "destroy", destroys)


def _use_this_python(program: Path) -> None:
    """The engine runs a program by the Python that its project names: this one."""
    file = program / "Pulumi.yaml"
    project = yaml.safe_load(file.read_text(encoding="utf-8"))
    project["runtime"] = {"name": "python", "options": {"virtualenv": sys.prefix}}
    file.write_text(yaml.safe_dump(project), encoding="utf-8")


def configured(**values: object) -> Callable[[Engine], None]:
    """Sets values in the small program's configuration."""

    def apply(engine: Engine) -> None:
        assert engine.config is not None
        content = yaml.safe_load(engine.config.read_text(encoding="utf-8")) or {}
        config = content.get("config") or {}
        content["config"] = {**config, **{f"small:{key}": value for key, value in values.items()}}
        engine.config.write_text(yaml.safe_dump(content), encoding="utf-8")

    return apply


def small_changes() -> list[DayTwo]:
    """What changes on day two, and what has to come of it (lab/aws/plugin/tables)."""
    cluster, nodes = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
    return [
        DayTwo("a raised version", configured(version="1.35"), {f"update {cluster}": 2, f"update {nodes}": 1}),
        DayTwo("another type of nodes", configured(instanceType="m7g.xlarge"), {f"replace {nodes}": 1}),
        DayTwo("another allow-list", configured(allowed=["203.0.113.8/32"]), {f"update {cluster}": 2}),
    ]


TROUBLES = (
    Trouble(
        "access denied to one call",
        lambda account: account.fault(
            "eks",
            "CreateCluster",
            code="AccessDeniedException",
            message="User is not authorized to perform: eks:CreateCluster",
            status=403,
        ),
        "User is not authorized to perform: eks:CreateCluster",
    ),
    Trouble(
        "a quota is reached",
        lambda account: account.order("quota", name="ec2/elastic-ips-per-region", value=0),
        "The maximum number of addresses has been reached.",
    ),
    Trouble(
        "a creation ends half-way",
        lambda account: account.fault(
            "ec2", "ModifyVpcAttribute", code="InternalError", message="An internal error has occurred", status=500
        ),
        "An internal error has occurred",
    ),
)
