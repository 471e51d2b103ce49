"""How long a preview of a fresh stack takes, and how much memory, as services and regions grow.

Beside it stands a program that does nothing but register as many resources, each as large as those of the program: what
the engine, the provider and Pulumi's own library take, whatever the program.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import tools
from lab.environment import PASSPHRASE
from lab.scale import stacks
from lab.scale.processes import Use, measured
from lab.scale.stand_in import stand_ins
from lab.stack import NAME

SIZES = ((10, 2), (100, 2), (1000, 2), (10, 5), (100, 5), (1000, 5), (10, 10), (100, 10), (1000, 10))
"""Services and regions that are previewed."""

AIMED = (1000, 2)
"""Where the aims hold."""

SECONDS, GIBIBYTES = 60.0, 1.5
"""The aims: of the whole preview, and of program, engine and provider together."""

DEADLINE = 1800.0


@dataclass(frozen=True)
class Preview:
    """One preview.

    Attributes:
        resources: How many the engine would make.
        use: Time and memory.
    """

    services: int
    regions: int
    resources: int
    use: Use

    @property
    def milliseconds(self) -> float:
        """Of each resource."""
        return 1000 * self.use.seconds / self.resources


@dataclass(frozen=True)
class Bench:
    """Where previews run: tools, a backend and stack files of their own, apart from the lab's.

    Attributes:
        clone: The program's folder.
        folder: Everything else.
        environment: Of the engine.
        charts: Folder of Istio's charts.
    """

    clone: Path
    folder: Path
    environment: Mapping[str, str]
    charts: Path

    def pulumi(self, *words: str, folder: Path | None = None, deadline: float = DEADLINE) -> Use:
        """A run of the engine in the program's folder, or another one."""
        command = [str(self.folder / "bin" / "pulumi"), "--non-interactive", *words]
        return measured(command, environment=self.environment, folder=folder or self.clone, deadline=deadline)

    def preview(self, file: Path | None = None, *, folder: Path | None = None) -> tuple[dict[str, int], Use]:
        """What a preview would do, by operation, and what it took."""
        config = ["--config-file", str(file)] if file else []
        use = self.pulumi("preview", "--stack", NAME, *config, folder=folder)
        return _operations(use.output), use


@contextmanager
def bench(clone: Path) -> Generator[Bench]:
    """A bench for as long as the block lasts."""
    toolset = tools.ensure(["pulumi", "kubectl", "istioctl", "pulumi-kubernetes"], clone=clone)
    with tempfile.TemporaryDirectory(prefix="istio-mesh-scale-") as name:
        folder = Path(name)
        toolset.link(folder / "bin", folder / "home")
        toolset.link_charts(folder / "charts")
        (folder / "state").mkdir()
        environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "NO_PROXY": "127.0.0.1",
        }
        found = Bench(clone, folder, environment, folder / "charts")
        found.pulumi("stack", "select", "--create", NAME)
        yield found


def previewed(bench: Bench, services: int, regions: int) -> Preview:
    """The program's preview of a generated stack."""
    names = stacks.region_names(regions)
    with tempfile.TemporaryDirectory(dir=bench.folder) as name, stand_ins(names, Path(name)) as clusters:
        values = stacks.values(services, clusters.clusters, charts=str(bench.charts))
        operations, use = bench.preview(stacks.write(values, Path(name)))
    return Preview(services, regions, operations["create"], use)


def bare(bench: Bench, resources: int) -> Preview:
    """The preview of a program that only registers so many resources of the kind that services come to most."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        folder = Path(name)
        with stand_ins(["bare"], folder) as clusters:
            kubeconfig = clusters.clusters[0]["existing"]["kubeconfig"]
            runtime = {"name": "python", "options": {"virtualenv": str(Path(sys.prefix))}}
            project = {"name": "bare", "description": "As many bare resources", "runtime": runtime}
            (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
            (folder / "__main__.py").write_text(
                _BARE.format(kubeconfig=kubeconfig, resources=resources, labels=_LABELS, policy=_POLICY)
            )
            bench.pulumi("stack", "select", "--create", NAME, folder=folder)
            operations, use = bench.preview(folder=folder)
    return Preview(resources, 1, operations["create"], use)


_LABELS = {
    "app.kubernetes.io/component": "traffic",
    "app.kubernetes.io/managed-by": "pulumi",
    "app.kubernetes.io/part-of": "istio-mesh",
    "istio-mesh/mesh-id": "scale",
}
_POLICY = {
    "connectionPool": {
        "http": {"http1MaxPendingRequests": 256, "http2MaxRequests": 1024, "idleTimeout": "60s", "maxRetries": 3},
        "tcp": {"connectTimeout": "5s", "maxConnections": 1024, "tcpKeepalive": {"time": "60s"}},
    },
    "loadBalancer": {"simple": "LEAST_REQUEST"},
    "outlierDetection": {
        "baseEjectionTime": "30s",
        "consecutive5xxErrors": 5,
        "interval": "10s",
        "maxEjectionPercent": 100,
    },
}
"""As much as the program says of a destination: what the engine takes for a resource grows with its fields."""

_BARE = """
import pulumi
import pulumi_kubernetes as kubernetes

provider = kubernetes.Provider("provider", kubeconfig={kubeconfig!r}, enable_server_side_apply=True)
for index in range({resources}):
    kubernetes.apiextensions.CustomResource(
        f"rule-{{index}}",
        api_version="networking.istio.io/v1",
        kind="DestinationRule",
        metadata={{"name": f"rule-{{index}}", "namespace": "bare", "labels": {labels!r}}},
        spec={{"host": f"rule-{{index}}.bare.svc.cluster.local", "trafficPolicy": {policy!r}}},
        opts=pulumi.ResourceOptions(provider=provider),
    )
"""


def _operations(output: str) -> dict[str, int]:
    """The numbers of resources at the end of what the engine prints, as in `+ 173 to create`."""
    found = re.findall(r"^ +\S+ (\d+) (?:to )?(\w+)", output.rpartition("Resources:")[2], re.MULTILINE)
    return {operation: int(number) for number, operation in found}


def table(bench: Bench, sizes: Sequence[tuple[int, int]], report: Callable[[str], None]) -> list[Preview]:
    """A preview of each size."""
    found: list[Preview] = []
    for services, regions in sizes:
        found.append(one := previewed(bench, services, regions))
        report(described(one, f"{services} services x {regions} regions"))
    return found


def described(preview: Preview, name: str) -> str:
    """One line on a preview."""
    use = preview.use
    cpu = ", ".join(f"{who} {seconds:.1f}" for who, seconds in sorted(use.cpu.items()) if seconds >= 0.1)
    peaks = ", ".join(f"{who} {size / 2**20:.0f}" for who, size in sorted(use.peaks.items()))
    return (
        f"{name}: {preview.resources} resources in {use.seconds:.1f} s ({preview.milliseconds:.1f} ms each), "
        f"{use.peak / 2**30:.2f} GiB; cpu seconds: {cpu}; MiB: {peaks}"
    )
