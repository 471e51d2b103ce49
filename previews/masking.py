"""Secrets are taken out of every text before it is shown, whatever it is and wherever it came from.

The engine masks what it knows to be secret. A program, a provider or a policy may still say such a value in a sentence
of its own; what a person would not think of is then in a comment that everybody reads.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

from previews.events import SECRET, SIGNATURE

MASKED = "[secret]"
"""What stands in a secret's place; the engine writes the same."""

SHORTEST = 4
"""Characters of the shortest secret that is looked for: shorter ones are parts of any text, which would be riddled."""

_TELLING = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)KEY($|_)", re.IGNORECASE)
"""Names of environment variables whose values are secret."""

_HARMLESS = re.compile(r"^(true|false|none|null|\d{1,4}|/\S*|[A-Z]:\\\S*)$", re.IGNORECASE)
"""Values of variables with such a name that are none: switches, ports and files."""

_PATTERNS = (
    # Kinds of secrets that are known by their form, for those that nobody declared.
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # a JSON web token
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # an AWS access key's id
    re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,})"),
    re.compile(r"\bpul-[0-9a-f]{40}\b"),  # a token of Pulumi's service
)

_AFTER = (
    # What comes after these is secret; they themselves are not.
    re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"),
    re.compile(
        r"""((?:password|passwd|passphrase|secret|token|api[_-]?key|client-key-data)["']?(?:=|["']\s*:\s*)["']?)"""
        r"""[^\s"',;&]{4,}""",
        re.IGNORECASE,
    ),
)


class Mask:
    """Takes secrets out of texts: given values, in the forms that texts have them in, and what has a secret's form."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value)}
        # The longest first: a part of a secret that is taken out would leave the rest of it to be read.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._values is not None:
            text = self._values.sub(MASKED, text)
        for pattern in _PATTERNS:
            text = pattern.sub(MASKED, text)
        for pattern in _AFTER:
            text = pattern.sub(rf"\g<1>{MASKED}", text)
        return text


def of_environment(variables: Mapping[str, str]) -> Iterator[str]:
    """Values of variables whose names say that they are secret."""
    for name, value in variables.items():
        if _TELLING.search(name) and not _HARMLESS.match(value):
            yield value


def of_properties(properties: Any) -> Iterator[str]:
    """Secrets that properties of an event have in plain text, as with `--show-secrets`."""
    if isinstance(properties, Mapping):
        fields = cast(Mapping[str, Any], properties)
        if fields.get(SIGNATURE) == SECRET:
            yield from _plaintext(fields.get("plaintext"))
            return
        for value in fields.values():
            yield from of_properties(value)
    elif isinstance(properties, list):
        for value in cast(list[Any], properties):
            yield from of_properties(value)


def of_kubernetes_secret(properties: Mapping[str, Any]) -> Iterator[str]:
    """The content of a Kubernetes Secret that nobody marked as secret; base64 is undone where it is text."""
    for value in _leaves(properties.get("stringData")):
        yield value
    for value in _leaves(properties.get("data")):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode()
        except ValueError:
            continue


def leaves(value: Any) -> Iterator[str]:
    """Every text and number within a secret value."""
    yield from _leaves(value)


def _plaintext(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        # The engine keeps a secret as JSON.
        try:
            yield from _leaves(json.loads(value))
        except ValueError:
            yield value


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, Any], value)
        if SIGNATURE in fields:
            yield from of_properties(fields)
            return
        for each in fields.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in cast(list[Any], value):
            yield from _leaves(each)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, (str, int, float)):
        yield str(value)


def _forms(value: str) -> Iterator[str]:
    """A secret as texts may have it: raw, line by line, escaped, as base64 at any place of a larger text."""
    stripped = value.strip()
    if len(stripped) < SHORTEST or stripped == MASKED:
        return
    pieces = {value, stripped}
    # A key is told with its lines indented; short lines are those of any text.
    pieces |= {line.strip() for line in stripped.splitlines() if len(line.strip()) >= 16}
    for piece in pieces:
        yield piece
        yield json.dumps(piece)[1:-1]
        yield json.dumps(piece, ensure_ascii=False)[1:-1]
        yield quote(piece, safe="")
        yield from _base64(piece.encode())


def _base64(piece: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(piece).decode()
        yield from (whole, whole.rstrip("="))
        for offset in range(3):
            rest = piece[offset:]
            inner = rest[: len(rest) // 3 * 3]
            # Of a few letters, the base64 would be found by chance.
            if len(inner) >= 9:
                yield encode(inner).decode()
