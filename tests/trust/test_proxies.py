"""What proxies trust and show, as Envoy dumps it; and which pods have one."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from cryptography import x509

from components.clusters.api import Connection, Missing
from components.clusters.execution import NotRun
from components.trust import proxies
from components.trust.proxies import Proxy, parse_secrets, read_proxies, root_of
from tests.builders import Pair, authority, intermediate

OLD, NEW = authority("Root 1"), authority("Root 2")
SIGNER = intermediate("use1", NEW)
LEAF = intermediate("web", SIGNER, ca=False, path_length=None, key_cert_sign=False)


def parsed(*pairs: Pair) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificate(pair.certificate.encode()) for pair in pairs)


def inline(*pairs: Pair, after: str = "") -> dict[str, str]:
    pem = "".join(pair.certificate for pair in pairs) + after
    return {"inline_bytes": base64.b64encode(pem.encode()).decode()}


def dump(chain: Sequence[Pair], roots: Sequence[Pair]) -> bytes:
    """As Envoy 1.40 answers to `config_dump?resource=dynamic_active_secrets`, keys left out by it."""
    redacted = {"inline_bytes": "W3JlZGFjdGVkXQ=="}
    tls = {"certificate_chain": inline(*chain, after="# reissue 1\n"), "private_key": redacted}
    secrets: list[tuple[str, dict[str, Any]]] = [
        ("kubernetes://tls.exam-platform.com", {"tls_certificate": {"certificate_chain": inline(OLD)}}),
        ("default", {"tls_certificate": tls}),
        ("ROOTCA", {"validation_context": {"trusted_ca": inline(*roots)}}),
    ]
    return json.dumps({"configs": [{"name": n, "secret": {"name": n, **s}} for n, s in secrets]}).encode()


DUMP = dump([LEAF, SIGNER, OLD, NEW], [OLD, NEW])


def test_chain_and_roots_are_those_of_the_mesh_and_no_public_hosts() -> None:
    assert parse_secrets(DUMP) == (parsed(LEAF, SIGNER, OLD, NEW), parsed(OLD, NEW))
    assert parse_secrets(b'{"configs": []}') == ((), ())
    assert parse_secrets(b"{}") == ((), ())


def test_a_chain_ends_where_signatures_lead_and_not_with_its_last_certificate() -> None:
    """istiod sends every root that it trusts after what it signs."""
    old, new = parsed(OLD, NEW)
    for order in ([LEAF, SIGNER, OLD, NEW], [LEAF, SIGNER, NEW, OLD], [LEAF, SIGNER], [LEAF, OLD, SIGNER]):
        assert root_of(parsed(*order), (old, new)) == new
    assert root_of(parsed(LEAF, SIGNER, NEW), (old,)) is None
    assert root_of(parsed(LEAF), (old, new)) is None, "the intermediate is missing"
    assert root_of(parsed(NEW), (new,)) == new
    assert root_of((), (old, new)) is None


def test_another_root_of_the_same_name_is_another_root() -> None:
    (twin,) = parsed(authority("Root 2", issuer=None, path_length=3))
    assert root_of(parsed(LEAF, SIGNER), (twin,)) is None


class Api:
    """The pods of a cluster, a page of two at a time."""

    def __init__(self, pods: Sequence[Mapping[str, Any]], gone: Sequence[str] = ()) -> None:
        self.pods, self.gone = list(pods), gone
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if path.startswith("/api/v1/pods?limit=500"):
            begin = int(path.partition("&continue=")[2] or 0)
            more = {"continue": str(begin + 2)} if begin + 2 < len(self.pods) else {}
            return {"items": self.pods[begin : begin + 2], "metadata": more}
        name = path.rpartition("/")[2]
        if name in self.gone:
            raise Missing(f"has no {path} (404)", "Make it")
        return {"metadata": {"name": name}}


def pod(
    name: str, *, state: str = "running", container: str = "istio-proxy", init: bool = False, **metadata: str
) -> dict[str, Any]:
    statuses = [{"name": container, "state": {state: {}}}]
    return {
        "metadata": {"namespace": "exam", "name": name, **metadata},
        "status": {"initContainerStatuses" if init else "containerStatuses": statuses},
    }


def read(
    api: Api, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, list[bytes | str]] | None = None
) -> list[Proxy]:
    """What is found; `answers` by pod are taken in turn, and a text is why a command was not run."""
    left = {name: list(each) for name, each in (answers or {}).items()}

    def execute(_connection: object, namespace: str, name: str, container: str, command: Sequence[str]) -> bytes:
        assert (namespace, container) == ("exam", "istio-proxy")
        assert command[-1] == "config_dump?resource=dynamic_active_secrets"
        answer = left[name].pop(0) if name in left else DUMP
        if isinstance(answer, str):
            raise NotRun(answer)
        return answer

    monkeypatch.setattr(proxies, "execute", execute)
    return read_proxies(cast(Connection, api))


def test_every_pod_with_a_running_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(
        [
            pod("web"),
            pod("native", init=True),
            pod("plain", container="app"),
            pod("starting", state="waiting"),
            pod("done", state="terminated"),
            pod("leaving", deletionTimestamp="2026-09-01T00:00:00Z"),
            {"metadata": {"namespace": "exam", "name": "pending"}},
            pod("api"),
        ]
    )
    chain, roots = parse_secrets(DUMP)
    assert read(api, monkeypatch) == [Proxy(f"exam/{name}", chain, roots) for name in ("api", "native", "web")]
    assert [path for path in api.asked if "limit" in path] == [
        "/api/v1/pods?limit=500",
        "/api/v1/pods?limit=500&continue=2",
        "/api/v1/pods?limit=500&continue=4",
        "/api/v1/pods?limit=500&continue=6",
    ]


def test_one_that_does_not_answer_is_asked_twice_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[bytes | str]] = {"busy": ["late", DUMP], "dead": ["late", "no route"], "odd": [b"<"] * 2}
    found = read(Api([pod(name) for name in answers]), monkeypatch, answers)
    assert [(proxy.pod, proxy.unknown) for proxy in found] == [
        ("exam/busy", ""),
        ("exam/dead", "no route"),
        ("exam/odd", "its answer is no dump of secrets"),
    ]


def test_one_that_has_gone_meanwhile_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api([pod("web"), pod("gone")], gone=["gone"])
    assert [proxy.pod for proxy in read(api, monkeypatch, {"gone": ["container not found"]})] == ["exam/web"]
