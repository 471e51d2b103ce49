"""Secrets are found in whatever form a text has them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previews.events import SECRET, SIGNATURE
from previews.masking import MASKED, Mask, of_environment, of_kubernetes_secret, of_properties

KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAbcdefghijklmnopqrstuvwxyz0123\n-----END PRIVATE KEY-----\n"
VALUE = 'swordfish "&|/ü'

FORMS = {
    "raw": VALUE,
    "as JSON": json.dumps(VALUE)[1:-1],
    "as JSON with letters beyond ASCII": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "in an address": quote(VALUE, safe=""),
    "as base64": base64.b64encode(VALUE.encode()).decode(),
    "as base64 for addresses": base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_known_secret_is_masked_in_every_form(form: str) -> None:
    assert Mask([VALUE]).text(f"it is {form}, sadly") == f"it is {MASKED}, sadly"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
def test_a_known_secret_is_masked_within_a_larger_base64(before: str) -> None:
    secret = "correct-horse-battery"
    whole = base64.b64encode(f"{before}{secret}@host".encode()).decode()
    masked = Mask([secret]).text(whole)
    assert MASKED in masked
    # Of what is left, nothing says more than three bytes of it.
    rest = "".join(masked.split(MASKED))
    assert len(rest) <= 4 * (len(f"{before}@host") + 9) / 3


def test_a_key_is_masked_line_by_line_however_it_is_indented() -> None:
    line = KEY.splitlines()[1]
    assert line not in Mask([KEY]).text(f"  |\n      {line}\n")


def test_the_longest_is_taken_out_first() -> None:
    assert Mask(["horse", "horse-battery"]).text("horse-battery, horse") == f"{MASKED}, {MASKED}"


def test_what_is_too_short_to_be_looked_for_leaves_texts_whole() -> None:
    assert Mask(["a", "lab", "", "  "]).text("a label") == "a label"


PATTERNS = [
    (KEY, MASKED + "\n"),
    ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl here", f"token {MASKED} here"),
    ("Authorization: Bearer abcdefghijkl", f"Authorization: Bearer {MASKED}"),
    ("AKIAIOSFODNN7EXAMPLE", MASKED),
    ("ghp_0123456789abcdefghij01", MASKED),
    ("pul-0123456789012345678901234567890123456789", MASKED),
    ("postgres://user:hunter22@host/db", f"postgres://user:{MASKED}@host/db"),
    ("password=hunter22 and more", f"password={MASKED} and more"),
    ('{"token": "hunter22", "size": 1}', f'{{"token": "{MASKED}", "size": 1}}'),
]


@pytest.mark.parametrize(("text", "masked"), PATTERNS)
def test_what_has_a_secrets_form_is_masked_without_being_known(text: str, masked: str) -> None:
    assert Mask().text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "the token of the remote secret is renewed: raise istio-mesh:trust.remoteTokens.generation",
        "data.password (replaces)",
        "spec.jwtRules[0].issuer: https://issuer.example.com:8443/path@1",
        "-----BEGIN CERTIFICATE-----",
        "arn:aws:iam::123456789012:role/deploy",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert Mask().text(text) == text


@given(st.text(min_size=4, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_known_secret_is_left_in_any_text(secret: str, before: str, after: str) -> None:
    if len(secret.strip()) < 4 or secret.strip() in MASKED:
        return
    masked = Mask([secret]).text(f"{before}{secret}{after}")
    # Masks of their own and what surrounds them may happen to spell it.
    assert MASKED in masked
    assert secret not in "\0".join(masked.split(MASKED))


def test_the_environments_secrets_are_found_by_their_names() -> None:
    variables = {
        "PULUMI_CONFIG_PASSPHRASE": "phrase",
        "AWS_SECRET_ACCESS_KEY": "access",
        "AWS_SESSION_TOKEN": "session",
        "GITHUB_TOKEN": "token",
        "SSH_KEY": "key",
        "KEYBOARD": "qwerty",
        "HOME": "/home/me",
        "TOKEN_FILE": "/run/token",
        "USE_TOKENS": "true",
        "SECRETS_PORT": "8200",
    }
    assert sorted(of_environment(variables)) == ["access", "key", "phrase", "session", "token"]


def test_plain_text_under_the_engines_mark_is_found_wherever_it_is() -> None:
    sealed = {SIGNATURE: SECRET, "plaintext": json.dumps({"a": ["deep", 12345], "b": True})}
    properties = {"list": [{"of": sealed}], "open": "not secret", "other": {SIGNATURE: "an asset", "text": "x"}}
    assert sorted(of_properties(properties)) == ["12345", "deep"]


def test_a_kubernetes_secret_that_nobody_marked_is_secret_all_the_same() -> None:
    properties = {
        "data": {"a": base64.b64encode(b"swordfish").decode(), "b": "not base64!"},
        "stringData": {"c": "plain"},
    }
    assert sorted(of_kubernetes_secret(properties)) == ["c3dvcmRmaXNo", "not base64!", "plain", "swordfish"]
