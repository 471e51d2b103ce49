"""Keys that tokens are verified with, as a stack file holds them: a JSON Web Key Set (RFC 7517) of public keys."""

import base64
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pydantic import AfterValidator, Field

from components.config.faults import Fault, InvalidValue
from components.config.model import Model

SHORTEST_RSA = 2048
"""Bits of an RSA key (RFC 7518, 3.3); Envoy's library refuses shorter ones."""

_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_REFUSED = "The proxies would refuse the whole listener and keep the one before"


def _key(value: dict[str, Any]) -> dict[str, Any]:
    fault = _key_fault(value)
    if fault is not None:
        raise InvalidValue(fault)
    return value


def _key_fault(key: Mapping[str, object]) -> Fault | None:
    kind = key.get("kty")
    if kind == "oct":
        return Fault(
            "it is a shared secret (`kty: oct`)",
            "Who can verify with it can sign with it, and it would stand in plain text in every cluster",
            "Let the issuer sign with RSA, EC or Ed25519, take the secret for disclosed, and give the public key",
        )
    if "d" in key:
        return Fault(
            "it is a private key",
            "It would stand in plain text in every cluster, and whoever reads it can sign tokens",
            "Take it for disclosed, let the issuer make a new one, and give the public part alone",
        )
    read = _READERS.get(str(kind))
    if read is None:
        return Fault(f"its type is `{kind}`", _REFUSED, "Give a key whose `kty` is RSA, EC or OKP")
    try:
        wrong = read(key)
    except (KeyError, TypeError, ValueError):
        wrong = f"it is not a public key of the type {kind}"
    return Fault(wrong, _REFUSED, "Give it as the issuer publishes it (RFC 7518, 6)") if wrong else None


def _rsa(key: Mapping[str, object]) -> str | None:
    _number(key["e"])
    bits = _number(key["n"]).bit_length()
    return f"it is an RSA key of {bits} bits, {SHORTEST_RSA} are needed" if bits < SHORTEST_RSA else None


def _elliptic(key: Mapping[str, object]) -> str | None:
    # Raises ValueError where the point is not on the curve.
    ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), _CURVES[str(key["crv"])]).public_key()
    return None


def _octet_pair(key: Mapping[str, object]) -> str | None:
    if key["crv"] != "Ed25519":
        return f"its curve is `{key['crv']}`, and proxies know Ed25519 alone"
    ed25519.Ed25519PublicKey.from_public_bytes(_bytes(key["x"]))
    return None


_READERS: Mapping[str, Callable[[Mapping[str, object]], str | None]] = {
    "RSA": _rsa,
    "EC": _elliptic,
    "OKP": _octet_pair,
}


def _bytes(text: object) -> bytes:
    if not isinstance(text, str) or not text:
        raise TypeError
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _number(text: object) -> int:
    return int.from_bytes(_bytes(text), "big")


class JwksConfig(Model):
    """A set of public keys, as the issuer publishes it."""

    keys: Annotated[
        tuple[Annotated[dict[str, Any], AfterValidator(_key)], ...],
        Field(min_length=1, examples=[[{"kty": "RSA", "n": "...", "e": "AQAB"}]]),
    ]
    """The keys: RSA of 2048 bits or more, EC on P-256, P-384 or P-521, Ed25519."""
