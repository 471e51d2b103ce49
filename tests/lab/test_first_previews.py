"""The policy pack on the first previews of the stacks of AWS, where most of what there will be is not known yet: an
account with nothing in it, the real engine, and a stand-in for AWS that the program and the pack know nothing of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab.aws.rehearsal.empty_account import empty_account
from lab.aws.rehearsal.stacks import STACKS, Stack
from lab.paths import Paths
from policies.catalogue import MANDATORY, Policy
from policies.pack import POLICIES
from policies.settings import Settings
from previews import comment
from previews.judged import Judged, judged
from previews.report import Verdict
from previews.urns import name_of
from tests.lab.support.first_preview import FirstPreview, holds_unknown, places, unknown_at

OF_THE_MESH = ("istio", "stack")
"""Families of policies that are about Istio."""

NEVER_MADE = {"istio-operator-gone"}
"""About a kind of object that the program does not make."""


@pytest.fixture(scope="module", params=STACKS)
def first(request: pytest.FixtureRequest, paths: Paths) -> Generator[FirstPreview]:
    """One account and one preview for all proofs of a stack."""
    with empty_account(Stack.load(paths.root, request.param), paths.root) as place:
        yield FirstPreview.made(place)


def _judges(policy: Policy, stack: str) -> bool:
    return not policy.production or stack in Settings().config.parameters.production_stacks


@pytest.mark.proof(
    "J1", "a first preview on an empty account: every mandatory Istio rule judges, and every rule over known inputs"
)
def test_what_is_known_is_judged(first: FirstPreview, record: Callable[..., None]) -> None:
    report = first.report
    assert report.verdict is Verdict.PASSED, (report.mandatory, report.errors, report.reason)
    assert first.place.account.changes() == 0
    tallies = {tally.policy: tally for tally in judged(report.account)}
    without_subject: set[str] = set()
    for policy in POLICIES:
        about = [resource for resource in first.resources if resource.key in policy.on]
        if not about or not _judges(policy, first.place.stack):
            assert policy.id not in tallies
            without_subject |= {policy.id} if not about else set()
            continue
        _check(policy, tallies[policy.id], first)
    mandatory = {policy.id for policy in POLICIES if policy.family in OF_THE_MESH and policy.severity == MANDATORY}
    assert mandatory & without_subject == NEVER_MADE, "else the proof would be of nothing"
    page = comment.comment(report)
    assert len(page) <= comment.LIMIT
    assert report.account.partition("\n")[0] in page
    cut = sum(int(number) for number in re.findall(r"… and (\d+) more changes that do not fit here", page))
    assert page.count("\n| + create |") + cut == len(report.changes)
    record(
        characters=len(page),
        resources=len(first.resources),
        with_unknowns=sum(holds_unknown(resource.properties) for resource in first.resources),
        policies=len(tallies),
        mandatory_of_the_mesh=len(mandatory & set(tallies)),
        judged=sum(tally.judged for tally in tallies.values()),
        not_judged={tally.policy: tally.unjudged for tally in tallies.values() if tally.unjudged},
    )


def _check(policy: Policy, tally: Judged, first: FirstPreview) -> None:
    """One policy's counts against the resources that it is about, and what it says that it would have to know."""
    about = [resource for resource in first.resources if resource.key in policy.on]
    if policy.resource_judge is not None:
        assert tally.judged + tally.unjudged == len(about), policy.id
    else:
        # What stands beside them may be noted too, where it leaves a hole.
        assert tally.judged + tally.unjudged >= len(about), policy.id
    if policy.family in OF_THE_MESH and policy.severity == MANDATORY:
        assert (tally.unjudged, tally.judged > 0) == (0, True), policy.id
    said = [place for note in first.report.notes if note.policy == policy.id for place in places(note.what)]
    assert bool(said) == bool(tally.unjudged), policy.id
    for path, name in said:
        (resource,) = (each for each in first.resources if each.name == name and each.key in policy.on)
        assert unknown_at(resource, path), f"{policy.id} was not judged for want of {path} of {name}, which is known"
    # Three places are named; of the others as many as there are with something unknown there.
    unknown = [each for each in about if any(unknown_at(each, path) for path, _ in said)]
    assert tally.unjudged <= len(unknown), policy.id


@dataclass(frozen=True)
class Refused:
    """What a change is refused for, in each cluster.

    :ivar policy: the policy that refuses it.
    :ivar resource: the end of the name of the resource that is refused.
    :ivar sentence: what it says.
    """

    policy: str
    resource: str
    sentence: str


BAD_OBJECTS = [
    {
        "kind": "DestinationRule",
        "name": "bad-change",
        "namespace": "exam",
        "spec": {"host": "old.exam.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    },
    {
        "kind": "VirtualService",
        "name": "bad-change",
        "namespace": "exam",
        "spec": {
            "hosts": ["old.example.org"],
            "http": [{"route": [{"destination": {"host": "nobody.exam.svc.cluster.local"}}], "timeout": "5s"}],
        },
    },
]

BAD_CHANGES: Mapping[str, Mapping[str, Any]] = {
    # Made for trials, and now production.
    "staging": {
        "istio-mesh:policies": {"parameters": {"productionStacks": ["staging"], "ingressPorts": [443]}},
        "istio-mesh:objects": BAD_OBJECTS,
    },
    "prod": {
        "istio-mesh:aws": {"deletionProtection": False, "network": {"nat": "shared"}},
        "istio-mesh:policies": {"parameters": {"ingressPorts": [443]}},
        "istio-mesh:objects": BAD_OBJECTS,
    },
}
"""Changes of the stacks' values that the files' own rules let pass."""

REFUSED = (
    Refused(
        "aws-deletion-protection",
        "-eks-cluster",
        "deletionProtection: it is not set. One `destroy` in the wrong terminal would take it away, with all that it "
        "serves.",
    ),
    Refused(
        "kubernetes-load-balancer",
        "-gateways-ingress",
        "values.service: the load balancer is public, and everybody may reach ports that are not for everybody. "
        "Whatever listens behind them is found by scanners within minutes.",
    ),
    Refused(
        "istio-mtls-client",
        "-objects-exam.bad-change",
        "spec.trafficPolicy.tls.mode: requests to `old.exam.svc.cluster.local` go in plain text. The services refuse "
        "them, which are STRICT.",
    ),
    Refused(
        "stack-route-host",
        "-objects-exam.bad-change",
        "spec.http[0].route[0].destination.host: there is no host `nobody.exam.svc.cluster.local`. Requests are "
        "answered 503.",
    ),
)
"""Each beside something that is not known in the same resource."""

BESIDES = "aws-nat-single"
"""Refuses the same changes, for VPCs, of which all is known."""


@pytest.mark.proof(
    "J1", "a change that breaks a rule of AWS, of Kubernetes and of Istio beside unknown values is refused for each"
)
def test_what_is_wrong_beside_something_unknown_is_refused(first: FirstPreview, record: Callable[..., None]) -> None:
    report, resources = first.changed(BAD_CHANGES[first.place.stack])
    assert report.verdict is Verdict.REFUSED, (report.errors, report.reason)
    by_urn = {resource.urn: resource for resource in resources}
    for refused in REFUSED:
        found = [finding for finding in report.mandatory if finding.policy == refused.policy]
        assert [finding.what for finding in found] == [refused.sentence] * first.clusters
        for finding in found:
            assert name_of(finding.urn).endswith(refused.resource)
            assert holds_unknown(by_urn[finding.urn].properties)
            assert finding.cure
    assert {finding.policy for finding in report.mandatory} == {BESIDES, *(refused.policy for refused in REFUSED)}
    counted = Counter(finding.policy for finding in report.mandatory)
    tallies = {tally.policy: tally for tally in judged(report.account)}
    assert {policy: tallies[policy].found for policy in counted} == counted
    page = comment.comment(report)
    assert all(f"`{policy}` on" in page for policy in counted)
    assert first.place.account.changes() == 0, "nothing was deployed"
    record(refused=dict(counted), not_judged=sum(tally.unjudged for tally in tallies.values()))
