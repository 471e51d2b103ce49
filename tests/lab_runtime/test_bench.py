"""What `make bench` makes of what it has measured of the policy pack."""

from __future__ import annotations

from lab import bench
from lab.judged_preview import JudgedPreview
from lab.scale.processes import Use


def _use(seconds: float, gib: float, **parts: int) -> Use:
    return Use(seconds, int(gib * 2**30), {}, {name: size * 2**20 for name, size in parts.items()}, "")


def test_a_preview_has_its_time_and_memory_without_and_with_the_pack() -> None:
    measured = bench.Measured()
    measured.add(bench.POLICIES, 11.0)
    for plain, judged in ((10.0, 14.0), (12.0, 13.0), (11.0, 19.0)):
        measured.previews.append(JudgedPreview(338, _use(plain, 0.5, engine=150), _use(judged, 1.0, pack=87)))
    found = {row.name: (row.unit, row.median, row.verdict) for row in bench._policy_rows(measured)}
    assert found == {
        "5000 resources judged by the policy pack": ("s", 11.0, "missed"),
        "first preview of prod": ("s", 11.0, ""),
        "first preview of prod: memory": ("GiB", 0.5, ""),
        "first preview of prod with the policy pack": ("s", 14.0, ""),
        "first preview of prod with the policy pack: memory": ("GiB", 1.0, ""),
    }
    notes = [row.note for row in bench._policy_rows(measured)]
    assert notes[1] == "338 resources, on the stand-in for AWS"
    assert notes[4] == "pack 87 MiB"
