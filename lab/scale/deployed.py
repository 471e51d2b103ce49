"""A thousand services in the running lab: how long the program's `up` takes beside `kubectl apply`; what Istio needs.

The program is the real one, on the lab's own stack, whose file is given many more services for as long as it takes.
Nothing of them has pods but one client, whose proxy is measured with its Sidecar and with one of the whole mesh. When
all is measured the stack is what its file says again, and the namespaces are gone.

The engine writes the whole state before and after each step where a team keeps it itself (files, S3): what that takes
grows with the square of the resources, and is all that a thousand services would show. So it is measured at a tenth of
them; all of them are deployed as docs/scale.md says, with the state written once, at the end.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.mesh.gateways import EAST_WEST_RELEASE
from lab.errors import LabError
from lab.scale import stacks
from lab.scale.enlarged import LABEL, Manifest, added, committed, enlarged, namespaces, roomy, running
from lab.scale.preview import Bench
from lab.scale.processes import Use
from lab.stack import NAME
from lab.waiting import wait_for

SERVICES = 1000
FEW = SERVICES // 10
CLIENT = "client"
AT_THE_END = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Has the engine write the state once, when it ends."""
DEADLINE = 1800.0

FACTOR, SHARE = 1.3, 0.25
"""The aims: `up` to `kubectl apply`; a proxy with its Sidecar to one without."""


@dataclass(frozen=True)
class Deployed:
    """What was measured.

    Attributes:
        services: How many more than the lab's own.
        objects: How many they come to, in all regions together.
        each_step: Seconds of `pulumi up` of the program with a tenth of these services, the state written at each step.
        at_the_end: Seconds of the same, the state written once.
        up: `pulumi up` of the program, from the lab's own stack to one with these services, the state written once.
        unchanged: The same again, when there is nothing left to do.
        apply: Seconds of `kubectl apply --server-side` of the same objects, all regions side by side.
        istiod: Bytes of istiod's memory before and with them, by region.
        push: Milliseconds from a change to the proxies that have it, mean and 99th percentile (the bucket's end).
        proxy: Bytes of the client's Envoy with the Sidecar that the program derives, and with one of the whole mesh.
        clusters: How many clusters that Envoy knows, likewise.
        gateways: Bytes of the Envoy of the gateway between networks, and how often it was killed, by region.
    """

    services: int
    objects: int
    each_step: float
    at_the_end: float
    up: Use
    unchanged: Use
    apply: float
    istiod: Mapping[str, tuple[int, int]]
    push: Mapping[str, tuple[float, float]]
    proxy: tuple[int, int]
    clusters: tuple[int, int]
    gateways: Mapping[str, tuple[int, int]]


class Region:
    """One region's kubectl."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name, self._environment = name, environment

    def __call__(self, *words: str, stdin: str = "", deadline: float = 600.0) -> str:
        done = subprocess.run(
            ["kubectl", "--context", self.name, *words],
            env=dict(self._environment), input=stdin, text=True, capture_output=True, timeout=deadline, check=False,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"kubectl {' '.join(words[:4])} failed in {self.name}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def pod(self, app: str) -> Manifest:
        """The first pod in istio-system of this label `app`."""
        return json.loads(self("get", "pod", "-n", "istio-system", "-l", f"app={app}", "-o", "json"))["items"][0]

    def istiod(self, path: str) -> str:
        """An answer of istiod's monitoring port, by the API server."""
        name = self.pod("istiod")["metadata"]["name"]
        return self("get", "--raw", f"/api/v1/namespaces/istio-system/pods/{name}:15014/proxy{path}")

    def proxy(self, pod: str, namespace: str, path: str) -> str:
        """An answer of a proxy's administration port."""
        words = ["exec", "-n", namespace, pod, "-c", "istio-proxy", "--"]
        return self(*words, "pilot-agent", "request", "GET", path)


@contextmanager
def own_namespaces(regions: Sequence[Region], services: Mapping[str, list[Manifest]]) -> Generator[None]:
    """The namespaces with these Services for as long as the block lasts; gone when it has been left."""

    def begin(region: Region) -> None:
        found = services[region.name]
        region("apply", "--server-side", "-f", "-", stdin=_list([*namespaces(found), *found]), deadline=DEADLINE)

    def end(region: Region) -> None:
        # Routes of public hosts and external services are in namespaces of the mesh.
        for kind in ("virtualservices.networking.istio.io", "serviceentries.networking.istio.io"):
            region("delete", kind, "-A", "-l", LABEL, "--ignore-not-found", deadline=DEADLINE)
        region("delete", "namespace", "-l", LABEL, "--ignore-not-found", deadline=DEADLINE)

    try:
        _side_by_side(regions, begin)
        yield
    finally:
        _side_by_side(regions, end)


@contextmanager
def many_services(lab: Bench, file: Path, back: Path | None = None) -> Generator[Use]:
    """The lab's stack as `file` says for as long as the block lasts, and as `back` says, or its own file, after it."""
    try:
        yield _up(lab, "--config-file", str(file))
    finally:
        _up(lab, *(["--config-file", str(back)] if back else []))


def measure(
    lab: Bench, regions: Sequence[Region], folder: Path, report: Callable[[str], None], services: int = SERVICES
) -> Deployed:
    """Deploy, measure and take away again.

    Args:
        lab: The program's folder, with the tools, the backend and the environment of the lab.
        regions: Those of the lab, all of them.
        folder: For the stack file.
        report: Called with a line for each step.
        services: How many.
    """
    objects, own = added(lab.clone, services), running(lab.clone, services)
    said = roomy(committed(lab.clone))
    few, file = (_file(enlarged(said, count), folder / str(count)) for count in (FEW, services))
    room = _file(said, folder / "room")
    quick = replace(lab, environment={**lab.environment, **AT_THE_END})
    # Small gateways would not start while the services are there: they are the lab's own again when those are gone.
    with many_services(quick, room):
        with own_namespaces(regions, running(lab.clone, FEW)):
            each_step, at_the_end = (_seconds(bench, few, room) for bench in (lab, quick))
        report(f"pulumi up with {FEW} more services: {each_step:.1f} s; the state written once: {at_the_end:.1f} s")
        before = {region.name: _istiod_memory(region) for region in regions}
        pushed = {region.name: _convergence(region) for region in regions}
        with own_namespaces(regions, own), many_services(quick, file, room) as up:
            report(f"pulumi up of the program with {services} more services: {up.seconds:.1f} s")
            unchanged = _up(quick, "--config-file", str(file))
            report(f"the same without a change: {unchanged.seconds:.1f} s")
            istiod = {region.name: (before[region.name], _istiod_memory(region)) for region in regions}
            push = {region.name: _push(pushed[region.name], _convergence(region)) for region in regions}
            proxy, known = _proxies(regions[0], objects[regions[0].name])
            gateways = {region.name: _gateway(region) for region in regions}
        with own_namespaces(regions, own):
            applied = _apply(regions, objects)
            report(f"kubectl apply --server-side of the same objects: {applied:.1f} s")
    count = sum(map(len, objects.values()))
    return Deployed(
        services, count, each_step, at_the_end, up, unchanged, applied, istiod, push, proxy, known, gateways
    )


def _file(values: Mapping[str, Any], folder: Path) -> Path:
    folder.mkdir()
    return stacks.write(values, folder)


def _seconds(lab: Bench, file: Path, back: Path) -> float:
    """Of an `up` to what a file says; afterwards the stack is what `back` says."""
    with many_services(lab, file, back) as up:
        return up.seconds


def _up(lab: Bench, *options: str) -> Use:
    words = ("up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", NAME, *options)
    return lab.pulumi(*words, deadline=DEADLINE)


def _list(items: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


def _apply(regions: Sequence[Region], objects: Mapping[str, list[Manifest]]) -> float:
    texts = {name: _list(items) for name, items in objects.items()}
    started = time.monotonic()
    _side_by_side(
        regions,
        lambda region: region("apply", "--server-side", "-f", "-", stdin=texts[region.name], deadline=DEADLINE),
    )
    return time.monotonic() - started


def _proxies(region: Region, objects: Sequence[Manifest]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Memory and clusters of a client's Envoy, with the Sidecar of its service and with all of the mesh."""
    scopes = [item for item in objects if item["kind"] == "Sidecar" and "workloadSelector" in item["spec"]]
    # The service that calls most, of all that have a scope: the least that the scope saves.
    scope = max(scopes, key=lambda item: len(item["spec"]["egress"][0]["hosts"]))
    namespace = scope["metadata"]["namespace"]
    labels = scope["spec"]["workloadSelector"]["labels"]
    template = json.loads(region("get", "deploy", "web-frontend", "-n", "exam", "-o", "json"))["spec"]["template"]
    pod = template["spec"]
    for key in ("serviceAccountName", "serviceAccount"):
        pod.pop(key, None)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": CLIENT, "namespace": namespace, "labels": {LABEL: "true"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    region("apply", "-f", "-", stdin=yaml.safe_dump(deployment))
    scoped = _settled(region, namespace)
    # All of the mesh, as a proxy without a Sidecar knows it; the namespace's own would be the next in line.
    whole = {**scope, "spec": {**scope["spec"], "egress": [{"hosts": ["*/*"]}]}}
    region("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(whole))
    # Anew: Envoy gives freed memory back late, and what it holds must not depend on what it knew before.
    region("rollout", "restart", "deployment", CLIENT, "-n", namespace)
    everything = _settled(region, namespace)
    region("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(scope))
    return (scoped[0], everything[0]), (scoped[1], everything[1])


def _settled(region: Region, namespace: str) -> tuple[int, int]:
    """Bytes that the client's Envoy has allocated, and its clusters, once it is ready and no longer takes in more."""
    region("rollout", "status", "-n", namespace, f"deployment/{CLIENT}", "--timeout=180s")
    seen: list[tuple[int, int]] = []

    def steady() -> tuple[int, int] | None:
        words = ["get", "pod", "-n", namespace, "-o", "json", "--field-selector=status.phase=Running"]
        pods = [
            pod["metadata"]["name"]
            for pod in json.loads(region(*words))["items"]
            if "deletionTimestamp" not in pod["metadata"]
        ]
        if len(pods) != 1:
            return None
        stats = region.proxy(pods[0], namespace, "stats?filter=^cluster_manager.active_clusters$|^server.memory_alloc")
        numbers = dict(line.split(": ") for line in stats.strip().splitlines())
        seen.append((int(numbers["server.memory_allocated"]), int(numbers["cluster_manager.active_clusters"])))
        same = len(seen) >= 3 and len({clusters for _, clusters in seen[-3:]}) == 1
        return seen[-1] if same else None

    return wait_for(steady, deadline=180, what="the client's proxy to have its configuration", interval=2)


def _gateway(region: Region) -> tuple[int, int]:
    """Bytes that the Envoy of the gateway between networks has allocated, and how often it was started anew."""
    pod = region.pod(EAST_WEST_RELEASE)
    stats = region.proxy(pod["metadata"]["name"], "istio-system", "stats?filter=^server.memory_allocated$")
    return int(stats.rpartition(": ")[2]), pod["status"]["containerStatuses"][0]["restartCount"]


def _istiod_memory(region: Region) -> int:
    """Resident bytes of istiod."""
    return int(float(_metric(region.istiod("/metrics"), "process_resident_memory_bytes")))


def _metric(text: str, name: str) -> str:
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    if found is None:
        raise LabError(f"istiod has no metric {name}")
    return found[1]


def _convergence(region: Region) -> dict[float, float]:
    """The counts of `pilot_proxy_convergence_time` by the end of the bucket, in seconds; `inf` has all, 0 their sum."""
    text = region.istiod("/metrics")
    bucket = r"^pilot_proxy_convergence_time_bucket\{[^}]*le=\"([^\"]+)\"[^}]*\} (\S+)$"
    found = {float(end): float(count) for end, count in re.findall(bucket, text, re.MULTILINE)}
    found[0.0] = float(_metric(text, "pilot_proxy_convergence_time_sum"))
    return found


def _push(before: Mapping[float, float], after: Mapping[float, float]) -> tuple[float, float]:
    """Mean and 99th percentile of what came in between, in milliseconds."""
    counts = {end: count - before.get(end, 0.0) for end, count in sorted(after.items())}
    total, taken = counts.get(float("inf"), 0.0), counts.pop(0.0)
    if not total:
        return 0.0, 0.0
    slowest = next(end for end, count in counts.items() if count >= 0.99 * total)
    return 1000 * taken / total, 1000 * slowest


def _side_by_side(regions: Sequence[Region], action: Callable[[Region], object]) -> None:
    with ThreadPoolExecutor(len(regions)) as pool:
        for outcome in [pool.submit(action, region) for region in regions]:
            outcome.result()
