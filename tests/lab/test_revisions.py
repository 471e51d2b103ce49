"""Istio's minor changed under load: another istiod beside the first, all moved to it, the first one gone; and back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import former
from lab.cli import running_regions
from lab.paths import Paths
from lab.regions import Topology
from lab.waiting import wait_for
from tests.lab.support.engine import Engine
from tests.lab.support.guide import Guide
from tests.lab.support.lifecycle import anew
from tests.lab.support.site import EXAM, FRONTEND, INGRESS, PUBLIC, SERVICE_URL, SYSTEM, UNDECLARED, WEB, Site, url_of
from tests.lab.support.stage import Stage
from tests.lab.support.traffic import LONGEST, PATIENT, Load, loaded
from tests.lab.support.visitor import Visits, visited
from tests.lab.support.workloads import PROOF, ROTATING, ROTATING_URL, namespace, remove_namespace

GUIDE = Guide.read("upgrade-istio")
RATE = 20  # requests a second of each load
VISITS = 5  # the same of each visitor
# Two cores that start all pods of a namespace answer late, which is no loss: callers wait longer than any proxy does.
WATCHED = ("--duration", f"{LONGEST}s", "--timeout", "20s", *PATIENT)
EXAM_URL = url_of("exam-service", EXAM)
# Callers, what they call, and where that is: each of them is left alone while another one's pods are made anew.
CALLS = (
    (UNDECLARED, FRONTEND, ROTATING_URL, PROOF),
    (PROOF, ROTATING, SERVICE_URL, UNDECLARED),
    (EXAM, WEB, EXAM_URL, EXAM),
)
OTHERS = (UNDECLARED, PROOF)  # namespaces that follow the tag `default`
ANOTHER_TEAM = "another-team"


def revision(version: str) -> str:
    return "-".join(version.split(".")[:2])


@dataclass
class Journey:
    """The steps from one version to another, and what became of the requests meanwhile.

    :ivar running: the version that the lab runs.
    :ivar other: the one that it is brought to.
    :ivar loads: by what was done meanwhile, by whom they are and what they call.
    """

    engine: Engine
    sites: Mapping[str, Site]
    running: str
    other: str
    loads: dict[str, Load] = field(default_factory=dict[str, Load])
    visits: list[Visits] = field(default_factory=list[Visits])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    def step(self, name: str, mesh: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """An `up` under load; no address changes by it."""
        before = self.addresses()
        with self._loaded(name, CALLS):
            changes = self.engine.up(self.file(mesh, clusters))
        assert self.addresses() == before, f"{name}: an address has changed"
        self.figures[name] = {"up_s": round(changes.seconds, 1), "changed": changes.changed}

    def made_anew(self, spaces: Sequence[str], sites: Sequence[Site]) -> None:
        """Under load: all pods of these namespaces, one namespace after the other, as the page says."""
        for space in spaces:
            if space == EXAM:
                # The tenant set it too, and it wins over the stack's.
                for site in sites:
                    site.kubectl.run("label", "namespace", space, "istio-injection-")
            with self._loaded(f"{space} made anew", [call for call in CALLS if call[0] != space]):
                for site in sites:
                    site.kubectl.run("rollout", "restart", "deployment", "-n", space)
                for site in sites:
                    names = [f"deploy/{item['metadata']['name']}" for item in site.kubectl.items("deploy", "-n", space)]
                    site.kubectl.rolled_out(space, *names)

    def refused(
        self, part: str, mesh: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]] | None = None
    ) -> str:
        """What the engine says of a step that neither a preview nor an `up` takes. It has changed nothing.

        :param part: of what both say.
        """
        before = self._releases()
        options = ("--stack", self.engine.stack, "--config-file", str(self.file(mesh, clusters)))
        for words in (("preview",), ("up", "--yes", "--skip-preview")):
            result = self.engine.pulumi(*words, *options, check=False)
            assert result.code != 0, f"{words[0]} took the step"
            assert part in result.text, result.text[-1500:]
        assert self._releases() == before, "a refused step changed a cluster"
        return result.text

    def file(self, mesh: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
        """The stack's file with this of the mesh, and of single clusters."""
        listed = [
            {**entry, **({"istio": clusters[entry["name"]]} if clusters and entry["name"] in clusters else {})}
            for entry in self.engine.setting("clusters")
        ]
        return self.engine.configured({"mesh": {"upgrade": None, **mesh}, "clusters": listed})

    def revisions(self, site: Site, space: str) -> set[str]:
        """Those of the proxies that run in a namespace."""
        pods = site.kubectl.items("pod", "-n", space, "--field-selector=status.phase=Running")
        return {
            found
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and (found := pod["metadata"].get("annotations", {}).get("istio.io/rev"))
        }

    def istiods(self, site: Site) -> set[str]:
        """Revisions of the istiods of a region."""
        return {item["metadata"]["labels"]["istio.io/rev"] for item in site.kubectl.items(
            "deploy", "-n", SYSTEM, "-l", "app=istiod")}  # fmt: skip

    def addresses(self) -> dict[str, tuple[str, str]]:
        """Of the gateways of all regions."""
        return {name: (site.ingress_address(), site.east_west_address()) for name, site in self.sites.items()}

    def none_failed(self) -> None:
        """All requests of all steps were answered, and both regions took part."""
        for visits in self.visits:
            assert not visits.failed, visits.outcomes
            assert visits.sent
        failed = {name: load.figures for name, load in self.loads.items() if load.failed}
        assert not failed, json.dumps(failed)
        for name, load in self.loads.items():
            assert len(load.regions) == len(self.sites), f"{name}: {load.figures}"

    def requests(self) -> dict[str, Any]:
        """What is worth keeping of them."""
        return {
            "sent": sum(load.sent for load in self.loads.values()),
            "failed": sum(load.failed for load in self.loads.values()),
            "longest_gap_ms": max(load.summary["longest_gap_ms"] for load in self.loads.values()),
            "from_outside": {
                "sent": sum(visits.sent for visits in self.visits),
                "failed": sum(sum(visits.failed.values()) for visits in self.visits),
            },
        }

    def _releases(self) -> dict[str, list[str]]:
        """All that is deployed of Istio in each region, with its versions: another list after each change of it."""
        kinds = "deployments,services,configmaps,mutatingwebhookconfigurations,namespaces"
        columns = "K:.kind,N:.metadata.name,G:.metadata.generation,L:.metadata.labels"
        words = ("get", kinds, "-n", SYSTEM, "--no-headers", "-o", f"custom-columns={columns}")
        return {name: sorted(site.kubectl.text(*words).splitlines()) for name, site in self.sites.items()}

    @contextmanager
    def _loaded(self, during: str, calls: Sequence[tuple[str, str, str, str]]) -> Generator[None]:
        pairs = [(site, call) for site in self.sites.values() for call in calls]
        callers = [(site.caller(space, workload), url) for site, (space, workload, url, _) in pairs]
        names = [f"{len(self.loads)} {during}: {site.name} {space} to {url}" for site, (space, _, url, _) in pairs]
        addresses = {name: site.ingress_address() for name, site in self.sites.items()}
        with (
            visited(addresses, PUBLIC, "/health", rate=VISITS) as visits,
            loaded(callers, rate=RATE, extra=WATCHED) as running,
        ):
            self.loads |= zip(names, running, strict=True)
            self.visits += visits.values()
            yield


@pytest.fixture(scope="session")
def former_istio(paths: Paths, topology: Topology, sites: Mapping[str, Site]) -> str:
    """The release before the one that the lab runs, in its charts' folder and in the nodes."""
    return former.add(running_regions(paths, topology), paths, print)


@pytest.fixture
def journey(
    engine: Engine,
    sites: Mapping[str, Site],
    stage: Stage,
    former_istio: str,
    mesh_alone: None,
    rotating: None,
    normal_again: None,
) -> Generator[Journey]:
    """A mesh that is as committed."""
    with engine.reserved():
        if engine.restart_needed:
            anew(engine, sites, stage)
        everywhere = {site.region.region for site in sites.values()}
        for site in sites.values():
            for space, workload, url, _ in CALLS:
                site.caller(space, workload).wait_for_regions(url, everywhere)
        engine.restart_needed = True  # until it is back
        yield Journey(engine, sites, str(engine.setting("mesh", "version")), former_istio)
        for site in sites.values():
            remove_namespace([site.kubectl], ANOTHER_TEAM)


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("C5", "an upgrade to another minor and back under load, regions apart, addresses kept: none fails")
def test_istio_is_brought_to_another_minor_and_back(journey: Journey, record: Callable[..., None]) -> None:
    _regions_apart(journey)
    _as_the_page_says(journey)
    changes = journey.engine.up(None, "--expect-no-changes")
    assert changes.changed == 0, changes.steps
    journey.engine.restart_needed = False
    record(versions=[journey.running, journey.other], steps=journey.figures, **journey.requests())
    journey.none_failed()


def _regions_apart(journey: Journey) -> None:
    """To the other version, one region a step before the other; what would cut off is refused on the way."""
    first, second = journey.sites.values()
    old, new = revision(journey.running), revision(journey.other)
    mesh = {"version": journey.running}

    part = f"has Istio {journey.running}, and the stack says {journey.other}, another minor, in its place"
    journey.refused(part, {"version": journey.other})

    beside = {"version": journey.other}
    journey.step("beside in one region", mesh, {first.name: {"upgrade": beside}})
    assert (journey.istiods(first), journey.istiods(second)) == ({old, new}, {old})

    spaces = {**beside, "namespaces": [EXAM]}
    journey.step("namespaces | beside", mesh, {first.name: {"upgrade": spaces}, second.name: {"upgrade": beside}})
    journey.made_anew([EXAM], [first])
    assert journey.revisions(first, EXAM) == {new}
    assert journey.revisions(second, EXAM) == {old}

    # Forward and back alike: each of the two has proxies now.
    for wanted, going, where in ((journey.other, old, UNDECLARED), (journey.running, new, EXAM)):
        part = f"revision `{going}` of cluster `{first.name}` still has"
        said = journey.refused(part, mesh, {first.name: {"version": wanted}, second.name: {"upgrade": beside}})
        assert f"{where}/" in said, said[-1500:]

    gates = {**spaces, "gateways": ["eastWest", "ingress"]}
    journey.step("gateways | namespaces", mesh, {first.name: {"upgrade": gates}, second.name: {"upgrade": spaces}})
    journey.made_anew([EXAM], [second])
    assert (journey.revisions(first, INGRESS), journey.revisions(first, SYSTEM)) == ({new}, {new})

    rest = {**gates, "default": True}
    journey.step("default | gateways", mesh, {first.name: {"upgrade": rest}, second.name: {"upgrade": gates}})
    journey.made_anew(OTHERS, [first])

    first.kubectl.apply([namespace(ANOTHER_TEAM, {"istio.io/rev": "next"})])
    ended = {first.name: {"version": journey.other}, second.name: {"upgrade": rest}}
    part = f"1 namespace asks for an istiod of cluster `{first.name}` that would be gone: {ANOTHER_TEAM} "
    journey.refused(part, mesh, ended)
    remove_namespace([first.kubectl], ANOTHER_TEAM)

    journey.step("ended | default", mesh, ended)
    assert (journey.istiods(first), journey.istiods(second)) == ({new}, {old, new})
    journey.made_anew(OTHERS, [second])
    journey.step("ended in both", {"version": journey.other})
    for site in journey.sites.values():
        assert journey.istiods(site) == {new}
        assert {found for space in (EXAM, *OTHERS, INGRESS, SYSTEM) for found in journey.revisions(site, space)} == {
            new
        }


def _as_the_page_says(journey: Journey) -> None:
    """Back, all regions together, by the steps of docs/upgrade-istio.md as they stand there."""
    old, new = revision(journey.other), revision(journey.running)
    sites = list(journey.sites.values())
    beside, spaces, gates, rest, ended = (step["mesh"] for step in GUIDE.steps)
    assert (beside["version"], ended["version"]) == (journey.other, journey.running), "the page's versions"

    far = {**beside, "upgrade": {"version": "1.29.1"}, "version": journey.running}
    journey.refused("more than one minor apart", far)

    journey.step("back: beside", beside)
    journey.step("back: namespaces", spaces)
    journey.made_anew([EXAM], sites)
    journey.step("back: gateways", gates)
    journey.step("back: default", rest)
    journey.made_anew(OTHERS, sites)
    who_is_where, tags = (shlex.split(command)[1:] for command in GUIDE.commands[2:])

    def revisions(site: Site) -> set[str]:
        rows = [line.split() for line in site.kubectl.text(*who_is_where).splitlines()[1:]]
        return {row[2] for row in rows if row[0] in (EXAM, *OTHERS, INGRESS)}

    for site in sites:
        # Pods of before, on their way out, are among them for as long as they linger.
        wait_for(lambda site=site: revisions(site) == {new}, deadline=60, what=f"{site.name} to be of {new} alone")
        # A revision without a tag has a row too, whose first column is empty.
        listed = [line.split() for line in site.istioctl.text(*tags).splitlines()[1:] if not line.startswith(" ")]
        assert {(row[0], row[1]) for row in listed} == {("default", new), ("next", new)}
    journey.step("back: ended", ended)
    for site in sites:
        assert journey.istiods(site) == {new}, (old, new)
