"""The program ends in a way that Pulumi's SDK waits for well."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import stack as sdk
from pulumi.runtime.settings import _get_rpc_manager

from tests import mocks
from tests.builders import stack

PROGRAM = Path(__file__).parents[1] / "__main__.py"


def test_every_registration_has_begun_when_the_sdk_begins_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it waits for any one of all outputs, looks at each of them every time, and time grows with its square."""
    begun: list[int] = []
    wait = sdk.wait_for_rpcs

    async def counted(*args: Any, **options: Any) -> None:
        begun.append(len(_get_rpc_manager().rpcs))
        await wait(*args, **options)

    monkeypatch.setattr(sdk, "wait_for_rpcs", counted)
    recording = mocks.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=stack(tmp_path))
    assert len(begun) == 1, "the SDK waits in another way by now: see components/registrations.py"
    assert begun[0] >= len(recording.resources) > 30, f"{begun[0]} of {len(recording.resources)} had begun"
