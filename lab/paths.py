"""Where the lab keeps its run-time state: everything below `.lab/` in the clone, except the marker of ownership in
/run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.tools.catalogue import ISTIO

CLONE = Path(__file__).resolve().parent.parent
"""The clone that this code runs from."""

MACHINE_STATE = Path("/run/istio-mesh-lab")
"""What the whole machine has to know of a running lab, in whichever clone: below /run, so that a restart clears it."""


@dataclass(frozen=True)
class RegionPaths:
    """The files of one region, all below `.lab/regions/<name>` but for the kubeconfig, which is part of the lab's
    contract.
    """

    name: str
    directory: Path
    kubeconfig: Path

    @property
    def log(self) -> Path:
        """One file per component, appended to by every start of it."""
        return self.directory / "log"

    @property
    def run(self) -> Path:
        """Process identities (`<component>.pid`), and what is made anew at every start: configuration of the
        components.
        """
        return self.directory / "run"

    @property
    def data(self) -> Path:
        """What the node writes: containerd's store, the kubelet's volumes, logs of pods."""
        return self.directory / "data"

    @property
    def pki(self) -> Path:
        """The region's authorities, certificates and keys."""
        return self.directory / "pki"


@dataclass(frozen=True)
class Paths:
    """The files of the lab of one clone."""

    root: Path = CLONE

    @property
    def lab(self) -> Path:
        """All run-time state; ignored by git."""
        return self.root / ".lab"

    @property
    def bin(self) -> Path:
        """Put on PATH by `.lab/env`: pulumi, kubectl, istioctl and the plugins they ask for."""
        return self.lab / "bin"

    @property
    def pulumi(self) -> Path:
        """Pulumi's state backend."""
        return self.lab / "pulumi"

    @property
    def pulumi_home(self) -> Path:
        """Pulumi's own home: credentials of the backend and plugins, apart from the person's."""
        return self.lab / "pulumi-home"

    @property
    def temporary(self) -> Path:
        """Temporary files of what the lab runs. Pulumi's Kubernetes plugin leaves every kubeconfig that it is given in
        such a folder: this one goes with the clusters.
        """
        return self.lab / "tmp"

    @property
    def environment(self) -> Path:
        """The file that a person sources."""
        return self.lab / "env"

    @property
    def evidence(self) -> Path:
        """The results of `make prove`."""
        return self.lab / "evidence.json"

    @property
    def evidence_page(self) -> Path:
        """The same as a page for a browser, of `make evidence`."""
        return self.lab / "evidence" / "index.html"

    @property
    def ingress_authority(self) -> Path:
        """What clients verify the ingress gateways' certificates with, where the stack generates those."""
        return self.lab / "ingress-ca.pem"

    @property
    def images(self) -> Path:
        """The container images that the lab makes."""
        return self.lab / "images"

    @property
    def charts(self) -> Path:
        """Istio's charts of the version that the lab runs."""
        return self.charts_of(ISTIO)

    def charts_of(self, version: str) -> Path:
        """Istio's charts of a version: `.lab/charts/{version}` in the local stacks."""
        return self.lab / "charts" / version

    @property
    def regions(self) -> Path:
        """One directory per region; there is none while no lab runs."""
        return self.lab / "regions"

    @property
    def directories(self) -> Path:
        """Which mount points a lab of this clone has made on the machine, kept until they are removed."""
        return self.lab / "directories.json"

    @property
    def failed_start(self) -> Path:
        """Logs of the last start that failed, a directory per region."""
        return self.lab / "failed-start"

    def make_private(self) -> None:
        """Make `.lab` readable by its owner only: keys, kubeconfigs and the stack's state are below it."""
        for directory in (self.lab, self.pulumi):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)

    def region(self, name: str) -> RegionPaths:
        """The paths of the region of this name."""
        return RegionPaths(name, self.regions / name, self.lab / f"kubeconfig-{name}")
