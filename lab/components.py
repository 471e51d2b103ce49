"""All components of a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab import control_plane, node
from lab.component_model import Component, Setting

BUILDERS: Mapping[str, Callable[[Setting], Component]] = {
    "etcd": control_plane.etcd,
    "containerd": node.containerd,
    "kube-apiserver": control_plane.api_server,
    "kube-controller-manager": control_plane.controller_manager,
    "kube-scheduler": control_plane.scheduler,
    "kubelet": node.kubelet,
    "kube-proxy": node.kube_proxy,
    "coredns": control_plane.coredns,
    "metallb-controller": control_plane.metallb_controller,
}
"""All components of a region, in the order in which they are started."""

NAMES = tuple(BUILDERS)
