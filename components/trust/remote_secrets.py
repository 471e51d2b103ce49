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
    from components.mesh.control_plane import IstioSystem


class RemoteSecrets(pulumi.ComponentResource):
    """One token for each cluster that a peer may read, one remote secret for each cluster and control plane besides.

    Raising `generation` gives the tokens another name in the cluster. A token is then replaced, and the engine's order
    of a replacement does the rotation: the new token is made, then the remote secrets that hold it are updated in place
    and istiods take them, and only when all of that has succeeded is the old token deleted and refused from then on.

    A remote cluster has its token already, since its own primary reads it from the first moment on.
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
        control_planes: "Mapping[str, IstioSystem]",
        gateways: Mapping[str, Sequence[pulumi.Resource]],
        tokens: Mapping[str, kubernetes.core.v1.Secret] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`gateways`, by cluster name, must have their addresses before any peer reads that cluster.

        istiod takes the endpoints of a network without a known gateway for directly reachable, and requests to them
        would hang. `tokens` are those of remote clusters, by their names.
        """
        super().__init__(type_token("trust", "RemoteSecrets"), name, None, opts)
        primaries = [cluster for cluster in clusters if cluster.primary is None]
        # Nobody reads the only primary of remote clusters. One alone is ready for its first peer.
        unread = len(primaries) == 1 < len(clusters)
        self.tokens = {
            **{
                cluster.name: reader_token(
                    child(name, f"token-{cluster.name}"),
                    config,
                    namespace=control_planes[cluster.name].namespace,
                    account=control_planes[cluster.name].reader_account,
                    opts=pulumi.ResourceOptions(
                        parent=self,
                        provider=cluster.provider,
                        depends_on=[control_planes[cluster.name]],
                        aliases=[when_remote(cluster.name, "token")],
                    ),
                )
                for cluster in ([] if unread else primaries)
            },
            **(tokens or {}),
        }
        self.remote_secrets = {
            (read.name, peer.name): remote_secret(
                child(name, f"{read.name}-in-{peer.name}"),
                self.tokens[read.name],
                read=read,
                namespace=control_planes[peer.name].namespace,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=peer.provider,
                    depends_on=[control_planes[peer.name], *gateways[read.name]],
                    aliases=[when_remote(read.name, f"in-{peer.name}")],
                ),
            )
            for read, peer in permutations(clusters, 2)
            if peer.primary is None and read.primary != peer.name
        }
        self.register_outputs({})


def when_remote(cluster: str, role: str) -> pulumi.Alias:
    """What was the same object when the cluster was a remote one (of the peer that the role names).

    To make it anew, and then take the former away, would take away the one that there is.
    """
    parent = child(cluster, "control-plane")
    return pulumi.Alias(name=child(parent, role), parent=pulumi.create_urn(parent, type_token("mesh", "ControlPlane")))


def when_peer(role: str) -> pulumi.Alias:
    """The other way round: what was the same object when the cluster was a peer of the one that reads it."""
    parent = "remote"
    return pulumi.Alias(
        name=child(parent, role), parent=pulumi.create_urn(parent, type_token("trust", "RemoteSecrets"))
    )


def reader_token(
    name: str, config: RemoteTokensConfig, *, namespace: str, account: str, opts: pulumi.ResourceOptions
) -> kubernetes.core.v1.Secret:
    """The token of the service account `account`, by which istiods of other clusters read this one."""
    return kubernetes.core.v1.Secret(
        name,
        metadata={
            "name": token_name(config.generation),
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": account},
        },
        type="kubernetes.io/service-account-token",
        opts=opts,
    )


def remote_secret(
    name: str,
    token: kubernetes.core.v1.Secret,
    *,
    read: Cluster,
    namespace: str,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Secret:
    """The remote secret by which an istiod in `namespace`, of the cluster that `opts` name, reads `read`."""
    content = pulumi.Output.all(data=token.data, server=read.api_server).apply(
        lambda known: kubeconfig(read.name, server=known["server"], token_data=known["data"])
    )
    return kubernetes.core.v1.Secret(
        name,
        metadata={
            "name": f"istio-remote-secret-{read.name}",
            "namespace": namespace,
            "labels": {"istio/multiCluster": "true"},
            "annotations": {"networking.istio.io/cluster": read.name},
        },
        type="Opaque",
        # The key is the name under which istiod knows the cluster, and must be its clusterName.
        data={read.name: secret_value(content)},
        opts=opts,
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
