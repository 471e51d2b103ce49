"""Istio's own resources: what the gateways serve, and who must speak mutual TLS."""

from components.resources.gateway import CrossNetworkGateway, IngressCertificates, IngressGateways
from components.resources.security import MeshSecurity

__all__ = ["CrossNetworkGateway", "IngressCertificates", "IngressGateways", "MeshSecurity"]
