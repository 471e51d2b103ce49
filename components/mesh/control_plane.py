"""The control plane of one cluster: its namespace, what it signs with, and Istio's charts base, cni and istiod."""

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.mesh import MeshConfig
from components.config.trust import TrustConfig
from components.encoding import secret_value
from components.mesh import values
from components.mesh.charts import release
from components.mesh.remains import Remains
from components.naming import child, common_labels, type_token
from components.trust.authorities import Intermediate

NAMESPACE = "istio-system"
"""Istio's root namespace: policies in it hold for the whole mesh."""

READER_ACCOUNT = "istio-reader-service-account"
"""The account, made by the chart base, whose token peers read this cluster with."""

REMOVE_KEEP_POLICY = "./components/mesh/remove-keep-policy"
"""Post-renderer of the chart base, relative to the project, where the engine runs its plugins."""


class ControlPlane(pulumi.ComponentResource):
    """istiod in one cluster, and what it needs before it starts.

    The order is: the namespace with its network's label, `cacerts` (istiod makes a root of its own without it), base,
    the node agent where asked for, istiod. Taken down, it goes the same way back and leaves nothing.
    """

    namespace: str
    """Where istiod runs."""

    version: str
    """Istio's version."""

    reader_account: str
    """Name of the service account in `namespace` by which peers read this cluster."""

    proxy_digest: str
    """Differs when the proxies that istiod injects would: see `values.proxy_digest`."""

    ready: tuple[pulumi.Resource, ...]
    """What must exist before anything that needs istiod: injected pods, Istio's resources."""

    def __init__(
        self,
        name: str,
        config: MeshConfig,
        *,
        trust: TrustConfig,
        cluster: Cluster,
        intermediate: Intermediate,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("mesh", "ControlPlane"), name, None, opts)
        self.namespace = NAMESPACE
        self.version = config.version
        self.reader_account = READER_ACCOUNT
        self.proxy_digest = values.proxy_digest(config, trust, network=cluster.network)

        labels = common_labels("control-plane", mesh_id=config.id)
        remains = Remains(
            child(name, "remains"),
            access=cluster.access,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(cluster.ready)),
        )
        namespace = kubernetes.core.v1.Namespace(
            child(name, "namespace"),
            metadata={"name": NAMESPACE, "labels": {**labels, "topology.istio.io/network": cluster.network}},
            # The namespace is gone only when istiod's last pod is: what that wrote elsewhere is removed afterwards.
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=[*cluster.ready, remains]),
        )
        namespace_name = namespace.metadata["name"]
        cacerts = kubernetes.core.v1.Secret(
            child(name, "cacerts"),
            metadata={"name": "cacerts", "namespace": namespace_name, "labels": labels},
            type="Opaque",
            data={
                "ca-cert.pem": secret_value(intermediate.certificate),
                "ca-key.pem": secret_value(intermediate.private_key),
                "cert-chain.pem": secret_value(intermediate.chain),
                "root-cert.pem": secret_value(intermediate.root_certificates),
            },
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider),
        )
        base = release(
            child(name, "base"),
            config,
            "base",
            name="istio-base",
            namespace=namespace_name,
            values=values.base_values(config),
            parent=self,
            provider=cluster.provider,
            post_render=REMOVE_KEEP_POLICY,
        )
        before_istiod: list[pulumi.Resource] = [cacerts, base]
        if config.cni:
            before_istiod.append(
                release(
                    child(name, "cni"),
                    config,
                    "cni",
                    name="istio-cni",
                    namespace=namespace_name,
                    values=values.cni_values(config),
                    parent=self,
                    provider=cluster.provider,
                    depends_on=[base],
                )
            )
        istiod = release(
            # The revision is in both names, so that another one can stand beside it.
            child(name, f"istiod-{config.revision}"),
            config,
            "istiod",
            name=f"istiod-{config.revision}",
            namespace=namespace_name,
            values=values.istiod_values(config, trust, cluster=cluster.name, network=cluster.network),
            parent=self,
            provider=cluster.provider,
            depends_on=before_istiod,
        )
        self.ready = (istiod,)
        self.register_outputs({"namespace": self.namespace, "version": self.version})
