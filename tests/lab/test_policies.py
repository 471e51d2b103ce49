"""The policy pack with the real engine: a clean stack passes, a bad change is refused at the preview, and nothing of it
is deployed. For the program's own stack on the lab's clusters, and for another team's program that uses the pack alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.paths import Paths
from previews import comment
from previews import engine as previews
from previews.engine import Target
from previews.report import Verdict
from previews.urns import name_of
from tests.lab.support.commands import run
from tests.lab.support.engine import TIMEOUT, Engine
from tests.lab.support.judged import (
    LATER,
    RENDERING,
    AnotherTeam,
    bad_changes,
    compliant,
    of_aws,
    of_the_mesh,
    up,
)
from tests.lab.support.site import Site


@dataclass(frozen=True)
class Refused:
    """A change of the stack file that its own rules let pass and the pack refuses.

    :ivar policy: the policy that refuses it.
    :ivar changes: laid over the stack's configuration.
    :ivar resource: part of the name of the resource that is refused.
    :ivar sentence: what it says, from the beginning.
    """

    policy: str
    changes: Mapping[str, Any]
    resource: str
    sentence: str

    def __str__(self) -> str:
        return self.policy


def _object(kind: str, spec: Mapping[str, Any], namespace: str = "exam") -> Mapping[str, Any]:
    return {"objects": [{"kind": kind, "name": "bad-change", "namespace": namespace, "spec": spec}]}


HOST = "api-service.exam.svc.cluster.local"
ROUTE = [{"destination": {"host": HOST}}]

REFUSED = [
    Refused(
        "kubernetes-load-balancer",
        {"policies": {"exemptions": []}},
        "gateways-ingress",
        "values.service.annotations: the load balancer does not say whether it is internal or public. ",
    ),
    Refused(
        "istio-mtls-client",
        _object(
            "DestinationRule", {"host": "old.exam.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
        ),
        "bad-change",
        "spec.trafficPolicy.tls.mode: requests to `old.exam.svc.cluster.local` go in plain text. ",
    ),
    Refused(
        "istio-gateway-tls-version",
        _object(
            "Gateway",
            {
                "selector": {"istio": "ingress"},
                "servers": [
                    {
                        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                        "hosts": ["old.example.org"],
                        "tls": {"mode": "SIMPLE", "credentialName": "old", "minProtocolVersion": "TLSV1_0"},
                    }
                ],
            },
            "istio-ingress",
        ),
        "bad-change",
        "spec.servers[0].tls.minProtocolVersion: TLS 1.0 is still taken. ",
    ),
    Refused(
        "istio-retries-unsafe",
        _object(
            "VirtualService",
            {
                "hosts": ["old.example.org"],
                "http": [{"route": ROUTE, "timeout": "5s", "retries": {"attempts": 3, "retryOn": "5xx"}}],
            },
        ),
        "bad-change",
        "spec.http[0].retries.retryOn: 5xx: requests are sent again that may have been done. ",
    ),
    Refused(
        "istio-telemetry-cel",
        _object(
            "Telemetry",
            {
                "metrics": [
                    {
                        "providers": [{"name": "prometheus"}],
                        "overrides": [{"tagOverrides": {"team": {"value": "request.headers["}}}],
                    }
                ]
            },
        ),
        "bad-change",
        "spec.metrics[0].overrides[0].tagOverrides.team.value: tag `team` is not CEL. ",
    ),
    Refused(
        "istio-wasm-fail-open",
        _object(
            "WasmPlugin",
            {
                "url": "oci://registry.example.org/guard:1",
                "sha256": "0" * 64,
                "phase": "AUTHN",
                "failStrategy": "FAIL_OPEN",
            },
        ),
        "bad-change",
        "spec.failStrategy: the module decides who is let in (AUTHN), and lets everybody in where it fails. ",
    ),
    Refused(
        "stack-route-host",
        _object(
            "VirtualService",
            {
                "hosts": ["old.example.org"],
                "http": [{"route": [{"destination": {"host": "nobody.exam.svc.cluster.local"}}], "timeout": "5s"}],
            },
        ),
        "bad-change",
        "spec.http[0].route[0].destination.host: there is no host `nobody.exam.svc.cluster.local`. ",
    ),
    Refused(
        "stack-jwt-optional",
        _object(
            "RequestAuthentication",
            {
                "selector": {"matchLabels": {"app": "nobody-asks"}},
                "jwtRules": [{"issuer": "https://issuer.example.org", "jwksUri": "https://issuer.example.org/jwks"}],
            },
        ),
        "bad-change",
        "spec.jwtRules: no AuthorizationPolicy asks for the token. ",
    ),
]
"""A change for each kind of rule that the stack's own checks leave to the pack."""


@pytest.fixture(scope="module")
def clean(paths: Paths, env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine on the stack as it is committed, without what proofs lay over it."""
    return Engine(paths.root, env, tmp_path_factory.mktemp("judged"))


@pytest.fixture
def untouched(clean: Engine, engine: Engine, sites: Mapping[str, Site]) -> Generator[Mapping[str, Any]]:
    """What the stack holds. If a change was deployed against expectation, it is taken back."""
    with clean.reserved():
        before = _state(clean)
        yield before
        if _state(clean) != before:
            engine.up()


def _state(engine: Engine) -> Mapping[str, Any]:
    return json.loads(engine.pulumi("stack", "export", "--stack", engine.stack).out)["deployment"]


@pytest.mark.proof("J2", "the stack as committed passes, by the commands that a person and a pull request's job run")
def test_a_clean_stack_passes(clean: Engine, untouched: Mapping[str, Any], record: Callable[..., None]) -> None:
    report = previews.preview(Target(clean.stack, clean.env, clean.root, clean.root / "policies"))
    assert report.verdict is Verdict.PASSED, (report.mandatory, report.errors, report.reason)
    assert report.packs == ("istio-mesh",)
    assert report.unreached == ()
    command = [sys.executable, "-m", "previews", "policy", "--stack", clean.stack]
    shown = run(command, env=clean.env, cwd=clean.root, timeout=TIMEOUT)
    assert "let it pass" in shown.out
    page = comment.comment(report)
    assert len(page) <= comment.LIMIT
    record(policies=report.policies, notes=len(report.notes), advice=len(report.advisory), characters=len(page))


@pytest.mark.parametrize("case", REFUSED, ids=str)
@pytest.mark.proof("J2", "a bad change that the stack file's own rules let pass is refused, and nothing is deployed")
def test_a_bad_change_is_refused(
    case: Refused,
    clean: Engine,
    untouched: Mapping[str, Any],
    sites: Mapping[str, Site],
    record: Callable[..., None],
) -> None:
    report = up(clean, clean.configured(case.changes))
    assert report.verdict is Verdict.REFUSED, (report.errors, report.reason)
    found = [finding for finding in report.mandatory if finding.policy == case.policy]
    about = [finding for finding in found if case.resource in name_of(finding.urn)]
    assert about, found
    for finding in about:
        assert finding.what.startswith(case.sentence), finding.what
        assert finding.cure
        assert finding.policy in comment.comment(report)
    assert _state(clean) == untouched
    for entry in case.changes.get("objects", ()):
        for site in sites.values():
            words = ("get", entry["kind"].lower(), entry["name"], "-n", entry["namespace"], "--ignore-not-found")
            assert site.kubectl.run(*words, "-o", "name").out.strip() == ""
    record(policy=case.policy, findings=len(found), sentence=about[0].what)


@pytest.fixture(scope="module")
def another_team(paths: Paths, env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AnotherTeam:
    return AnotherTeam(tmp_path_factory.mktemp("another-team"), env, paths.root / "policies", paths.charts)


@pytest.mark.parametrize("family", ["aws", "kubernetes", "istio", "stack"])
@pytest.mark.proof("J2", "another team's resources: one bad change a topic is refused, in its words, and none is made")
def test_a_bad_resource_of_another_team_is_refused(
    family: str, another_team: AnotherTeam, record: Callable[..., None]
) -> None:
    refused: dict[str, str] = {}
    for change in bad_changes(family):
        report = another_team.up(change.resources)
        assert report.verdict is Verdict.REFUSED, (change.topic, report.errors, report.reason)
        said = [f"{each.what}\nMend it: {each.cure}" for each in report.mandatory if each.policy == change.policy]
        assert set(change.messages) <= set(said), change.topic
        assert another_team.made == [], change.topic
        refused[change.topic] = change.policy
    assert len(refused) >= 3
    record(refused=refused)


@pytest.mark.proof("J2", "what a preview cannot judge is a note there, and refused by the update before it is made")
def test_a_value_that_is_known_later_is_judged_then(another_team: AnotherTeam, record: Callable[..., None]) -> None:
    resources = [
        of_aws("log", "aws:cloudwatch/logGroup:LogGroup", {}),
        of_the_mesh("strict", {"spec.mtls.mode": {LATER: "PERMISSIVE"}}),
    ]
    preview = another_team.preview(resources)
    assert preview.verdict is Verdict.PASSED, (preview.mandatory, preview.errors, preview.reason)
    notes = [note.what for note in preview.notes if note.policy == "istio-mtls-strict"]
    assert len(notes) == 1
    assert notes[0].startswith("1 resource, for want of `spec.mtls.mode` of ")
    update = another_team.up(resources)
    assert update.verdict is Verdict.REFUSED, (update.errors, update.reason)
    assert [(each.policy, each.what.partition(".")[0]) for each in update.mandatory] == [("istio-mtls-strict", "spec")]
    (made,) = another_team.made
    assert made.endswith("::log"), "what was known, and right"
    record(note=notes[0], refused=update.mandatory[0].what)


@pytest.mark.proof("J2", "objects in ConfigFile, ConfigGroup and Chart are judged as those that a program registers")
def test_what_files_and_charts_bring_is_judged(
    paths: Paths, env: Mapping[str, str], tmp_path: Path, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    site = next(iter(sites.values()))
    cluster = {"kubeconfig": str(paths.region(site.name).kubeconfig), "context": site.name}
    pack = paths.root / "policies"
    team = AnotherTeam(tmp_path / "team", env, pack, paths.charts, program=RENDERING, settings=cluster)
    report = team.up()
    assert report.verdict is Verdict.REFUSED, (report.errors, report.reason)
    found = [each for each in report.mandatory if each.policy == "istio-mtls-client"]
    assert {each.what for each in found} == {
        "spec.trafficPolicy.tls.mode: requests to `old.exam.svc.cluster.local` go in plain text. The services refuse "
        "them, which are STRICT."
    }
    brought_by = sorted(each.urn.split("::")[2].partition("$")[0] for each in found)
    assert brought_by == [
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:yaml:ConfigFile",
    ]
    # They are also judged by each other: all of them are about one host.
    assert sum(each.policy == "stack-duplicate-destinationrule" for each in report.mandatory) == len(found) - 1
    assert site.kubectl.run("get", "destinationrule", "-n", "exam", "-o", "name").out.count("bad-change") == 0
    record(refused=brought_by)


@pytest.mark.proof("J2", "what every policy passes is deployed: so the refused ones would have been seen")
def test_compliant_resources_of_another_team_are_made(
    paths: Paths, env: Mapping[str, str], tmp_path: Path, record: Callable[..., None]
) -> None:
    team = AnotherTeam(tmp_path / "team", env, paths.root / "policies", paths.charts)
    report = team.up(compliant())
    assert report.verdict is Verdict.PASSED, (report.mandatory, report.errors, report.reason)
    assert [each for each in team.made if each.startswith("urn:")], "resources of AWS"
    assert [each for each in team.made if each.endswith(".yaml")], "objects of Kubernetes"
    record(made=len(team.made))
