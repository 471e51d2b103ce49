"""The text in which istiod, Envoy and its agent tell their metrics (Prometheus exposition format 0.0.4)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mesh.doctor.facts import Distribution

Labels = Mapping[str, str]

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One number with what it is of."""

    labels: Labels
    value: float


Samples = Mapping[str, tuple[Sample, ...]]
"""By the metric's name."""


def parse(text: str, wanted: Callable[[str], bool]) -> dict[str, tuple[Sample, ...]]:
    """The samples of the metrics whose names are `wanted`; lines that are none are left out."""
    found: dict[str, list[Sample]] = {}
    judged: dict[str, bool] = {}
    for line in text.splitlines():
        if not line or line[0] == "#":
            continue
        brace = line.find("{")
        name = line[:brace] if brace >= 0 else line.partition(" ")[0]
        if name not in judged:
            judged[name] = wanted(name)
        if not judged[name]:
            continue
        within, _, number = line.rpartition("}") if brace >= 0 else ("", "", line[len(name) :])
        try:
            value = float(number.split()[0])
        except (ValueError, IndexError):
            continue
        labels = dict(_LABEL.findall(within[brace + 1 :])) if brace >= 0 else {}
        found.setdefault(name, []).append(Sample(labels, value))
    return {name: tuple(samples) for name, samples in found.items()}


def total(samples: Samples, name: str, **labels: str) -> float | None:
    """The sum of a metric's samples with these labels; None where there is none."""
    values = [
        sample.value
        for sample in samples.get(name, ())
        if all(sample.labels.get(key) == value for key, value in labels.items())
    ]
    return sum(values) if values else None


Buckets = Mapping[float, float]
"""Counts up to and with the end of each bucket."""


def buckets(samples: Samples, name: str) -> dict[float, float]:
    """Those of the histogram `name`, of all its label sets together."""
    found: dict[float, float] = {}
    for sample in samples.get(f"{name}_bucket", ()):
        end = float(sample.labels.get("le", "inf"))
        found[end] = found.get(end, 0.0) + sample.value
    return found


def between(before: Buckets, after: Buckets) -> dict[float, float]:
    """What came in between; all of `after` where a count fell, since it then began anew."""
    if any(after.get(end, 0.0) < count for end, count in before.items()):
        return dict(after)
    return {end: count - before.get(end, 0.0) for end, count in after.items()}


def distribution(counts: Buckets) -> Distribution | None:
    """How often, and the end of the bucket with the 99th percentile; None where there was nothing."""
    often = counts.get(float("inf"), 0.0)
    if often <= 0:
        return None
    ends = sorted(counts)
    found = next(end for end in ends if counts[end] >= 0.99 * often)
    # Above the last bucket nothing is known but that.
    finite = [end for end in ends if end != float("inf")]
    return Distribution(often, finite[-1] if found == float("inf") and finite else found)
