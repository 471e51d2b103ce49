"""How each cluster's istiod reads its peers: a reader's token in every cluster, a remote secret in every peer of it."""

import base64
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from components.clusters.cluster import Cluster
from components.config.trust import RemoteTokensConfig
from components.encoding import secret_value
from components.naming import child, type_token

if TYPE_CHECKING:
    # The mesh is built on this room's authorities, and these secrets on the mesh: at run time it would be a circle.
    from components.mesh.control_plane import ControlPlane


class RemoteSecrets(pulumi.ComponentResource):
    """One token for each cluster and one remote secret for each ordered pair of clusters.

    Raising `generation` gives the tokens another name in the cluster. A token is then replaced, and the engine's order
    of a replacement does the rotation: the new token is made, then the remote secrets that hold it are updated in place
    and istiods take them, and only when all of that has succeeded is the old token deleted and refused from then on.
    """

    tokens: Mapping[str, kubernetes.core.v1.Secret]
    """The reader's token of each cluster, by cluster name."""

    remote_secrets: Mapping[tuple[str, str], kubernetes.core.v1.Secret]
    """By (the cluster that is read, the peer that reads it)."""

    def __init__(
        self,
        name: str,
        config: RemoteTokensConfig,
        *,
        clusters: Sequence[Cluster],
        control_planes: "Mapping[str, ControlPlane]",
        gateways: Mapping[str, Sequence[pulumi.Resource]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`gateways`, by cluster name, must have their addresses before any peer reads that cluster.

        istiod takes the endpoints of a network without a known gateway for directly reachable, and requests to them
        would hang.
        """
        super().__init__(type_token("trust", "RemoteSecrets"), name, None, opts)
        self.tokens = {
            cluster.name: self._token(child(name, f"token-{cluster.name}"), config, cluster, control_planes)
            for cluster in clusters
        }
        self.remote_secrets = {
            (read.name, peer.name): self._remote_secret(
                child(name, f"{read.name}-in-{peer.name}"), read, peer, control_planes[peer.name], gateways[read.name]
            )
            for read, peer in permutations(clusters, 2)
        }
        self.register_outputs({})

    def _token(
        self, name: str, config: RemoteTokensConfig, cluster: Cluster, control_planes: "Mapping[str, ControlPlane]"
    ) -> kubernetes.core.v1.Secret:
        control_plane = control_planes[cluster.name]
        return kubernetes.core.v1.Secret(
            name,
            metadata={
                "name": token_name(config.generation),
                "namespace": control_plane.namespace,
                "annotations": {"kubernetes.io/service-account.name": control_plane.reader_account},
            },
            type="kubernetes.io/service-account-token",
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=[control_plane]),
        )

    def _remote_secret(
        self,
        name: str,
        read: Cluster,
        peer: Cluster,
        control_plane: "ControlPlane",
        gateways: Sequence[pulumi.Resource],
    ) -> kubernetes.core.v1.Secret:
        content = pulumi.Output.all(data=self.tokens[read.name].data, server=read.api_server).apply(
            lambda known: kubeconfig(read.name, server=known["server"], token_data=known["data"])
        )
        return kubernetes.core.v1.Secret(
            name,
            metadata={
                "name": f"istio-remote-secret-{read.name}",
                "namespace": control_plane.namespace,
                "labels": {"istio/multiCluster": "true"},
                "annotations": {"networking.istio.io/cluster": read.name},
            },
            type="Opaque",
            # The key is the name under which istiod knows the cluster, and must be its clusterName.
            data={read.name: secret_value(content)},
            opts=pulumi.ResourceOptions(parent=self, provider=peer.provider, depends_on=[control_plane, *gateways]),
        )


def token_name(generation: int) -> str:
    """Name of the reader's token in the cluster; another one for each generation."""
    return f"istio-reader-token-{generation}"


def kubeconfig(cluster: str, *, server: str, token_data: Mapping[str, str]) -> str:
    """A kubeconfig by which a peer's istiod reads `cluster`, with everything inline.

    istiod refuses paths, exec plugins and token files in a remote secret. `token_data` is the data of the reader's
    token Secret, base64 as the API server gives it.
    """
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": cluster, "cluster": {"server": server, "certificate-authority-data": token_data["ca.crt"]}}
            ],
            "users": [{"name": cluster, "user": {"token": base64.b64decode(token_data["token"]).decode()}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
            "current-context": cluster,
        },
        sort_keys=False,
    )
