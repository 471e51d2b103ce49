"""The engine killed while Helm makes the mesh, or takes it away.

A release that was cut off is in its cluster and not in the state, so the next `up` would be told that its name is in
use. What brings it back is what docs/disaster.md says; each kill here is mended by its steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.aws.rehearsal import acts, clusters
from lab.aws.rehearsal.acts import Stage
from lab.aws.rehearsal.recovery import Pending, mend
from lab.aws.rehearsal.rows import equal
from lab.region import RegionRuntime

RELEASE = "kubernetes:helm.sh/v3:Release::"
"""Stands in the URN of a release, before its name, which begins with its region's."""


@dataclass(frozen=True)
class Point:
    """Where the engine is killed.

    Attributes:
        verb: In an `up` or a `destroy`.
        status: What Helm is doing (https://helm.sh/docs/topics/advanced/#storage-backends).
        release: With which release of the last region.
    """

    verb: str
    status: str
    release: str

    def __str__(self) -> str:
        return f"while {self.release} is {self.status}"


POINTS = (
    # The first of a mesh: nothing of it is there yet.
    Point("up", "pending-install", "istio-base"),
    # In the middle: the other region may be ahead or behind.
    Point("up", "pending-install", "istiod"),
    # The last, which waits for its load balancer.
    Point("up", "pending-install", "istio-eastwestgateway"),
    Point("destroy", "uninstalling", "istiod"),
)


def kills(stage: Stage, runtimes: Sequence[RegionRuntime], before: Mapping[str, set[str]]) -> None:
    """At each point the engine is killed; what follows ends in the right state, in the account and in the clusters.

    Args:
        stage: Where the acts take place: a stack that is not there now, and keeps nothing when it goes.
        runtimes: The lab's regions.
        before: What is in them without the stack.
    """
    for point in POINTS:
        with stage.rows.row("A5", f"{stage.engine.title}: the engine killed {point}") as figures:
            if point.verb == "destroy":
                stage.engine.up()
            acts.killed(stage, point.verb, _is_at(point, runtimes[-1]))
            begun = time.monotonic()
            found = mend(stage.engine, stage.number)
            figures.update(cut_off=len(found), releases=_forget(runtimes, found))
            stage.engine.refresh()
            if point.verb == "up":
                stage.engine.up()
                figures["whole_again_s"] = round(time.monotonic() - begun, 1)
                acts.as_it_should_be(stage)
            gone = stage.engine.destroy()
            figures["taken_away"] = len(gone.steps)
            clusters.take_away_tenant(runtimes)
            equal("what is left in the account", stage.account.counts(), stage.before)
            for region, objects in clusters.objects(runtimes).items():
                equal(f"what is left in {region}", sorted(objects - before[region]), [])


def _is_at(point: Point, runtime: RegionRuntime) -> Callable[[], bool]:
    def look() -> bool:
        labels, names = f"--selector=owner=helm,status={point.status}", "--output=jsonpath={..metadata.labels.name}"
        found = runtime.kubectl("get", "secret", "--all-namespaces", labels, names).split()
        # A revision's istiod has it in its name.
        return any(name == point.release or name.startswith(f"{point.release}-") for name in found)

    return look


def _forget(runtimes: Sequence[RegionRuntime], found: Sequence[Pending]) -> int:
    """Takes away what Helm keeps of releases that were cut off; how many there were."""
    by_region = {each.region.name: each for each in runtimes}
    releases = [each for each in found if RELEASE in each.urn]
    for release in releases:
        region = by_region[release.urn.partition(RELEASE)[2].partition("-")[0]]
        namespace, labels = release.inputs["namespace"], f"--selector=owner=helm,name={release.inputs['name']}"
        region.kubectl("delete", "secret", f"--namespace={namespace}", labels)
    return len(releases)
