"""Helm values of Istio's charts: pure functions of the configuration, the same whatever the order of its keys.

Read against the charts of Istio 1.29 to 1.31 (manifests/charts in its source). Keys under `pilot` are merged into the
root by the istiod chart, and are written there directly; the gateway chart's schema refuses unknown keys.

`base.validationFailurePolicy` is left out: the charts' webhooks begin with Ignore, and istiod changes them to Fail when
it has given them its certificate. With Fail from the start the first Istio resource can be refused before that.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pulumi

from components.clusters.cluster import ANY_LOAD_BALANCER, LoadBalancer
from components.config.declared import NOTHING, Declared
from components.config.defaults import (
    EGRESS_MODE,
    GATEWAY_MIN_AVAILABLE,
    HOLD_APPLICATION,
    PATH_NORMALIZATION,
    SPREAD,
)
from components.config.gateways import DrainConfig, EastWestConfig, IngressConfig
from components.config.mesh import MeshConfig, TuningConfig
from components.config.trust import TrustConfig
from components.config.workload import AmountsConfig, ResourcesConfig

Values = dict[str, Any]

PROXY_ANNOTATION = "istio-mesh/proxy"
"""On gateways' pods: a digest of what istiod's webhook makes them of."""

REMOTE_PROFILE = "remote"
"""The charts' profile of a cluster whose istiod is elsewhere."""

_PRIMARY_PORTS = (
    ("status-port", 15021, 15021),
    ("tls", 15443, 15443),
    ("tls-istiod", 15012, 15012),
    ("tls-webhook", 15017, 15017),
    ("https-webhook", 443, 15017),
)
"""Name, port and target port at the east-west gateway of a cluster whose istiod serves others."""

INJECTION_PATH = "/inject"
"""What the webhooks of a cluster ask its own istiod for."""

METRICS_PROVIDER = "prometheus"
"""Istio's own provider of metrics, which it has without being told."""

ACCESS_LOG_PROVIDER = "envoy"
"""Istio's own provider of access logs: the standard output of the proxy."""

TRACING_PROVIDER = "tracing"
"""The stack's collector."""


def base_values(mesh: MeshConfig) -> Values:
    """Chart `base`: custom resource definitions, the default validation webhook, the reader's account."""
    return {
        "defaultRevision": mesh.revision,
        "global": {"enableReaderRBAC": True},
    }


def remote_base_values(mesh: MeshConfig, *, root_certificates: pulumi.Input[str]) -> Values:
    """Chart `base` for a remote cluster, with the roots (PEM) by which its API server knows the primary's istiod.

    istiod gives its certificate to the validation webhook of its own cluster alone. Given here, the chart's policy is
    Fail from the start.
    """
    bundle = pulumi.Output.from_input(root_certificates).apply(lambda pem: base64.b64encode(pem.encode()).decode())
    return {**base_values(mesh), "profile": REMOTE_PROFILE, "base": {"validationCABundle": bundle}}


def cni_values(mesh: MeshConfig) -> Values:
    """Chart `cni`: the node agent that redirects the traffic of pods, which then need no NET_ADMIN."""
    return {"global": _images(mesh)}


def istiod_values(
    mesh: MeshConfig,
    trust: TrustConfig,
    *,
    cluster: str,
    network: str,
    declared: Declared = NOTHING,
    serves_remotes: bool = False,
) -> Values:
    """Chart `istiod` for the cluster named `cluster` on `network`.

    With `serves_remotes` it also gives roots to the namespaces of clusters that name it, and its certificate to their
    webhooks.
    """
    size = mesh.istiod
    fixed = size.replicas.min == size.replicas.max
    return {
        "revision": mesh.revision,
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
        "env": _istiod_environment(mesh, trust, declared),
        "cni": {"enabled": mesh.cni},
        "telemetry": {"enabled": mesh.data_plane == "istio"},
        "meshConfig": _mesh_config(mesh, trust, declared),
        "global": {
            **_images(mesh),
            "enableReaderRBAC": True,
            "meshID": mesh.id,
            "network": network,
            "multiCluster": {"clusterName": cluster},
            "proxy": {"resources": resource_values(mesh.proxies.resources)},
            **({"externalIstiod": True} if serves_remotes else {}),
        },
    }


def remote_istiod_values(
    mesh: MeshConfig, trust: TrustConfig, *, cluster: str, network: str, address: pulumi.Input[str]
) -> Values:
    """Chart `istiod` for a remote cluster, whose istiod is at `address` (IP or host name): all but istiod itself.

    That is the Service by which proxies and API server find it, the webhooks that inject, and the rights of the
    account that it comes with.
    """
    return {
        "profile": REMOTE_PROFILE,
        "revision": mesh.revision,
        # What istiod is to put into pods of this cluster, which does not ask by itself.
        "istiodRemote": {"injectionPath": remote_injection_path(cluster, network)},
        # The profile leaves it out. istiod reads the trust domain of each remote cluster's workloads there, and takes
        # `cluster.local` where there is none: no proxy would then accept the certificate of a pod here.
        "configMap": True,
        "meshConfig": {
            "trustDomain": trust.trust_domain,
            # The chart forgets the revision in it.
            "defaultConfig": {"discoveryAddress": f"{istiod_host(mesh)}:15012"},
        },
        "global": {
            "enableReaderRBAC": True,
            "meshID": mesh.id,
            "network": network,
            "multiCluster": {"clusterName": cluster},
            "remotePilotAddress": address,
        },
    }


def remote_injection_path(cluster: str, network: str) -> str:
    """What the webhooks of a remote cluster ask the istiod of its primary for."""
    return f"{INJECTION_PATH}/cluster/{cluster}/net/{network}"


def istiod_host(mesh: MeshConfig) -> str:
    """Name of istiod, of its own cluster or another one, in every cluster: what proxies and API servers ask for."""
    return f"istiod-{mesh.revision}.istio-system.svc"


def proxy_digest(mesh: MeshConfig, trust: TrustConfig, *, network: str) -> str:
    """Differs when injected proxies would: by image, configuration, or what they say of themselves.

    A gateway's Deployment names neither, since istiod's webhook fills them in: without a digest in it the running
    pods would stay as they were.
    """
    identity = [mesh.id, trust.trust_domain, network]
    injected = [_images(mesh), mesh.version, mesh.data_plane, _proxy_config(trust), identity]
    return hashlib.sha256(json.dumps(injected, sort_keys=True).encode()).hexdigest()[:12]


def ingress_values(
    mesh: MeshConfig,
    config: IngressConfig,
    *,
    drain: DrainConfig,
    release: str,
    proxy: str,
    balancer: LoadBalancer = ANY_LOAD_BALANCER,
) -> Values:
    """Chart `gateway` for requests from outside, installed as `release`; `proxy` is a `proxy_digest`."""
    return _gateway(mesh, config, drain, release, proxy, balancer)


def east_west_values(
    mesh: MeshConfig,
    config: EastWestConfig,
    *,
    drain: DrainConfig,
    release: str,
    proxy: str,
    network: str,
    serves_remotes: bool = False,
    balancer: LoadBalancer = ANY_LOAD_BALANCER,
) -> Values:
    """Chart `gateway` for requests from other networks, installed as `release`; `proxy` is a `proxy_digest`.

    `networkGateway` labels its Service for istiod, which reads the network's address from it, and opens 15443.
    """
    values = _gateway(mesh, config, drain, release, proxy, balancer)
    if not serves_remotes:
        return {**values, "networkGateway": network}
    # The same written out, because the chart's word for it takes no port more. An API server goes to a Service of type
    # ExternalName, which the chart makes where the load balancer has a name, at 443 alone (k8s.io/apiserver,
    # pkg/util/proxy); at an address it goes to 15017.
    return {
        **values,
        "labels": {"topology.istio.io/network": network},
        "env": {**values["env"], "ISTIO_META_REQUESTED_NETWORK_VIEW": network},
        "service": {
            **values["service"],
            "ports": [
                {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
                for name, port, target in _PRIMARY_PORTS
            ],
        },
    }


def resource_values(config: ResourcesConfig) -> Values:
    """Requests and limits of a container. What is left out is the chart's own: its templates take no null for it."""
    return {"requests": _amounts(config.requests), "limits": _amounts(config.limits)}


def _istiod_environment(mesh: MeshConfig, trust: TrustConfig, declared: Declared) -> Values:
    certificates = trust.workload_certificates
    environment = {
        "DEFAULT_WORKLOAD_CERT_TTL": certificates.lifetime.go,
        "MAX_WORKLOAD_CERT_TTL": certificates.max_lifetime.go,
        # From the start, so that a rotation of the root later needs neither a restart of istiod nor of the proxies.
        "ISTIO_MULTIROOT_MESH": "true",
        **_tuning(mesh.istiod.tuning, declared),
    }
    if mesh.data_plane == "upstream-envoy":
        # An Envoy without Istio's extensions refuses every listener that names one of them.
        environment |= {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"}
    return environment


def _tuning(config: TuningConfig, declared: Declared) -> Values:
    """What differs from istiod's own defaults is said; an environment that says nothing new only hides what does."""
    environment: Values = {}
    # Until a stack says its services, nothing may be refused, keys from these addresses among it: the
    # defaults begin with them. What the stack tunes itself always holds.
    if declared.services or "jwks_refresh" in config.model_fields_set:
        environment["PILOT_JWT_PUB_KEY_REFRESH_INTERVAL"] = config.jwks_refresh.go
    if config.blocked_jwks_ranges and (declared.services or "blocked_jwks_ranges" in config.model_fields_set):
        environment["BLOCKED_CIDRS_IN_JWKS_URIS"] = ",".join(config.blocked_jwks_ranges)
    if config.push_throttle is not None:
        environment["PILOT_PUSH_THROTTLE"] = str(config.push_throttle)
    if config.debounce_after is not None:
        environment["PILOT_DEBOUNCE_AFTER"] = config.debounce_after.go
    if config.debounce_max is not None:
        environment["PILOT_DEBOUNCE_MAX"] = config.debounce_max.go
    if not config.debounce_endpoints:
        environment["PILOT_ENABLE_EDS_DEBOUNCE"] = "false"
    if not config.workload_entry_registration:
        environment["PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION"] = "false"
    return environment


def _mesh_config(mesh: MeshConfig, trust: TrustConfig, declared: Declared) -> Values:
    providers = _extension_providers(mesh, declared)
    return {
        "trustDomain": trust.trust_domain,
        # Empty is off: a line for each request of every proxy is what costs most at load.
        "accessLogFile": "",
        # A host that is neither a service of the mesh nor declared is refused; but until a stack says its services,
        # nothing may be refused.
        **({"outboundTrafficPolicy": {"mode": EGRESS_MODE}} if declared.services else {}),
        "pathNormalization": {"normalization": PATH_NORMALIZATION},
        "defaultConfig": {
            **_proxy_config(trust),
            # Not in `proxy_digest`: gateways take it when they are next made anew, and are not made anew for it.
            **({"proxyStatsMatcher": {"inclusionSuffixes": _statistics(mesh)}} if declared.services else {}),
        },
        **({"extensionProviders": providers} if providers else {}),
    }


_STATISTICS = (
    ";.circuit_breakers.default.rq_open",
    ";.circuit_breakers.default.rq_pending_open",
    ";.outlier_detection.ejections_active",
    ";.upstream_rq_completed",
    ";.upstream_rq_retry",
)
"""What proxies count of each destination, since Istio's standard metrics do not tell it: `python -m mesh doctor` reads
it. Five numbers for each destination that a proxy knows, which a Sidecar scope keeps few. A destination's name ends
with `;`: without it Envoy would keep each number again for requests sent twice, and by whether they left the mesh."""

_STANDARD_STATISTICS = (
    ";.membership_total",
    ";.upstream_rq_active",
    ";.upstream_rq_pending_overflow",
    ";.upstream_rq_time",
)
"""What stands in for the standard metrics where Envoy lacks them."""


def _statistics(mesh: MeshConfig) -> list[str]:
    """The ends of Envoy's names of what it counts; without them it keeps no statistics of destinations at all."""
    return [*_STATISTICS, *(_STANDARD_STATISTICS if mesh.data_plane == "upstream-envoy" else ())]


def _proxy_config(trust: TrustConfig) -> Values:
    return {
        "holdApplicationUntilProxyStarts": HOLD_APPLICATION,
        "proxyMetadata": {
            "SECRET_TTL": trust.workload_certificates.lifetime.go,
            # The agent then takes new roots from istiod while it runs: the other half of ISTIO_MULTIROOT_MESH.
            "PROXY_CONFIG_XDS_AGENT": "true",
        },
    }


def _extension_providers(mesh: MeshConfig, declared: Declared) -> list[Values]:
    """Providers besides Istio's own ones; one of the same name takes the place of its own.

    Only the mesh's Telemetry names them, and a stack that declares nothing has none.
    """
    providers: list[Values] = []
    if declared.telemetry is None:
        return providers
    if mesh.data_plane == "upstream-envoy":
        # Telemetry names it for metrics. As a provider of another kind it adds no filter of Istio's to listeners.
        providers.append({"name": METRICS_PROVIDER, "envoyFileAccessLog": {"path": "/dev/null"}})
    if declared.telemetry.tracing is not None:
        collector = declared.telemetry.tracing.collector
        kind = "opentelemetry" if collector.protocol == "otlp" else "zipkin"
        providers.append({"name": TRACING_PROVIDER, kind: {"service": collector.host, "port": collector.port}})
    return providers


def _gateway(
    mesh: MeshConfig,
    config: IngressConfig | EastWestConfig,
    drain: DrainConfig,
    release: str,
    proxy: str,
    balancer: LoadBalancer,
) -> Values:
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
        "podAnnotations": {
            PROXY_ANNOTATION: proxy,
            # So long Envoy takes new connections after it was asked to end.
            "proxy.istio.io/config": f"drainDuration: {drain.open_for.seconds}s",
        },
        # Without the first word the agent ends Envoy, with all connections, after the seconds of the second.
        "env": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": drain.at_least.go},
        "terminationGracePeriodSeconds": drain.at_most.seconds,
        "resources": resource_values(config.resources),
        "topologySpreadConstraints": _spread({"app": release}),
        "service": {"type": "LoadBalancer", **_balancer(balancer)},
    }
    if fixed:
        values["replicaCount"] = replicas.min
    if replicas.min > 1:
        values["podDisruptionBudget"] = {"minAvailable": GATEWAY_MIN_AVAILABLE}
    return values


def _balancer(balancer: LoadBalancer) -> Values:
    said: Values = {
        "annotations": dict(balancer.annotations),
        "loadBalancerClass": balancer.class_name,
        "loadBalancerSourceRanges": list(balancer.source_ranges),
    }
    return {key: value for key, value in said.items() if value}


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
            "whenUnsatisfiable": SPREAD,
            "labelSelector": {"matchLabels": dict(labels)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
