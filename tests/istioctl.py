"""Istio's own checker, for tests that ask it: from `.lab/bin`, where `make up` puts it, or from PATH."""

import shutil
import subprocess
from pathlib import Path

import pytest

ISTIOCTL = shutil.which("istioctl", path=str(Path(__file__).parents[1] / ".lab" / "bin")) or shutil.which("istioctl")

needs_istioctl = pytest.mark.skipif(ISTIOCTL is None, reason="there is no istioctl on PATH and none in .lab/bin")


def istioctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ISTIOCTL is not None
    return subprocess.run([ISTIOCTL, *arguments], capture_output=True, text=True, timeout=300, check=False)
