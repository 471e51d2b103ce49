"""Services for tests, as a stack file would say them, and what they are rendered to."""

from typing import Any

from components.config import StackConfig
from components.config.platform import Platform, Service
from components.resources.access import access_objects
from components.resources.egress import egress_objects
from components.resources.extensions import extension_objects
from components.resources.namespaces import scope_objects
from components.resources.objects import IstioObject
from components.resources.routing import routing_objects
from components.resources.telemetry import mesh_telemetry
from components.resources.traffic import traffic_objects
from tests.builders import Yaml

PLAIN: Yaml = {"ports": {"http": 8080}}
"""The smallest service: one port, nobody may call it."""


def exam(**changes: Any) -> Yaml:
    """`exam/exam-service`: two versions, called by the web front end; `changes` replaces whole fields."""
    return {
        "ports": {"http": 8080, "grpc": 9090, "tcp": 9000},
        "versions": ["v1", "v2"],
        "callers": ["exam/web-frontend"],
        **changes,
    }


def services(**changes: Any) -> Yaml:
    """The exam service with these changes, and its caller at the public host."""
    return {
        "exam/exam-service": exam(**changes),
        "exam/web-frontend": {"ports": {"http": 8080}, "hosts": ["exam-platform.com"]},
    }


def the(config: StackConfig, key: str = "exam/exam-service") -> tuple[Platform, Service]:
    """The platform of a stack, and one service of it."""
    return config.platform, config.platform.services[key]


def objects(config: StackConfig, cluster: str) -> list[IstioObject]:
    """Every object of Istio's that a cluster gets for the services of a stack."""
    platform = config.platform
    return [
        *access_objects(
            platform,
            cluster,
            issuers=config.issuers,
            security=config.security,
            trust_domain=config.trust.trust_domain,
        ),
        *egress_objects(platform, cluster),
        *scope_objects(platform, cluster, config.telemetry.hosts),
        *traffic_objects(platform, cluster, {found.name: found.region for found in config.clusters}),
        *(found for found, _ in routing_objects(platform, cluster)),
        *extension_objects(config.extensions, platform.running(cluster)),
        mesh_telemetry(config.telemetry),
    ]
