"""What the stack tells the world: one model, and the only place that exports.

Other teams' programs read these outputs. A value of another shape cannot be exported: the model is checked when all
values are known, and its top-level fields are the stack's outputs. Nothing here is secret.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import pulumi
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from components.clusters import Cluster
from components.config import StackConfig
from components.config.platform import Platform, Service
from components.mesh import MeshGateways
from components.resources import IngressCertificates
from components.trust import Authorities

CONTRACT_VERSION = 1
"""Rises with every change that a reader of the former outputs would not survive."""

_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_CERTIFICATES = re.compile(r"(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n)+")


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value):
            raise ValueError("neither an address nor a host name") from None
    return value


def _certificates(value: str) -> str:
    if not _CERTIFICATES.fullmatch(value):
        raise ValueError("something else than certificates in PEM")
    return value


Certificates = Annotated[str, AfterValidator(_certificates)]
"""One or more certificates in PEM, and nothing else."""

Address = Annotated[str, AfterValidator(_address)]
"""An IP address or a host name."""


class _Outputs(BaseModel):
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


class MeshIdentity(_Outputs):
    """What all clusters of the mesh have in common."""

    id: str
    """Name of the mesh."""

    trust_domain: str
    """Authority of every workload's SPIFFE identity."""

    root_certificates: Certificates
    """The roots that workloads trust: PEM, oldest first."""

    istio_version: str
    """As in `1.31.0`."""

    revision: str
    """Revision of the control planes, for the label `istio.io/rev`."""

    ingress_authority: Certificates | None
    """With what clients verify the ingress certificates that the stack generates; null where it generates none."""


class Ingress(_Outputs):
    """Where requests from outside enter a cluster."""

    address: Address | None
    """Of its load balancer; null while that has none."""

    hosts: tuple[str, ...]
    """Names that it serves on 443."""


class ClusterOutputs(_Outputs):
    """One cluster of the mesh."""

    name: str
    """Its name, in Istio too."""

    region: str
    """Where it stands."""

    network: str
    """Its Istio network."""

    api_server: Annotated[str, Field(pattern=r"^https://")]
    """URL at which its peers reach its API server."""

    kubernetes_version: Annotated[str, Field(pattern=r"^v\d+\.\d+")]
    """What its API server says of itself, as in `v1.35.4`."""

    ingress: Ingress
    """Where requests from outside enter."""

    east_west_address: Address | None
    """Where its peers' requests enter, on 15443; null while the load balancer has no address."""

    authority_expiry: AwareDatetime
    """End of the validity of the intermediate that signs for its workloads, in UTC; of a remote cluster its primary's.
    """

    primary: Annotated[str | None, Field(exclude_if=lambda name: name is None)] = None
    """Name of the cluster whose control plane is this one's too; left out where it has its own."""


class ServiceOutputs(_Outputs):
    """One service of the mesh."""

    host: str
    """Its DNS name, the same in every cluster."""

    ports: dict[str, Annotated[int, Field(ge=1, le=65_535)]]
    """Its ports, by name."""

    versions: tuple[str, ...]
    """Its versions; empty where it has no names for them."""

    clusters: tuple[str, ...]
    """Where its pods run; it is reached from every cluster in which it has callers."""

    callers: tuple[str, ...]
    """Services that may call it, as `namespace/name`."""

    public_hosts: tuple[str, ...]
    """Hosts of the ingress by which it is reached from outside."""


class MeshOutputs(_Outputs):
    """The stack's outputs, one for each field."""

    contract_version: Literal[1]
    """Version of this contract."""

    mesh: MeshIdentity
    """What all clusters have in common."""

    clusters: dict[str, ClusterOutputs]
    """Each cluster, by its name."""

    services: dict[str, ServiceOutputs] = Field(default={})
    """Each service, as `namespace/name`."""


def export(
    config: StackConfig,
    *,
    clusters: Sequence[Cluster],
    authorities: Authorities,
    certificates: IngressCertificates,
    gateways: Mapping[str, MeshGateways],
) -> None:
    """Exports the outputs. Fails the run, in one sentence for each, when a value does not fit the contract."""
    hosts = [host for server in config.gateways.ingress.servers for host in server.hosts]
    values: dict[str, Any] = {
        "contractVersion": CONTRACT_VERSION,
        "mesh": {
            "id": config.mesh.id,
            "trustDomain": config.trust.trust_domain,
            "rootCertificates": authorities.root_certificates,
            "istioVersion": config.mesh.version,
            "revision": config.mesh.revision,
            "ingressAuthority": certificates.authority_certificate,
        },
        "clusters": {
            cluster.name: {
                "name": cluster.name,
                "region": cluster.region,
                "network": cluster.network,
                "apiServer": cluster.api_server,
                "kubernetesVersion": cluster.kubernetes_version,
                "ingress": {"address": gateways[cluster.name].ingress_address, "hosts": hosts},
                "eastWestAddress": gateways[cluster.name].east_west_address,
                "authorityExpiry": authorities.intermediates[cluster.primary or cluster.name].not_after,
                "primary": cluster.primary,
            }
            for cluster in clusters
        },
        "services": {key: _service(config.platform, service) for key, service in config.platform.services.items()},
    }
    checked: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(values).apply(conforming)
    for name, field in MeshOutputs.model_fields.items():
        pulumi.export(field.alias or name, checked[field.alias or name])


def _service(platform: Platform, service: Service) -> dict[str, Any]:
    """What is said of a service, in an order of its own."""
    config = service.config
    ports = sorted(config.ports.items(), key=lambda item: item[1].number)
    return {
        "host": service.host,
        "ports": {name: port.number for name, port in ports},
        "versions": sorted(config.versions),
        "clusters": [cluster for cluster in platform.clusters if config.runs_in(cluster)],
        "callers": [caller.key for caller in platform.callers(service)],
        "publicHosts": sorted({public.host for public in config.hosts}),
    }


def conforming(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the contract has them. Raises RunError, which names each one that does not fit."""
    try:
        model = MeshOutputs.model_validate(_without_empty(values))
    except ValidationError as problem:
        lines = [
            f"  {'.'.join(str(step) for step in error['loc'])}: {error['msg']}"
            for error in problem.errors(include_url=False, include_input=False)
        ]
        text = "The stack's outputs break their contract, and other teams' programs would fail on them; none is changed"
        raise pulumi.RunError("\n".join([f"{text}:", *lines])) from None
    return model.model_dump(mode="json")


def _without_empty(values: Any) -> Any:
    """An address that a load balancer does not have yet is null, not an empty text."""
    if isinstance(values, Mapping):
        return {key: _without_empty(value) for key, value in values.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return None if values == "" else values
