"""The search for secrets, without a lab: tokens of which nothing is known but how their kind begins."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.lab.support.secrets import ALGORITHMS, beginnings, found_in, planted


def token(**header: str) -> bytes:
    """As Go's JSON writes a map, by which the issuer and API servers make a header: sorted, without blanks."""
    parts = (json.dumps(each, sort_keys=True, separators=(",", ":")).encode() for each in (header, {"sub": "someone"}))
    return b".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts), b"c" * 43])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
# Each first letter of an id, since a needle that ends within one would find some of them alone.
@pytest.mark.parametrize("kid", ["0", "7", "A", "a", "z", "-", "_"])
def test_a_token_is_found_by_its_beginning_in_each_form(algorithm: str, kid: str, tmp_path: Path) -> None:
    files: list[Path] = []
    for form, text in planted(token(alg=algorithm, kid=f"{kid}bc", typ="JWT")).items():
        files.append(tmp_path / form)
        files[-1].write_text(f'{{"before": 1}}\n{text}\nafter', encoding="utf-8")
    found = found_in(files, beginnings(), tmp_path)
    assert {Path(file).name for file in found} == {file.name for file in files}


def test_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    harmless = {
        "keys": json.dumps({"keys": [{"alg": "RS256", "kid": "abc", "kty": "RSA"}]}, separators=(",", ":")),
        "header": json.dumps({"alg": "RS256", "kid": "abc"}, separators=(",", ":")),
        "unsigned": token(alg="none", kid="abc", typ="JWT").decode(),
    }
    for name, text in harmless.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert not found_in([tmp_path / name for name in harmless], beginnings(), tmp_path)
