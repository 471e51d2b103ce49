"""Istio's own checker, for tests that ask it: from `.lab/bin`, where `make up` puts it, or from PATH."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

ISTIOCTL = shutil.which("istioctl", path=str(Path(__file__).parents[1] / ".lab" / "bin")) or shutil.which("istioctl")


def may_be_left_out(found: str | None, environment: Mapping[str, str]) -> bool:
    """Whether tests that need istioctl are skipped: on a person's machine without it. A run with CI=true fails."""
    return found is None and environment.get("CI") != "true"


needs_istioctl = pytest.mark.skipif(
    may_be_left_out(ISTIOCTL, os.environ), reason="there is no istioctl on PATH and none in .lab/bin"
)


def istioctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    if ISTIOCTL is None:
        pytest.fail("CI=true, and there is no istioctl on PATH and none in .lab/bin: `make up` puts it there")
    return subprocess.run([ISTIOCTL, *arguments], capture_output=True, text=True, timeout=300, check=False)


def validated(file: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Holds that Istio takes each of the objects by itself; `file` is written."""
    _write(file, objects)
    done = istioctl("validate", "-f", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def analysed(file: Path, objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """What Istio has to say of the objects together, but for what is expected; `file` is written."""
    _write(file, objects)
    done = istioctl("analyze", "--all-namespaces", "--use-kube=false", "--output=json", str(file))
    assert done.stdout, done.stderr
    return [
        f"[{found['code']}] {found['origin']}: {found['message']}"
        for found in json.loads(done.stdout)
        if not expected(found)
    ]


def expected(message: Mapping[str, Any]) -> bool:
    """Whether it is the one message that says nothing of this program: that an EnvoyFilter is one.

    Envoy's local rate limit, buffer, guard of paths and idle time-outs have no other form in Istio.
    """
    return (
        message["code"] == "IST0133"
        and message["origin"].startswith("EnvoyFilter ")
        and message["message"].startswith(
            "Schema validation warning: EnvoyFilter exposes internal implementation details that may change"
        )
    )


def _write(file: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    # Each as JSON, which is YAML, and written in no time.
    file.write_text("\n---\n".join(json.dumps(found) for found in objects))
