"""A cluster's API server for tests: it answers what it was given, over HTTP."""

import base64
import email.utils
import json
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import yaml

from mesh.doctor.collect.region import LISTS, ROOTS
from tests.doctor.mesh import ADDRESSES, ROOT

Object = dict[str, Any]

CONTROL_PLANE = {"istio": "istiod", "app": "istiod", "istio.io/rev": "1-31"}

ISTIOD = "\n".join(
    (
        'pilot_info{version="1.31.0-unknown-unknown"} 1',
        'istiod_remote_cluster_sync_status{cluster="PEER",cluster_type="remote",status="synced"} 1',
        "citadel_server_cert_chain_expiry_timestamp END",
        "process_resident_memory_bytes 1.0e+08",
    )
)
PROXY = "\n".join(
    (
        'istio_agent_cert_expiry_seconds{resource_name="default"} 80000',
        "istio_agent_process_resident_memory_bytes 3.0e+07",
        "envoy_server_memory_physical_size{} 20000000",
        "envoy_cluster_manager_active_clusters{} 58",
        'envoy_cluster_upstream_rq_active{cluster_name="xds-grpc"} 1',
    )
)


@dataclass
class Cluster:
    """What one API server says.

    :ivar skew: seconds that its clock, and those of its pods, are ahead.
    :ivar forbidden: parts of paths that are answered 403.
    :ivar mute: parts of paths that are answered only after `silence` seconds.
    :ivar routes: its VirtualServices in the namespace `exam`.
    :ivar istiods: names of its istiods.
    """

    name: str
    peer: str
    end: float
    skew: float = 0.0
    forbidden: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    silence: float = 4.0
    log: str = ""
    routes: tuple[str, ...] = ("web",)
    istiods: tuple[str, ...] = ("istiod-1-31-a",)

    def answer(self, path: str) -> str | None:
        """The body at a path; None where there is nothing."""
        plain = path.partition("?")[0]
        if plain == "/version":
            return json.dumps({"gitVersion": "v1.35.4"})
        if plain.endswith(":15014/proxy/metrics"):
            return ISTIOD.replace("PEER", self.peer).replace("END", str(self.end))
        if plain.endswith(":15020/proxy/stats/prometheus"):
            return PROXY
        if plain.endswith("/log"):
            return self.log
        if plain == ROOTS.partition("?")[0]:
            return json.dumps({"items": [{"data": {"root-cert.pem": ROOT.certificate}}]})
        kind = next((kind for kind, listed in LISTS.items() if listed == plain), None)
        return json.dumps({"items": getattr(self, f"_{kind}")()}) if kind else None

    def _nodes(self) -> list[Object]:
        return [{"metadata": {"name": "node-1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]

    def _namespaces(self) -> list[Object]:
        network = {"topology.istio.io/network": self.name}
        return [
            {"metadata": {"name": "istio-system", "labels": network}},
            {"metadata": {"name": "exam", "labels": {"istio-injection": "enabled"}}},
        ]

    def _pods(self) -> list[Object]:
        return [
            *(pod("istio-system", name, CONTROL_PLANE, "discovery") for name in self.istiods),
            pod("istio-system", "istio-eastwestgateway-a", {"app": "istio-eastwestgateway"}, "istio-proxy"),
            pod("istio-ingress", "istio-ingress-a", {"app": "istio-ingress"}, "istio-proxy"),
            pod("exam", "web-1", {"app": "web"}, "app", "istio-proxy"),
            pod("exam", "api-1", {"app": "api"}, "app", "istio-proxy"),
        ]

    def _services(self) -> list[Object]:
        ingress, east_west = ADDRESSES[self.name]
        return [
            service("exam", "web", {"app": "web"}),
            service("exam", "api", {"app": "api"}),
            service("istio-system", "istiod-1-31", CONTROL_PLANE, port=15012),
            gateway("istio-ingress", "istio-ingress", "ingress", ingress),
            gateway("istio-system", "istio-eastwestgateway", "eastwestgateway", east_west),
        ]

    def _slices(self) -> list[Object]:
        return [
            {
                "metadata": {
                    "namespace": namespace,
                    "name": f"{name}-x",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
            }
            for namespace, name in (("exam", "web"), ("exam", "api"), ("istio-system", "istiod-1-31"))
        ]

    def _mutating(self) -> list[Object]:
        return [self._webhook("istio-sidecar-injector-1-31")]

    def _validating(self) -> list[Object]:
        return [self._webhook("istio-validator-1-31")]

    def _webhook(self, name: str) -> Object:
        client = {
            "caBundle": base64.b64encode(ROOT.certificate.encode()).decode(),
            "service": {"namespace": "istio-system", "name": "istiod-1-31"},
        }
        labels = {"istio.io/rev": "1-31"}
        hook = {"name": "x.istio.io", "clientConfig": client, "failurePolicy": "Fail"}
        return {"metadata": {"name": name, "labels": labels}, "webhooks": [hook]}

    def _rules(self) -> list[Object]:
        return [{"metadata": {"namespace": "exam", "name": "api"}, "spec": {"host": "api"}}]

    def _routes(self) -> list[Object]:
        spec = {"hosts": ["exam-platform.com"]}
        return [{"metadata": {"namespace": "exam", "name": name}, "spec": spec} for name in self.routes]

    def _scopes(self) -> list[Object]:
        return [{"metadata": {"namespace": "exam", "name": "default"}, "spec": {"egress": [{"hosts": ["./*"]}]}}]

    def _mtls(self) -> list[Object]:
        metadata = {"namespace": "istio-system", "name": "default"}
        return [{"metadata": metadata, "spec": {"mtls": {"mode": "STRICT"}}}]


def pod(namespace: str, name: str, labels: Mapping[str, str], *containers: str) -> Object:
    """A pod that is ready, with these containers."""
    limits = {"resources": {"limits": {"memory": "256Mi"}}}
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": dict(labels)},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": each, "image": f"hub/{each}:1.31.0", **limits} for each in containers],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def service(namespace: str, name: str, selector: Mapping[str, str], port: int = 8080) -> Object:
    spec = {"selector": dict(selector), "ports": [{"name": "http", "port": port}]}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec, "status": {}}


def gateway(namespace: str, name: str, label: str, address: str) -> Object:
    made = service(namespace, name, {"app": name}, 15443)
    made["metadata"]["labels"] = {"istio": label}
    made["spec"]["type"] = "LoadBalancer"
    made["status"] = {"loadBalancer": {"ingress": [{"ip": address}]}}
    return made


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        cluster = cast(Any, self.server).cluster
        if any(part in self.path for part in cluster.mute):
            time.sleep(cluster.silence)
        body = cluster.answer(self.path)
        status = 403 if any(part in self.path for part in cluster.forbidden) else 200 if body is not None else 404
        content = (body or "").encode()
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(time.time() + cluster.skew, usegmt=True))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        # Whoever asked may have given up.
        with suppress(BrokenPipeError):
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the test says what was asked."""


@contextmanager
def serving(folder: Path, *clusters: Cluster) -> Generator[Path]:
    """A kubeconfig with a context for each cluster, which answers as long as the block lasts."""
    servers: list[ThreadingHTTPServer] = []
    for cluster in clusters:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        cast(Any, server).cluster = cluster
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    names = [cluster.name for cluster in clusters]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": names[0],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "clusters": [
            {"name": name, "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
            for name, server in zip(names, servers, strict=True)
        ],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in names],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    try:
        yield file
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
