"""The control plane of one cluster: its namespace, what it signs with, and Istio's charts base, cni and istiod.

Of a remote cluster it is the primary's, and what is here leads to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.declared import NOTHING, Declared
from components.config.mesh import MeshConfig
from components.config.trust import TrustConfig
from components.config.upgrade import DEFAULT_TAG
from components.encoding import secret_value
from components.mesh import values
from components.mesh.charts import release
from components.mesh.injection import Injection
from components.mesh.remains import Remains
from components.mesh.tags import tag_labels, tag_name, tag_webhooks
from components.naming import child, common_labels, type_token
from components.trust.authorities import Intermediate
from components.trust.remote_secrets import reader_token, remote_secret, when_peer

NAMESPACE = "istio-system"
"""Istio's root namespace: policies in it hold for the whole mesh."""

READER_ACCOUNT = "istio-reader-service-account"
"""The account, made by the chart base, whose token peers read this cluster with."""

REMOVE_KEEP_POLICY = "./components/mesh/remove-keep-policy"
"""Post-renderer of the chart base, relative to the project, where the engine runs its plugins."""


class IstioSystem(pulumi.ComponentResource):
    """What a cluster has of a control plane, be it its own or the way to another one's.

    Both have the same names, so that nothing that the other one needs is taken away when one becomes the other.
    """

    namespace: str
    """Where istiod runs, or the way to it ends."""

    version: str
    """Istio's version."""

    reader_account: str
    """Name of the service account in `namespace` by which other clusters' istiods read this cluster."""

    ready: tuple[pulumi.Resource, ...]
    """What must exist before anything that needs istiod: injected pods, Istio's resources."""

    def __init__(
        self,
        name: str,
        config: MeshConfig,
        *,
        trust: TrustConfig,
        cluster: Cluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("mesh", "ControlPlane"), name, None, opts)
        self.namespace = NAMESPACE
        self.version = config.version
        self.reader_account = READER_ACCOUNT
        self._prefix, self._config, self._trust, self._cluster = name, config, trust, cluster

    def proxy_digest(self, mesh: MeshConfig) -> str:
        """Differs when the proxies that the istiod of `mesh` injects would: see `values.proxy_digest`."""
        return values.proxy_digest(mesh, self._trust, network=self._cluster.network)

    def _make_namespace(self, annotations: Mapping[str, str] | None = None) -> pulumi.Output[str]:
        """The namespace with its network's label; gives its name."""
        cluster = self._cluster
        remains = Remains(
            child(self._prefix, "remains"),
            access=cluster.access,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(cluster.ready)),
        )
        labels = common_labels("control-plane", mesh_id=self._config.id)
        namespace = kubernetes.core.v1.Namespace(
            child(self._prefix, "namespace"),
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=NAMESPACE,
                labels={**labels, "topology.istio.io/network": cluster.network},
                annotations=annotations,
            ),
            # The namespace is gone only when istiod's last pod is: what that wrote elsewhere is removed afterwards.
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=[*cluster.ready, remains]),
        )
        return namespace.metadata["name"]

    def _release(
        self,
        mesh: MeshConfig,
        role: str,
        chart: str,
        *,
        name: str,
        namespace: pulumi.Input[str],
        values: values.Values,
        depends_on: Sequence[pulumi.Resource] = (),
        post_render: str | None = None,
    ) -> kubernetes.helm.v3.Release:
        return release(
            child(self._prefix, role),
            mesh,
            chart,
            name=name,
            namespace=namespace,
            values=values,
            parent=self,
            provider=self._cluster.provider,
            depends_on=depends_on,
            post_render=post_render,
        )

    def _base(self, namespace: pulumi.Input[str], base_values: values.Values) -> list[pulumi.Resource]:
        """The chart base, and the node agent where asked for: once, for all istiods."""
        newest = self._config.newest
        base = self._release(
            newest,
            "base",
            "base",
            name="istio-base",
            namespace=namespace,
            values=base_values,
            post_render=REMOVE_KEEP_POLICY,
        )
        if not self._config.cni:
            return [base]
        agent = self._release(
            newest,
            "cni",
            "cni",
            name="istio-cni",
            namespace=namespace,
            values=values.cni_values(newest),
            depends_on=[base],
        )
        return [base, agent]

    def _istiod(
        self,
        mesh: MeshConfig,
        namespace: pulumi.Input[str],
        istiod_values: values.Values,
        depends_on: Sequence[pulumi.Resource],
    ) -> kubernetes.helm.v3.Release:
        # The revision is in both names, so that another one can stand beside it.
        role = f"istiod-{mesh.revision}"
        return self._release(
            mesh, role, "istiod", name=role, namespace=namespace, values=istiod_values, depends_on=depends_on
        )

    def _tags(self, istiods: Mapping[str, pulumi.Resource], path: str) -> list[pulumi.Resource]:
        """The webhooks of all revision tags; `istiods` are by revision, and `path` is what they are asked for."""
        labels = common_labels("control-plane", mesh_id=self._config.id)
        return [
            kubernetes.admissionregistration.v1.MutatingWebhookConfiguration(
                child(self._prefix, f"tag-{tag}"),
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=tag_name(tag), labels={**labels, **tag_labels(tag, mesh)}
                ),
                webhooks=cast(Any, tag_webhooks(tag, mesh, namespace=NAMESPACE, path=path)),
                # It leads to this istiod, which puts its certificate into it.
                opts=pulumi.ResourceOptions(
                    parent=self, provider=self._cluster.provider, depends_on=[istiods[mesh.revision]]
                ),
            )
            for tag, mesh in self._config.tags.items()
        ]


class ControlPlane(IstioSystem):
    """istiod in one cluster, and what it needs before it starts.

    The order is: the namespace with its network's label, `cacerts` (istiod makes a root of its own without it), base,
    the node agent where asked for, istiod. Taken down, it goes the same way back and leaves nothing.
    """

    def __init__(
        self,
        name: str,
        config: MeshConfig,
        *,
        trust: TrustConfig,
        cluster: Cluster,
        intermediate: Intermediate,
        declared: Declared = NOTHING,
        serves_remotes: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`serves_remotes`: whether it is the control plane of other clusters too."""
        super().__init__(name, config, trust=trust, cluster=cluster, opts=opts)
        namespace = self._make_namespace()
        cacerts = kubernetes.core.v1.Secret(
            child(name, "cacerts"),
            metadata={
                "name": "cacerts",
                "namespace": namespace,
                "labels": common_labels("control-plane", mesh_id=config.id),
            },
            type="Opaque",
            data={
                "ca-cert.pem": secret_value(intermediate.certificate),
                "ca-key.pem": secret_value(intermediate.private_key),
                "cert-chain.pem": secret_value(intermediate.chain),
                "root-cert.pem": secret_value(intermediate.root_certificates),
            },
            opts=pulumi.ResourceOptions(parent=self, provider=cluster.provider),
        )
        base = self._base(namespace, values.base_values(config.tags[DEFAULT_TAG]))
        istiods = {
            mesh.revision: self._istiod(
                mesh,
                namespace,
                values.istiod_values(
                    mesh,
                    trust,
                    cluster=cluster.name,
                    network=cluster.network,
                    declared=declared,
                    serves_remotes=serves_remotes,
                ),
                [cacerts, *base],
            )
            for mesh in config.revisions
        }
        self.ready = (*istiods.values(), *self._tags(istiods, values.INJECTION_PATH))
        self.register_outputs({"namespace": self.namespace, "version": self.version})


class RemoteControlPlane(IstioSystem):
    """The way of one remote cluster to the istiod of its primary, which injects, configures and signs for its pods.

    There is no istiod here, and no authority. The order is: the namespace, which names the primary; base and the
    webhooks, which lead to the primary's east-west gateway; the primary's remote secret, from which on its istiod
    gives its roots to the namespaces here and its certificate to the webhooks; and the first answer of a webhook.
    """

    token: kubernetes.core.v1.Secret
    """The token by which the primary reads this cluster, and other control planes may."""

    def __init__(
        self,
        name: str,
        config: MeshConfig,
        *,
        trust: TrustConfig,
        cluster: Cluster,
        primary: Cluster,
        primary_address: pulumi.Input[str],
        root_certificates: pulumi.Input[str],
        exposed: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`primary_address`: of its east-west gateway; `exposed`: what has that lead to its istiod."""
        super().__init__(name, config, trust=trust, cluster=cluster, opts=opts)
        # istiod looks for its own name there, once, when it is given the remote secret.
        namespace = self._make_namespace({"topology.istio.io/controlPlaneClusters": primary.name})
        base = self._base(
            namespace, values.remote_base_values(config.tags[DEFAULT_TAG], root_certificates=root_certificates)
        )
        address = pulumi.Output.from_input(primary_address).apply(lambda known: _present(known, primary.name))
        istiods = {
            mesh.revision: self._istiod(
                mesh,
                namespace,
                values.remote_istiod_values(
                    mesh, trust, cluster=cluster.name, network=cluster.network, address=address
                ),
                [*base, *exposed],
            )
            for mesh in config.revisions
        }
        self.token = reader_token(
            child(name, "token"),
            trust.remote_tokens,
            namespace=NAMESPACE,
            account=READER_ACCOUNT,
            # The chart istiod gives the account its rights, which are more than a peer's.
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=cluster.provider,
                depends_on=list(istiods.values()),
                aliases=[when_peer(f"token-{cluster.name}")],
            ),
        )
        attached = remote_secret(
            child(name, f"in-{primary.name}"),
            self.token,
            read=cluster,
            namespace=NAMESPACE,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=primary.provider,
                depends_on=list(exposed),
                aliases=[when_peer(f"{cluster.name}-in-{primary.name}")],
            ),
        )
        tags = self._tags(istiods, values.remote_injection_path(cluster.name, cluster.network))
        answered = [
            Injection(
                child(name, role),
                access=cluster.access,
                cluster=cluster.name,
                primary=primary.name,
                revision=mesh.revision,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[attached, *istiods.values()]),
            )
            for role, mesh in zip(("injection", "injection-beside"), config.revisions, strict=False)
        ]
        self.ready = (*istiods.values(), *tags, attached, *answered)
        self.register_outputs({"namespace": self.namespace, "version": self.version})


def _present(address: str, primary: str) -> str:
    if not address:
        raise pulumi.RunError(
            f"The east-west gateway of {primary} has no address, by which its remote clusters reach its istiod. See "
            f"why: `kubectl get service -n {NAMESPACE} istio-eastwestgateway` and its events, in {primary}."
        )
    return address
