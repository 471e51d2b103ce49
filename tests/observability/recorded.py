"""Series of a mesh of two clusters, as text that Prometheus takes: what the lab cannot tell is made up here
(Istio's own metrics of requests, the application's), all else was recorded in the lab (`lab.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BEGIN = 1_790_000_000
STEP = 15
STEPS = 41  # ten minutes
END = BEGIN + STEP * (STEPS - 1)
LAB = Path(__file__).with_name("lab.json")
"""Of the lab: a list of series, each with `labels` and `values`, one every 15 s. `python -m
tests.observability.record` makes it of two running regions."""

CLUSTERS = ("use1", "usw2")


@dataclass(frozen=True)
class Course:
    """One series: its first value, and what each step adds."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    begins: float = 0.0
    grows: float = 0.0

    def values(self) -> list[float]:
        return [self.begins + self.grows * i for i in range(STEPS)]


def requests(
    cluster: str, *, to: str, service: str, grows: float, code: str = "200", **labels: str
) -> Iterator[Course]:
    """Requests that are answered in 40 ms, told by both sides, each in its own cluster."""
    told = {
        "source_cluster": cluster,
        "source_workload": "web-frontend",
        "source_workload_namespace": "exam",
        "destination_cluster": to,
        "destination_workload": service,
        "destination_service_name": service,
        "destination_service_namespace": "exam",
        "destination_version": "v1",
        "response_code": code,
        "response_flags": "-",
        "user_type": "premium",
        "exam_session": "present",
        "request_protocol": "http",
        **labels,
    }
    for reporter, where, policy in (("source", cluster, "unknown"), ("destination", to, "mutual_tls")):
        common = {**told, "reporter": reporter, "mesh_cluster": where, "job": "proxies", "namespace": "exam"}
        common |= {"connection_security_policy": policy, "pod": f"{service}-{reporter}", "app": service}
        yield Course("istio_requests_total", common, grows=grows)
        duration = "istio_request_duration_milliseconds"
        for end, part in (("25", 0.0), ("50", 1.0), ("+Inf", 1.0)):
            yield Course(f"{duration}_bucket", {**common, "le": end}, grows=grows * part)
        yield Course(f"{duration}_sum", common, grows=grows * 40)
        yield Course(f"{duration}_count", common, grows=grows)


def made_up() -> Iterator[Course]:
    """What the lab's Envoy and its tenant do not tell."""
    for cluster, other in (CLUSTERS, CLUSTERS[::-1]):
        yield from requests(cluster, to=cluster, service="exam-service", grows=120)
        yield from requests(cluster, to=other, service="exam-service", grows=30)
        yield from requests(cluster, to=cluster, service="exam-service", grows=1.5, code="503")
        yield from requests(cluster, to=cluster, service="api-service", grows=3, code="429", user_type="standard")
        yield from requests(cluster, to=cluster, service="web-frontend", grows=60, source_workload="istio-ingress")
        yield from requests(cluster, to=cluster, service="web-frontend", grows=3, source_workload="istio-ingress",
                            user_type="anonymous", exam_session="absent")  # fmt: skip
        yield from requests(cluster, to="unknown", service="payments.example.com", grows=10)
        yield from requests(cluster, to="unknown", service="payments.example.com", grows=0.5, code="402")
        here = {"mesh_cluster": cluster, "namespace": "exam", "pod": "exam-service-1", "app": "exam-service"}
        east_west = {**here, "reporter": "source", "source_workload": "istio-eastwestgateway"}
        yield Course("istio_tcp_connections_opened_total", east_west, grows=2)
        yield Course("exam_takers_active", here, begins=120)
        for result, grows in (("passed", 2.0), ("failed", 0.5)):
            yield Course("exam_completions_total", {**here, "result": result}, grows=grows)
        for end, part in (("300", 0.2), ("1800", 0.7), ("7200", 1.0), ("+Inf", 1.0)):
            yield Course("user_session_duration_seconds_bucket", {**here, "le": end}, grows=part * 10)
        yield Course("user_session_duration_seconds_sum", here, grows=10 * 1200)
        yield Course("user_session_duration_seconds_count", here, grows=10)


def lab() -> Iterator[tuple[str, Mapping[str, str], list[float]]]:
    """What was recorded."""
    for series in json.loads(LAB.read_text(encoding="utf-8")):
        labels = dict(series["labels"])
        name = labels.pop("__name__")
        yield name, labels, [float(value) for value in series["values"]]


def text() -> str:
    """All of it, for `promtool tsdb create-blocks-from openmetrics`."""
    lines: list[str] = []
    series = [(course.name, course.labels, course.values()) for course in made_up()]
    for name, labels, values in [*series, *lab()]:
        said = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        begins = END - STEP * (len(values) - 1)
        lines += [f"{name}{{{said}}} {value} {begins + STEP * i}" for i, value in enumerate(values)]
    return "\n".join([*lines, "# EOF", ""])
