"""What recorded previews come to: changes, findings, messages, the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from previews.changes import Change, Difference, Kind
from previews.events import Diagnostic, Event, PolicyEvent, Summary
from previews.report import Finding, Message, Reader, Verdict
from previews.urns import kind_of, name_of, type_of
from tests.previews.recordings import NAMES, log, report


def _counts(changes: tuple[Change, ...]) -> dict[Kind, int]:
    return {kind: count for kind in Kind if (count := sum(change.kind is kind for change in changes))}


VERDICTS = {
    "first": (Verdict.PASSED, {Kind.CREATE: 7}, 0),
    "unchanged": (Verdict.PASSED, {}, 7),
    "changed": (Verdict.PASSED, {Kind.REPLACE: 3, Kind.DELETE: 1, Kind.UPDATE: 1}, 2),
    "refused": (Verdict.REFUSED, {Kind.CREATE: 7}, 0),
    "refused-stack": (Verdict.REFUSED, {Kind.DELETE: 1}, 6),
    "refused-by-our-pack": (Verdict.REFUSED, {Kind.CREATE: 7}, 0),
    "failed-program": (Verdict.FAILED, {}, 1),
    "failed-resource": (Verdict.FAILED, None, None),
    "failed-pack": (Verdict.FAILED, {}, 0),
    "unreachable": (Verdict.FAILED, {}, None),
    "unreached": (Verdict.PASSED, {Kind.CREATE: 7}, 0),
    "drift": (Verdict.PASSED, {Kind.UPDATE: 1}, None),
    "no-drift": (Verdict.PASSED, {}, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_and_the_counts_are_those_of_the_run(name: str) -> None:
    verdict, counts, unchanged = VERDICTS[name]
    found = report(name)
    assert found.verdict is verdict
    if counts is not None:
        assert _counts(found.changes) == counts
    if unchanged is not None:
        assert found.unchanged == unchanged


def test_replaces_and_deletes_come_first() -> None:
    kinds = [change.kind for change in report("changed").changes]
    assert kinds == [Kind.REPLACE] * 3 + [Kind.DELETE, Kind.UPDATE]


def test_the_steps_of_a_replacement_are_one_change_with_its_cause() -> None:
    (shelf,) = [change for change in report("changed").changes if name_of(change.urn) == "shelf"]
    assert shelf == Change(
        "urn:pulumi:changed::shop::pulumi-python:dynamic:Resource::shelf",
        "pulumi-python:dynamic:Resource",
        Kind.REPLACE,
        (Difference("room", "update", replaces=True),),
    )


def test_shares_are_shown_and_secrets_are_not() -> None:
    found = {name_of(change.urn): change for change in report("changed").changes}
    assert found["way-in"].differences == (
        Difference("spec.http[0].route[0].weight", "update", values=("90", "50")),
        Difference("spec.http[0].route[1].weight", "update", values=("10", "50")),
    )
    assert found["till"].differences == (Difference("data.password", "update", replaces=True),)


def test_what_drifted_is_what_the_provider_answered() -> None:
    (shelf,) = report("drift").changes
    assert shelf.differences == (Difference("replicas", "update", values=("1", "9")),)


def test_findings_have_their_policy_resource_cause_and_cure() -> None:
    found = report("refused")
    (refusal,) = found.mandatory
    assert refusal == Finding(
        "weights-of-100",
        "urn:pulumi:refused::shop::kubernetes:networking.istio.io/v1:VirtualService::way-in",
        "Weights are 100 together.\nspec.http[0].route: the weights are 90 together. A part is lost.",
        "make them 100.",
    )
    (advice,) = found.advisory
    assert (advice.policy, advice.cure) == ("true-signs", "write hours.")
    assert (found.packs, found.policies) == (("shop-rules",), 4)


def test_a_finding_about_the_stack_refuses_too() -> None:
    (finding,) = report("refused-stack").mandatory
    assert finding.policy == "a-way-in"
    assert type_of(finding.urn) in ("pulumi:pulumi:Stack", "")


def test_what_a_policy_could_not_judge_is_a_note_and_no_advice() -> None:
    found = report("first")
    assert found.advisory == ()
    assert found.notes == (
        Finding(
            "own-address",
            "urn:pulumi:first::shop::kubernetes:core/v1:ConfigMap::sign",
            "string value at .data.address can't be known during preview",
        ),
    )


def test_our_packs_findings_notes_and_account_are_read() -> None:
    found = report("refused-by-our-pack")
    assert [finding.policy for finding in found.mandatory] == [
        "istio-route-weights",
        "stack-route-host",
        "stack-route-subset",
        "stack-route-subset",
        "istio-route-timeout",
    ]
    assert (found.mandatory[0].what, found.mandatory[0].cure) == (
        "spec.http[0].route: the weights add up to 90. Istio takes them for shares of their sum, and nobody sees what "
        "is meant.",
        "make them add up to 100, each given.",
    )
    assert [(note.policy, note.what) for note in found.notes] == [
        ("kubernetes-plain-secret", "1 resource, for want of `data.address` of sign.")
    ]
    assert found.account.startswith("16 policies judged 16 times; 1 times not judged; 5 findings refused, ")
    assert found.packs == ("istio-mesh",)


def _of_pack(policy: str, message: str, level: str = "advisory") -> Event:
    event = PolicyEvent(
        message=f"<{{%fg 13%}}>{message}<{{%reset%}}>\n",
        policy_name=policy,
        policy_pack_name="istio-mesh",
        enforcement_level=level,
        resource_urn="urn:pulumi:prod::istio-mesh::pulumi:pulumi:Stack::istio-mesh-prod",
    )
    return Event(policy_event=event)


def test_the_packs_notes_and_its_account_are_told_from_its_advice() -> None:
    reader = Reader("prod")
    reader.add(_of_pack("aws-tags", "Not judged before the update: 3 resources, first `vpc`."))
    reader.add(
        _of_pack("exemption-unused", "istio-mesh:policies.exemptions[0] exempts nothing.\nMend it: take it out.")
    )
    reader.add(_of_pack("policies-report", "60 policies judged 900 times.\nJudged:\n- aws-tags: 7 judged"))
    reader.add(Event(summary_event=Summary(result="succeeded", PolicyPacks={"istio-mesh|local|policies": "1.0.0"})))
    found = reader.report()
    stack = "urn:pulumi:prod::istio-mesh::pulumi:pulumi:Stack::istio-mesh-prod"
    assert found.notes == (Finding("aws-tags", stack, "3 resources, first `vpc`."),)
    assert found.advisory == (
        Finding("exemption-unused", stack, "istio-mesh:policies.exemptions[0] exempts nothing.", "take it out."),
    )
    assert found.account == "60 policies judged 900 times.\nJudged:\n- aws-tags: 7 judged"
    assert found.verdict is Verdict.PASSED


def test_a_mandatory_finding_is_never_taken_for_a_note() -> None:
    reader = Reader("prod")
    reader.add(_of_pack("aws-tags", "Not judged before the update: or so it says.", "mandatory"))
    assert reader.report().verdict is Verdict.REFUSED


def test_a_failed_program_is_told_from_a_refusal_and_says_why() -> None:
    found = report("failed-program")
    assert found.mandatory == ()
    assert found.errors == (
        Message("", "the password [secret] does not fit"),
        Message("", "shop:broken is set.\n  Nothing can be sold. Take it out."),
    )


def test_a_secret_in_a_form_that_the_engine_does_not_look_for_is_masked() -> None:
    assert "dGlsbDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=" in log("failed-resource").read_text(), "it is in the events"
    (error,) = report("failed-resource").errors
    assert "[secret]" in error.text
    assert "correct-horse" not in error.text
    assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in error.text
    assert "jb3JyZWN0LWhvcnNlLWJhdHRlcn" not in error.text


def test_a_pack_that_does_not_start_fails_the_preview() -> None:
    found = report("failed-pack", exit_code=1, said='error: policy pack "/recorded/broken" failed to start')
    assert found.verdict is Verdict.FAILED
    assert found.reason == 'error: policy pack "/recorded/broken" failed to start'
    (trace,) = found.warnings
    assert trace.text.startswith("error: Program failed with an unhandled exception:\nTraceback")
    assert trace.text.endswith("RuntimeError: this pack does not start"), "the lines are one message"


def test_a_cluster_that_is_away_is_recognised() -> None:
    assert report("unreachable").says_unreached


SAID = [
    (
        "cluster `use1` (context `a` of b): the API server at https://10.0.0.1 does not answer. Nothing can be read",
        True,
    ),
    ("cluster `use1` (context `a` of b): the API server at https://10.0.0.1 refuses the credentials (401).", False),
    ("there is no file .lab/kubeconfig-use1. The cluster cannot be reached. Mend the path.", False),
    ("Get https://10.0.0.1/version: dial tcp 10.0.0.1:443: i/o timeout", True),
]


@pytest.mark.parametrize(("text", "unreached"), SAID)
def test_a_fault_of_the_way_is_told_from_one_of_the_stack_file(text: str, unreached: bool) -> None:
    assert replace(report("unchanged"), errors=(Message("", text),)).says_unreached is unreached


def test_a_program_that_ended_without_a_word_is_an_error_all_the_same() -> None:
    reader = Reader("prod")
    text = "an unhandled error occurred: Program exited with non-zero exit code: 1"
    reader.add(Event(diagnostic_event=Diagnostic(message=text, severity="error")))
    assert reader.report().errors == (Message("", text),)


def test_a_run_without_a_pack_does_not_pass() -> None:
    reader = Reader("prod")
    reader.add(Event(summary_event=Summary(result="succeeded")))
    found = reader.report()
    assert found.verdict is Verdict.FAILED
    assert found.reason == "No policy pack has judged. A change that nobody judged does not pass."


def test_a_run_that_broke_off_does_not_pass() -> None:
    found = Reader("prod").report(0)
    assert (found.verdict, found.reason) == (
        Verdict.FAILED,
        "The engine ended before it had said what would change.",
    )


def test_a_run_that_ended_badly_without_a_word_does_not_pass() -> None:
    reader = Reader("prod", pack=False)
    reader.add(Event(summary_event=Summary(result="failed")))
    assert (reader.report(255).verdict, reader.report(255).reason) == (
        Verdict.FAILED,
        "The engine ended with 255 and no cause.",
    )


def test_debug_messages_and_passing_ones_are_left_out() -> None:
    reader = Reader("prod")
    for severity, ephemeral in (("debug", False), ("info", False), ("error", True)):
        diagnostic = Diagnostic(message="nothing of interest", severity=severity, ephemeral=ephemeral)
        reader.add(Event(diagnostic_event=diagnostic))
    found = reader.report()
    assert (found.errors, found.warnings) == ((), ())


def test_names_are_read_out_of_urns() -> None:
    urn = "urn:pulumi:prod::istio-mesh::istio-mesh:mesh:Gateways$kubernetes:helm.sh/v3:Release::use1-gateways-ingress"
    assert type_of(urn) == "kubernetes:helm.sh/v3:Release"
    assert kind_of(type_of(urn)) == "Release"
    assert name_of(urn) == "use1-gateways-ingress"
    assert name_of("not a urn") == type_of("not a urn") == "not a urn"
