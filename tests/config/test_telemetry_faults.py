"""What may be wrong with `istio-mesh:telemetry` and with istiod's tuning.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import faults_of

TAG = "istio-mesh:telemetry.metrics.tags.user_type"
TUNING = "istio-mesh:mesh.istiod.tuning"


def tag(name: str = "user_type", **words: Any) -> dict[str, Any]:
    return {"telemetry": {"metrics": {"tags": {name: words}}}}


def tracing(**words: Any) -> dict[str, Any]:
    return {"telemetry": {"tracing": {"collector": {"host": "c.observability.svc.cluster.local"}, **words}}}


def tuning(**words: Any) -> dict[str, Any]:
    return {"mesh.istiod": {"tuning": words}}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("right", {**tracing(sampling=0), **tuning(pushThrottle=100, debounceAfter="200ms")}, []),
    (
        "tag without a source",
        tag(),
        [
            f"{TAG}: exactly one of `header`, `attribute` is needed, and none of them is given. The tag would have no "
            "source, or two. Keep one source."
        ],
    ),
    (
        "tag with two sources",
        tag(header="user-type", attribute="request.protocol"),
        [
            f"{TAG}: exactly one of `header`, `attribute` is needed, and both are given. The tag would have no source, "
            "or two. Keep one source."
        ],
    ),
    (
        "values of an attribute",
        tag(attribute="request.protocol", values=["HTTP/2"]),
        [
            f"{TAG}.values: it is about headers, and there is none. An attribute has its own values, and it would be "
            "ignored. Take it out."
        ],
    ),
    (
        "listed and raw",
        tag(header="user-type", values=["premium"], raw=True),
        [
            f"{TAG}.raw: both `values` and `raw` are given. Listed values have a bound, and raw ones have none. Keep "
            "`values`."
        ],
    ),
    (
        "value twice",
        tag(header="user-type", values=["premium", "premium"]),
        [f"{TAG}.values[1]: `premium` is there twice. One of them is a mistake. Write it once."],
    ),
    (
        "value with a quote",
        tag(header="user-type", values=["it's"]),
        [
            f"{TAG}.values[0]: `it's` is not a value that a tag can have. The expression that is made of it would be "
            "broken. Use letters, digits, spaces and . _ : / @ + -, at most 128."
        ],
    ),
    (
        "header in capitals",
        tag(header="User-Type"),
        [
            f"{TAG}.header: `User-Type` is not a header's name in lower case. Proxies compare names in lower case "
            "(RFC 9113, 8.2): it would never match. Write it as in `user-type`."
        ],
    ),
    (
        "unknown attribute",
        tag(attribute="request.path"),
        [
            f"{TAG}.attribute: it is `request.path`. Only these are known: `request.protocol`, `request.method`, "
            "`request.scheme`, `connection.requested_server_name`, `connection.tls_version`. Take one."
        ],
    ),
    (
        "name with a hyphen",
        tag("user-type", header="user-type"),
        [
            "istio-mesh:telemetry.metrics.tags.user-type: `user-type` is not a tag's name. Prometheus refuses it as a "
            "label. Use lower-case letters, digits and underscores, as in `user_type`."
        ],
    ),
    (
        "tag of Istio's own",
        tag("response_code", header="user-type"),
        [
            "istio-mesh:telemetry.metrics.tags.response_code: `response_code` is one of Istio's own tags. Dashboards "
            "and Kiali read it, and would show something else. Take another name."
        ],
    ),
    (
        "more than every request",
        tracing(sampling=101),
        [
            "istio-mesh:telemetry.tracing.sampling: 101 is above 100.0. It is out of the range that makes sense. Write "
            "a number that is not above 100.0."
        ],
    ),
    (
        "traces to nowhere",
        {"telemetry": {"tracing": {"sampling": 1}}},
        [
            "istio-mesh:telemetry.tracing.collector: it is missing. It has no default. Where spans go. Add it, as in "
            "`collector: {host: collector.observability.svc.cluster.local}`."
        ],
    ),
    (
        "logs of everything",
        {"telemetry": {"accessLogs": {"statusFrom": 200}}},
        [
            "istio-mesh:telemetry.accessLogs.statusFrom: 200 is below 400. It is out of the range that makes sense. "
            "Write a number that is not below 400."
        ],
    ),
    (
        "calm longer than the wait",
        tuning(debounceAfter="20s"),
        [
            f"{TUNING}.debounceAfter: debounceAfter (20s) is above debounceMax (10s). The calm would never be waited "
            "for. Lower `debounceAfter` or raise `debounceMax`."
        ],
    ),
    (
        "wait shorter than the calm",
        tuning(debounceMax="50ms"),
        [
            f"{TUNING}.debounceMax: debounceAfter (100ms) is above debounceMax (50ms). The calm would never be waited "
            "for. Lower `debounceAfter` or raise `debounceMax`."
        ],
    ),
    (
        "no pushes",
        tuning(pushThrottle=0),
        [
            f"{TUNING}.pushThrottle: 0 is below 1. It is out of the range that makes sense. Write a number that is not "
            "below 1."
        ],
    ),
    (
        "name of an environment",
        tuning(PILOT_PUSH_THROTTLE=100),
        [
            f"{TUNING}.PILOT_PUSH_THROTTLE: there is no key `PILOT_PUSH_THROTTLE`. It would be ignored, and the stack "
            "would not be what its file says. Did you mean `pushThrottle`?"
        ],
    ),
    (
        "range that is none",
        tuning(blockedJwksRanges=["10.0.0.1/8"]),
        [
            f"{TUNING}.blockedJwksRanges[0]: `10.0.0.1/8` is not a range of addresses. istiod would leave it out, and "
            "fetch keys from there. Write it as in `169.254.0.0/16`, without bits behind the mask."
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults
