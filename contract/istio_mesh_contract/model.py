"""The contract's model: what a stack of istio-mesh exports, and what other programs read.

The one definition of it: the platform builds and exports exactly this, and a consumer reads it back. None of it is
secret, so that it is read without the platform's passphrase.

A value that is not there is left out, never null: the engine drops nulls below the first level on the way to a reader.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from istio_mesh_contract.mesh import Mesh

VERSION = 1
"""Rises with every change that a reader of the former outputs would not survive; a new optional field is none."""

EVERYBODY = "*"
"""In place of a namespace: any."""

_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_CERTIFICATES = re.compile(r"(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n)+")
_SERVICE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z]([-a-z0-9]*[a-z0-9])?$"


def _ip(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("it is no IP address") from None
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("it is no host name")
    return value


def _certificates(value: str) -> str:
    if not _CERTIFICATES.fullmatch(value):
        raise ValueError("it is something else than certificates in PEM")
    return value


def _whole(value: Any) -> Any:
    """The engine hands every number on as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Certificates = Annotated[
    str, AfterValidator(_certificates), Field(json_schema_extra={"pattern": "^-----BEGIN CERTIFICATE-----"})
]
"""One or more certificates in PEM, and nothing else."""

Ip = Annotated[str, AfterValidator(_ip), Field(json_schema_extra={"format": "ip"})]
"""An IP address, of version 4 or 6."""

HostName = Annotated[str, AfterValidator(_host), Field(json_schema_extra={"format": "hostname"})]
"""A name in DNS, without a wildcard."""

Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A DNS label: the name of a namespace or of a port."""

ServiceKey = Annotated[str, Field(pattern=_SERVICE)]
"""A service as `namespace/name`."""

Port = Annotated[int, Field(ge=1, le=65_535)]
"""Number of a port."""

Principal = Annotated[str, Field(pattern=r"^[^/]+/ns/[^/]+/sa/[^/]+$")]
"""A workload's identity as AuthorizationPolicies name it: its SPIFFE id without the scheme."""

Url = Annotated[str, Field(pattern=r"^https?://")]
"""An address with its scheme."""


class Part(BaseModel):
    """The base of all parts of the contract: frozen, closed at export, in camelCase outside of Python."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class MeshIdentity(Part):
    """What all clusters of the mesh have in common."""

    id: str
    """Name of the mesh."""

    trust_domain: str
    """Authority of every workload's SPIFFE identity."""

    root_certificates: Certificates
    """The roots that workloads trust: PEM, oldest first."""

    istio_version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """As in `1.31.0`."""

    revision: Label
    """Revision of the control planes, until an upgrade ends."""

    tag: Label | None = None
    """Revision tag for the label `istio.io/rev` of namespaces: each cluster's upgrade moves it. Left out by platforms
    from before there was one, whose namespaces have the revision in its place."""

    ingress_authority: Certificates | None = None
    """With what clients verify the ingress certificates that the stack generates; left out where it generates none."""


class LoadBalancer(Part):
    """Where requests enter a cluster; with neither address nor name while its load balancer has none."""

    address: Ip | None = None
    """Its IP address; left out where it has a name."""

    name: HostName | None = None
    """Its name in DNS, as AWS gives one; left out where it has an address."""

    @property
    def host(self) -> str | None:
        """The one or the other; None while there is neither."""
        return self.address or self.name


class Authentication(Part):
    """How a cluster's API server knows its users. A consumer brings an identity of its own: none is exported."""

    kind: str
    """How the platform itself logs in: `token`, `clientCertificate`, `exec` or `eks`. Others may be added."""

    eks_cluster: str | None = None
    """For `eks`: the name for `aws eks get-token`; the identity needs an access entry. Else left out."""


class Vpc(Part):
    """The AWS network of a cluster."""

    id: str
    """Its id, as in `vpc-0a1b`."""

    subnets: tuple[str, ...]
    """Ids of the subnets that its nodes are in."""


class ClusterOutputs(Part):
    """One cluster of the mesh."""

    name: Label
    """Its name, in Istio too."""

    region: str
    """Where it stands."""

    network: str
    """Its Istio network."""

    api_server: Annotated[str, Field(pattern=r"^https://")]
    """URL at which its peers reach its API server."""

    certificate_authority: Certificates | None = None
    """What its API server's certificate is verified with; left out where that is a public authority."""

    authentication: Authentication
    """How its API server knows its users."""

    kubernetes_version: Annotated[str, Field(pattern=r"^v\d+\.\d+")]
    """What its API server says of itself, as in `v1.35.4`."""

    ingress: LoadBalancer
    """Where requests from outside enter."""

    east_west: LoadBalancer
    """Where its peers' requests enter, on 15443."""

    authority_expiry: AwareDatetime
    """End of the intermediate that signs for its workloads, in UTC; of a remote cluster its primary's."""

    istio_version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] | None = None
    """That of the control plane which the tag stands for in it; left out where it is the mesh's."""

    revision: Label | None = None
    """The same control plane's revision; left out where it is the mesh's."""

    primary: Label | None = None
    """Name of the cluster whose control plane is this one's too; left out where it has its own."""

    oidc_issuer: Url | None = None
    """Who signs its service accounts' tokens for other systems, such as AWS; left out where nobody asks for it."""

    vpc: Vpc | None = None
    """Its AWS network; left out where there is none."""


class Tls(Part):
    """How a host is served on 443."""

    minimum_version: str
    """Oldest version of TLS that is spoken, as in `1.2`."""

    generated: bool
    """Whether the certificate is the stack's own making, and is verified with `mesh.ingressAuthority`."""


class GatewayOutputs(Part):
    """A host of the ingress, the same in every cluster."""

    host: str
    """The host; a wildcard is as in `*.exam-platform.com`."""

    gateway: ServiceKey
    """What a VirtualService names in `gateways` to be attached to it."""

    principal: Principal
    """Who the ingress is to the workloads behind it."""

    tls: Tls
    """How it is served."""

    offered_to: tuple[Annotated[str, Field(pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")], ...] = ()
    """Namespaces of other teams that route it themselves, `*` for any; none where it is the platform's own."""


class PortOutputs(Part):
    """A port of a service."""

    number: Port
    """Of the Service."""

    protocol: str
    """How it is spoken, as in `http`, `grpc` or `tcp`."""


class ServiceOutputs(Part):
    """A service of the platform."""

    host: HostName
    """Its DNS name, the same in every cluster."""

    ports: dict[Label, PortOutputs]
    """Its ports, by name."""

    versions: tuple[str, ...] = ()
    """Its versions; none where it has no names for them."""

    clusters: tuple[Label, ...]
    """Where its pods run; it is reached from every cluster in which it has callers."""

    principal: Principal
    """Who its pods are."""

    callers: tuple[ServiceKey, ...] = ()
    """Services of the platform that may call it."""

    public_hosts: tuple[str, ...] = ()
    """Hosts of the ingress by which it is reached from outside."""

    offered_to: tuple[Label, ...] = ()
    """Namespaces of other teams whose workloads may call it."""

    calls_out: tuple[Label, ...] = ()
    """Namespaces of other teams whose services it may call, where they allow it."""


class Collector(Part):
    """Where proxies and applications send what they tell."""

    protocol: str
    """How it is spoken: `otlp` (by gRPC) or `zipkin`."""

    host: HostName
    """Its name, in every cluster."""

    port: Port
    """Its port."""


class TelemetryOutputs(Part):
    """Where to look, and where to send."""

    traces: Collector | None = None
    """The collector of traces; left out where there is none."""

    dashboards: dict[str, Url] = Field(default={})
    """Addresses of the platform's dashboards, by name."""


class MeshOutputs(Part):
    """The stack's outputs, one for each field."""

    contract_version: Annotated[Literal[1], BeforeValidator(_whole)]
    """Version of this contract: the other fields are read as that version says."""

    mesh: MeshIdentity
    """What all clusters have in common."""

    clusters: dict[Label, ClusterOutputs]
    """Each cluster, by its name."""

    gateways: dict[str, GatewayOutputs] = Field(default={})
    """Each host of the ingress, by itself."""

    services: dict[ServiceKey, ServiceOutputs] = Field(default={})
    """Each service, as `namespace/name`."""

    telemetry: TelemetryOutputs = Field(default_factory=TelemetryOutputs)
    """What proxies tell, and where it is seen."""

    @classmethod
    def from_stack(cls, stack: str) -> "Mesh":
        """The outputs of a stack, as `organization/istio-mesh/prod`, with what other programs make of them.

        Fails the program in one sentence for each fault where there is no such stack, or its outputs are of another
        version or not as the contract says.
        """
        from istio_mesh_contract.mesh import Mesh

        return Mesh.of_stack(stack)

    @classmethod
    def read(cls, values: Mapping[str, Any], source: str) -> "MeshOutputs":
        """The outputs as `pulumi stack output --json` gives them; `source` is the stack that they are of.

        A field that this version does not know is passed over: a later platform may add some. Raises ContractError.
        """
        from istio_mesh_contract.reading import read

        return read(values, source)

    def exported(self) -> dict[str, Any]:
        """The values to export, by output."""
        return self.model_dump(mode="json", exclude_none=True)
