"""How callers treat a service: its one DestinationRule, with versions, connections, outliers and regions in it."""

from collections.abc import Iterable, Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config import defaults
from components.config.mesh import MeshConfig
from components.config.platform import Platform, Service
from components.config.traffic import OutliersConfig, PoolConfig, SettingsConfig, TrafficConfig, over
from components.config.values import Duration
from components.naming import common_labels, type_token
from components.resources.objects import IstioObject, Spec, create
from components.resources.routing import seconds

STREAM_IDLE = "stream-idle"
"""Ends the name of the filter that gives a service's streams their idle time-out."""


class Traffic(pulumi.ComponentResource):
    """The traffic policy of all services that run in one cluster or are called from there.

    Where a service runs without being called from there, its versions are needed too: the gateway between networks
    knows them by it.
    """

    rules: Mapping[str, pulumi.Resource]
    """The DestinationRule of each service, by `namespace/name`."""

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        mesh: MeshConfig,
        regions: Mapping[str, str],
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`regions`: of all clusters of the mesh, by their names."""
        super().__init__(type_token("resources", "Traffic"), name, None, opts)
        objects = traffic_objects(platform, cluster.name, regions)
        made = create(
            self,
            name,
            objects,
            labels=common_labels("traffic", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces=namespaces,
        )
        self.rules = {
            f"{found.namespace}/{found.name}": resource
            for found, resource in zip(objects, made, strict=True)
            if found.kind == "DestinationRule"
        }
        self.register_outputs({})


def traffic_objects(platform: Platform, cluster: str, regions: Mapping[str, str]) -> list[IstioObject]:
    """Every DestinationRule of the cluster of that name, and the idle time-outs of its streams."""
    return [
        *(
            IstioObject("DestinationRule", service.namespace, service.name, destination_spec(service, regions))
            for service in platform.present(cluster)
        ),
        *(
            IstioObject("EnvoyFilter", service.namespace, f"{service.name}.{STREAM_IDLE}", stream_idle_spec(service))
            for service in platform.running(cluster)
            if service.config.streams
        ),
    ]


def destination_spec(service: Service, regions: Mapping[str, str]) -> Spec:
    """The DestinationRule of a service; `regions` by the names of the clusters."""
    config = service.config
    locality = _locality(service, regions)
    crossing = len(regions) > 1
    spec: Spec = {
        "host": service.host,
        "trafficPolicy": _policy(service, [config.traffic], locality, crossing),
    }
    if config.versions:
        spec["subsets"] = [
            {
                "name": name,
                "labels": dict(sorted((version.labels or {"version": name}).items())),
                **(
                    {"trafficPolicy": _policy(service, [version.traffic, config.traffic], locality, crossing)}
                    if version.traffic != TrafficConfig()
                    else {}
                ),
            }
            for name, version in sorted(config.versions.items())
        ]
    return spec


def stream_idle_spec(service: Service) -> Spec:
    """The idle time-out of a service's streams, at its own proxies: a VirtualService has no word for it.

    It holds for all requests of the service; those that are no streams have their time-out long before.
    """
    return {
        "workloadSelector": {"labels": service.selector},
        # Before the filters that are put into it.
        "priority": -10,
        "configPatches": [
            {
                "applyTo": "NETWORK_FILTER",
                "match": {
                    "context": "SIDECAR_INBOUND",
                    "listener": {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}},
                },
                "patch": {
                    "operation": "MERGE",
                    "value": {
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
                            ".v3.HttpConnectionManager",
                            "stream_idle_timeout": seconds(service.config.stream_idle),
                        }
                    },
                },
            }
        ],
    }


def _policy(service: Service, layers: list[TrafficConfig], locality: Spec | None, crossing: bool) -> Spec:
    """Settings of all ports, then of each port that has its own; `layers` from the narrowest to the widest.

    Istio does not add a port's settings to the others but takes them in their place, so each port has them all.
    `crossing`: whether there are other regions, whose gateways callers' connections may pass: then ports for HTTP have
    settings of their own, since the life of a connection cannot stand elsewhere.
    """
    config = service.config
    ports = {name for layer in layers for name in layer.ports}
    if crossing or any(layer.pool.max_connection_duration for layer in layers):
        ports |= set(config.http_ports)
    policy = _settings(_merged(layers), locality)
    if ports:
        policy["portLevelSettings"] = [
            {
                "port": {"number": config.ports[name].number},
                **_settings(
                    _merged([s for layer in layers for s in (layer.ports.get(name), layer) if s is not None]),
                    locality,
                    requests=name in config.http_ports,
                    crossing=crossing,
                ),
            }
            for name in sorted(ports, key=lambda name: config.ports[name].number)
        ]
    return policy


def _merged(layers: Iterable[SettingsConfig]) -> SettingsConfig:
    """One of all, the first one first."""
    result = SettingsConfig()
    for layer in layers:
        result = over(result, layer)
    return result


def _settings(config: SettingsConfig, locality: Spec | None, *, requests: bool = False, crossing: bool = False) -> Spec:
    """`requests`: whether they are those of a port for HTTP, whose connections end when they are old."""
    life = config.pool.max_connection_duration or (defaults.CONNECTION_LIFE if crossing else None)
    return {
        "connectionPool": _pool(config.pool, life if requests else None),
        "loadBalancer": {**_balancing(config), **({} if locality is None else {"localityLbSetting": locality})},
        **({} if config.outliers.enabled is False else {"outlierDetection": _outliers(config.outliers)}),
    }


def _pool(config: PoolConfig, life: Duration | None) -> Spec:
    """`life`: of a connection; given for ports of HTTP alone, and never above the ports.

    Said for all ports, Istio makes it that of TCP connections too, which it cuts whatever is under way on them: those
    of other protocols, and all that pass a gateway between networks (pilot/pkg/networking/core: networkfilter.go).
    """
    http: Spec = {
        "http1MaxPendingRequests": config.max_pending_requests or defaults.MAX_PENDING_REQUESTS,
        "http2MaxRequests": config.max_requests or defaults.MAX_REQUESTS,
        "maxRetries": config.max_retries or defaults.MAX_RETRIES,
        "idleTimeout": seconds(config.idle_timeout or defaults.CONNECTION_IDLE),
    }
    if config.max_requests_per_connection is not None:
        http["maxRequestsPerConnection"] = config.max_requests_per_connection
    if config.http2 is not None:
        http["h2UpgradePolicy"] = "UPGRADE" if config.http2 else "DO_NOT_UPGRADE"
    return {
        "tcp": {
            "maxConnections": config.max_connections or defaults.MAX_CONNECTIONS,
            "connectTimeout": seconds(config.connect_timeout or defaults.CONNECT_TIMEOUT),
            "tcpKeepalive": {"time": seconds(defaults.TCP_KEEPALIVE)},
            **({"maxConnectionDuration": seconds(life)} if life is not None else {}),
        },
        "http": http,
    }


def _balancing(config: SettingsConfig) -> Spec:
    affinity = config.affinity
    if affinity is None:
        return {"simple": config.load_balancing or defaults.LOAD_BALANCING}
    if affinity.cookie is not None:
        # Without a life it is the browser's session.
        ttl = "0s" if affinity.cookie.ttl is None else seconds(affinity.cookie.ttl)
        return {"consistentHash": {"httpCookie": {"name": affinity.cookie.name, "path": "/", "ttl": ttl}}}
    if affinity.header is not None:
        return {"consistentHash": {"httpHeaderName": affinity.header}}
    return {"consistentHash": {"useSourceIp": True}}


def _outliers(config: OutliersConfig) -> Spec:
    errors = config.consecutive_errors or defaults.EJECT_AFTER
    counted: Spec = {"consecutive5xxErrors": errors}
    if config.gateway_errors_only:
        counted = {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": errors}
    return {
        **counted,
        "interval": seconds(config.interval or defaults.EJECTION_INTERVAL),
        "baseEjectionTime": seconds(config.ejection_time or defaults.EJECTION_TIME),
        "maxEjectionPercent": config.max_ejection_percent or defaults.MAX_EJECTION_PERCENT,
    }


def _locality(service: Service, regions: Mapping[str, str]) -> Spec | None:
    """Istio knows regions, the stack clusters."""
    config = service.config
    if config.failover:
        ways = sorted({(regions[source], regions[target]) for source, target in config.failover.items()})
        return {"enabled": True, "failover": [{"from": source, "to": target} for source, target in ways]}
    if config.distribute:
        return {
            "enabled": True,
            "distribute": [
                {
                    "from": f"{regions[source]}/*",
                    "to": {f"{regions[target]}/*": share for target, share in sorted(shares.items()) if share},
                }
                for source, shares in sorted(config.distribute.items())
            ],
        }
    return None
