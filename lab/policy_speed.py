"""How long the policy pack takes for a big stack: started, asked by the engine's protocol, and ended."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import yaml
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from lab.errors import LabError

RESOURCES = 5000

SECONDS = 10.0
"""The aim: for all of them."""

_SERVICE = """
- apiVersion: v1
  kind: Service
  metadata: {name: NAME, namespace: exam}
  spec: {selector: {app: NAME}, ports: [{name: http, port: 8080}]}
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: NAME, namespace: exam}
  spec:
    hosts: [NAME.exam.svc.cluster.local]
    http:
      - match: [{headers: {user-type: {exact: premium}}}, {uri: {prefix: /api/v2/}}]
        route:
          - {destination: {host: NAME.exam.svc.cluster.local, subset: v1}, weight: 90}
          - {destination: {host: NAME.exam.svc.cluster.local, subset: v2}, weight: 10}
        timeout: 15s
        retries: {attempts: 2, retryOn: "connect-failure,refused-stream"}
      - route: [{destination: {host: NAME.exam.svc.cluster.local, subset: v1}}]
        timeout: 15s
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: NAME, namespace: exam}
  spec:
    host: NAME.exam.svc.cluster.local
    trafficPolicy:
      connectionPool: {tcp: {maxConnections: 1024}, http: {http1MaxPendingRequests: 256}}
      loadBalancer: {localityLbSetting: {failover: [{from: us-east-1, to: us-west-2}]}}
      outlierDetection: {consecutive5xxErrors: 5, maxEjectionPercent: 100}
    subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
- apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: NAME, namespace: exam}
  spec:
    selector: {matchLabels: {app: NAME}}
    rules: [{from: [{source: {principals: [exam-platform.local/ns/exam/sa/web], requestPrincipals: ["*"]}}]}]
- apiVersion: security.istio.io/v1
  kind: RequestAuthentication
  metadata: {name: NAME, namespace: exam}
  spec:
    selector: {matchLabels: {app: NAME}}
    jwtRules: [{issuer: "https://a", jwksUri: "https://a/keys", audiences: [exam]}]
"""
"""What a service comes to in a cluster, about as this program makes it."""


def seconds(resources: int = RESOURCES, *, root: Path) -> float:
    """Time for a stack of so many resources in two clusters, half of them in each.

    Raises:
        LabError: The pack did not start, or judged something else than all of them.
    """
    requests = [request for cluster in ("use1", "usw2") for request in _requests(cluster, resources // 2)]
    started = time.monotonic()
    command = [sys.executable, str(root / "policies")]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as pack:
        try:
            verdicts = _judged(pack, requests)
        finally:
            pack.kill()
    taken = time.monotonic() - started
    if "0 times not judged" not in verdicts[-1].message:
        raise LabError(f"The pack judged something else than {resources} resources: {verdicts[-1].message[:300]}")
    return taken


def _judged(pack: subprocess.Popen[str], requests: list[analyzer_pb2.AnalyzeRequest]) -> list[Any]:
    assert pack.stdout is not None
    port = pack.stdout.readline().strip()
    if not port:
        raise LabError("The policy pack did not start: run `python policies` to see why.")
    limits = [(f"grpc.max_{way}_message_length", 400 * 2**20) for way in ("send", "receive")]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
        stub = analyzer_pb2_grpc.AnalyzerStub(channel)
        found = [verdict for request in requests for verdict in stub.Analyze(request).diagnostics]
        whole = analyzer_pb2.AnalyzeStackRequest(
            resources=[
                analyzer_pb2.AnalyzerResource(
                    type=one.type, urn=one.urn, name=one.name, properties=one.properties, provider=one.provider
                )
                for one in requests
            ]
        )
        return [*found, *stub.AnalyzeStack(whole).diagnostics]


def _requests(cluster: str, count: int) -> Iterator[analyzer_pb2.AnalyzeRequest]:
    provider = analyzer_pb2.AnalyzerProviderResource(
        type="pulumi:providers:kubernetes", urn=f"urn:pulumi:bench::bench::pulumi:providers:kubernetes::{cluster}"
    )
    template = json.dumps(yaml.safe_load(_SERVICE))
    made = 0
    for number in range(count):
        for document in json.loads(template.replace("NAME", f"service-{number}")):
            if made == count:
                return
            made += 1
            properties = Struct()
            properties.update(document)
            kind, name = document["kind"], f"{cluster}-{document['metadata']['name']}"
            type_ = (
                f"kubernetes:{document['apiVersion'].replace('v1', 'core/v1', 1 if kind == 'Service' else 0)}:{kind}"
            )
            yield analyzer_pb2.AnalyzeRequest(
                type=type_,
                urn=f"urn:pulumi:bench::bench::{type_}::{name}",
                name=name,
                properties=properties,
                provider=provider,
            )
