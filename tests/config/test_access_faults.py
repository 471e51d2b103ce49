"""What may be wrong with `access` of a service and with `istio-mesh:issuers`.

Each case is a change of a valid stack and every fault that it must show, word by word.
"""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.builders import ABSENT, faults_of


def issuer(**changes: Any) -> dict[str, Any]:
    return {
        "issuer": "https://auth.exam-platform.com",
        "jwksUri": "https://auth.exam-platform.com/jwks.json",
        "audiences": ["exam-platform-api"],
        **changes,
    }


def base(**access: Any) -> dict[str, Any]:
    """A service that asks for tokens of one issuer, with these words of `access`."""
    return {
        "services": {
            "exam/exam-service": {"ports": {"http": 8080}, "access": {"jwt": {"issuers": ["exam"]}, **access}}
        },
        "issuers": {"exam": issuer()},
    }


def with_ports(ports: dict[str, Any], **access: Any) -> dict[str, Any]:
    said = base(**access)
    said["services"]["exam/exam-service"]["ports"] = ports
    return said


def sealed(port: str) -> str:
    return (
        f'istio-mesh:services["exam/exam-service"].ports.{port}: connections of `{port}` are sealed by the '
        "application. Proxies see no token in them: what `access.jwt` closes would be open to every declared caller "
        "there. Let it be plain, as in `http` or `grpc` (the mesh seals it), or make it a service of its own."
    )


def with_issuer(**changes: Any) -> dict[str, Any]:
    entry = {key: value for key, value in issuer(**changes).items() if value is not ABSENT}
    return {**base(), "issuers": {"exam": entry}}


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def rsa_key(bits: int) -> dict[str, str]:
    public = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "n": number(public.n), "e": number(public.e)}


ACCESS = 'istio-mesh:services["exam/exam-service"].access'

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("right", base(roles={"admin": ["/admin/*"]}, public=["/health"]), []),
    ("a part of a role's paths that is public on purpose", base(roles={"admin": ["/a/*"]}, public=["/a/health"]), []),
    (
        "role without an issuer",
        {**base(roles={"admin": ["/admin/*"]}, jwt=None), "issuers": {}},
        [
            f"{ACCESS}.roles: there are roles and no issuer. Roles are read from tokens: nobody would have one, and "
            "their paths would be closed to all. Add `jwt` with the issuers of the tokens."
        ],
    ),
    (
        "tokens beside ports that the application seals",
        with_ports({"http": 8080, "https": 8443, "admin": {"number": 9443, "protocol": "tls"}}, roles={"a": ["/a"]}),
        [sealed("https"), sealed("admin")],
    ),
    ("no token beside one", with_ports({"http": 8080, "https": 8443}, jwt=None, public=[]) | {"issuers": {}}, []),
    ("tokens beside a port of plain connections", with_ports({"http": 8080, "tcp": 9000}), []),
    (
        "issuer that is not there",
        {**base(), "issuers": {}},
        [
            f"{ACCESS}.jwt.issuers[0]: there is no issuer `exam`. No token could be verified, and every request would "
            "be refused. Add it, as `istio-mesh:issuers.exam`."
        ],
    ),
    (
        "issuer twice in a service",
        base(jwt={"issuers": ["exam", "exam"]}),
        [f"{ACCESS}.jwt.issuers[1]: `exam` is named twice. One of them is a mistake. Name it once."],
    ),
    (
        "issuer that protects nothing",
        {"issuers": {"exam": issuer()}},
        [
            "istio-mesh:issuers.exam: no service asks for its tokens. It protects nothing, and whoever reads it thinks "
            "that it does. Add `access: {jwt: {issuers: [exam]}}` to a service, or take it out."
        ],
    ),
    (
        "token that protects nothing",
        base(public=["/*"]),
        [
            f"{ACCESS}.public[0]: every path is public, and `jwt` protects nothing. A request without a token would be "
            "answered wherever it goes. Name the paths that are public, or take `jwt` out."
        ],
    ),
    (
        "public path that opens a role's",
        base(roles={"admin": ["/admin/users"]}, public=["/admin/*"]),
        [
            f"{ACCESS}.public[0]: `/admin/*` covers `/admin/users`, which needs the role `admin`. It would be open to "
            "everybody in the mesh. Take one of the two out."
        ],
    ),
    (
        "path within another one of the role",
        base(roles={"admin": ["/admin/users", "/admin/*"]}),
        [f"{ACCESS}.roles.admin[0]: `/admin/users` is covered by `/admin/*`. One of them is a mistake. Keep one."],
    ),
    (
        "path twice",
        base(public=["/health", "/health"]),
        [f"{ACCESS}.public[1]: `/health` is covered by `/health`. One of them is a mistake. Keep one."],
    ),
    (
        "role without paths",
        base(roles={"admin": []}),
        [f"{ACCESS}.roles.admin: it is empty. There has to be at least one. Add one."],
    ),
    (
        "role of anybody",
        base(roles={"*": ["/admin/*"]}),
        [f'{ACCESS}.roles["*"]: `*` is not a name. A `*` would be anything at all. Write the value to the letter.'],
    ),
    (
        "path that ends with a slash",
        base(roles={"admin": ["/admin/"]}),
        [
            f"{ACCESS}.roles.admin[0]: `/admin/` ends with a slash. The same path without it would not be covered. "
            "Write `/admin/*`, which covers `/admin`, `/admin/` and all below."
        ],
    ),
    (
        "encoded path",
        base(public=["/%61dmin"]),
        [
            f"{ACCESS}.public[0]: `/%61dmin` is not as the server sees it. It would not be the path that is compared, "
            "and the rule would not hold. Write it decoded and without parameters, as in `/admin`."
        ],
    ),
    (
        "access of a service without requests",
        {"services": {"exam/store": {"ports": {"tcp": 6379}, "access": {"public": []}}}},
        [
            'istio-mesh:services["exam/store"].access: the service has no HTTP port. Proxies see no requests on its '
            "ports, only connections, and it would be ignored. Name an HTTP port, as in `http: 8080`, or take it out."
        ],
    ),
    (
        "no keys",
        with_issuer(jwksUri=ABSENT),
        [
            "istio-mesh:issuers.exam: exactly one of `jwksUri`, `jwks` is needed, and none of them is given. No "
            "signature could be verified, or it would not be clear by which keys. Keep one source of keys."
        ],
    ),
    (
        "keys over plain http",
        with_issuer(jwksUri="http://auth.exam-platform.com/jwks.json"),
        [
            "istio-mesh:issuers.exam.jwksUri: `http://auth.exam-platform.com/jwks.json` is fetched in plain text. "
            "Whoever is on the way can put keys of their own in, and sign tokens of any role. Use https."
        ],
    ),
    (
        "keys at no address",
        with_issuer(jwksUri="auth.exam-platform.com"),
        [
            "istio-mesh:issuers.exam.jwksUri: `auth.exam-platform.com` is not the address of a key set. istiod could "
            "not fetch the keys, and every token would be refused. Write it as in "
            "`https://auth.exam-platform.com/.well-known/jwks.json`."
        ],
    ),
    (
        "keys from a service of the mesh",
        with_issuer(jwksUri="http://exam-service.exam.svc.cluster.local:8080/jwks"),
        [
            "istio-mesh:issuers.exam.jwksUri: `exam-service.exam.svc.cluster.local` is a service of the mesh. istiod, "
            "which is not in the mesh, fetches the keys in plain text, and the service takes mutual TLS alone: every "
            "token would be refused. Let the issuer publish its keys outside the mesh, or give them as `jwks`."
        ],
    ),
    (
        "no audience",
        with_issuer(audiences=[]),
        ["istio-mesh:issuers.exam.audiences: it is empty. There has to be at least one. Add one."],
    ),
    (
        "any audience",
        with_issuer(audiences=["*"]),
        [
            "istio-mesh:issuers.exam.audiences[0]: `*` is not a name. A `*` would be anything at all. Write the value "
            "to the letter."
        ],
    ),
    (
        "any issuer",
        with_issuer(issuer="*"),
        [
            "istio-mesh:issuers.exam.issuer: `*` is not an issuer. No token has it as its claim `iss`. Write the claim "
            "to the letter, as in `https://auth.exam-platform.com`."
        ],
    ),
    (
        "claim with a bracket",
        with_issuer(rolesClaim="realm_access[roles]"),
        [
            "istio-mesh:issuers.exam.rolesClaim: `realm_access[roles]` is not the name of a claim. No token has it, "
            "and nobody would have a role. Write it as in `roles`, or nested as in `realm_access.roles`."
        ],
    ),
    (
        "two issuers with one claim",
        {
            **base(jwt={"issuers": ["exam", "other"]}),
            "issuers": {"exam": issuer(), "other": issuer(audiences=["other"])},
        },
        [
            "istio-mesh:issuers.other.issuer: `https://auth.exam-platform.com` is the issuer `exam` already. Envoy "
            "would take the keys of one of the two. Keep one of them."
        ],
    ),
    (
        "key set without a key",
        with_issuer(jwksUri=ABSENT, jwks={"keys": []}),
        ["istio-mesh:issuers.exam.jwks.keys: it is empty. There has to be at least one. Add one."],
    ),
    (
        "shared secret among the keys",
        with_issuer(jwksUri=ABSENT, jwks={"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        [
            "istio-mesh:issuers.exam.jwks.keys[0]: it is a shared secret (`kty: oct`). Who can verify with it can sign "
            "with it, and it would stand in plain text in every cluster. Let the issuer sign with RSA, EC or Ed25519, "
            "take the secret for disclosed, and give the public key."
        ],
    ),
    (
        "private key among the keys",
        with_issuer(jwksUri=ABSENT, jwks={"keys": [{"kty": "EC", "d": "c2VjcmV0"}]}),
        [
            "istio-mesh:issuers.exam.jwks.keys[0]: it is a private key. It would stand in plain text in every cluster, "
            "and whoever reads it can sign tokens. Take it for disclosed, let the issuer make a new one, and give the "
            "public part alone."
        ],
    ),
    (
        "point that is not on the curve",
        with_issuer(jwksUri=ABSENT, jwks={"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}),
        [
            "istio-mesh:issuers.exam.jwks.keys[0]: it is not a public key of the type EC. The proxies would refuse the "
            "whole listener and keep the one before. Give it as the issuer publishes it (RFC 7518, 6)."
        ],
    ),
    (
        "short key",
        with_issuer(jwksUri=ABSENT, jwks={"keys": [rsa_key(1024)]}),
        [
            "istio-mesh:issuers.exam.jwks.keys[0]: it is an RSA key of 1024 bits, 2048 are needed. The proxies would "
            "refuse the whole listener and keep the one before. Give it as the issuer publishes it (RFC 7518, 6)."
        ],
    ),
    (
        "unknown type of key",
        with_issuer(jwksUri=ABSENT, jwks={"keys": [{"kty": "AKP"}]}),
        [
            "istio-mesh:issuers.exam.jwks.keys[0]: its type is `AKP`. The proxies would refuse the whole listener and "
            "keep the one before. Give a key whose `kty` is RSA, EC or OKP."
        ],
    ),
    ("right key", with_issuer(jwksUri=ABSENT, jwks={"keys": [rsa_key(2048)]}), []),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, {**changes, "gateways": {}}) == faults


def test_an_issuer_with_a_fault_is_there_all_the_same(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, {**with_issuer(audiences=[]), "gateways": {}})
    assert len(faults) == 1
