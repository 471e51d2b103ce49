"""Another root for the whole mesh, step by step under load, as docs/rotate-the-root.md has it; and the way back."""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from lab.errors import LabError
from lab.waiting import wait_for
from tests.lab.support import workloads
from tests.lab.support.certificates import WorkloadCertificate, fingerprint, parse_bundle
from tests.lab.support.commands import CommandFailed
from tests.lab.support.engine import Engine
from tests.lab.support.failures import now
from tests.lab.support.guide import Guide
from tests.lab.support.inside import Entrance, Insider
from tests.lab.support.lifecycle import anew
from tests.lab.support.site import FRONTEND, INGRESS, SERVICE, SERVICE_URL, SYSTEM, UNDECLARED, Site
from tests.lab.support.stage import Stage
from tests.lab.support.traffic import LONGEST, PATIENT, Load, loaded
from tests.lab.support.workloads import PROOF, ROTATING, ROTATING_URL

GUIDE = Guide.read("rotate-the-root")
RATE = 50  # requests a second of each of the four loads
PATIENCE = 180.0  # seconds until proxies have followed: the kubelet's part is a minute and a half where it is not told
# In each region: a caller, what it calls, one whose certificate lives for two minutes, and both gateways.
WATCHED = (
    (UNDECLARED, FRONTEND),
    (UNDECLARED, "deploy/echo-v1"),
    (PROOF, ROTATING),
    (INGRESS, "deploy/istio-ingress"),
    (SYSTEM, "deploy/istio-eastwestgateway"),
)
LAGGARD = "deploy/laggard"
UNTOLD = 'proxyMetadata:\n  PROXY_CONFIG_XDS_AGENT: "false"\n'  # a proxy whose agent is told of no other root


@dataclass
class Course:
    """The steps of a rotation, and what became of the requests meanwhile."""

    engine: Engine
    sites: Mapping[str, Site]
    loads: list[Load] = field(default_factory=list[Load])
    marks: list[tuple[datetime.datetime, str]] = field(default_factory=list[tuple[datetime.datetime, str]])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    def step(self, name: str, trust: Mapping[str, Any] | None, *, signer: int) -> tuple[x509.Certificate, ...]:
        """An `up` under load, until every watched proxy has followed it.

        :param trust: what is laid over the stack's trust; None for the stack as it is.
        :param signer: place of the root that signs among those that are trusted.
        :returns: the roots.
        """
        with self._loaded():
            self.marks.append((now(), name))
            refused, seconds = self._accepted(self._file(trust))
            roots = self.roots()
            started = time.monotonic()
            wait_for(
                lambda: self._followed(roots, roots[signer]),
                deadline=PATIENCE,
                what=f"proxies that trust {_names(roots)} and show a certificate of {_names([roots[signer]])}",
                interval=1,
            )
            self.figures[name] = {
                "up_s": round(seconds, 1),
                "followed_s": round(time.monotonic() - started, 1),
                "too_early": refused,
            }
        return roots

    def refused(self, verb: str, trust: Mapping[str, Any], *options: str) -> str:
        """What the engine says of a step that it does not take; empty where it took it."""
        file = str(self._file(trust))
        result = self.engine.pulumi(verb, *options, "--stack", self.engine.stack, "--config-file", file, check=False)
        return result.text if result.code != 0 else ""

    def roots(self) -> tuple[x509.Certificate, ...]:
        """Those that the stack's outputs name."""
        return parse_bundle(str(self.engine.outputs()["mesh"]["rootCertificates"]).encode())

    def shown(self) -> dict[str, WorkloadCertificate]:
        """What the watched proxies of all regions trust and show now."""
        return {
            f"{site.name} {namespace}/{workload}": site.istioctl.certificate(namespace, workload)
            for site in self.sites.values()
            for namespace, workload in WATCHED
        }

    def cacerts(self) -> dict[str, str]:
        """The version of each region's Secret, another one after each change of it."""
        return {
            name: site.kubectl.json("get", "secret", "-n", SYSTEM, "cacerts")["metadata"]["resourceVersion"]
            for name, site in self.sites.items()
        }

    def none_failed(self) -> None:
        """All requests of all steps were answered, by all regions."""
        everywhere = {site.region.region for site in self.sites.values()}
        for load in self.loads:
            assert load.failed == 0, load.figures
            assert set(load.regions) == everywhere, load.figures

    def requests(self) -> dict[str, Any]:
        """What is worth keeping of the loads."""
        return {
            "sent": sum(load.sent for load in self.loads),
            "failed": sum(load.failed for load in self.loads),
            "longest_gap_ms": max(load.summary["longest_gap_ms"] for load in self.loads),
            "rate": RATE * 2 * len(self.sites),
        }

    def _followed(self, roots: Sequence[x509.Certificate], signer: x509.Certificate) -> bool:
        return all(
            set(certificate.roots) == set(roots) and certificate.root == signer for certificate in self.shown().values()
        )

    def _file(self, trust: Mapping[str, Any] | None) -> Path:
        if trust is None:
            return self.engine.base
        # What a step does not write of a rotation is not there.
        return self.engine.configured({"trust": {"rotation": None, **trust}})

    def _accepted(self, file: Path) -> tuple[int, float]:
        """An `up` that is run again for as long as it is too early: how often that was, and seconds of the last."""
        refused = 0

        def up() -> float | None:
            nonlocal refused
            try:
                return self.engine.up(file).seconds
            except CommandFailed as problem:
                if "is too early" not in str(problem):
                    raise LabError(str(problem)) from problem
                refused += 1
                return None

        seconds = wait_for(up, deadline=PATIENCE, what="an `up` that is not too early", interval=1)
        return refused, seconds

    @contextmanager
    def _loaded(self) -> Generator[None]:
        """In each region from one of the watched workloads to another's service, which both regions have; connections
        that are made anew after a few requests, so that every certificate meets every other one."""
        callers = [
            (site.caller(namespace, workload), url)
            for site in self.sites.values()
            for namespace, workload, url in ((UNDECLARED, FRONTEND, ROTATING_URL), (PROOF, ROTATING, SERVICE_URL))
        ]
        with loaded(callers, rate=RATE, extra=["--duration", f"{LONGEST}s", *PATIENT]) as running:
            self.loads += running
            yield


def _names(roots: Iterable[x509.Certificate]) -> str:
    return " and ".join(root.subject.rfc4514_string() for root in roots)


def _trust(step: int) -> Mapping[str, Any]:
    """What the page's step writes of trust; they count from 1."""
    return GUIDE.steps[step - 1]["trust"]


@pytest.fixture
def course(
    engine: Engine, sites: Mapping[str, Site], stage: Stage, mesh_alone: None, rotating: None
) -> Generator[Course]:
    """A mesh that is as committed, and workloads of its present root."""
    with engine.reserved():
        if engine.restart_needed:
            anew(engine, sites, stage)
        # The mesh may have been made anew since they were.
        for site in sites.values():
            site.kubectl.run("rollout", "restart", ROTATING, "-n", PROOF)
        for site in sites.values():
            site.kubectl.rolled_out(PROOF, ROTATING)
        everywhere = {site.region.region for site in sites.values()}
        for site in sites.values():
            site.caller().wait_for_regions(ROTATING_URL, everywhere)
            site.caller(PROOF, ROTATING).wait_for_regions(SERVICE_URL, everywhere)
        yield Course(engine, sites)


@pytest.fixture
def laggard(course: Course) -> Generator[Site]:
    """In one region a workload that is told of no other root: what a proxy is that has lost istiod."""
    site = next(iter(course.sites.values()))
    annotations = {"proxy.istio.io/config": UNTOLD}
    site.kubectl.apply([workloads.like_frontend(site.kubectl, "laggard", PROOF, annotations)])
    site.kubectl.rolled_out(PROOF, LAGGARD)
    yield site
    site.kubectl.run("delete", LAGGARD, "-n", PROOF, "--ignore-not-found", "--wait=true")


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("B4", "a rotation waits for the last proxy, by name, and is taken back half-way: no request fails")
def test_a_rotation_is_taken_back_half_way(
    course: Course, laggard: Site, record: Callable[..., None], chart: Callable[..., None], normal_again: None
) -> None:
    engine = course.engine
    (old,) = course.roots()
    engine.restart_needed = True  # until it is taken back
    for step in (2, 3):
        said = course.refused("preview", _trust(step))
        assert f"`{_trust(step)['rotation']['phase']}` cannot follow no rotation" in said, said[-1500:]

    both = course.step("trust-both", _trust(1), signer=0)
    untouched = course.cacerts()

    def only_the_laggard() -> str | None:
        said = course.refused("up", _trust(2), "--yes", "--skip-preview")
        assert said, "`sign-new` was taken although a proxy trusts the old root alone"
        return said if "is too early: 1 of " in said else None

    said = wait_for(only_the_laggard, deadline=PATIENCE, what="a refusal for one proxy alone", interval=1)
    assert f"{laggard.name} {PROOF}/laggard-" in said, said[-1500:]
    shown = course.refused("preview", _trust(2))
    assert "is too early: 1 of " in shown, shown[-1500:]
    assert course.cacerts() == untouched, "a refused step changed a cluster"
    laggard.kubectl.run("delete", LAGGARD, "-n", PROOF, "--wait=true")

    assert course.step("sign-new", _trust(2), signer=1) == both
    assert course.step("back to trust-both", _trust(1), signer=0) == both
    assert course.step("back to the beginning", None, signer=0) == (old,)
    assert engine.up(None, "--expect-no-changes").changed == 0
    engine.restart_needed = False
    record(root=fingerprint(old)[:16], steps=course.figures, **course.requests())
    chart("a rotation of the root taken back half-way: requests of both regions", course.loads, course.marks)
    course.none_failed()


@pytest.mark.full
@pytest.mark.disruptive
@pytest.mark.proof("B4", "the root rotated in named phases under load: no request fails, the old root is refused")
def test_the_root_is_rotated_under_load(
    course: Course,
    trust_domain: str,
    tmp_path: Path,
    record: Callable[..., None],
    chart: Callable[..., None],
    starts_anew: None,
) -> None:
    sites, engine = course.sites, course.engine
    (old,) = course.roots()
    insiders = {
        name: Entrance.of(site, site, tmp_path).insider(f"spiffe://{trust_domain}/ns/{UNDECLARED}/sa/proof")
        for name, site in sites.items()
    }
    for name, insider in insiders.items():
        assert insider.get(SERVICE, listen=0.5).status == 200, f"{name}: the certificate is refused before anything is"

    both = course.step("trust-both", _trust(1), signer=0)
    assert both[0] == old, "the present root stays in its place"
    new = both[1]
    assert course.step("sign-new", _trust(2), signer=1) == both
    assert course.step("drop-old", _trust(3), signer=0) == (new,)

    refusals: dict[str, str] = {}
    for name, insider in insiders.items():
        site = sites[name]
        trusted = site.kubectl.secret(SYSTEM, "cacerts")["root-cert.pem"]
        answer = Insider(insider.address, trusted, insider.certificate).get(SERVICE, listen=0.5)
        assert answer.status is None, f"{name} answers a certificate of the old root: {answer}"
        assert "UNKNOWN_CA" in answer.error.upper().replace(" ", "_"), answer
        refusals[name] = answer.error
        (tmp_path / name).mkdir()
        member = Entrance.of(site, site, tmp_path / name).insider(f"spiffe://{trust_domain}/ns/{UNDECLARED}/sa/proof")
        assert member.get(SERVICE, listen=0.5).status == 200, f"{name} refuses a certificate of the new root too"

    untouched = course.cacerts()
    ended = engine.configured({"trust": _trust(4)})
    tidied = engine.up(ended)
    assert dict(tidied.operations).keys() <= {"same", "read", "update", "delete"}, tidied.steps
    # The provider of the program's own resources is given the stack's configuration, and changes with it.
    own = sorted(operation for operation, urn in tidied.steps if "pulumi:providers:" not in urn)
    assert own == ["delete", "update"], tidied.steps
    assert course.cacerts() == untouched, "the end of a rotation changed a cluster"
    assert engine.up(ended, "--expect-no-changes").changed == 0
    following = engine.preview(engine.configured({"trust": {**_trust(4), **_trust(1)}}))
    made = [urn for operation, urn in following.steps if operation == "create"]
    assert [urn.rpartition("::")[2] for urn in made] == ["trust-root-3"], "another rotation can begin"

    for command in GUIDE.commands:
        program, *words = shlex.split(command)
        if program == "istioctl":
            said = [site.istioctl.text(*words) for site in sites.values()]
            assert all("ROOTCA" in text for text in said), said
    record(
        old=fingerprint(old)[:16], new=fingerprint(new)[:16], steps=course.figures, refused=refusals,
        **course.requests(),
    )  # fmt: skip
    chart("another root in three steps: requests of both regions", course.loads, course.marks)
    course.none_failed()
