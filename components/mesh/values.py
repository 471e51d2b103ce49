"""Helm values of Istio's charts: pure functions of the configuration, the same whatever the order of its keys.

Read against the charts of Istio 1.29 to 1.31 (manifests/charts in its source). Keys under `pilot` are merged into the
root by the istiod chart, and are written there directly; the gateway chart's schema refuses unknown keys.

`base.validationFailurePolicy` is left out: the charts' webhooks begin with Ignore, and istiod changes them to Fail when
it has given them its certificate. With Fail from the start the first Istio resource can be refused before that.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.config.gateways import EastWestConfig, IngressConfig
from components.config.mesh import MeshConfig
from components.config.trust import TrustConfig
from components.config.workload import AmountsConfig, ResourcesConfig

Values = dict[str, Any]

PROXY_ANNOTATION = "istio-mesh/proxy"
"""On gateways' pods: a digest of what istiod's webhook makes them of."""

DEFAULT_TAG = "default"
"""Revision tag of the namespaces labelled `istio-injection: enabled`."""


def base_values(mesh: MeshConfig) -> Values:
    """Chart `base`: custom resource definitions, the default validation webhook, the reader's account."""
    return {
        "defaultRevision": mesh.revision,
        "global": {"enableReaderRBAC": True},
    }


def cni_values(mesh: MeshConfig) -> Values:
    """Chart `cni`: the node agent that redirects the traffic of pods, which then need no NET_ADMIN."""
    return {"global": _images(mesh)}


def istiod_values(mesh: MeshConfig, trust: TrustConfig, *, cluster: str, network: str) -> Values:
    """Chart `istiod` for the cluster named `cluster` on `network`."""
    size = mesh.istiod
    fixed = size.replicas.min == size.replicas.max
    return {
        "revision": mesh.revision,
        "revisionTags": [DEFAULT_TAG],
        "autoscaleEnabled": not fixed,
        **(
            {"replicaCount": size.replicas.min}
            if fixed
            else {
                "autoscaleMin": size.replicas.min,
                "autoscaleMax": size.replicas.max,
                "cpu": {"targetAverageUtilization": size.target_cpu},
            }
        ),
        "resources": resource_values(size.resources),
        "topologySpreadConstraints": _spread({"app": "istiod", "istio.io/rev": mesh.revision}),
        "env": _istiod_environment(mesh, trust),
        "cni": {"enabled": mesh.cni},
        "telemetry": {"enabled": mesh.data_plane == "istio"},
        "meshConfig": _mesh_config(trust),
        "global": {
            **_images(mesh),
            "enableReaderRBAC": True,
            "meshID": mesh.id,
            "network": network,
            "multiCluster": {"clusterName": cluster},
            "proxy": {"resources": resource_values(mesh.proxies.resources)},
        },
    }


def proxy_digest(mesh: MeshConfig, trust: TrustConfig, *, network: str) -> str:
    """Differs when injected proxies would: by image, configuration, or what they say of themselves.

    A gateway's Deployment names neither, since istiod's webhook fills them in: without a digest in it the running
    pods would stay as they were.
    """
    identity = [mesh.id, trust.trust_domain, network]
    injected = [_images(mesh), mesh.version, mesh.data_plane, _mesh_config(trust)["defaultConfig"], identity]
    return hashlib.sha256(json.dumps(injected, sort_keys=True).encode()).hexdigest()[:12]


def ingress_values(mesh: MeshConfig, config: IngressConfig, *, release: str, proxy: str) -> Values:
    """Chart `gateway` for requests from outside, installed as `release`; `proxy` is a `proxy_digest`."""
    return _gateway(mesh, config, release, proxy)


def east_west_values(mesh: MeshConfig, config: EastWestConfig, *, release: str, proxy: str, network: str) -> Values:
    """Chart `gateway` for requests from other networks, installed as `release`; `proxy` is a `proxy_digest`.

    `networkGateway` labels its Service for istiod, which reads the network's address from it, and opens 15443.
    """
    return {
        **_gateway(mesh, config, release, proxy),
        "networkGateway": network,
    }


def resource_values(config: ResourcesConfig) -> Values:
    """Requests and limits of a container. What is left out is the chart's own: its templates take no null for it."""
    return {"requests": _amounts(config.requests), "limits": _amounts(config.limits)}


def _istiod_environment(mesh: MeshConfig, trust: TrustConfig) -> Values:
    certificates = trust.workload_certificates
    environment = {
        "DEFAULT_WORKLOAD_CERT_TTL": certificates.lifetime.go,
        "MAX_WORKLOAD_CERT_TTL": certificates.max_lifetime.go,
        # From the start, so that a rotation of the root later needs neither a restart of istiod nor of the proxies.
        "ISTIO_MULTIROOT_MESH": "true",
    }
    if mesh.data_plane == "upstream-envoy":
        # An Envoy without Istio's extensions refuses every listener that names one of them.
        environment |= {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"}
    return environment


def _mesh_config(trust: TrustConfig) -> Values:
    return {
        "trustDomain": trust.trust_domain,
        # Empty is off: a line for each request of every proxy is what costs most at load.
        "accessLogFile": "",
        # Rules by path see what the server sees: `//admin` and `/%61dmin` are `/admin`.
        "pathNormalization": {"normalization": "DECODE_AND_MERGE_SLASHES"},
        "defaultConfig": {
            # An application's first requests would otherwise fail, where sidecars are not native ones.
            "holdApplicationUntilProxyStarts": True,
            "proxyMetadata": {
                "SECRET_TTL": trust.workload_certificates.lifetime.go,
                # The agent then takes new roots from istiod while it runs: the other half of ISTIO_MULTIROOT_MESH.
                "PROXY_CONFIG_XDS_AGENT": "true",
            },
        },
    }


def _gateway(mesh: MeshConfig, config: IngressConfig | EastWestConfig, release: str, proxy: str) -> Values:
    replicas = config.replicas
    fixed = replicas.min == replicas.max
    values: Values = {
        "revision": mesh.revision,
        "imagePullPolicy": mesh.images.pull_policy,
        "autoscaling": {
            "enabled": not fixed,
            "minReplicas": replicas.min,
            "maxReplicas": replicas.max,
            "targetCPUUtilizationPercentage": config.target_cpu,
        },
        "podAnnotations": {PROXY_ANNOTATION: proxy},
        "resources": resource_values(config.resources),
        "topologySpreadConstraints": _spread({"app": release}),
        "service": {"type": "LoadBalancer"},
    }
    if fixed:
        values["replicaCount"] = replicas.min
    if replicas.min > 1:
        values["podDisruptionBudget"] = {"minAvailable": 1}
    return values


def _images(mesh: MeshConfig) -> Values:
    return {"hub": mesh.images.hub, "tag": mesh.image_tag, "imagePullPolicy": mesh.images.pull_policy}


def _amounts(config: AmountsConfig) -> Values:
    amounts = {"cpu": config.cpu, "memory": config.memory}
    return {key: str(amount) for key, amount in amounts.items() if amount is not None}


def _spread(labels: Mapping[str, str]) -> list[Values]:
    """Over zones, then over nodes; by preference, so that a small cluster still runs them all."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
