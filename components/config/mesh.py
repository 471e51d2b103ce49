"""`istio-mesh:mesh`: the control plane, its charts, images and sizes."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.config import defaults
from components.config.faults import Fault, Location, invalid
from components.config.model import Model, exactly_one
from components.config.support import DEFAULT_ISTIO
from components.config.upgrade import DEFAULT_TAG, NEXT_TAG, IstioVersion, Role, UpgradeConfig, revision_of, step_faults
from components.config.values import DnsLabel, Duration, ShortDuration
from components.config.workload import Percent, ReplicasConfig, ResourcesConfig

VERSION = "{version}"
"""In a folder of charts, or a tag of images: Istio's version, so that two may stand beside each other."""

CHARTS = ("base", "istiod", "cni", "gateway")
"""Istio's charts, by the names that they have in its repository, and in a folder of charts."""

_DEBOUNCE_AFTER = ShortDuration.parse("100ms")
_DEBOUNCE_MAX = ShortDuration.parse("10s")


def _repository(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("https", "http") or not url.hostname:
        raise invalid(
            f"`{value}` is not a chart repository",
            "Helm could not fetch the charts",
            "Write its address, as in `https://istio-release.storage.googleapis.com/charts`",
        )
    return value.rstrip("/")


def _oci(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "oci" or not url.hostname:
        raise invalid(
            f"`{value}` is not an OCI registry",
            "Helm could not fetch the charts",
            "Write registry and path with their scheme, as in `oci://registry.example.com/istio/charts`",
        )
    return value.rstrip("/")


def _hub(value: str) -> str:
    if "://" in value or not re.fullmatch(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9]", value):
        raise invalid(
            f"`{value}` is not a registry with a path",
            "No node could pull the images",
            "Write it without a scheme, as in `docker.io/istio`",
        )
    return value


def _tag(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", value.replace(VERSION, "0")):
        raise invalid(f"`{value}` is not an image's tag", "No node could pull the images", "Write it as in `1.31.0`")
    return value


class ChartsConfig(Model):
    """Where Helm charts come from: exactly one source."""

    folder: Annotated[str, Field(min_length=1, examples=[".lab/charts"])] | None = None
    """A folder relative to the project with each chart in one of its own, as of `helm pull --untar`. `{version}` in it
    stands for Istio's version."""

    repository: Annotated[str, AfterValidator(_repository)] | None = None
    """A Helm repository that has them."""

    oci: Annotated[str, AfterValidator(_oci)] | None = None
    """An OCI registry path below which they lie."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "folder",
            "repository",
            "oci",
            why="Helm would not know where to take the charts from",
            cure="Keep one source",
        )


class ImagesConfig(Model):
    """Where the images of istiod and the proxies come from."""

    hub: Annotated[str, AfterValidator(_hub), Field(examples=["docker.io/istio"])] = "docker.io/istio"
    """Registry and path without a scheme; the images pilot, proxyv2 and install-cni lie below it."""

    tag: Annotated[str, AfterValidator(_tag), Field(examples=["1.31.0"])] | None = None
    """Tag of the images, in which `{version}` stands for Istio's version; default: the version."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes pull them; default IfNotPresent."""


def _range(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise invalid(
            f"`{value}` is not a range of addresses",
            "istiod would leave it out, and fetch keys from there",
            "Write it as in `169.254.0.0/16`, without bits behind the mask",
        ) from None


class TuningConfig(Model):
    """How istiod works. What is not given is istiod's own default."""

    push_throttle: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Pushes to proxies at once; default: istiod's own, by the number of its cpus. More is faster and takes memory."""

    debounce_after: ShortDuration | None = None
    """Calm after a change before it is pushed; default 100ms. More saves pushes where endpoints come and go fast."""

    debounce_max: ShortDuration | None = None
    """Time after which a change is pushed though others follow; default 10s."""

    debounce_endpoints: bool = True
    """Whether changes of endpoints wait too; default true."""

    jwks_refresh: Duration = defaults.JWKS_REFRESH
    """How often issuers' keys are fetched again; default 5m. An issuer has to publish a key that long before it
    signs with it."""

    blocked_jwks_ranges: tuple[Annotated[str, AfterValidator(_range)], ...] = defaults.BLOCKED_JWKS_RANGES
    """Addresses that keys are never fetched from; default: those of the machine itself and of cloud metadata."""

    workload_entry_registration: bool = True
    """Whether machines outside of Kubernetes may join by a WorkloadGroup; default true."""

    def faults(self) -> Iterator[Fault]:
        after = self.debounce_after or _DEBOUNCE_AFTER
        most = self.debounce_max or _DEBOUNCE_MAX
        if after > most:
            key = "debounceAfter" if self.debounce_after is not None else "debounceMax"
            yield Fault(
                f"debounceAfter ({after}) is above debounceMax ({most})",
                "The calm would never be waited for",
                "Lower `debounceAfter` or raise `debounceMax`",
                (key,),
            )


class IstiodConfig(Model):
    """istiod in each cluster that has one. Default: sized for production."""

    replicas: ReplicasConfig = defaults.ISTIOD_REPLICAS
    """Number of its pods; default 3 to 10."""

    target_cpu: Percent = defaults.ISTIOD_TARGET_CPU
    """Share of the requested cpu, in percent, above which a replica is added; default 70."""

    resources: ResourcesConfig = defaults.ISTIOD_RESOURCES
    """What each of its pods gets; default: requests 500m and 2Gi, limits 1 and 4Gi."""

    tuning: TuningConfig = TuningConfig()
    """How it works."""


class ProxiesConfig(Model):
    """The sidecars. Default: sized for production."""

    resources: ResourcesConfig = defaults.PROXY_RESOURCES
    """What the proxy in each pod gets; default: requests 100m and 128Mi, limits 200m and 256Mi."""


class MeshConfig(Model):
    """The mesh: the control planes of its clusters."""

    id: Annotated[DnsLabel, Field(examples=["exam"])]
    """Name of the mesh, the same in all clusters; a DNS label."""

    version: IstioVersion = DEFAULT_ISTIO
    """Istio's version, of charts and images alike; default 1.31.0. Which Kubernetes each takes:
    docs/reference/mesh.md. Another patch is put in place, another minor comes by `upgrade`."""

    upgrade: Annotated[UpgradeConfig, Field(examples=[{"version": DEFAULT_ISTIO}])] | None = None
    """An upgrade to another minor on its way; default: none. docs/upgrade-istio.md has the steps."""

    charts: ChartsConfig = ChartsConfig(repository="https://istio-release.storage.googleapis.com/charts")
    """Where the charts base, istiod, cni and gateway come from; default: Istio's public repository."""

    images: ImagesConfig = ImagesConfig()
    """Where the images come from; default: docker.io/istio at the mesh's version."""

    data_plane: Literal["istio", "upstream-envoy"] = "istio"
    """What the proxies are; default istio. `upstream-envoy`: Istio's own Envoy extensions (standard metrics, ALPN) are
    kept out of their configuration, for an Envoy that lacks them."""

    cni: bool = False
    """Whether a node agent redirects the pods' traffic, so that they need no NET_ADMIN; default false."""

    istiod: IstiodConfig = IstiodConfig()
    """istiod in each cluster that has one."""

    proxies: ProxiesConfig = ProxiesConfig()
    """The sidecars."""

    def faults(self) -> Iterator[Fault]:
        versions = [each.version for each in self.revisions]
        if len(versions) > 1:
            yield from self.sharing_faults(("upgrade",))
        yield from step_faults(self.version, self.upgrade, ("upgrade",))
        for version in versions:
            yield from self.folder_faults(version)

    def sharing_faults(self, where: Location) -> Iterator[Fault]:
        """Faults where the mesh has two versions, as what is at `where` says."""
        shared = [
            ("charts.folder", self.charts.folder, "Helm would install one version's charts as both"),
            ("images.tag", self.images.tag, "istiod and proxies of both would be the same"),
        ]
        for key, value, consequence in shared:
            if value is not None and VERSION not in value:
                yield Fault(
                    f"the mesh has two versions, and `{key}` is {value} for both",
                    consequence,
                    f"Put `{VERSION}` into `{key}`{'' if key != 'images.tag' else ', or leave it out'}",
                    where,
                )

    def folder_faults(self, version: str) -> Iterator[Fault]:
        """Faults of the folder of charts, where they come from one, for this version of Istio."""
        if self.charts.folder is None:
            return
        folder = Path(self.charts.folder.replace(VERSION, version)).expanduser()
        where = ("charts", "folder")
        hint = ". `make up` fills it for the lab" if ".lab" in folder.parts else ""
        cure = f"Put the charts of Istio {version} there, each with `helm pull --untar`{hint}"
        if not folder.is_dir():
            yield Fault(f"there is no folder {folder}", "Helm would find no chart", cure, where)
            return
        needed = [name for name in CHARTS if self.cni or name != "cni"]
        missing = [name for name in needed if not (folder / name / "Chart.yaml").is_file()]
        if missing:
            yield Fault(
                f"{folder} has no {' and no '.join(f'{name}/Chart.yaml' for name in missing)}",
                "Helm would find no chart",
                cure,
                where,
            )

    def at(self, version: str, upgrade: UpgradeConfig | None = None) -> "MeshConfig":
        """The same mesh with another version, and another upgrade on its way."""
        return self.model_copy(update={"version": version, "upgrade": upgrade})

    @property
    def revision(self) -> str:
        """Revision of the first control plane, after its minor: a patch changes it in place."""
        return revision_of(self.version)

    @property
    def image_tag(self) -> str:
        """Tag of all images."""
        return self.images.tag.replace(VERSION, self.version) if self.images.tag is not None else self.version

    @property
    def revisions(self) -> tuple["MeshConfig", ...]:
        """The mesh as each of its istiods has it: of one version, without an upgrade."""
        return (self.at(self.version), *([self.at(self.upgrade.version)] if self.upgrade is not None else []))

    @property
    def newest(self) -> "MeshConfig":
        """The same of the newest: what there is once for all of them has its version, which is fit for the others."""
        return max(self.revisions, key=lambda each: [int(number) for number in each.version.split(".")])

    @property
    def tags(self) -> dict[str, "MeshConfig"]:
        """Each revision tag, and the mesh as the istiod has it that the tag stands for."""
        first, *second = self.revisions
        moved = self.upgrade is not None and self.upgrade.default
        return {DEFAULT_TAG: second[0] if moved else first, **({NEXT_TAG: second[0]} if second else {})}

    def of_gateway(self, role: Role) -> "MeshConfig":
        """The mesh as the istiod has it that a gateway is of."""
        moved = self.upgrade is not None and role in self.upgrade.gateways
        return self.revisions[-1 if moved else 0]

    def injection(self, namespace: str) -> dict[str, str]:
        """The label of one of the stack's namespaces by which its pods get their proxies."""
        if self.upgrade is not None and namespace in self.upgrade.namespaces:
            return {"istio.io/rev": NEXT_TAG}
        return {"istio-injection": "enabled"}
