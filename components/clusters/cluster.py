"""What every later part of the program knows of a cluster, however it came to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

if TYPE_CHECKING:
    # Clusters that are there already need nothing of AWS at run time.
    from components.clusters.account import Place

# In place of a lost cluster's: the provider asks again for every object, one after the other, and packets into a region
# that is gone have no answer for 30 seconds each. This refuses at once.
_NOWHERE = """\
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nowhere}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nowhere, user: {}}]
"""


@dataclass(frozen=True)
class Access:
    """A kubeconfig on the machine that runs the program: what `kubectl` would be given."""

    kubeconfig: pulumi.Input[str] | None
    """Its path as the stack file has it, or all of its text; None for what kubectl takes."""

    context: str | None
    """Context in it; None for its current one."""

    @property
    def inputs(self) -> dict[str, pulumi.Input[str]]:
        """The same as properties of a resource."""
        return {
            "kubeconfig": "" if self.kubeconfig is None else self.kubeconfig,
            "context": self.context or "",
        }

    def provider(
        self, name: str, *, cluster: pulumi.Input[str], lost: bool, opts: pulumi.ResourceOptions
    ) -> kubernetes.Provider:
        """The way in for whatever the stack makes there.

        `cluster`: its name, as long as which stays, nothing in it is replaced. `lost`: whether nothing in it is looked
        at or changed.
        """
        return kubernetes.Provider(
            name,
            # Empty, not absent: the SDK would put the environment's KUBECONFIG, a path of this machine, into the state.
            kubeconfig=_NOWHERE if lost else self.inputs["kubeconfig"],
            context=None if lost else self.context,
            # Alone decides whether the provider is replaced, and everything in the cluster with it.
            cluster_identifier=cluster,
            enable_server_side_apply=True,
            # cacerts and remote secrets change in place: a replaced one would be gone for a moment.
            enable_secret_mutable=True,
            # What is in a lost cluster is taken as it was known, where the provider would else fail.
            skip_update_unreachable=lost or None,
            opts=opts,
        )


@dataclass(frozen=True)
class LoadBalancer:
    """What a Service says to get the load balancer that it is meant to have."""

    annotations: Mapping[str, str]

    class_name: str | None = None
    """Its `loadBalancerClass`; None where it has none."""

    source_ranges: Sequence[pulumi.Input[str]] = ()
    """Who reaches it; empty for its own default."""


ANY_LOAD_BALANCER = LoadBalancer(annotations=MappingProxyType({}))
"""Where a Service of that type gets one by itself."""


@dataclass(frozen=True)
class LoadBalancers:
    """Those of a cluster's gateways."""

    ingress: LoadBalancer = ANY_LOAD_BALANCER
    """For requests from outside."""

    east_west: LoadBalancer = ANY_LOAD_BALANCER
    """For requests from other clusters."""


@dataclass(frozen=True)
class Cluster:
    """One cluster of the mesh. It owns its provider: whatever goes into the cluster is made with it."""

    name: str
    """Its name, in Istio too."""

    region: str
    """Where it stands, as in `us-east-1`."""

    network: str
    """Its Istio network."""

    provider: kubernetes.Provider
    """The way into it."""

    api_server: pulumi.Input[str]
    """URL at which the peers reach its API server."""

    kubernetes_version: pulumi.Input[str]
    """What the API server says of itself, as in `v1.35.4`; unknown in the preview that comes before the first `up`."""

    access: Access
    """The way into it for what the provider has no resource for."""

    primary: str | None = None
    """Name of the cluster whose control plane is this one's too; None where it has its own."""

    ready: tuple[pulumi.Resource, ...] = ()
    """What has to be there before anything goes into the cluster and is not the provider's own dependency."""

    balancers: LoadBalancers = LoadBalancers()
    """The load balancers of its gateways."""

    place: "Place | None" = None
    """Where in AWS it was made: for this room alone."""

    vpc_id: pulumi.Input[str] | None = None
    """The AWS network that it is in; None elsewhere."""

    subnet_ids: Sequence[pulumi.Input[str]] = ()
    """Ids of the subnets that its nodes are in."""

    oidc_issuer: pulumi.Input[str] | None = None
    """Issuer of its service accounts' tokens, where others may be made to trust it."""

    certificate_authority: pulumi.Input[str] | None = None
    """With what its API server is verified, PEM in base64; None where only its kubeconfig says it."""

    authentication: Mapping[str, pulumi.Input[str]] | None = None
    """How its API server knows its users; None where only its kubeconfig says it."""
