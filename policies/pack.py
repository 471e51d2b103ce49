"""All policies of the pack, in the order of the reference."""

from types import ModuleType

from policies import (
    aws_access,
    aws_clusters,
    aws_data,
    aws_network,
    aws_tags,
    istio_control_plane,
    istio_extensions,
    istio_fields,
    istio_gateways,
    istio_routes,
    istio_security,
    istio_telemetry,
    istio_traffic,
    istio_versions,
    kubernetes_namespaces,
    kubernetes_pods,
    kubernetes_secrets,
    kubernetes_services,
    stack_access,
    stack_mesh,
    stack_routes,
)
from policies.catalogue import Policy

TOPICS: tuple[ModuleType, ...] = (
    aws_clusters,
    aws_data,
    aws_access,
    aws_network,
    aws_tags,
    kubernetes_pods,
    kubernetes_secrets,
    kubernetes_services,
    kubernetes_namespaces,
    istio_security,
    istio_gateways,
    istio_routes,
    istio_traffic,
    istio_telemetry,
    istio_extensions,
    istio_versions,
    istio_fields,
    istio_control_plane,
    stack_routes,
    stack_access,
    stack_mesh,
)
"""Modules of policies, one topic each."""


def policies_in(topic: ModuleType) -> tuple[Policy, ...]:
    """The policies of one topic, in the order of its file."""
    return tuple(value for value in vars(topic).values() if isinstance(value, Policy))


POLICIES: tuple[Policy, ...] = tuple(policy for topic in TOPICS for policy in policies_in(topic))
