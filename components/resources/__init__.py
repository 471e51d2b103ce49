"""Istio's own resources: what the gateways serve, who must speak mutual TLS, and what is said of each service."""

from components.resources.access import Access
from components.resources.egress import Egress
from components.resources.extensions import Extensions
from components.resources.gateway import CrossNetworkGateway, IngressCertificates, IngressGateways, IstiodGateway
from components.resources.namespaces import MeshNamespaces, Scopes
from components.resources.objects import OwnObjects
from components.resources.routing import Routing
from components.resources.security import MeshSecurity
from components.resources.telemetry import MeshTelemetry
from components.resources.traffic import Traffic

__all__ = [
    "Access",
    "CrossNetworkGateway",
    "Egress",
    "Extensions",
    "IngressCertificates",
    "IngressGateways",
    "IstiodGateway",
    "MeshNamespaces",
    "MeshSecurity",
    "MeshTelemetry",
    "OwnObjects",
    "Routing",
    "Scopes",
    "Traffic",
]
