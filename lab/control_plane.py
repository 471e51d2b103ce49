"""The components of a region's control plane, and those that serve the whole cluster."""

from __future__ import annotations

import json

from lab.component_model import CLUSTER_DOMAIN, Component, Setting, flags

METALLB_NAMESPACE = "metallb-system"

PUBLIC_DOMAIN = "example.com"
"""What the lab has of the public name system: every name of this domain, which is nobody's (RFC 2606)."""

PUBLIC_ADDRESS = "192.0.2.1"
"""Where those names lead: to an address that no network has (RFC 5737). Only a mesh that knows better gets further."""


def etcd(setting: Setting) -> Component:
    """The store of the API server, and of nobody else."""
    server, authority = setting.pki.pair("etcd"), setting.pki.etcd_authority.certificate
    return Component(
        "etcd",
        (
            "etcd",
            *flags(
                {
                    "name": setting.region.name,
                    "data-dir": "/var/lib/etcd/data",
                    "listen-client-urls": "https://127.0.0.1:2379",
                    "advertise-client-urls": "https://127.0.0.1:2379",
                    "listen-peer-urls": "http://127.0.0.1:2380",
                    "initial-advertise-peer-urls": "http://127.0.0.1:2380",
                    "initial-cluster": f"{setting.region.name}=http://127.0.0.1:2380",
                    "client-cert-auth": True,
                    "trusted-ca-file": authority,
                    "cert-file": server.certificate,
                    "key-file": server.key,
                    # It has no peer that could wait: a lower threshold of snapshots only keeps its memory small.
                    "snapshot-count": 5000,
                    "auto-compaction-retention": "5m",
                }
            ),
        ),
        probe="127.0.0.1:2379",
    )


def api_server(setting: Setting) -> Component:
    """The API server, on the node's address, as this machine and the other regions reach it."""
    pki, region = setting.pki, setting.region
    serving, etcd_client, kubelet_client, front_proxy = (
        pki.pair(name)
        for name in ("kube-apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client")
    )
    return Component(
        "kube-apiserver",
        (
            "kube-apiserver",
            *flags(
                {
                    "advertise-address": region.node_address,
                    "bind-address": "0.0.0.0",
                    "secure-port": 6443,
                    "client-ca-file": pki.authority.certificate,
                    "tls-cert-file": serving.certificate,
                    "tls-private-key-file": serving.key,
                    "etcd-servers": "https://127.0.0.1:2379",
                    "etcd-cafile": pki.etcd_authority.certificate,
                    "etcd-certfile": etcd_client.certificate,
                    "etcd-keyfile": etcd_client.key,
                    "kubelet-certificate-authority": pki.authority.certificate,
                    "kubelet-client-certificate": kubelet_client.certificate,
                    "kubelet-client-key": kubelet_client.key,
                    # The node's name is known to no name server: `kubectl logs` and `exec` go by its address.
                    "kubelet-preferred-address-types": "InternalIP",
                    # By these it speaks for its callers to servers that extend it, such as metrics-server.
                    "requestheader-client-ca-file": pki.front_proxy_authority.certificate,
                    "requestheader-allowed-names": "front-proxy-client",
                    "requestheader-username-headers": "X-Remote-User",
                    "requestheader-group-headers": "X-Remote-Group",
                    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
                    "proxy-client-cert-file": front_proxy.certificate,
                    "proxy-client-key-file": front_proxy.key,
                    "authorization-mode": "Node,RBAC",
                    "enable-admission-plugins": "NodeRestriction",
                    "service-cluster-ip-range": region.service_cidr,
                    "service-account-issuer": f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
                    "service-account-key-file": pki.service_account.certificate,
                    "service-account-signing-key-file": pki.service_account.key,
                    # istiod and the gateways need no privileged pods; istio-cni and a person's own trials may.
                    "allow-privileged": True,
                    # No load balancer has to notice that it goes: it may go at once.
                    "shutdown-delay-duration": "0s",
                    "profiling": False,
                }
            ),
        ),
        probe=f"{region.api_server}/readyz",
        stop_deadline=10,
    )


def controller_manager(setting: Setting) -> Component:
    """The controllers of Kubernetes itself."""
    pki, region = setting.pki, setting.region
    config = setting.path("kube-controller-manager.kubeconfig")
    return Component(
        "kube-controller-manager",
        (
            "kube-controller-manager",
            *flags(
                {
                    "kubeconfig": config,
                    "authentication-kubeconfig": config,
                    "authorization-kubeconfig": config,
                    "bind-address": "127.0.0.1",
                    "client-ca-file": pki.authority.certificate,
                    "root-ca-file": pki.authority.certificate,
                    "cluster-signing-cert-file": pki.authority.certificate,
                    "cluster-signing-key-file": pki.authority.key,
                    "service-account-private-key-file": pki.service_account.key,
                    "use-service-account-credentials": True,
                    "cluster-name": region.name,
                    "service-cluster-ip-range": region.service_cidr,
                    # Of one there is no leader to elect, and a stopped one has no lease to wait for.
                    "leader-elect": False,
                    "allocate-node-cidrs": False,
                    # Its own share of the API server is generous: a mesh is deployed in a burst, then nothing happens.
                    "kube-api-qps": 200,
                    "kube-api-burst": 400,
                    "profiling": False,
                }
            ),
        ),
        files=setting.kubeconfig("kube-controller-manager"),
    )


def scheduler(setting: Setting) -> Component:
    """The scheduler, for a cluster of one node."""
    config = setting.path("kube-scheduler.kubeconfig")
    return Component(
        "kube-scheduler",
        (
            "kube-scheduler",
            *flags(
                {
                    "kubeconfig": config,
                    "authentication-kubeconfig": config,
                    "authorization-kubeconfig": config,
                    "bind-address": "127.0.0.1",
                    "leader-elect": False,
                    "profiling": False,
                }
            ),
        ),
        files=setting.kubeconfig("kube-scheduler"),
    )


def coredns(setting: Setting) -> Component:
    """The name server, on the node's address."""
    # No upstream: a name outside of the cluster is refused at once, instead of after a time-out. Those of one domain
    # have an address, as external services have one in public DNS; and none of IPv6, which is no error. Load balancers
    # of a rehearsal of AWS have names, which its controller writes down.
    path = setting.path("Corefile")
    corefile = f"""{CLUSTER_DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{
    errors
    ready 127.0.0.1:8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {json.dumps(str(setting.path("coredns.kubeconfig")))}
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
}}
{PUBLIC_DOMAIN}:53 {{
    errors
    template IN A {PUBLIC_DOMAIN} {{
        answer "{{{{ .Name }}}} 60 IN A {PUBLIC_ADDRESS}"
    }}
    template ANY ANY {PUBLIC_DOMAIN} {{
        rcode NOERROR
    }}
}}
amazonaws.com:53 {{
    errors
    hosts {json.dumps(str(setting.path("balancers")))} {{
        ttl 5
        reload 1s
    }}
}}
"""
    return Component(
        "coredns",
        ("coredns", "-conf", str(path)),
        probe="http://127.0.0.1:8181/ready",
        files={**setting.kubeconfig("coredns"), path: corefile},
    )


def metallb_controller(setting: Setting) -> Component:
    """What gives Services of type LoadBalancer their addresses."""
    return Component(
        "metallb-controller",
        (
            "metallb-controller",
            *flags(
                {
                    "kubeconfig": setting.path("metallb-controller.kubeconfig"),
                    "namespace": METALLB_NAMESPACE,
                    "webhook-mode": "disabled",
                    "disable-cert-rotation": True,
                    "log-level": "info",
                }
            ),
        ),
        # The secret of the speakers' member list is left out: static routes take the speakers' place.
        environment={"METALLB_NAMESPACE": METALLB_NAMESPACE},
        files=setting.kubeconfig("metallb-controller"),
    )
