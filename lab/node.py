"""The components of a region's node."""

from __future__ import annotations

import json

import yaml

from lab.component_model import CLUSTER_DOMAIN, Component, Setting, flags
from lab.regions import Region

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"


def containerd(setting: Setting) -> Component:
    """The container runtime, with the images of the lab and no registry."""
    runc = json.dumps(str(setting.command("runc")))
    path = setting.path("containerd.toml")
    config = f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {json.dumps(setting.pause_image)}
  # A machine may withhold CAP_SYS_RESOURCE; a sandbox that lowers its score then fails to start.
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = {runc}
        SystemdCgroup = false
"""
    return Component("containerd", ("containerd", "--config", str(path)), probe=CONTAINERD_SOCKET, files={path: config})


def cni_configuration(region: Region) -> str:
    """How pods are joined to the node: one pair of interfaces each (`ptp`), which needs no bridge in the region."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "lab",
            "plugins": [
                {
                    "type": "ptp",
                    # One rule of the region masquerades for all pods; the plugin's own would be one more chain per pod.
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": "/var/lib/cni/networks",
                        "ranges": [[{"subnet": str(region.pod_cidr)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=2,
    )


def kubelet(setting: Setting) -> Component:
    """The node's agent."""
    pki, region = setting.pki, setting.region
    pair = pki.pair("kubelet")
    resolver, path = setting.path("resolv.conf"), setting.path("kubelet.yaml")
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pair.certificate),
        "tlsPrivateKeyFile": str(pair.key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [str(region.dns_address)],
        "resolvConf": str(resolver),
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "oomScoreAdj": 0,
        # The disk belongs to the whole machine: a node must not evict pods because something else fills it.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        # Images come from the lab's archives and from nowhere else: one that was collected could not be had again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxPods": 250,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        "shutdownGracePeriod": "0s",
        "syncFrequency": "10s",
    }
    return Component(
        "kubelet",
        (
            "kubelet",
            *flags(
                {
                    "config": path,
                    "kubeconfig": setting.path("kubelet.kubeconfig"),
                    "hostname-override": region.node_name,
                    "node-ip": region.node_address,
                    "node-labels": ",".join(
                        (f"topology.kubernetes.io/region={region.region}", f"topology.kubernetes.io/zone={region.zone}")
                    ),
                }
            ),
        ),
        probe="http://127.0.0.1:10248/healthz",
        files={
            **setting.kubeconfig("kubelet"),
            path: yaml.safe_dump(configuration),
            resolver: f"nameserver {region.dns_address}\n",
        },
    )


def kube_proxy(setting: Setting) -> Component:
    """What leads the addresses of Services to pods."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": str(setting.region.pod_cidr),
        "hostnameOverride": setting.region.node_name,
        "clientConnection": {"kubeconfig": str(setting.path("kube-proxy.kubeconfig"))},
        # The machine's limit of tracked connections can be changed from its own network namespace only.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "100ms"},
        "oomScoreAdj": 0,
    }
    path = setting.path("kube-proxy.yaml")
    return Component(
        "kube-proxy",
        ("kube-proxy", *flags({"config": path})),
        probe="http://127.0.0.1:10256/livez",
        files={**setting.kubeconfig("kube-proxy"), path: yaml.safe_dump(configuration)},
    )
