"""Istio itself in each cluster: the control plane and its gateways."""

from components.mesh.control_plane import ControlPlane, IstioSystem, RemoteControlPlane
from components.mesh.gateways import MeshGateways

__all__ = ["ControlPlane", "IstioSystem", "MeshGateways", "RemoteControlPlane"]
