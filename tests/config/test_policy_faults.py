"""What may be wrong with `istio-mesh:policies`, word by word."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from components.config.faults import InvalidValue
from components.config.policies import Day
from tests.builders import faults_of

EXEMPTION: dict[str, Any] = {
    "policy": "istio-mtls-strict",
    "resource": "use1-*",
    "reason": "Its callers join in spring",
    "owner": "platform-team",
    "expires": "2027-06-30",
}


def _exempt(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"policies": {"exemptions": [{**EXEMPTION, **entry} for entry in entries]}}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("right", _exempt({}), []),
    ("a day that YAML has read", _exempt({"expires": date(2027, 6, 30)}), []),
    (
        "not an id",
        _exempt({"policy": "mTLS"}),
        [
            "istio-mesh:policies.exemptions[0].policy: `mTLS` is not a policy's id. It would exempt from nothing. Take "
            "it from the message or from docs/policies.md, as in `istio-mtls-strict`."
        ],
    ),
    (
        "every resource",
        _exempt({"resource": "*"}),
        [
            "istio-mesh:policies.exemptions[0].resource: `*` is every resource. Whatever is added later would be "
            "exempt too, and nobody would see it. Name the resources, as in `use1-security-exam-permissive-*`."
        ],
    ),
    (
        "no resource",
        _exempt({"resource": ""}),
        [
            "istio-mesh:policies.exemptions[0].resource: it is empty. Whatever is added later would be exempt too, and "
            "nobody would see it. Name the resources, as in `use1-security-exam-permissive-*`."
        ],
    ),
    (
        "no reason",
        _exempt({"reason": ""}),
        ["istio-mesh:policies.exemptions[0].reason: it is empty. There has to be at least one. Add one."],
    ),
    (
        "not a day",
        _exempt({"expires": "June"}),
        [
            "istio-mesh:policies.exemptions[0].expires: `June` is not a day. Nobody could tell when it ends. Write "
            "year, month and day, as in `2027-06-30`."
        ],
    ),
    (
        "a day that there is not",
        _exempt({"expires": "2027-02-30"}),
        [
            "istio-mesh:policies.exemptions[0].expires: `2027-02-30` is not a day. Nobody could tell when it ends. "
            "Write year, month and day, as in `2027-06-30`."
        ],
    ),
    (
        "twice",
        _exempt({}, {"expires": "2028-06-30"}),
        [
            "istio-mesh:policies.exemptions[1]: exemptions[0] is about the same resource already. Only one of the two "
            "days can be meant. Keep one of them."
        ],
    ),
    (
        "a share above all",
        {"policies": {"parameters": {"maxSampling": 101}}},
        [
            "istio-mesh:policies.parameters.maxSampling: 101 is above 100. It is out of the range that makes sense. "
            "Write a number that is not above 100."
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_fault_is_told(changes: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    assert faults_of(tmp_path, changes) == expected


@pytest.mark.parametrize(
    "written", ["2027-06-30", date(2027, 6, 30), "2027-06-30T00:00:00Z", "2027-06-30 00:00:00 +0000 UTC"]
)
def test_a_day_is_read_as_every_reader_of_yaml_gives_it(written: object) -> None:
    assert str(Day.parse(written)) == "2027-06-30"


@pytest.mark.parametrize("written", ["2027-6-30", "2027-06-30T12:00:00Z", 20270630, None, ""])
def test_what_is_no_day_is_refused(written: object) -> None:
    with pytest.raises(InvalidValue):
        Day.parse(written)
