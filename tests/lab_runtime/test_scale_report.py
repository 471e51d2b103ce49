"""What `make bench SCALE=1` makes of its previews."""

from __future__ import annotations

from lab.scale import report
from lab.scale.preview import SIZES, Preview
from lab.scale.processes import Use


def _preview(services: int, regions: int, milliseconds: float) -> Preview:
    resources = 10 * services * regions
    return Preview(services, regions, resources, Use(1.0, 2**30, {"program": milliseconds * resources / 1000}, {}, ""))


def test_growth_is_judged_with_each_number_of_regions() -> None:
    """A program that grows with the square of its regions would look well with two of them."""
    dear = {(100, 2): 10.0, (1000, 2): 8.0, (100, 5): 10.0, (1000, 5): 10.0, (100, 10): 10.0, (1000, 10): 15.0}
    previews = [_preview(*size, dear.get(size, 20.0)) for size in SIZES]
    rows = report._previews(previews, _preview(1000, 2, 1.0))
    growth = {row.name: (round(row.median, 3), row.verdict) for row in rows if row.target == report.GROWTH}
    assert growth == {
        f"a resource's processor time at ten times the services, {regions} regions": found
        for regions, found in ((2, (0.8, "met")), (5, (1.0, "met")), (10, (1.5, "missed")))
    }
