"""Names that are made of others: the longest that a stack may say give none that the API server refuses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.naming import DNS_LABEL_LIMIT, DNS_SUBDOMAIN_LIMIT
from tests.builders import Yaml, host_of, stack
from tests.stacks import ISSUERS
from tests.test_main import run

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SHORT_KINDS = ("Namespace", "Service")
"""Whose names are one DNS label; those of the others are subdomains."""


def longest(last: str) -> str:
    """A name as long as a DNS label, unlike others by its last letter."""
    return "n" * (DNS_LABEL_LIMIT - 1) + last


NAMESPACE = longest("s")
CALLER, CALLED = f"{NAMESPACE}/{longest('x')}", f"{NAMESPACE}/{longest('y')}"
CLUSTERS = (longest("a"), longest("b"))
WILDCARD, HOST = f"*.{host_of(240)}", host_of(249)


def whole(folder: Path) -> Yaml:
    """A stack that says everything, and each of it as long as it may be."""
    versions = [longest("v"), longest("w")]
    called = {
        "ports": {f"http-{'h' * 58}": 8080, f"tcp-{'t' * 59}": 9000},
        "regions": [CLUSTERS[0]],
        "versions": versions,
        "blueGreen": {"active": versions[0]},
        "callers": [CALLER],
        "account": longest("k"),
        "stream": True,
        "access": {"jwt": {"issuers": ["exam"]}, "roles": {"admin": ["/admin/*"]}},
        "rateLimit": {"requests": 100, "per": "60s"},
    }
    caller = {"ports": {"http": 8080}, "hosts": [WILDCARD, HOST], "maxRequestBody": "1Mi"}
    module = {"url": f"https://modules.example.com/{'m' * 64}.wasm", "sha256": "0" * 64, "services": [CALLER, CALLED]}
    values = stack(
        folder,
        CLUSTERS,
        mesh={"id": longest("m")},
        services={CALLER: caller, CALLED: called},
        issuers=ISSUERS,
        egress={longest("e"): {"hosts": [host_of(253)], "ports": {"https": 443}, "callers": [CALLER]}},
        extensions={"wasm": {longest("f"): module}},
        security={"permissive": [{"namespace": NAMESPACE, "workload": {"app": longest("l")}, "ports": [8081]}]},
        gateways={
            "ingress": {"servers": [{"hosts": [host], "tls": {"generated": {}}} for host in (WILDCARD, HOST)]},
        },
    )
    values["trust"]["trustDomain"] = host_of(253)
    return values


def labels(value: Any) -> Iterator[tuple[str, Any]]:
    """All labels, and labels to select by, in an object."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("labels", "matchLabels") or (key == "selector" and "matchLabels" not in item):
                yield from item.items()
            yield from labels(item)
    elif isinstance(value, list):
        for item in value:
            yield from labels(item)


def test_the_longest_names_that_a_stack_may_say_make_none_that_is_too_long(tmp_path: Path) -> None:
    made = [found for found in run(whole(tmp_path)).resources if found.type.startswith("kubernetes:")]
    kinds = {found.type.rpartition(":")[2] for found in made}
    assert {"VirtualService", "Secret", "Sidecar", "EnvoyFilter", "WasmPlugin", "ServiceEntry", "Service"} <= kinds
    for found in made:
        metadata = found.inputs.get("metadata")
        if metadata is None:
            continue
        kind, name = found.type.rpartition(":")[2], metadata["name"]
        assert len(name) <= (DNS_LABEL_LIMIT if kind in _SHORT_KINDS else DNS_SUBDOMAIN_LIMIT), f"{kind} {name}"
        assert all(_LABEL.fullmatch(part) for part in name.split(".")), f"{kind} {name}"
        too_long = [pair for pair in labels(found.inputs) if isinstance(pair[1], str) and len(pair[1]) > 63]
        assert too_long == [], f"{kind} {name}"


def test_the_name_by_which_a_gateway_between_networks_finds_a_version_is_one_that_tls_can_carry() -> None:
    """Istio's `outbound_.<port>_.<version>_.<host>`; a server name in TLS has 255 bytes at most in BoringSSL."""
    host = f"{longest('x')}.{NAMESPACE}.svc.cluster.local"
    assert len(f"outbound_.65535_.{longest('v')}_.{host}") <= 255
