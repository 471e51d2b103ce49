"""Limits of requests and Wasm modules, in the sidecars of the services that they are for."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.clusters.cluster import Cluster
from components.config.extensions import BUFFERED, ExtensionsConfig, RateLimitConfig, WasmConfig
from components.config.mesh import MeshConfig
from components.config.plain import ordered
from components.config.platform import Platform, Service
from components.config.ports import protocol_of
from components.config.values import ByteSize
from components.naming import common_labels, type_token
from components.resources.envoy_filters import inbound_filter
from components.resources.objects import IstioObject, Spec, create

RATE_PRIORITY = 20
"""After the paths' guard, and before a body is waited for."""

BODY_PRIORITY = 30
"""Last: what is refused anyway is not held in memory."""

RATE_LIMITED = "x-local-rate-limit"
"""Header of an answer 429 that a proxy gave: the application's own has none."""

_ALL = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


class Extensions(pulumi.ComponentResource):
    """What Envoy does for the services of one cluster beyond Istio's own words: limits of requests, Wasm modules."""

    def __init__(
        self,
        name: str,
        config: ExtensionsConfig,
        *,
        platform: Platform,
        mesh: MeshConfig,
        cluster: Cluster,
        namespaces: Mapping[str, kubernetes.core.v1.Namespace],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("resources", "Extensions"), name, None, opts)
        create(
            self,
            name,
            extension_objects(config, platform.running(cluster.name)),
            labels=common_labels("extensions", mesh_id=mesh.id),
            cluster=cluster,
            depends_on=depends_on,
            namespaces=namespaces,
        )
        self.register_outputs({})


def extension_objects(config: ExtensionsConfig, running: Sequence[Service]) -> list[IstioObject]:
    """Everything that the proxies of these services, whose pods run in the cluster, get besides."""
    limits = [found for service in running for found in service_limits(service)]
    return [*limits, *wasm_plugins(config, {service.key: service for service in running})]


def service_limits(service: Service) -> list[IstioObject]:
    """The EnvoyFilters of a service's limits; none where it has none."""
    config = service.config
    objects: list[IstioObject] = []
    if config.rate_limit is not None:
        objects.append(
            inbound_filter(service, "rate-limit", [rate_limit_filter(config.rate_limit)], priority=RATE_PRIORITY)
        )
    if config.max_request_body is not None:
        # A stream of gRPC would wait for its own end.
        ports = sorted(port.number for name, port in config.ports.items() if protocol_of(name, port) in BUFFERED)
        objects.append(
            inbound_filter(
                service,
                "request-body",
                [body_filter(config.max_request_body)],
                priority=BODY_PRIORITY,
                ports=ports,
            )
        )
    return objects


def rate_limit_filter(config: RateLimitConfig) -> Spec:
    """Envoy's local rate limit: a bucket in each proxy, shared by its workers; without a token left, 429."""
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "http_local_rate_limiter",
            "token_bucket": {
                "max_tokens": config.requests,
                "tokens_per_fill": config.requests,
                "fill_interval": f"{config.per.seconds}s",
            },
            # Without these two it counts and refuses nothing.
            "filter_enabled": {"runtime_key": "local_rate_limit_enabled", **_ALL},
            "filter_enforced": {"runtime_key": "local_rate_limit_enforced", **_ALL},
            "response_headers_to_add": [
                {
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                    "header": {"key": RATE_LIMITED, "value": "true"},
                }
            ],
        },
    }


def body_filter(size: ByteSize) -> Spec:
    """Envoy's buffer: holds a request until all of it has come; above the size, 413."""
    return {
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": size.bytes,
        },
    }


def wasm_plugins(config: ExtensionsConfig, services: Mapping[str, Service]) -> list[IstioObject]:
    """A WasmPlugin for each module and service that is among `services` (those that run in the cluster)."""
    return [
        IstioObject("WasmPlugin", service.namespace, f"{name}.{service.name}", wasm_spec(name, module, service))
        for name, module in sorted(config.wasm.items())
        for key in sorted(module.services)
        if (service := services.get(key)) is not None
    ]


def wasm_spec(name: str, config: WasmConfig, service: Service) -> Spec:
    """The module `name` for requests that come in to a service; those that its pods send pass by."""
    spec: Spec = {
        "selector": {"matchLabels": dict(sorted(service.selector.items()))},
        "url": config.url,
        "pluginName": name,
        "failStrategy": "FAIL_CLOSE" if config.on_failure == "refuse" else "FAIL_OPEN",
        "match": [{"mode": "SERVER"}],
    }
    if config.sha256 is not None:
        spec["sha256"] = config.sha256
    if config.phase is not None:
        spec["phase"] = config.phase.upper()
    if config.pull_secret is not None:
        spec["imagePullSecret"] = config.pull_secret
    if config.url.startswith("oci:"):
        spec["imagePullPolicy"] = config.pull_policy
    if config.configuration:
        spec["pluginConfig"] = ordered(config.configuration)
    return spec
