"""What may be wrong with `istio-mesh:gateways`.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import authority, faults_of, host_of, stack_config
from tests.services import PLAIN

_SECRET = {"existingSecret": "tls"}
_LONG, _LONG_WILDCARD = host_of(250), f"*.{host_of(241)}"
_PAIR = authority("exam.com", ca=False, key_cert_sign=False, hosts=["exam.com"], lifetime=timedelta(days=90))
_ISSUER = authority("Issuer")
_SIGNED = authority("exam.com", issuer=_ISSUER, ca=False, key_cert_sign=False, hosts=["exam.com"])
_AT = "istio-mesh:gateways.ingress.servers[0].tls"
_OTHER = authority("other.com", ca=False, key_cert_sign=False, hosts=["other.com"])


def _servers(*servers: dict[str, Any]) -> dict[str, Any]:
    return {"gateways": {"ingress": {"servers": list(servers)}}}


def _server(host: str = "exam.com", **tls: Any) -> dict[str, Any]:
    return {"hosts": [host], "tls": tls or _SECRET}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "a pod that is killed while it takes connections",
        {"gateways": {"drain": {"atLeast": "5s", "atMost": "45s"}}},
        [
            (
                "istio-mesh:gateways.drain.atMost: 45s is no more than the 45s for which it takes new connections. The "
                "pod would be killed with all requests that are under way. Write some minutes more than that."
            ),
        ],
    ),
    (
        "a pod that ends before its callers have left",
        {"gateways": {"drain": {"atLeast": "1m", "atMost": "2m"}}, "services": {"exam/exam-service": PLAIN}},
        [
            (
                "istio-mesh:gateways.drain.atMost: 2m is less than the 1m for which a pod takes new connections, the "
                "life of one (1m), and 30s for its last answer. Callers in other regions would lose requests with each "
                "pod of a gateway that is replaced. Write at least `2m30s`."
            ),
        ],
    ),
    (
        "no host",
        _servers({"hosts": [], "tls": _SECRET}),
        [
            ("istio-mesh:gateways.ingress.servers[0].hosts: it is empty. There has to be at least one. Add one."),
        ],
    ),
    (
        "every host",
        _servers(_server("*")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `*` takes every host. Requests for names that "
                "nobody declared would be answered, with a certificate that is not theirs. Name the hosts, or "
                "one domain's as `*.exam-platform.com`."
            ),
        ],
    ),
    (
        "url for a host",
        _servers(_server("https://exam.com")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `https://exam.com` is not a host name. Istio "
                "refuses the Gateway, and no request could carry the name. Write a full name in lower case "
                "without scheme, port or path, as in `api.exam-platform.com`."
            ),
        ],
    ),
    (
        "address for a host",
        _servers(_server("10.0.0.1")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `10.0.0.1` is an address. TLS asks for a name "
                "(SNI), and clients send none for an address. Write the name that clients use."
            ),
        ],
    ),
    (
        "host without domain",
        _servers(_server("localhost")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `localhost` is not a host name. Istio refuses "
                "the Gateway, and no request could carry the name. Write a full name in lower case without "
                "scheme, port or path, as in `api.exam-platform.com`."
            ),
        ],
    ),
    (
        "host in capitals",
        _servers(_server("Exam.com")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: `Exam.com` is not a host name. Istio refuses "
                "the Gateway, and no request could carry the name. Write a full name in lower case without "
                "scheme, port or path, as in `api.exam-platform.com`."
            ),
        ],
    ),
    (
        "host empty",
        _servers(_server("")),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: it is empty. Istio refuses the Gateway, and "
                "no request could carry the name. Write a full name in lower case without scheme, port or path, "
                "as in `api.exam-platform.com`."
            ),
        ],
    ),
    (
        "host of 250 characters with a certificate of its own",
        _servers(_server(_LONG, generated={})),
        [
            "istio-mesh:gateways.ingress.servers[0].hosts[0]: the Secret with its certificate would have a name of 254 "
            "characters. The API server takes 253 at most (RFC 1123), and the host would not be served. Let a shorter "
            "host be the first, which the Secret is named after, or name the Secret in `existingSecret`."
        ],
    ),
    (
        "wildcard of 243 characters with a certificate of cert-manager",
        _servers(_server(_LONG_WILDCARD, certManager={"issuer": "acme"})),
        [
            "istio-mesh:gateways.ingress.servers[0].hosts[0]: the Secret with its certificate would have a name of 254 "
            "characters. The API server takes 253 at most (RFC 1123), and the host would not be served. Let a shorter "
            "host be the first, which the Secret is named after, or name the Secret in `existingSecret`."
        ],
    ),
    (
        "hosts as text",
        _servers({"hosts": "exam.com", "tls": _SECRET}),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts: it is a text, not a list. Nothing can be made of "
                "it. Write each item on a line of its own that begins with `- `."
            ),
        ],
    ),
    (
        "host twice in a server",
        _servers({"hosts": ["exam.com", "exam.com"], "tls": _SECRET}),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[1]: `exam.com` is served by servers[0] already. "
                "Istio would drop one of the two, with its certificate. Keep it in one server."
            ),
        ],
    ),
    (
        "host in two servers",
        _servers(_server(), _server()),
        [
            (
                "istio-mesh:gateways.ingress.servers[1].hosts[0]: `exam.com` is served by servers[0] already. "
                "Istio would drop one of the two, with its certificate. Keep it in one server."
            ),
        ],
    ),
    (
        "tls missing",
        _servers({"hosts": ["exam.com"]}),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls: it is missing. It has no default. Their "
                "certificate. Add it, as in `tls: {existingSecret: exam-platform-tls}`."
            ),
        ],
    ),
    (
        "two certificates",
        _servers(_server(existingSecret="tls", generated={})),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls: exactly one of `generated`, `existingSecret`, "
                "`certificate`, `certManager` is needed, and `generated`, `existingSecret` are given. The "
                "gateway would have no certificate to show, or two. Keep one source."
            ),
        ],
    ),
    (
        "no certificate",
        _servers({"hosts": ["exam.com"], "tls": {}}),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls: exactly one of `generated`, `existingSecret`, "
                "`certificate`, `certManager` is needed, and none of them is given. The gateway would have no "
                "certificate to show, or two. Keep one source."
            ),
        ],
    ),
    (
        "certificate without key",
        _servers(_server(certificate=_PAIR.certificate)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.privateKey: there is a certificate and no key. The "
                "gateway could not answer on 443. Set its key by `pulumi config set --secret --path "
                "'istio-mesh:gateways.ingress.servers[0].tls.privateKey' < key.pem`."
            ),
        ],
    ),
    (
        "a certificate that is still to be set",
        _servers(_server(certificate=None)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certificate: the certificate is not set. The gateway could "
                "not answer on 443. Set it, with its issuers behind it, by `pulumi config set --path "
                "'istio-mesh:gateways.ingress.servers[0].tls.certificate' < certificate.pem`."
            ),
            (
                "istio-mesh:gateways.ingress.servers[0].tls.privateKey: the key of the certificate is not set. The "
                "gateway could not answer on 443. Set it by `pulumi config set --secret --path "
                "'istio-mesh:gateways.ingress.servers[0].tls.privateKey' < key.pem`."
            ),
        ],
    ),
    (
        "key without certificate",
        _servers(_server(privateKey=_PAIR.key)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.privateKey: there is a key and no certificate. The "
                "gateway could not answer on 443. Add `certificate`."
            ),
        ],
    ),
    (
        "key of another certificate",
        _servers(_server(certificate=_PAIR.certificate, privateKey=_OTHER.key)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.privateKey: the key is not the certificate's. The "
                "gateway would refuse the pair and not answer on 443. Give the key from which the certificate's "
                "request was made."
            ),
        ],
    ),
    (
        "certificate of another host",
        _servers(_server(certificate=_OTHER.certificate, privateKey=_OTHER.key)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certificate: the certificate is not for exam.com. "
                "Clients that ask for the name would refuse the connection. Give a certificate with the name "
                "among its subject alternative names, or take the host out."
            ),
        ],
    ),
    (
        "no certificate at all",
        _servers(_server(certificate="exam", privateKey=_PAIR.key)),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certificate: this is not a certificate in PEM. "
                "Proxies could not build a chain from it. Give one block from `-----BEGIN CERTIFICATE-----` to "
                "`-----END CERTIFICATE-----`."
            ),
        ],
    ),
    (
        "key among the issuers",
        _servers(_server(certificate=_SIGNED.certificate + _SIGNED.key, privateKey=_SIGNED.key)),
        [
            f"{_AT}.certificate: there is a private key among the certificates. Certificates are shown in outputs and "
            "logs, and the key with them. Keep the certificate alone here, and take the key for disclosed if the file "
            "was shared."
        ],
    ),
    (
        "half a certificate after the first",
        _servers(_server(certificate=_SIGNED.certificate + _ISSUER.certificate[:200], privateKey=_SIGNED.key)),
        [
            f"{_AT}.certificate: there is something besides whole certificates. The gateway would refuse the chain, or "
            "show clients a part of it. Keep only the blocks from `-----BEGIN CERTIFICATE-----` to "
            "`-----END CERTIFICATE-----`."
        ],
    ),
    (
        "an issuer that is no certificate",
        _servers(
            _server(
                certificate=f"{_SIGNED.certificate}-----BEGIN CERTIFICATE-----\nexam\n-----END CERTIFICATE-----\n",
                privateKey=_SIGNED.key,
            )
        ),
        [
            f"{_AT}.certificate: this is not a certificate in PEM. Proxies could not build a chain from it. Give one "
            "block from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`."
        ],
    ),
    (
        "the issuer of another",
        _servers(_server(certificate=_SIGNED.certificate + authority().certificate, privateKey=_SIGNED.key)),
        [
            f"{_AT}.certificate: certificate 1 is not signed by certificate 2, which follows it. Clients could not "
            "follow the chain to a root that they know, and would refuse the connection. Give the server's certificate "
            "first, then the one that signed it, and so on."
        ],
    ),
    (
        "secret's name in capitals",
        _servers(_server(existingSecret="Exam")),
        [
            f"{_AT}.existingSecret: `Exam` is not a DNS subdomain. Kubernetes refuses it as a name (RFC 1123). Use at "
            "most 253 lower-case letters, digits, inner hyphens and dots, as in `exam-platform-tls` or "
            "`tls.exam-platform.com`."
        ],
    ),
    (
        "certificate as long as its authority",
        _servers(_server(generated={"lifetime": "3650d"})),
        [
            f"{_AT}.generated.lifetime: lifetime (3650d) is not below that of its authority (3650d). It would end with "
            "the authority, and every `pulumi up` might make it anew. Shorten it."
        ],
    ),
    (
        "unknown kind of issuer",
        _servers(_server(certManager={"issuer": "acme", "kind": "clusterissuer"})),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.certManager.kind: it is `clusterissuer`. Only these "
                "are known: `Issuer`, `ClusterIssuer`. Take one."
            ),
        ],
    ),
    (
        "time without unit",
        _servers(_server(generated={"lifetime": "90"})),
        [
            (
                "istio-mesh:gateways.ingress.servers[0].tls.generated.lifetime: `90` is not a length of time. "
                "Without a unit seconds and days look alike. Write whole numbers with units from d, h, m, s, as "
                "in `24h`, `730d` or `1h30m`."
            ),
        ],
    ),
    (
        "key in other capitals",
        {"gateways.eastwest": {}},
        [
            (
                "istio-mesh:gateways.eastwest: there is no key `eastwest`. It would be ignored, and the stack "
                "would not be what its file says. Did you mean `eastWest`?"
            ),
        ],
    ),
    (
        "key misspelt",
        {"gateways.ingress.replica": 1},
        [
            (
                "istio-mesh:gateways.ingress.replica: there is no key `replica`. It would be ignored, and the "
                "stack would not be what its file says. Did you mean `replicas`?"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults


@pytest.mark.parametrize(
    "server",
    [
        _server(_LONG[1:], generated={}),
        _server(f"*.{_LONG_WILDCARD[3:]}", certManager={"issuer": "acme"}),
        _server(host_of(253)),
        {"hosts": ["exam.com", host_of(253)], "tls": {"generated": {}}},
    ],
    ids=["longest host", "longest wildcard", "a Secret with a name of its own", "a shorter host first"],
)
def test_a_host_as_long_as_can_be_is_taken(tmp_path: Path, server: dict[str, Any]) -> None:
    assert faults_of(tmp_path, _servers(server)) == []


@pytest.mark.parametrize(
    "tls",
    [
        {"existingSecret": "tls.exam-platform.com"},
        {"certManager": {"issuer": "acme.exam-platform.com"}},
        {"certificate": _SIGNED.certificate + _ISSUER.certificate, "privateKey": _SIGNED.key},
        {"generated": {"lifetime": "3649d"}},
    ],
    ids=lambda tls: next(iter(tls)),
)
def test_a_right_certificate_is_taken(tmp_path: Path, tls: dict[str, Any]) -> None:
    assert faults_of(tmp_path, _servers(_server(**tls))) == []


def test_in_one_cluster_no_connection_passes_a_gateway_between_regions(tmp_path: Path) -> None:
    old = {**PLAIN, "traffic": {"pool": {"maxConnectionDuration": "1h"}}}
    gateways = {"drain": {"atLeast": "5s", "atMost": "1m"}}
    config = stack_config(tmp_path, ("use1",), gateways=gateways, services={"exam/exam-service": old})
    assert config.gateways.drain.open_for.seconds == 45
