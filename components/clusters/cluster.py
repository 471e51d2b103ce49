"""What every later part of the program knows of a cluster, however it came to be."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class Access:
    """A kubeconfig on the machine that runs the program: what `kubectl` would be given."""

    kubeconfig: str | None
    """Its path as the stack file has it; None for what kubectl takes."""

    context: str | None
    """Context in it; None for its current one."""


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
