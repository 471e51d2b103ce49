"""A region at run time: its machine, and the cluster of Kubernetes whose components are processes of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from lab import addons, components, environment, kubeconfig, network, node, pki
from lab.component import ComponentHandle
from lab.component_model import Setting
from lab.errors import LabError
from lab.image_store import ImageStore
from lab.kube_api import KubeApi
from lab.machine import RegionMachine
from lab.paths import Paths, RegionPaths
from lab.regions import Region, Topology
from lab.tools import Toolset
from lab.waiting import wait_for

CNI_PLUGINS = ("ptp", "host-local", "portmap", "loopback", "bridge")

Report = Callable[[str], None]
"""Told of every step that was done, in a few words."""


def quiet(_: str) -> None:
    """A report that nobody reads."""


class RegionRuntime:
    """A region of this clone's lab.

    Attributes:
        region: What it is, as the regions file says.
        topology: All regions.
        toolset: Where its commands come from.
        paths: Its files.
        machine: Its namespaces and processes.
        images: What its node's containerd starts with.
    """

    def __init__(
        self, region: Region, topology: Topology, toolset: Toolset, paths: Paths, pause_image: str, images: ImageStore
    ) -> None:
        self.region = region
        self.topology = topology
        self.toolset = toolset
        self.paths: RegionPaths = paths.region(region.name)
        self.images = images
        self.machine = RegionMachine(region, toolset, self.paths)
        self._environment = environment.process_environment(paths, topology)
        self._pause_image = pause_image
        self._handles: dict[str, ComponentHandle] = {}

    @cached_property
    def setting(self) -> Setting:
        """What the components are made of."""
        return Setting(
            self.region,
            self.paths,
            pki.RegionPki(self.paths.pki),
            self._pause_image,
            lambda name: self.toolset.path(name),
        )

    def component(self, name: str) -> ComponentHandle:
        """One of its components.

        Raises:
            LabError: There is none of this name.
        """
        if name not in self._handles:
            self._handles[name] = ComponentHandle(name, self.setting, self.machine)
        return self._handles[name]

    def start(self, report: Report = quiet) -> None:
        """Start what is missing of the region, until its node is ready.

        Args:
            report: Told of every step that was done.
        """
        if self.machine.init is None:
            self._create(report)
        else:
            for name in components.NAMES:
                if self.component(name).process is None:
                    self.component(name).start()
                    report(f"{name} started")
        self.wait_for_node()

    def _create(self, report: Report) -> None:
        started = time.monotonic()

        def step(what: str) -> None:
            report(f"{what} after {time.monotonic() - started:.1f} s")

        self.machine.create()
        authority = pki.create(self.region, self.paths.pki)
        kubeconfig.write(
            self.paths.kubeconfig, self.region, authority.authority.certificate, "admin", authority.pair("admin")
        )
        self.component("etcd").launch()
        self._prepare_node()
        self.component("etcd").wait_until_serving()
        self.component("kube-apiserver").launch()
        if self.images.fill(self.paths.data / "containerd", self._import):
            step("images imported")
        self.component("containerd").start()
        self.component("kube-apiserver").wait_until_serving()
        step("API server ready")
        for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
            self.component(name).launch()
        with KubeApi(self.paths.kubeconfig) as api:
            addons.apply(api, self.region, self.toolset.share("metallb") / "crds")
        for name in ("coredns", "metallb-controller"):
            self.component(name).launch()
        self.wait_for_node()
        step("node ready")
        for name in components.NAMES:
            self.component(name).wait_until_serving()
        step("all components serve")

    def _import(self, archives: Sequence[Path]) -> None:
        """Import images with the node's own containerd, which does not run before nor after."""
        self.component("containerd").start()
        for archive in archives:
            self.ctr_import(archive)
        self.component("containerd").stop()

    def _prepare_node(self) -> None:
        """The node's rules for packets, and how its pods are joined to it."""
        configuration = self.machine.file("/etc/cni/net.d/10-lab.conflist")
        configuration.write_text(node.cni_configuration(self.region))
        for plugin in CNI_PLUGINS:
            self.machine.file(f"/opt/cni/bin/{plugin}").symlink_to(self.toolset.path(plugin))
        network.run(
            *self.machine.enter("iptables-restore", "--noflush"),
            stdin=network.packet_filter(self.region),
            variables=self.machine.environment,
        )

    def wait_for_node(self, deadline: float = 60) -> None:
        """Wait until the node takes pods."""
        name, account = self.region.name, "/api/v1/namespaces/default/serviceaccounts/default"
        with KubeApi(self.paths.kubeconfig) as api:
            ready = f"the node of {name} to become ready"
            wait_for(lambda: node_ready(api, self.region), deadline=deadline, what=ready)
            # Pods are refused until their namespace has it.
            wait_for(lambda: api.get(account), deadline=deadline, what=f"service accounts in {name}")

    def ctr_import(self, archive: Path) -> None:
        """Give an image to the node.

        Raises:
            LabError: containerd refused it.
        """
        command = ("ctr", "--namespace", "k8s.io", "images", "import", str(archive))
        result = subprocess.run(
            self.machine.enter(*command), env=self.machine.environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise LabError(f"{self.region.name}: the image {archive} could not be imported: {result.stderr.strip()}.")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What a kubectl command says, as the region's administrator.

        Raises:
            LabError: It failed; names the command and its complaint.
        """
        return network.run(
            str(self.toolset.path("kubectl")),
            f"--kubeconfig={self.paths.kubeconfig}",
            *arguments,
            stdin=stdin,
            variables=self._environment,
        )


def node_ready(api: KubeApi, region: Region) -> bool:
    """Whether the region's node is ready."""
    node = api.get(f"/api/v1/nodes/{region.node_name}")
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in node["status"].get("conditions", []))
