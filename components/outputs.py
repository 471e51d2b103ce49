"""What the stack tells the world: the contract's one model (contract/), and the only place that exports.

Other teams' programs read these outputs. A value of another shape cannot be exported: the model is checked when all
values are known, and its top-level fields are the stack's outputs. Nothing here is secret, and no credential of an
administrator is among it: a consumer brings its own identity.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import pulumi
from istio_mesh_contract.model import EVERYBODY, VERSION, MeshOutputs
from istio_mesh_contract.problems import faults
from pydantic import ValidationError

from components.clusters import Cluster
from components.config import StackConfig
from components.config.gateways import ServerConfig
from components.config.kubeconfig import decoded_authority, select
from components.config.mesh import MeshConfig
from components.config.platform import Platform, Service
from components.config.ports import protocol_of
from components.config.telemetry import TelemetryConfig
from components.config.upgrade import DEFAULT_TAG
from components.mesh import MeshGateways
from components.mesh.gateways import INGRESS_NAMESPACE, INGRESS_RELEASE
from components.resources import IngressCertificates
from components.resources.access import principal
from components.resources.gateway import MINIMUM_TLS
from components.resources.routing import INGRESS_GATEWAY
from components.trust import Authorities


def export(
    config: StackConfig,
    *,
    clusters: Sequence[Cluster],
    authorities: Authorities,
    certificates: IngressCertificates,
    gateways: Mapping[str, MeshGateways],
) -> None:
    """Exports the outputs. Fails the run, in one sentence for each, when a value does not fit the contract."""
    trust_domain = config.trust.trust_domain
    made: dict[str, Any] = {
        "mesh": {
            "id": config.mesh.id,
            "trustDomain": trust_domain,
            "rootCertificates": authorities.root_certificates,
            "istioVersion": config.mesh.version,
            "revision": config.mesh.revision,
            "tag": DEFAULT_TAG,
            "ingressAuthority": certificates.authority_certificate,
        },
        "clusters": {
            cluster.name: {
                "name": cluster.name,
                "region": cluster.region,
                "network": cluster.network,
                "apiServer": cluster.api_server,
                "kubernetesVersion": cluster.kubernetes_version,
                "ingress": gateways[cluster.name].ingress_address.apply(load_balancer),
                "eastWest": gateways[cluster.name].east_west_address.apply(load_balancer),
                "authorityExpiry": authorities.intermediates[cluster.primary or cluster.name].not_after,
                "primary": cluster.primary,
                **apart(config.mesh, config.meshes[cluster.name].tags[DEFAULT_TAG]),
                **way_in(cluster),
                **cloud(cluster),
            }
            for cluster in clusters
        },
    }
    # Known at once, and in a large stack most of it: the SDK would make an output of each value.
    said: dict[str, Any] = {
        "contractVersion": VERSION,
        "gateways": {
            host: public_host(host, server, trust_domain, open_to_all=not config.services)
            for server in config.gateways.ingress.servers
            for host in server.hosts
        },
        "services": {
            key: _service(config.platform, service, trust_domain) for key, service in config.platform.services.items()
        },
        "telemetry": _telemetry(config.telemetry),
    }
    known: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(made)
    checked = known.apply(lambda values: conforming({**values, **said}))
    for name, field in MeshOutputs.model_fields.items():
        pulumi.export(field.alias or name, checked[field.alias or name])


def apart(mesh: MeshConfig, here: MeshConfig) -> dict[str, str]:
    """What a cluster has of Istio, where that is not what the mesh has; nothing where it is."""
    return {} if here.version == mesh.version else {"istioVersion": here.version, "revision": here.revision}


def load_balancer(host: str) -> dict[str, str]:
    """An address as the contract has it: by what it is, and nothing while there is none."""
    if not host:
        return {}
    try:
        ip_address(host)
    except ValueError:
        return {"name": host}
    return {"address": host}


def way_in(cluster: Cluster) -> dict[str, Any]:
    """How a consumer reaches the API server and is known to it: what is said of the cluster, else of its kubeconfig."""
    said = cluster.authentication
    if said is not None:
        encoded = cluster.certificate_authority
        authority = None if encoded is None else pulumi.Output.from_input(encoded).apply(decoded_authority)
        return {"certificateAuthority": authority, "authentication": said}
    kubeconfig = cluster.access.kubeconfig
    assert kubeconfig is None or isinstance(kubeconfig, str), "a cluster whose kubeconfig is made says the way in"
    selected = select(kubeconfig, cluster.access.context)
    return {"certificateAuthority": selected.authority, "authentication": {"kind": selected.authentication}}


def cloud(cluster: Cluster) -> dict[str, Any]:
    """What only clusters of a cloud have."""
    vpc = cluster.vpc_id
    return {
        "oidcIssuer": cluster.oidc_issuer,
        "vpc": None if vpc is None else {"id": vpc, "subnets": cluster.subnet_ids},
    }


def public_host(host: str, server: ServerConfig, trust_domain: str, *, open_to_all: bool) -> dict[str, Any]:
    """A host of the ingress. A stack without services leaves those that it offers to nobody to whoever comes."""
    offered = server.offered_to or ((EVERYBODY,) if open_to_all else ())
    return {
        "host": host,
        "gateway": f"{INGRESS_NAMESPACE}/{INGRESS_GATEWAY}",
        "principal": principal(trust_domain, INGRESS_NAMESPACE, INGRESS_RELEASE),
        "tls": {
            "minimumVersion": MINIMUM_TLS.removeprefix("TLSV").replace("_", "."),
            "generated": server.tls.generated is not None,
        },
        "offeredTo": list(offered),
    }


def _service(platform: Platform, service: Service, trust_domain: str) -> dict[str, Any]:
    """What is said of a service, in an order of its own."""
    config = service.config
    ports = sorted(config.ports.items(), key=lambda item: item[1].number)
    return {
        "host": service.host,
        "ports": {name: {"number": port.number, "protocol": protocol_of(name, port)} for name, port in ports},
        "versions": sorted(config.versions),
        "clusters": [cluster for cluster in platform.clusters if config.runs_in(cluster)],
        "principal": principal(trust_domain, service.namespace, service.account),
        "callers": [caller.key for caller in platform.callers(service)],
        "publicHosts": sorted({public.host for public in config.hosts}),
        "offeredTo": sorted(config.offered_to),
        "callsOut": sorted(config.calls_out),
    }


def _telemetry(config: TelemetryConfig) -> dict[str, Any]:
    collector = None if config.tracing is None else config.tracing.collector
    traces = None if collector is None else collector.model_dump(mode="json", include={"protocol", "host", "port"})
    return {"traces": traces, "dashboards": dict(sorted(config.addresses.items()))}


def conforming(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the contract has them. Raises RunError, which names each one that does not fit."""
    try:
        model = MeshOutputs.model_validate(values)
    except ValidationError as problem:
        text = "The stack's outputs break their contract, and other teams' programs would fail on them; none is changed"
        lines = [f"  {path}: {what}" for path, what, _ in faults(problem)]
        raise pulumi.RunError("\n".join([f"{text}:", *lines])) from None
    return model.exported()
