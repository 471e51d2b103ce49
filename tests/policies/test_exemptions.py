"""Exemptions: what they take back, how long, and what is said of them."""

import json
from datetime import date
from typing import Any

import pytest

from policies.resources import Resource
from policies.verdicts import EXPIRED, REPORT, SETTINGS, UNUSED, Verdict
from tests.policies.compliant import mesh, object_
from tests.policies.support import TODAY, judged

PERMISSIVE = [object_("strict", {"spec.mtls.mode": "PERMISSIVE"})]


def exemption(**changes: Any) -> dict[str, Any]:
    return {
        "policy": "istio-mtls-strict",
        "resource": "istio-system.*",
        "reason": "Its callers join in spring",
        "owner": "platform-team",
        "expires": "2027-06-30",
        **changes,
    }


def run(*exemptions: dict[str, Any], resources: list[Resource] = PERMISSIVE, today: date = TODAY) -> list[Verdict]:
    config = {"istio-mesh:policies": json.dumps({"exemptions": exemptions})}
    return judged(resources, config=config, today=today)[0]


def told(verdicts: list[Verdict], policy: str) -> list[str]:
    return [verdict.message for verdict in verdicts if verdict.policy == policy]


def severities(verdicts: list[Verdict]) -> dict[str, str]:
    return {verdict.policy: verdict.severity for verdict in verdicts if verdict.policy != REPORT}


def test_an_exemption_takes_a_finding_back_and_the_report_says_why() -> None:
    verdicts = run(exemption())
    assert severities(verdicts) == {}
    assert told(verdicts, REPORT) == [
        "3 policies judged 3 times; 0 times not judged; 0 findings refused, 0 warned, 1 exempted.\n"
        "Exempted:\n"
        "- istio-mtls-strict on istio-system.default: Its callers join in spring (platform-team, until 2027-06-30)\n"
        "Judged:\n"
        "- istio-api-version: 1 judged\n"
        "- istio-mtls-strict: 1 judged, 1 exempted\n"
        "- istio-unknown-fields: 1 judged"
    ]


def test_an_exemption_from_a_policy_of_stacks_names_the_resource_that_is_wrong() -> None:
    verdicts = run(
        exemption(policy="stack-route-host", resource="exam.api-service"),
        resources=mesh({"routes": {"spec.http.1.route.0.destination": {"host": "nowhere"}}}),
    )
    assert severities(verdicts) == {}


@pytest.mark.parametrize(
    "resource",
    ["istio-system.default", "istio-system.?efault", "urn:pulumi:test::*::use1-istio-system.default"],
)
def test_a_pattern_is_about_the_name_or_the_urn(resource: str) -> None:
    assert severities(run(exemption(resource=resource))) == {}


@pytest.mark.parametrize(
    "resource", ["istio-system", "Istio-System.*", "urn:pulumi:prod::*", "*:default", "istio-system.default-2"]
)
def test_a_pattern_is_about_the_whole_of_it(resource: str) -> None:
    verdicts = run(exemption(resource=resource))
    assert severities(verdicts) == {"istio-mtls-strict": "mandatory", UNUSED: "advisory"}


def test_an_exemption_is_of_one_policy() -> None:
    assert severities(run(exemption(policy="istio-mtls-client"))) == {
        "istio-mtls-strict": "mandatory",
        UNUSED: "advisory",
    }


def test_one_that_exempts_nothing_is_warned_about() -> None:
    verdicts = run(exemption(), resources=mesh())
    assert severities(verdicts) == {UNUSED: "advisory"}
    assert told(verdicts, UNUSED) == [
        "istio-mesh:policies.exemptions[0]: `istio-mtls-strict` finds nothing on a resource `istio-system.*`. It would "
        "hide what comes to that name later.\nMend it: take it out, or mend the pattern."
    ]


@pytest.mark.parametrize(
    ("today", "severe"),
    [
        (date(2027, 6, 30), {}),
        (date(2027, 7, 1), {"istio-mtls-strict": "mandatory", EXPIRED: "mandatory"}),
    ],
)
def test_it_holds_on_its_last_day_and_refuses_from_the_next(today: date, severe: dict[str, str]) -> None:
    verdicts = run(exemption(), today=today)
    assert severities(verdicts) == severe
    assert told(verdicts, EXPIRED) == [
        "istio-mesh:policies.exemptions[0]: the exemption from `istio-mtls-strict` ended on 2027-06-30. What it was "
        "for is refused again.\nMend it: ask platform-team to renew it, or mend the resource and take it out."
    ] * len(severe and [1])


def test_what_is_exempt_is_told_once_for_each_resource() -> None:
    both = [object_("strict", {"spec.mtls.mode": "PERMISSIVE", "spec.portLevelMtls": {"80": {"mode": "DISABLE"}}})]
    report = told(run(exemption(), resources=both), REPORT)[0]
    assert report.count("istio-mtls-strict on istio-system.default") == 1
    assert "2 exempted" in report


# Settings that cannot be used.

FAULTS: list[tuple[str, Any, list[str]]] = [
    (
        "no structure",
        "all",
        [
            "istio-mesh:policies: it is a single text, not a structured value. Nothing of it can be read.\n"
            "Mend it: Write it as YAML below `istio-mesh:policies:`."
        ],
    ),
    (
        "a policy that is not there",
        {"exemptions": [exemption(policy="istio-mtls-strickt")]},
        [
            "istio-mesh:policies.exemptions[0].policy: there is no policy `istio-mtls-strickt`. It would exempt from "
            "nothing.\nMend it: Take the id from the message or from docs/policies.md."
        ],
    ),
    (
        "no end",
        {"exemptions": [{key: value for key, value in exemption().items() if key != "expires"}]},
        [
            "istio-mesh:policies.exemptions[0].expires: it is missing. It has no default. The last day on which it "
            "holds.\nMend it: Add it, as in `expires: 2027-06-30`."
        ],
    ),
    (
        "a key that is not known",
        {"parameters": {"registry": ["a"]}},
        [
            "istio-mesh:policies.parameters.registry: there is no key `registry`. It would be ignored, and the stack "
            "would not be what its file says.\nMend it: Did you mean `registries`?"
        ],
    ),
]


@pytest.mark.parametrize(("value", "messages"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_settings_that_cannot_be_used_are_refused_with_their_path(value: Any, messages: list[str]) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    verdicts, _ = judged(PERMISSIVE, config={"istio-mesh:policies": text})
    assert told(verdicts, SETTINGS) == messages
    assert severities(verdicts) == {SETTINGS: "mandatory", "istio-mtls-strict": "mandatory"}
    assert verdicts[0].policy == SETTINGS, "at once: a stack that fails may not come to its end"
