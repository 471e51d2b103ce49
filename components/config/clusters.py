"""`istio-mesh:clusters`: the clusters of the mesh, one per region."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from components.config.eks import EksClusterConfig
from components.config.faults import Fault, invalid
from components.config.kubeconfig import KubeconfigError, select
from components.config.model import Model, exactly_one
from components.config.upgrade import ClusterIstioConfig
from components.config.values import DnsLabel


def _api_server(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https" or not url.hostname or url.path not in ("", "/") or url.query or url.username:
        raise invalid(
            f"`{value}` is not the address of an API server",
            "The peers' istiods could not read this cluster's endpoints",
            "Write scheme, host and port, as in `https://10.0.0.1:6443`",
        )
    return value.rstrip("/")


class ExistingClusterConfig(Model):
    """A cluster that was made elsewhere, reached by a kubeconfig, as `kubectl` reaches it."""

    kubeconfig: Annotated[str, Field(min_length=1, examples=[".lab/kubeconfig-use1"])] | None = None
    """File, relative to the project or beginning with `~/`; default: as kubectl (KUBECONFIG, ~/.kube/config)."""

    context: Annotated[str, Field(min_length=1, examples=["use1"])] | None = None
    """Context in that file; default: its current one."""

    api_server: Annotated[str, AfterValidator(_api_server)] | None = None
    """Address at which the *peers* reach its API server; default: the kubeconfig's own."""

    def faults(self) -> Iterator[Fault]:
        if self.kubeconfig is None and self.context is None:
            yield Fault(
                "neither `kubeconfig` nor `context` is given",
                "It would be whatever cluster kubectl points at just now, and another one tomorrow",
                "Name the file, the context or both",
            )
            return
        try:
            select(self.kubeconfig, self.context)
        except KubeconfigError as problem:
            yield Fault(problem.what, "The cluster cannot be reached", problem.cure, (problem.key,))

    @property
    def server(self) -> str:
        """Address at which the peers reach its API server."""
        return self.api_server or select(self.kubeconfig, self.context).server


class ClusterConfig(Model):
    """One cluster of the mesh, in one region."""

    name: Annotated[DnsLabel, Field(examples=["use1"])]
    """Unique; a DNS label. It is the cluster's name in Istio too."""

    region: Annotated[DnsLabel, Field(examples=["us-east-1"])]
    """Where it stands, as its nodes' label `topology.kubernetes.io/region` says; with `eks` a region of AWS."""

    network: Annotated[DnsLabel, Field(examples=["use1"])] = Field(default_factory=lambda data: data.get("name", ""))
    """Istio network, unique; default: the cluster's name. Pods of different networks meet at east-west gateways."""

    primary: Annotated[DnsLabel, Field(examples=["use1"])] | None = None
    """The cluster whose control plane is this one's too, through its east-west gateway; this is then a remote cluster.
    Default: none, the cluster is a primary one with an istiod of its own."""

    istio: Annotated[ClusterIstioConfig, Field(examples=[{"version": "1.31.0"}])] | None = None
    """Where this cluster stands in an upgrade, in place of what `mesh` says of `version` and `upgrade`; default: where
    the mesh does. A remote cluster stands where its primary does."""

    lost: bool = False
    """Whether the stack goes on without it: what is in it stays as it is, and all else is brought to what the stack
    says; default false, nothing is changed anywhere while its API server does not answer. docs/lose-a-region.md."""

    existing: Annotated[ExistingClusterConfig, Field(examples=[{"context": "use1"}])] | None = None
    """A cluster that is there already, and how it is reached."""

    eks: Annotated[EksClusterConfig, Field(examples=[{"slot": 0}])] | None = None
    """A cluster that the stack makes in AWS."""

    def faults(self) -> Iterator[Fault]:
        yield from exactly_one(
            self,
            "existing",
            "eks",
            why="There would be no cluster, or two of one name",
            cure="Write `existing: {context: ...}` for a cluster that is there, or `eks: {slot: 0}` for one that is "
            "made here",
        )


ClustersConfig = Annotated[tuple[ClusterConfig, ...], Field(min_length=1)]
"""The clusters of the mesh in their order; at least one."""


def cluster_faults(clusters: Sequence[tuple[int, ClusterConfig]]) -> Iterator[Fault]:
    """Faults between clusters, each given with its index in the file."""
    names = [cluster.name for _, cluster in clusters]
    repeated = {name for name in names if names.count(name) > 1}
    yield from _twice(
        [(index, "name", cluster.name) for index, cluster in clusters],
        "Both would be the same resources",
        "Give each cluster its own name",
    )
    yield from _twice(
        # A network that only follows a name is told as the name.
        [(i, "network", c.network) for i, c in clusters if "network" in c.model_fields_set or c.name not in repeated],
        "Istio would send requests to the other cluster's pod addresses, which are not reachable from here",
        "Give each cluster its own network, or leave it out: it is then the cluster's name",
    )
    existing = [(index, cluster.existing) for index, cluster in clusters if cluster.existing is not None]
    yield from _twice(
        [(index, "existing", select(found.kubeconfig, found.context).server) for index, found in existing],
        "Two control planes would fight over one cluster",
        "Name another context or file",
        shown="the cluster at",
    )
    for index, cluster in clusters:
        if not any(peer.primary is None and peer is not cluster for _, peer in clusters):
            # No istiod of another cluster reads it.
            continue
        if cluster.existing is not None and _means_the_caller(urlsplit(cluster.existing.server).hostname or ""):
            yield Fault(
                f"the API server of `{cluster.name}` is known as {cluster.existing.server}",
                "That is the peers themselves when they use it, and they would see no endpoint of this cluster",
                "Set `apiServer` to an address that the other clusters reach, "
                "for kind the node container's: `https://172.18.0.2:6443`",
                (index, "existing", "apiServer"),
            )


def primary_faults(clusters: Sequence[tuple[int, ClusterConfig]], names: Sequence[str]) -> Iterator[Fault]:
    """Remote clusters without a control plane, each given with its index in the file; `names` are those of all."""
    primaries = {cluster.name: cluster.primary for _, cluster in clusters}
    for index, cluster in clusters:
        primary, where = cluster.primary, (index, "primary")
        if primary is None:
            continue
        if primary == cluster.name:
            yield Fault(
                f"`{primary}` is the cluster itself",
                "It would be remote to an istiod that it does not have",
                "Leave `primary` out: the cluster then has an istiod of its own",
                where,
            )
        elif primary not in names:
            own = [name for name in names if primaries.get(name) is None]
            near = difflib.get_close_matches(primary, own, n=1, cutoff=0.6)
            yield Fault(
                f"there is no cluster `{primary}`",
                "No istiod would serve the cluster, and no pod in it could join the mesh",
                f"Did you mean `{near[0]}`?" if near else "Name a cluster of this list that has no `primary`",
                where,
            )
        elif primaries.get(primary) is not None:
            yield Fault(
                f"`{primary}` is itself a remote of `{primaries[primary]}`",
                "It has no istiod that could serve another cluster",
                _another_primary(cluster.name, primaries),
                where,
            )


def remotes_of(clusters: Sequence[ClusterConfig]) -> dict[str, str]:
    """The remote clusters among these, each with its primary, by name."""
    return {cluster.name: cluster.primary for cluster in clusters if cluster.primary is not None}


def _another_primary(name: str, primaries: Mapping[str, str | None]) -> str:
    """What to write in place of a primary that is a remote cluster."""
    seen = [name]
    while (above := primaries.get(seen[-1])) is not None and above not in seen:
        seen.append(above)
    if seen[-1] in primaries and above is None:
        return f"Name `{seen[-1]}`"
    return "Take `primary` out of the one that is to have an istiod"


def _means_the_caller(host: str) -> bool:
    """Whether whoever uses this host reaches itself: a loopback address, or the unspecified one (k3d's `0.0.0.0`)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".") == "localhost"
    return address.is_loopback or address.is_unspecified


def _twice(values: Sequence[tuple[int, str, str]], consequence: str, cure: str, shown: str = "") -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, key, value in values:
        if value in seen:
            name = f"{shown} {value}" if shown else f"`{value}`"
            yield Fault(f"{name} is that of clusters[{seen[value]}] already", consequence, cure, (index, key))
        else:
            seen[value] = index
