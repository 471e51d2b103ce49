"""How faults are made: each lasts as long as its block."""

from __future__ import annotations

import base64
import copy
import json
import os
import re
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab import network as wire
from lab.waiting import wait_for
from tests.lab.support.certificates import Authority, pem_of
from tests.lab.support.commands import run
from tests.lab.support.doctor import applied, patched
from tests.lab.support.failures import Pod
from tests.lab.support.faults import USE1, USW2, Lab
from tests.lab.support.outage import running_region
from tests.lab.support.site import EXAM, FRONTEND, INGRESS, ISTIOD, PUBLIC, SYSTEM, UNDECLARED, Site, host_of, url_of
from tests.lab.support.traffic import PATIENT
from tests.lab.support.workloads import like_frontend, namespace, remove_namespace

EAST_WEST = "istio-eastwestgateway"
FAULTY = "faulty"  # the namespace of what is made here
NETWORKING = "networking.istio.io/v1"

# Control planes and what they know of each other


@contextmanager
def api_server_stopped(lab: Lab) -> Generator[None]:
    def component(action: str) -> None:
        words = [sys.executable, "-m", "lab", "component", USW2, "kube-apiserver", action]
        run(words, env=os.environ, timeout=60, cwd=lab.paths.root)

    component("stop")
    try:
        yield
    finally:
        component("start")
        wait_for(
            lambda: lab[USW2].kubectl.run("get", "--raw", "/readyz", timeout=5).code == 0,
            deadline=60,
            what="the API server again",
        )


@contextmanager
def without_remote_secret(lab: Lab) -> Generator[None]:
    lab[USE1].kubectl.run("delete", "secret", "-n", SYSTEM, f"istio-remote-secret-{USW2}")
    try:
        yield
    finally:
        lab.engine.up(None, "--refresh")


@contextmanager
def revoked_token(lab: Lab) -> Generator[None]:
    """The token of usw2's reader is gone, after use1's istiod has read the cluster by it. Its watches end with the API
    server's start: by themselves within ten minutes."""
    reader = lab[USW2].kubectl
    (token,) = [
        item["metadata"]["name"]
        for item in reader.items("secret", "-n", SYSTEM, "--field-selector=type=kubernetes.io/service-account-token")
    ]
    try:
        reader.run("delete", "secret", "-n", SYSTEM, token)
        with api_server_stopped(lab):
            pass
        yield
    finally:
        lab.engine.up(None, "--refresh")


@contextmanager
def closed_way(lab: Lab) -> Generator[None]:
    """A firewall of usw2 that lets nothing of use1's node and pods in at the gateway's port."""
    machine = running_region(lab[USW2]).machine
    there = lab[USE1].region
    rules = [
        ("PREROUTING", "-s", str(source), "-p", "tcp", "--dport", "15443", "-j", "DROP")
        for source in (there.node_address, there.pod_cidr)
    ]

    def iptables(action: str) -> None:
        for rule in rules:
            wire.run(*machine.enter("iptables", "-t", "raw", action, *rule), variables=machine.environment)

    iptables("-I")
    try:
        yield
    finally:
        iptables("-D")


@contextmanager
def ended_token(lab: Lab) -> Generator[None]:
    kubectl, name = lab[USE1].kubectl, f"istio-remote-secret-{USW2}"
    before = kubectl.json("get", "secret", "-n", SYSTEM, name)["data"]
    text = base64.b64decode(before[USW2]).decode()
    wrong = re.sub(r"token: \S+", "token: no-longer-valid", text)
    assert wrong != text, "the remote secret has no token"
    words = ("secret", "-n", SYSTEM, name)
    changed = {USW2: base64.b64encode(wrong.encode()).decode()}
    with patched(kubectl, words, {"data": changed}, {"data": {USW2: before[USW2]}}):
        yield


@contextmanager
def other_authority(lab: Lab, *, missing: bool) -> Generator[None]:
    """usw2's istiod without its cacerts, or with those of somebody else."""
    kubectl = lab[USW2].kubectl
    istiod = f"deployment/{ISTIOD}"
    kubectl.run("delete", "secret", "-n", SYSTEM, "cacerts")
    try:
        if not missing:
            kubectl.apply([_cacerts(Authority.foreign("Somebody", timedelta(days=730)))])
        kubectl.run("rollout", "restart", "-n", SYSTEM, istiod)
        kubectl.rolled_out(SYSTEM, istiod)
        yield
    finally:
        kubectl.run("delete", "secret", "-n", SYSTEM, "cacerts", "istio-ca-secret", "--ignore-not-found")
        lab.engine.up(None, "--refresh")
        kubectl.run("rollout", "restart", "-n", SYSTEM, istiod)
        kubectl.rolled_out(SYSTEM, istiod)
        # Those that got a certificate meanwhile are of no mesh.
        for namespace_of in (SYSTEM, INGRESS):
            kubectl.run("rollout", "restart", "deployment", "-n", namespace_of)
        for namespace_of in (SYSTEM, INGRESS):
            kubectl.run("rollout", "status", "deployment", "-n", namespace_of, "--timeout=120s", timeout=130)


def _cacerts(authority: Authority) -> dict[str, Any]:
    key = authority.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = pem_of(*authority.chain)
    data = {"ca-cert.pem": chain, "ca-key.pem": key, "cert-chain.pem": chain, "root-cert.pem": chain}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": SYSTEM},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


# Pods and proxies


@contextmanager
def pod_without_proxy(lab: Lab) -> Generator[None]:
    kubectl = lab[USE1].kubectl
    try:
        kubectl.apply([namespace(FAULTY, {}), like_frontend(kubectl, "bare", FAULTY)])
        kubectl.rolled_out(FAULTY, "deployment/bare")
        kubectl.run("label", "namespace", FAULTY, "istio-injection=enabled")
        yield
    finally:
        remove_namespace([kubectl], FAULTY)


@contextmanager
def small_proxy(lab: Lab, limit: str, *, starts: bool) -> Generator[None]:
    """A workload that knows the whole mesh, with this much memory for its proxy."""
    kubectl = lab[USE1].kubectl
    annotations = {
        "sidecar.istio.io/proxyCPU": "10m",
        "sidecar.istio.io/proxyCPULimit": "1",
        "sidecar.istio.io/proxyMemory": limit,
        "sidecar.istio.io/proxyMemoryLimit": limit,
    }
    try:
        kubectl.apply(
            [namespace(FAULTY, {"istio-injection": "enabled"}), like_frontend(kubectl, "small", FAULTY, annotations)]
        )
        if starts:
            kubectl.rolled_out(FAULTY, "deployment/small")
        yield
    finally:
        remove_namespace([kubectl], FAULTY)


def refused_configuration(lab: Lab) -> AbstractContextManager[None]:
    """A filter that no Envoy has."""
    unknown = {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": "type.googleapis.com/nobody.has.This",
    }
    patch = {"operation": "INSERT_BEFORE", "value": {"name": "nobody.has.this", "typed_config": unknown}}
    match = {
        "context": "SIDECAR_INBOUND",
        "listener": {
            "filterChain": {
                "filter": {
                    "name": "envoy.filters.network.http_connection_manager",
                    "subFilter": {"name": "envoy.filters.http.router"},
                }
            }
        },
    }
    manifest = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "nobody-has-this", "namespace": UNDECLARED},
        "spec": {
            "priority": 10,
            "workloadSelector": {"labels": {"app": FRONTEND.removeprefix("deploy/")}},
            "configPatches": [{"applyTo": "HTTP_FILTER", "match": match, "patch": patch}],
        },
    }
    return applied(lab[USE1].kubectl, manifest)


# Gateways and networks


@contextmanager
def without_address(lab: Lab) -> Generator[None]:
    """Asks for one that the pool does not have: the controller takes the former away."""
    site, key = lab[USW2], "metallb.universe.tf/loadBalancerIPs"
    former = site.east_west_address()

    def ask(address: str | None) -> None:
        change = {"metadata": {"annotations": {key: address}}}
        site.kubectl.run("patch", "service", "-n", SYSTEM, EAST_WEST, "--type=merge", "-p", json.dumps(change))

    ask("192.0.2.1")
    try:
        yield
    finally:
        ask(former)
        wait_for(
            lambda: site.kubectl.load_balancer_address(SYSTEM, EAST_WEST) == former,
            deadline=60,
            what="the former address",
        )
        ask(None)


def network(lab: Lab) -> AbstractContextManager[None]:
    def labelled(value: str) -> dict[str, Any]:
        return {"metadata": {"labels": {"topology.istio.io/network": value}}}

    return patched(lab[USW2].kubectl, ("namespace", SYSTEM), labelled("elsewhere"), labelled(USW2))


def foreign_public_certificate(lab: Lab, *, ahead: timedelta = timedelta()) -> AbstractContextManager[None]:
    """`ahead`: by how much the clock of whoever made it is ahead."""
    kubectl = lab[USE1].kubectl
    (gateway,) = [
        item
        for item in kubectl.items("gateways.networking.istio.io", "-n", INGRESS)
        if any(PUBLIC in host for server in item["spec"]["servers"] for host in server["hosts"])
    ]
    name = next(
        server["tls"]["credentialName"]
        for server in gateway["spec"]["servers"]
        if "credentialName" in server.get("tls", {}) and any(host.endswith(PUBLIC) for host in server["hosts"])
    )
    before = kubectl.json("get", "secret", "-n", INGRESS, name)["data"]
    certificate, key = Authority.foreign("Somebody's CA").issue(x509.DNSName(PUBLIC), ahead=ahead)
    wrong = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    back = {each: before[each] for each in wrong}
    return patched(kubectl, ("secret", "-n", INGRESS, name), {"data": wrong}, {"data": back})


# Istio's objects


def second_rule(lab: Lab) -> AbstractContextManager[None]:
    return applied(
        lab[USE1].kubectl,
        {
            "apiVersion": NETWORKING,
            "kind": "DestinationRule",
            "metadata": {"name": "mine", "namespace": EXAM},
            "spec": {"host": host_of("exam-service", EXAM), "trafficPolicy": {"connectionPool": {"http": {}}}},
        },
    )


def route_to_nobody(lab: Lab) -> AbstractContextManager[None]:
    host = host_of("nobody", UNDECLARED)
    route = [{"route": [{"destination": {"host": host, "port": {"number": 8080}}}]}]
    return applied(
        lab[USE1].kubectl,
        {
            "apiVersion": NETWORKING,
            "kind": "VirtualService",
            "metadata": {"name": "lost", "namespace": UNDECLARED},
            "spec": {"hosts": ["lost.example.com"], "http": route},
        },
    )


def permissive(lab: Lab) -> AbstractContextManager[None]:
    (policy,) = [
        item
        for item in lab[USE1].kubectl.items("peerauthentications.security.istio.io", "-n", SYSTEM)
        if "selector" not in item["spec"]
    ]
    words = ("peerauthentication", "-n", SYSTEM, policy["metadata"]["name"])
    return patched(
        lab[USE1].kubectl, words, {"spec": {"mtls": {"mode": "PERMISSIVE"}}}, {"spec": {"mtls": {"mode": "STRICT"}}}
    )


@contextmanager
def unrouted_host(lab: Lab) -> Generator[None]:
    """No VirtualService of the public hosts."""
    kubectl = lab[USE1].kubectl
    names = [
        item["metadata"]["name"]
        for item in kubectl.items("virtualservices.networking.istio.io", "-n", INGRESS)
        if PUBLIC in item["spec"]["hosts"]
    ]
    kubectl.run("delete", "virtualservice", "-n", INGRESS, *names)
    try:
        yield
    finally:
        lab.engine.up(None, "--refresh")


# Webhooks


def leftover_webhook(
    lab: Lab, *, bundle: str | None = None, service: str | None = None
) -> AbstractContextManager[None]:
    """As of a revision that was taken out by hand: it is for no namespace, and nobody looks after it."""
    (made,) = [
        item
        for item in lab[USE1].kubectl.items("mutatingwebhookconfigurations")
        if item["metadata"]["name"] == "istio-sidecar-injector-1-31"
    ]
    hook = copy.deepcopy(made["webhooks"][0])
    hook["namespaceSelector"] = {"matchLabels": {"istio.io/rev": "leftover"}}
    hook["objectSelector"] = {}
    if bundle is not None:
        hook["clientConfig"]["caBundle"] = bundle
    if service is not None:
        hook["clientConfig"]["service"]["name"] = service
    metadata = {"name": "istio-sidecar-injector-leftover", "labels": {"istio.io/rev": "leftover"}}
    return applied(
        lab[USE1].kubectl,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [hook],
        },
    )


def foreign_bundle() -> str:
    return base64.b64encode(pem_of(*Authority.foreign("Somebody").chain)).decode()


def lets_pass(lab: Lab) -> AbstractContextManager[None]:
    def policy(value: str) -> list[dict[str, str]]:
        return [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": value}]

    words = ("mutatingwebhookconfiguration", "istio-sidecar-injector-1-31")
    return patched(lab[USE1].kubectl, words, policy("Ignore"), policy("Fail"), kind="json")


# Traffic


@contextmanager
def _loaded(
    lab: Lab, namespace_of: str, caller: str, url: str, *, rate: float, words: Sequence[str] = ()
) -> Generator[None]:
    extra = ["--duration", "240s", "--timeout", "20s", *PATIENT, *words]
    with lab[USE1].caller(namespace_of, caller).load(url, rate=rate, extra=extra):
        yield


@contextmanager
def behaving(
    lab: Lab, service: str, namespace_of: str, *, rate: float, path: str = "/", version: str = "", **mode: Any
) -> Generator[None]:
    """A service's pod that behaves so, while it is called."""
    caller = {"resilience": "deploy/caller", "traffic": FRONTEND}[namespace_of]
    selector = f"app={service}" + (f",version={version}" if version else "")
    pod = Pod.only(lab[USE1].kubectl, namespace_of, selector)
    with ExitStack() as stack:
        stack.enter_context(pod.behaving(**mode))
        stack.enter_context(_loaded(lab, namespace_of, caller, url_of(service, namespace_of, path), rate=rate))
        yield


@contextmanager
def nothing(_: Lab) -> Generator[None]:
    """For thresholds that a healthy mesh does not meet."""
    yield


@contextmanager
def changing(lab: Lab) -> Generator[None]:
    """Something new for every proxy all the time, in both regions."""
    entry = {
        "apiVersion": NETWORKING,
        "kind": "ServiceEntry",
        "metadata": {"name": "now-and-then", "namespace": UNDECLARED},
        "spec": {
            "hosts": ["now-and-then.example.com"],
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "resolution": "DNS",
        },
    }
    ended = threading.Event()

    def change(site: Site) -> None:
        while not ended.is_set():
            with applied(site.kubectl, entry):
                ended.wait(0.2)

    with ThreadPoolExecutor() as pool:
        changes = [pool.submit(change, site) for site in lab.sites.values()]
        try:
            yield
        finally:
            ended.set()
        for done in changes:
            done.result()
