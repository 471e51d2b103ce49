"""The mesh as another team's program has it: typed outputs, and what can be made of them."""

import base64
import json
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pulumi

from istio_mesh_contract import reading, rules
from istio_mesh_contract.credentials import Credentials, inputs, user
from istio_mesh_contract.model import (
    ClusterOutputs,
    GatewayOutputs,
    MeshIdentity,
    MeshOutputs,
    ServiceOutputs,
    TelemetryOutputs,
)
from istio_mesh_contract.objects import TIMEOUT
from istio_mesh_contract.problems import refused

if TYPE_CHECKING:
    import pulumi_kubernetes as kubernetes

    from istio_mesh_contract.components import Allowance, Exposure, MeshNamespace, MeshService


class Cluster:
    """One cluster of the mesh, by its name; what is read of it fails the program where there is none of that name."""

    name: str
    """Its name."""

    outputs: pulumi.Output[ClusterOutputs]
    """All that the contract says of it."""

    def __init__(self, name: str, mesh: "Mesh") -> None:
        self.name, self._source = name, mesh.source
        self.outputs = mesh.outputs.apply(lambda outputs: rules.cluster_of(outputs, name, mesh.source))

    @property
    def ingress(self) -> pulumi.Output[str]:
        """Address or name at which requests from outside enter; empty while its load balancer has none."""
        return self.outputs.apply(lambda cluster: cluster.ingress.host or "")

    @property
    def region(self) -> pulumi.Output[str]:
        """Where it stands."""
        return self.outputs.apply(lambda cluster: cluster.region)

    def provider(
        self, credentials: Credentials, *, name: str | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> "kubernetes.Provider":
        """A provider for the cluster with the consumer's own credentials; `name` by default `mesh-<cluster>`.

        The kubeconfig stays a secret of the consumer's state. A changed address or credential changes the provider in
        place, and nothing that was made with it is replaced.
        """
        components = _components()

        def kubeconfig(values: Sequence[Any]) -> str:
            cluster, given = values
            return _kubeconfig(cluster, {**user(credentials, cluster, self._source), **given})

        return components.kubernetes.Provider(
            name or f"mesh-{self.name}",
            kubeconfig=pulumi.Output.secret(pulumi.Output.all(self.outputs, inputs(credentials)).apply(kubeconfig)),
            # Alone decides whether the provider is replaced, and everything in the cluster with it.
            cluster_identifier=self.name,
            enable_server_side_apply=True,
            opts=opts,
        )


class Mesh:
    """A mesh that other teams' programs are guests of.

    What it makes is the consumer's own, in namespaces of its own; what the platform does not allow is refused with the
    line that its stack would need.
    """

    source: str
    """The stack that it was read from."""

    outputs: pulumi.Output[MeshOutputs]
    """The whole contract."""

    def __init__(self, source: str, outputs: pulumi.Output[MeshOutputs]) -> None:
        self.source, self.outputs = source, outputs
        self._namespaces: dict[str, MeshNamespace] = {}
        self._services: dict[str, MeshService] = {}

    @classmethod
    def of_stack(cls, stack: str) -> "Mesh":
        """The mesh of a stack; see `MeshOutputs.from_stack`."""
        return cls(stack, reading.of_stack(stack))

    @property
    def identity(self) -> pulumi.Output[MeshIdentity]:
        """What all clusters have in common."""
        return self.outputs.apply(lambda outputs: outputs.mesh)

    @property
    def gateways(self) -> pulumi.Output[dict[str, GatewayOutputs]]:
        """The hosts of the ingress, by themselves."""
        return self.outputs.apply(lambda outputs: outputs.gateways)

    @property
    def services(self) -> pulumi.Output[dict[str, ServiceOutputs]]:
        """The platform's services, as `namespace/name`."""
        return self.outputs.apply(lambda outputs: outputs.services)

    @property
    def telemetry(self) -> pulumi.Output[TelemetryOutputs]:
        """Where to look, and where to send."""
        return self.outputs.apply(lambda outputs: outputs.telemetry)

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name."""
        return Cluster(name, self)

    def namespace(
        self, name: str, providers: "Mapping[str, kubernetes.Provider]", *, opts: pulumi.ResourceOptions | None = None
    ) -> "MeshNamespace":
        """A namespace in the mesh, in each cluster of `providers` (by its name): injected by the mesh's revision,
        mutual TLS alone, nobody let in but whom `expose` and `allow` name.

        It goes with the program's stack, and one that was there already is taken over: what else is in it would go too.
        Raises ContractError where this program has made it already; the program fails where it is the platform's.
        """
        components = _components()
        if name in self._namespaces:
            raise refused(
                f"namespace `{name}`",
                "it is made twice",
                "Both would be the same objects",
                "Make it once, with the providers of all its clusters",
            )
        made = self._namespaces[name] = components.MeshNamespace(name, self, providers=providers, opts=opts)
        return made

    def service(
        self,
        key: str,
        *,
        ports: Mapping[str, int],
        workload: Mapping[str, str] | None = None,
        account: str | None = None,
        timeout: str = TIMEOUT,
        opts: pulumi.ResourceOptions | None = None,
    ) -> "MeshService":
        """How callers treat one of the program's own services, `namespace/name`: time-out, safe retries, endpoints
        that fail left alone. Its Service, pods and account are the program's to make.

        `ports`: its Service's, by name, whose first word is the protocol; `workload`: its pods' labels, default `app:
        <name>`; `account`: their service account, default its name; `timeout`: of a request with all its tries.
        Raises ContractError.
        """
        components = _components()
        namespace, name = rules.split(key)
        if key in self._services:
            raise refused(
                f"service `{key}`", "it is said twice", "Both would be the same objects", "Say it once, with all ports"
            )
        made = self._services[key] = components.MeshService(
            key,
            self._own(namespace, f"service `{key}`"),
            ports=dict(ports),
            workload=dict(workload or {"app": name}),
            account=account or name,
            timeout=timeout,
            opts=opts,
        )
        return made

    def expose(
        self,
        host: str,
        service: "str | MeshService",
        *,
        port: str | None = None,
        paths: Sequence[str] = ("/*",),
        timeout: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> "Exposure":
        """Routes a public host, which the platform offers to the service's namespace, to a service of the program's
        own, and lets the ingress call it.

        `port`: by name, default `http` or its only one; `paths`: one each, or with all below it as in `/shop/*`,
        default all; `timeout`: default the service's. Raises ContractError; the program fails where the host is not
        offered.
        """
        own = self._service(service)
        return _components().Exposure(
            host, self, service=own, port=own.port(port), paths=tuple(paths), timeout=timeout or own.timeout, opts=opts
        )

    def allow(
        self,
        caller: "str | MeshService",
        callee: "str | MeshService",
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> "Allowance":
        """Lets `caller` call `callee`, each `namespace/name`.

        The caller is one of the program's own namespaces, or a service of the platform that may call out. The callee
        is a service of the program's own, or one of the platform's that is offered to the caller's namespace, where
        nothing more has to be made. Raises ContractError, or fails the program, for any other.
        """
        return _components().Allowance(
            self, caller=caller if isinstance(caller, str) else caller.key, callee=self._callee(callee), opts=opts
        )

    def owns(self, namespace: str) -> bool:
        """Whether this program has made the namespace."""
        return namespace in self._namespaces

    def account(self, key: str) -> str:
        """Service account of one of the program's own services: its name, where nothing else is said."""
        said = self._services.get(key)
        return rules.split(key)[1] if said is None else said.account

    def _callee(self, callee: "str | MeshService") -> "str | MeshService":
        if isinstance(callee, str):
            return self._service(callee) if self.owns(rules.split(callee)[0]) else callee
        return callee

    def _service(self, service: "str | MeshService") -> "MeshService":
        if not isinstance(service, str):
            return service
        self._own(rules.split(service)[0], f"service `{service}`")
        if service not in self._services:
            raise refused(
                f"service `{service}`",
                "this program has not said what it is",
                "Its ports and pods are not known",
                f'Add `mesh.service("{service}", ports={{"http": 8080}})` before',
            )
        return self._services[service]

    def _own(self, namespace: str, where: str) -> "MeshNamespace":
        if namespace not in self._namespaces:
            raise refused(
                where,
                f"`{namespace}` is no namespace of this program",
                "What is in another team's namespace is theirs to expose and to protect",
                f'Make it first, by `mesh.namespace("{namespace}", providers)`',
            )
        return self._namespaces[namespace]


def _components() -> ModuleType:
    """What makes objects in clusters, which a program that only reads the contract need not have.

    Raises ContractError.
    """
    try:
        from istio_mesh_contract import components
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] != "pulumi_kubernetes":
            raise
        raise refused(
            "istio-mesh-contract",
            "pulumi-kubernetes is not installed",
            "Nothing can be made in a cluster",
            "Take `istio-mesh-contract[kubernetes]` into the program's requirements",
        ) from None
    return components


def _kubeconfig(cluster: ClusterOutputs, identity: Mapping[str, Any]) -> str:
    """One cluster, one user, in JSON, which is YAML too."""
    authority = cluster.certificate_authority
    encoded = {
        key: _base64(value) if key.endswith("-data") and isinstance(value, str) else value
        for key, value in identity.items()
    }
    name = cluster.name
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": cluster.api_server,
                        **({"certificate-authority-data": _base64(authority)} if authority else {}),
                    },
                }
            ],
            "users": [{"name": name, "user": encoded}],
        }
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
