"""Every secret of a run, in every form in which it could be told, and a search for them."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.lab.support.site import INGRESS, SYSTEM, Site

SHORTEST = 20  # bytes of a piece that is looked for: shorter ones are found by chance
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(?P<body>[A-Za-z0-9+/=\n]+)-----END", re.DOTALL)
_SIGNED = re.compile(rb"eyJ[\w-]+\.[\w-]+\.(?P<signature>[\w-]{40,})")
_ENCRYPTED = "4dabf18193072939515e22adb298388d"  # by this key the engine marks its own wrappers in a state


# Of the tokens that API servers and the proofs' issuers sign. One of `alg` none is signed by nobody, and no secret.
ALGORITHMS = ("RS256", "ES256", "HS256")

# Where secrets begin that are gone by now: replaced keys, and tokens. Both signers write a header's fields in the order
# of their names. Whole groups of three bytes (here 21): of any other number the last letter depends on what follows.
BEGINNINGS = (
    b"-----BEGIN PRIVATE KEY-----",
    b"-----BEGIN EC PRIVATE KEY-----",
    b"-----BEGIN RSA PRIVATE KEY-----",
    *(base64.urlsafe_b64encode(f'{{"alg":"{algorithm}","kid":'.encode()) for algorithm in ALGORITHMS),
)


@dataclass(frozen=True)
class Secret:
    """Something that nobody may read.

    :ivar name: where it comes from; the only part that is ever shown.
    :ivar value: to the letter.
    """

    name: str
    value: bytes

    def needles(self) -> set[bytes]:
        """What is looked for. Each piece of it, so that no way to break lines or to escape them hides it; each raw, as
        base64 at every offset in what it may be a part of, as base64 of that, and as hexadecimal digits."""
        found: set[bytes] = set()
        for piece in self.pieces():
            if re.fullmatch(rb"[\x20-\x7e]+", piece):
                found |= {piece, *_base64(piece), *(twice for once in _base64(piece) for twice in _base64(once))}
                continue
            once = _base64(piece)
            found |= {*once, *(twice for each in once for twice in _base64(each))}
            found |= {piece.hex().encode(), piece.hex().upper().encode()}
        return found

    def pieces(self) -> Iterator[bytes]:
        """The parts that are secret: of a key its numbers and the lines that have them, of a token its signature."""
        key = _KEY.search(self.value)
        if key is None:
            token = _SIGNED.search(self.value)
            yield token["signature"] if token is not None else self.value
            return
        end = self.value.index(b"-----END", key.start())
        last = self.value.index(b"\n", end) if b"\n" in self.value[end:] else len(self.value)
        private = serialization.load_pem_private_key(self.value[key.start() : last], password=None)
        assert isinstance(private, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for line in key["body"].split():
            whole = line[: len(line) // 4 * 4]
            # Of a line that is only of the public half, certificates and key sets are full.
            if len(whole) >= SHORTEST and base64.b64decode(whole) not in public:
                yield line
        if isinstance(private, ec.EllipticCurvePrivateKey):
            yield private.private_numbers().private_value.to_bytes((private.key_size + 7) // 8, "big")
        else:
            numbers = private.private_numbers()
            yield numbers.d.to_bytes((private.key_size + 7) // 8, "big")
            yield numbers.p.to_bytes((private.key_size + 15) // 16, "big")


def _base64(piece: bytes) -> set[bytes]:
    """How a piece looks within any base64, whatever stands before and after it; in both alphabets."""
    found: set[bytes] = set()
    for offset in range(3):
        rest = piece[offset:]
        whole = rest[: len(rest) // 3 * 3]
        if len(whole) >= SHORTEST * 3 // 4:
            found |= {base64.b64encode(whole), base64.urlsafe_b64encode(whole)}
    return found


def beginnings() -> list[Secret]:
    """What every secret of a kind begins with, whichever it is."""
    return [Secret(f"beginning {number}", text) for number, text in enumerate(BEGINNINGS)]


def of_cluster(site: Site) -> Iterator[Secret]:
    """What the clusters hold: keys of the authorities and of the ingress, tokens of readers, and who may do all."""
    for item in site.kubectl.items("secret", "-A"):
        metadata = item["metadata"]
        if metadata["namespace"] not in (SYSTEM, INGRESS) or item["type"] == "helm.sh/release.v1":
            continue
        for key, encoded in (item.get("data") or {}).items():
            value = base64.b64decode(encoded)
            if _KEY.search(value) or _SIGNED.search(value):
                yield Secret(f"{site.name} {metadata['namespace']}/{metadata['name']} {key}", value)


def of_kubeconfig(file: Path) -> Iterator[Secret]:
    """Keys and tokens by which the stack reaches a cluster."""
    for user in yaml.safe_load(file.read_text(encoding="utf-8"))["users"]:
        if "client-key-data" in user["user"]:
            yield Secret(f"{file.name} {user['name']}", base64.b64decode(user["user"]["client-key-data"]))
        if "token" in user["user"]:
            yield Secret(f"{file.name} {user['name']} token", user["user"]["token"].encode())


def of_state(exported: Mapping[str, Any]) -> Iterator[Secret]:
    """What a state shows with its secrets that it hides without: keys and tokens wherever they are in it."""
    for resource in exported["deployment"]["resources"]:
        name = str(resource["urn"]).rpartition("::")[2]
        for text in _hidden(resource):
            for value in _decoded(text.encode()):
                for match in re.finditer(rb"-----BEGIN [A-Z ]*KEY-----[^-]+-----END [A-Z ]*KEY-----\n?", value):
                    yield Secret(f"state {name}", match[0])
                for match in _SIGNED.finditer(value):
                    yield Secret(f"state {name} token", match[0])


def _hidden(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if _ENCRYPTED in value:
            # The plain text of a secret is itself JSON.
            yield from _texts(json.loads(value["plaintext"]))
            return
        for each in value.values():
            yield from _hidden(each)
    elif isinstance(value, list):
        for each in value:
            yield from _hidden(each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _decoded(value: bytes) -> Iterator[bytes]:
    """A text, and what it is the base64 of."""
    yield value
    if re.fullmatch(rb"[A-Za-z0-9+/]+=*", value) and len(value) % 4 == 0:
        yield base64.b64decode(value)


def planted(value: bytes) -> dict[str, str]:
    """A secret in the ways in which it could leak."""
    text = value.decode()
    document = f"apiVersion: v1\nusers:\n- name: someone\n  user:\n    token: {text!r}\n"
    return {
        "raw": text,
        "without line breaks": text.replace("\n", ""),
        "with other line breaks": text.replace("\n", "\r\n"),
        "indented": "\n".join(f"      {line}" for line in text.splitlines()),
        "JSON": json.dumps({"key": text}),
        "JSON in JSON": json.dumps({"key": json.dumps({"key": text})}),
        "base64": base64.b64encode(value).decode(),
        "base64 of base64": base64.b64encode(base64.b64encode(value)).decode(),
        "base64 in JSON in base64": base64.b64encode(
            json.dumps({"data": base64.b64encode(value).decode()}).encode()
        ).decode(),
        "base64 of a document": base64.b64encode(document.encode()).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(value).decode(),
    }


def wrappers(exported: Mapping[str, Any]) -> int:
    """How many values a state keeps encrypted."""

    def count(value: Any) -> int:
        if isinstance(value, dict):
            return 1 if _ENCRYPTED in value and "ciphertext" in value else sum(count(each) for each in value.values())
        return sum(count(each) for each in value) if isinstance(value, list) else 0

    return count(exported)


def found_in(files: Iterable[Path], secrets: Sequence[Secret], scratch: Path) -> dict[str, list[str]]:
    """Which secrets are in which files: names of secrets by file. Nothing of a secret itself is shown."""
    needles = {needle: secret.name for secret in secrets for needle in secret.needles()}
    patterns = scratch / "needles"
    patterns.touch(mode=0o600)
    patterns.write_bytes(b"\n".join(sorted(needles)) + b"\n")
    listed = [str(file) for file in files]
    try:
        hits = _grep(patterns, listed)
    finally:
        patterns.unlink()
    return {file: sorted({needles[n] for n in needles if n in Path(file).read_bytes()}) for file in hits}


def _grep(patterns: Path, files: Sequence[str]) -> list[str]:
    """The files that have any of the patterns, as one pass of `grep -F` tells it."""
    done = subprocess.run(
        ["xargs", "-0", "grep", "--fixed-strings", "--text", "--files-with-matches", "-f", str(patterns), "--"],
        input="\0".join(files), capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        check=False,
    )  # fmt: skip
    # xargs says 123 where a grep found nothing in its part of the files.
    # A log that is gone by now tells nobody anything; each file that is there must have been read.
    said = [line for line in done.stderr.splitlines() if not line.endswith("No such file or directory")]
    assert done.returncode in (0, 123), f"grep ended with {done.returncode}: {done.stderr[:500]}"
    assert not said, said
    return done.stdout.splitlines()
