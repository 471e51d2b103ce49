"""A thousand services' objects in the running lab: how long `up` takes beside `kubectl apply`, and what Istio needs.

Nothing of it has pods but one client, whose proxy is measured with its Sidecar and without one. The namespaces are the
bench's own, and it takes them away again.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.config.loading import check
from components.resources.access import access_objects
from components.resources.extensions import extension_objects
from components.resources.namespaces import scope_objects, stub_spec
from components.resources.routing import routing_objects
from components.resources.traffic import traffic_objects
from lab.errors import LabError
from lab.scale import stacks
from lab.scale.preview import Bench
from lab.stack import NAME
from lab.waiting import wait_for

SERVICES = 1000
LABEL = "istio-mesh-scale"
"""On everything that the bench makes, so that it finds it again."""

CLIENT = "client"
DEADLINE = 1800.0

FACTOR, SHARE = 1.3, 0.25
"""The aims: `up` to `kubectl apply`; a proxy with its Sidecar to one without."""

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Deployed:
    """What was measured.

    Attributes:
        objects: How many, in all regions together.
        up: Seconds of `pulumi up` of a program that registers these objects.
        apply: Seconds of `kubectl apply --server-side` of the same objects, all regions side by side.
        istiod: Bytes of istiod's working memory before and with them, by region.
        push: Milliseconds from a change to the proxies that have it, mean and 99th percentile (the bucket's end).
        proxy: Bytes of the client's Envoy with the Sidecar that the program derives, and without any.
        clusters: How many clusters that Envoy knows, likewise.
    """

    objects: int
    up: float
    apply: float
    istiod: Mapping[str, tuple[int, int]]
    push: Mapping[str, tuple[float, float]]
    proxy: tuple[int, int]
    clusters: tuple[int, int]


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

    def istiod(self, path: str) -> str:
        """An answer of istiod's monitoring port, by the API server."""
        pods = json.loads(self("get", "pod", "-n", "istio-system", "-l", "app=istiod", "-o", "json"))["items"]
        name = pods[0]["metadata"]["name"]
        return self("get", "--raw", f"/api/v1/namespaces/istio-system/pods/{name}:15014/proxy{path}")

    def proxy(self, pod: str, namespace: str, path: str) -> str:
        """An answer of a proxy's administration port."""
        words = ["exec", "-n", namespace, pod, "-c", "istio-proxy", "--"]
        return self(*words, "pilot-agent", "request", "GET", path)


def manifests(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, list[Manifest]]:
    """All that the program makes of the services, and their Services, which their own deployments would make.

    The ingress's routes are left out: their hosts are not served by the lab's Gateway.
    """
    config, faults = check(values)
    if config is None:
        raise LabError(f"The generated stack is refused: {faults[0]}")
    platform, labels = config.platform, {LABEL: "true"}
    regions = {cluster.name: cluster.region for cluster in config.clusters}
    found: dict[str, list[Manifest]] = {}
    for name in names:
        objects = [
            *access_objects(
                platform, name, issuers=config.issuers, security=config.security,
                trust_domain=config.trust.trust_domain,
            ),
            *scope_objects(platform, name),
            *traffic_objects(platform, name, regions),
            *(found for found, _ in routing_objects(platform, name) if found.namespace != "istio-ingress"),
            *extension_objects(config.extensions, platform.running(name)),
        ]  # fmt: skip
        kubernetes = [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": service.name, "namespace": service.namespace, "labels": labels},
                "spec": stub_spec(service),
            }
            for service in platform.present(name)
        ]
        found[name] = [*kubernetes, *(item.manifest(labels) for item in objects)]
    return found


def namespaces(objects: Sequence[Manifest]) -> list[Manifest]:
    """The namespaces of these objects."""
    names = sorted({item["metadata"]["namespace"] for item in objects})
    labels = {LABEL: "true", "istio-injection": "enabled"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}} for name in names]


@contextmanager
def own_namespaces(regions: Sequence[Region], objects: Mapping[str, list[Manifest]]) -> Generator[None]:
    """The namespaces for as long as the block lasts; gone when it has been left."""
    try:
        for region in regions:
            region("apply", "-f", "-", stdin=yaml.safe_dump_all(namespaces(objects[region.name])))
        yield
    finally:
        _side_by_side(
            regions,
            lambda region: region("delete", "namespace", "-l", LABEL, "--ignore-not-found", deadline=DEADLINE),
        )


def measure(
    bench: Bench, environment: Mapping[str, str], kubeconfigs: Mapping[str, Path], report: Callable[[str], None]
) -> Deployed:
    """Deploy, measure and remove. `kubeconfigs` by the names of the regions, which run."""
    names = list(kubeconfigs)
    clusters = [
        {"name": name, "region": name, "existing": {"kubeconfig": str(file), "context": name}}
        for name, file in kubeconfigs.items()
    ]
    values = stacks.values(SERVICES, clusters, charts=str(bench.charts))
    objects = manifests(names, values)
    regions = [Region(name, environment) for name in names]
    before = {region.name: _istiod_memory(region) for region in regions}
    pushed = {region.name: _convergence(region) for region in regions}
    with own_namespaces(regions, objects):
        applied = _apply(regions, objects)
        report(f"kubectl apply --server-side: {applied:.1f} s")
    with own_namespaces(regions, objects):
        up = _up(bench, kubeconfigs, objects)
        report(f"pulumi up: {up:.1f} s")
        try:
            istiod = {region.name: (before[region.name], _istiod_memory(region)) for region in regions}
            proxy, known = _proxies(regions[0], objects[regions[0].name])
            push = {region.name: _push(pushed[region.name], _convergence(region)) for region in regions}
        finally:
            bench.pulumi("destroy", "--yes", "--skip-preview", "--stack", NAME, folder=bench.folder / "objects")
    return Deployed(sum(map(len, objects.values())), up, applied, istiod, push, proxy, known)


def _apply(regions: Sequence[Region], objects: Mapping[str, list[Manifest]]) -> float:
    texts = {name: json.dumps({"apiVersion": "v1", "kind": "List", "items": items}) for name, items in objects.items()}
    started = time.monotonic()
    _side_by_side(
        regions,
        lambda region: region("apply", "--server-side", "-f", "-", stdin=texts[region.name], deadline=DEADLINE),
    )
    return time.monotonic() - started


def _up(bench: Bench, kubeconfigs: Mapping[str, Path], objects: Mapping[str, list[Manifest]]) -> float:
    """Of a program that hands the same objects to the same provider, as components/resources/objects.py does."""
    folder = bench.folder / "objects"
    folder.mkdir()
    project = {"name": "objects", "runtime": {"name": "python", "options": {"virtualenv": str(bench.clone / ".venv")}}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(_PROGRAM)
    (folder / "objects.json").write_text(json.dumps(objects))
    (folder / "kubeconfigs.json").write_text(json.dumps({name: str(file) for name, file in kubeconfigs.items()}))
    bench.pulumi("stack", "select", "--create", NAME, folder=folder)
    return bench.pulumi("up", "--yes", "--skip-preview", "--stack", NAME, folder=folder, deadline=DEADLINE).seconds


_PROGRAM = """
import asyncio
import json
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

files = json.loads(Path("kubeconfigs.json").read_text())
for region, objects in json.loads(Path("objects.json").read_text()).items():
    provider = kubernetes.Provider(
        region, kubeconfig=files[region], context=region, enable_server_side_apply=True
    )
    for found in objects:
        metadata = found["metadata"]
        name = f"{region}-{found['kind']}-{metadata['namespace']}.{metadata['name']}"
        opts = pulumi.ResourceOptions(provider=provider)
        if found["kind"] == "Service":
            metadata = {**metadata, "annotations": {"pulumi.com/skipAwait": "true"}}
            kubernetes.core.v1.Service(name, metadata=metadata, spec=found["spec"], opts=opts)
        else:
            kubernetes.apiextensions.CustomResource(
                name,
                api_version=found["apiVersion"],
                kind=found["kind"],
                metadata=metadata,
                spec=found["spec"],
                opts=opts,
            )

# See components/registrations.py.
pulumi.run(lambda: asyncio.sleep(0))
"""


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
