"""Istio itself in each cluster: the control plane and its gateways."""

from components.mesh.control_plane import ControlPlane
from components.mesh.gateways import MeshGateways

__all__ = ["ControlPlane", "MeshGateways"]
