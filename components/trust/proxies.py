"""What every proxy of a cluster trusts and shows: read from the proxies themselves, which alone know it.

istiod knows what it has signed and sent, and not what a proxy took; metrics tell when a certificate ends, and Envoy's
`/certs` names one root of a bundle. Envoy's secrets, without keys, are in its configuration dump. Its administration
listens within the pod, and is asked there by pilot-agent, which every image of a proxy has.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from components.clusters.api import Connection, Missing, listed
from components.clusters.execution import NotRun, execute
from components.naming import PROXY_CONTAINER

_COMMAND = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")
_OWN, _ROOTS = "default", "ROOTCA"
"""Names of the secrets that a proxy is given by its agent (istio security/pkg/nodeagent/cache)."""

_AT_ONCE = 16
"""Proxies that are asked side by side; each takes a tenth of a second."""

_ATTEMPTS = 2
"""A busy node answers late."""

Certificates = tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Proxy:
    """One running proxy."""

    pod: str
    """As `namespace/name`."""

    chain: Certificates = ()
    """What it shows: its own certificate first, then in no certain order those above it."""

    roots: Certificates = ()
    """What it trusts."""

    unknown: str = ""
    """Why it could not be read, as a clause; else empty."""


def read_proxies(connection: Connection) -> list[Proxy]:
    """Every running proxy of the cluster, by name. Raises Unreachable where the cluster does not list its pods."""

    def read(pod: tuple[str, str]) -> Proxy | None:
        return _read(connection, *pod)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [proxy for proxy in pool.map(read, sorted(_running(connection))) if proxy is not None]


def root_of(chain: Certificates, known: Certificates) -> x509.Certificate | None:
    """The root among `known` in which a chain ends; None where it is another one.

    istiod sends its roots after what it signs, all of them, so that the last certificate says nothing.
    """
    current = chain[0] if chain else None
    for _ in chain:
        if current is None:
            return None
        for root in known:
            if current == root or _signed(current, root):
                return root
        current = next((above for above in chain if above != current and _signed(current, above)), None)
    return None


def parse_secrets(dump: bytes) -> tuple[Certificates, Certificates]:
    """Chain and roots in Envoy's dump of its secrets; each empty where it has none. Raises ValueError."""
    secrets: dict[str, Mapping[str, Any]] = {
        entry["name"]: entry["secret"] for entry in json.loads(dump).get("configs", []) if "secret" in entry
    }
    chain = secrets.get(_OWN, {}).get("tls_certificate", {}).get("certificate_chain", {})
    roots = secrets.get(_ROOTS, {}).get("validation_context", {}).get("trusted_ca", {})
    return _certificates(chain), _certificates(roots)


def _certificates(source: Mapping[str, str]) -> Certificates:
    pem = base64.b64decode(source.get("inline_bytes", ""))
    return tuple(x509.load_pem_x509_certificates(pem)) if pem else ()


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _running(connection: Connection) -> Iterator[tuple[str, str]]:
    """Namespace and name of every pod whose proxy runs. One that is about to start takes what is there by then."""
    for pod in listed(connection, "/api/v1/pods"):
        metadata, status = pod["metadata"], pod.get("status", {})
        states = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        runs = any(state["name"] == PROXY_CONTAINER and "running" in state.get("state", {}) for state in states)
        if runs and "deletionTimestamp" not in metadata:
            yield metadata["namespace"], metadata["name"]


def _read(connection: Connection, namespace: str, pod: str) -> Proxy | None:
    """The proxy of a pod; None where the pod has gone since it was listed."""
    name, reason = f"{namespace}/{pod}", ""
    for _ in range(_ATTEMPTS):
        try:
            chain, roots = parse_secrets(execute(connection, namespace, pod, PROXY_CONTAINER, _COMMAND))
            return Proxy(name, chain, roots)
        except NotRun as problem:
            reason = str(problem)
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = "its answer is no dump of secrets"
        if _has_gone(connection, namespace, pod):
            return None
    return Proxy(name, unknown=reason)


def _has_gone(connection: Connection, namespace: str, pod: str) -> bool:
    try:
        return "deletionTimestamp" in connection.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")["metadata"]
    except Missing:
        return True
