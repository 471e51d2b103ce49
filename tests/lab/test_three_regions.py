"""Three regions running: the lab with a third region's lines added, as README says, in a copy of this clone; and what
docs/lose-a-region.md and docs/add-a-region.md say of a region that goes for good, is rebuilt, or is new, command by
command."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import tenant
from lab.cli import running_regions
from lab.paths import Paths
from lab.region import RegionRuntime
from lab.regions import load_regions
from lab.waiting import wait_for
from tests.lab.support.commands import Result, run, sourced
from tests.lab.support.engine import NAMESPACE, Engine
from tests.lab.support.guide import Guide
from tests.lab.support.outage import build_anew, crash
from tests.lab.support.site import SERVICE_URL, SYSTEM, Site
from tests.lab.support.stage import MESH, Stage
from tests.lab.support.traffic import PATIENT, loaded

THIRD = {
    "name": "euw1",
    "region": "eu-west-1",
    "zone": "eu-west-1a",
    "node_address": "198.18.0.13",
    "load_balancer_cidr": "198.18.13.0/24",
    "pod_cidr": "10.103.0.0/16",
    "service_cidr": "10.203.0.0/16",
}
START = 900.0  # seconds a lab may take to start: three regions and a mesh on two cores, the tools being there already
STOP = 180.0
DOCTOR = 60.0
REQUESTS = 150
RATE = 20  # requests a second of each load while a region is added
WATCHED = ("--duration", "280s", "--timeout", "20s", *PATIENT)
LOSE, ADD = Guide.read("lose-a-region"), Guide.read("add-a-region")
STACK, CLUSTERS = "Pulumi.local.yaml", f"{NAMESPACE}:clusters"
UP, ALL_THE_SAME, FORGET = LOSE.commands
PARTNER = {"hosts": ["api.partner.example.com"], "ports": {"tls": 443}, "callers": ["exam/web-frontend"]}


@dataclass(frozen=True)
class Three:
    """A lab of three regions, in a clone of its own.

    :ivar region: the third one.
    :ivar seconds: how long its start took.
    :ivar egress: external services of the committed stack.
    """

    clone: Path
    engine: Engine
    sites: Mapping[str, Site]
    region: RegionRuntime
    seconds: float
    egress: Mapping[str, Any]

    @property
    def third(self) -> Site:
        return self.sites[THIRD["name"]]

    @property
    def others(self) -> Mapping[str, Site]:
        return {name: site for name, site in self.sites.items() if site is not self.third}

    def write(self, *clusters: Mapping[str, Any], egress: Mapping[str, Any] | None = None) -> None:
        """The clone's stack has these clusters beside those of the committed one, and these external services."""
        with _edited(self.clone / STACK) as content:
            said = content["config"]
            kept = [cluster for cluster in said[CLUSTERS] if cluster["name"] != self.third.name]
            said[CLUSTERS] = [*kept, *clusters]
            said[f"{NAMESPACE}:egress"] = {**self.egress, **(egress or {})}

    def known(self) -> list[str]:
        """What the state has of the third region."""
        return [urn for urn in self.engine.resources() if self.third.name in urn]

    def type(self, command: str, *, check: bool = True) -> Result:
        """A command of a page, as it stands there: questions of the engine are answered, and the page's `prod` is this
        lab's stack."""
        words = ["local" if word == "prod" else word for word in shlex.split(command)]
        count = next(index for index, word in enumerate(words) if "=" not in word)
        variables = dict(word.split("=", 1) for word in words[:count])
        program, *rest = words[count:]
        if program == "pulumi":
            options = ("--yes", "--skip-preview", "--stack", self.engine.stack)
            return self.engine.pulumi(*rest, *options, check=check, variables=variables)
        program = sys.executable if program == "python" else program
        return run([program, *rest], env=self.engine.env, timeout=DOCTOR, cwd=self.clone, check=check)

    def deploy(self, *names: str) -> None:
        """The tenant, and what the proofs of the mesh need."""
        for name in names:
            site = self.sites[name]
            tenant.deploy(site.region, site.kubectl, [*tenant.WORKLOADS, *Stage.read().parts[MESH].workloads])

    def answers(self, *names: str) -> dict[str, dict[str, int]]:
        """Requests from each of these regions, each of which answers a part, and nobody else does."""
        wired = {
            (secret["metadata"]["annotations"]["networking.istio.io/cluster"], name)
            for name in names
            for secret in self.sites[name].kubectl.items("secret", "-n", SYSTEM, "-l", "istio/multiCluster=true")
        }
        assert wired == set(permutations(names, 2))
        everywhere = {self.sites[name].region.region for name in names}
        found: dict[str, dict[str, int]] = {}
        for name in names:
            site = self.sites[name]
            synced = dict.fromkeys(names, "synced")
            what = f"the clusters that {name} knows"
            wait_for(lambda site=site, synced=synced: site.istioctl.remote_clusters() == synced, deadline=60, what=what)
            site.caller().wait_for_regions(SERVICE_URL, everywhere, count=30)
            load = site.caller().requests(SERVICE_URL, REQUESTS)
            assert load.failed == 0, load.figures
            assert set(load.regions) == everywhere, f"from {name} the answers came from {load.regions}"
            found[name] = load.regions
        return found

    def healthy(self) -> None:
        """The page's last command finds nothing, once what has just begun has settled."""
        (doctor,) = (command for command in ADD.commands if "doctor" in command)
        last: list[str] = []

        def none() -> bool:
            said = self.type(doctor, check=False)
            last[:] = [said.text[-3000:]]
            assert said.code == 0, last[0]
            return True

        wait_for(none, deadline=150, what="a doctor without a finding", interval=2)


@contextmanager
def _edited(file: Path) -> Generator[dict[str, Any]]:
    """What a file of YAML says, to be changed in the block and written back after it."""
    content = yaml.safe_load(file.read_text())
    yield content
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def _copy(root: Path, clone: Path) -> None:
    """All files of the clone that git knows or would, and the Python environment as a link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = root / name, clone / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (clone / ".venv").symlink_to(sys.prefix)


def _entry() -> dict[str, Any]:
    """The third cluster as docs/add-a-region.md writes it, by the lab's kubeconfig."""
    written = ADD.steps[0]["clusters"][-1]
    assert (written["name"], written["region"]) == (THIRD["name"], THIRD["region"])
    existing = {"kubeconfig": f".lab/kubeconfig-{THIRD['name']}", "context": THIRD["name"]}
    return {**written, "existing": existing}


def _lost() -> dict[str, Any]:
    """The third cluster with what docs/lose-a-region.md writes of one that is gone."""
    written = LOSE.steps[0]["clusters"][-1]
    return {**_entry(), **{key: value for key, value in written.items() if key not in ("name", "region", "existing")}}


def _lab(root: Path, command: str, timeout: float) -> float:
    return run([sys.executable, "-m", "lab", command], env=os.environ, cwd=root, timeout=timeout).seconds


@pytest.fixture(scope="module")
def three(paths: Paths, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Three]:
    """A lab of three. This clone's lab makes room, and comes back."""
    # Not in pytest's own folder: paths of sockets may have 107 characters.
    clone = Path(tempfile.mkdtemp(prefix="three-regions-"))
    _copy(paths.root, clone)
    file = clone / "lab" / "regions.yaml"
    with _edited(file) as content:
        content["regions"].append(THIRD)
    with _edited(clone / STACK) as content:
        content["config"][CLUSTERS].append(_entry())
    _lab(paths.root, "down", STOP)
    try:
        seconds = _lab(clone, "up", START)
        topology = load_regions(file)
        env = sourced(clone / ".lab" / "env")
        sites = {region.name: Site.of(region, env) for region in topology.regions}
        runtimes = running_regions(Paths(clone), topology)
        own = Engine(clone, env, tmp_path_factory.mktemp("three"))
        found = Three(clone, own, sites, runtimes[-1], seconds, own.setting("egress"))
        found.deploy(*sites)
        yield found
    finally:
        _lab(clone, "down", STOP)
        _lab(paths.root, "up", START)
        # It is new, and as committed.
        engine.restart_needed = False
        shutil.rmtree(clone)


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("C7", "three regions running: six remote secrets, every istiod synced, traffic from each to all")
def test_three_regions_answer_each_other(three: Three, record: Callable[..., None]) -> None:
    record(up_s=round(three.seconds, 1), answers=three.answers(*three.sites))


def _seconds(steps: Sequence[Result]) -> list[float]:
    return [round(step.seconds, 1) for step in steps]


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("I3", "a region that does not come back is taken out by the commands of its page")
def test_a_region_is_gone_for_good(three: Three, record: Callable[..., None]) -> None:
    crash(three.region)
    three.write(_lost())
    steps = [three.type(UP)]
    three.write(_lost(), egress={"partner": PARTNER})
    partly = three.type(ALL_THE_SAME, check=False)
    assert partly.code != 0, "an object was made in a region that is gone"
    for site in three.others.values():
        made = site.kubectl.items("serviceentries", "-A")
        assert any(PARTNER["hosts"] == item["spec"]["hosts"] for item in made), f"{site.name} has not got what is new"
    steps.append(three.type(FORGET))
    three.write()
    steps.append(three.type(UP))
    left = three.known()
    assert not left, f"the state still has {left}"
    record(seconds=_seconds(steps), answers=three.answers(*three.others))
    three.healthy()


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("C7", "a region is added to two that serve, by the commands of its page: no request of theirs fails")
def test_a_region_is_added(three: Three, record: Callable[..., None]) -> None:
    if three.known():
        # Another proof has not taken it out.
        three.write()
        three.type(UP)
    build_anew(three.region)
    callers = [(site.caller(), SERVICE_URL) for site in three.others.values()]
    with loaded(callers, rate=RATE, extra=WATCHED) as loads:
        three.write(_entry())
        up, remotes, _ = ADD.commands
        made = three.type(up)
        three.deploy(three.third.name)
        answers = three.answers(*three.sites)
    rows = {row.split()[0]: row for row in three.type(remotes).out.splitlines()[1:]}
    assert rows.keys() == three.sites.keys(), rows
    assert all("synced" in row for row in rows.values()), rows
    three.healthy()
    record(up_s=round(made.seconds, 1), answers=answers, loads=[load.figures for load in loads])
    for load in loads:
        assert load.failed == 0, load.figures
        assert three.third.region.region in load.regions, load.figures


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof(
    "I3", "a region rebuilt under its name is taken for another one, then in, by the commands of its page"
)
def test_a_region_is_rebuilt(three: Three, record: Callable[..., None]) -> None:
    build_anew(three.region)
    refused = three.type(UP, check=False)
    assert refused.code != 0, "`up` took another cluster for the one that it knew"
    for part in (f"`{three.third.name}`", "if it was rebuilt"):
        assert part in refused.text, refused.text[-1500:]
    steps = [three.type(FORGET), three.type(UP)]
    three.deploy(three.third.name)
    record(refused_s=round(refused.seconds, 1), seconds=_seconds(steps), answers=three.answers(*three.sites))
    three.healthy()


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof(
    "I3", "a living region is taken out under load: no request of the others fails, nothing of Istio is left there"
)
def test_a_living_region_is_taken_out(three: Three, record: Callable[..., None]) -> None:
    callers = [(site.caller(), SERVICE_URL) for site in three.others.values()]
    with loaded(callers, rate=RATE, extra=WATCHED) as loads:
        three.write()
        done = three.type(UP)
        answers = three.answers(*three.others)
    kinds = "namespace,mutatingwebhookconfiguration,validatingwebhookconfiguration"
    left = three.third.kubectl.text("get", kinds, "-o", "name")
    assert "istio" not in left, left
    three.healthy()
    record(up_s=round(done.seconds, 1), answers=answers, loads=[load.figures for load in loads])
    for load in loads:
        assert load.failed == 0, load.figures
