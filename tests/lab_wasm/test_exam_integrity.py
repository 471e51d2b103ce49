"""The filter exam-integrity: the sum that the stack names it by, and what it does in a host of a few lines."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import wasmtime
import yaml

from lab.wasm import compiled

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = '{"suspicious_behavior_threshold":5}'
OK, NOT_FOUND = 0, 1  # of the ABI's statuses
CONTINUE, PAUSE = 0, 1


@dataclass
class Host:
    """What a proxy gives a filter (proxy-wasm ABI 0.2.1), as far as this one asks for it."""

    configuration: str = CONFIGURATION
    request: dict[str, str] = field(default_factory=dict[str, str])
    response: dict[str, str] = field(default_factory=dict[str, str])
    answered: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        given: dict[str, tuple[int, Any]] = {
            "proxy_get_buffer_bytes": (5, self._get_buffer),
            "proxy_get_header_map_value": (5, self._get_header),
            "proxy_replace_header_map_value": (5, self._set_header),
            "proxy_send_local_response": (8, self._respond),
        }
        for name, (count, function) in given.items():
            linker.define_func(
                "env", name, wasmtime.FuncType([wasmtime.ValType.i32()] * count, [wasmtime.ValType.i32()]), function
            )
        module = wasmtime.Module(engine, compiled("exam-integrity"))
        self.exports = linker.instantiate(self.store, module).exports(self.store)

    def call(self, name: str, *arguments: int) -> int:
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        return int(function(self.store, *arguments))

    @property
    def memory(self) -> wasmtime.Memory:
        memory = self.exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    def _text(self, address: int, length: int) -> str:
        return bytes(self.memory.read(self.store, address, address + length)).decode()

    def _hand_over(self, text: str, address: int, length: int) -> int:
        at = self.call("proxy_on_memory_allocate", len(text))
        for value, where in ((text.encode(), at), (_i32(at), address), (_i32(len(text)), length)):
            self.memory.write(self.store, value, where)
        return OK

    def _get_buffer(self, buffer: int, start: int, most: int, address: int, length: int) -> int:
        assert buffer == 7, "a filter is only given its configuration"
        return self._hand_over(self.configuration[start : start + most], address, length)

    def _get_header(self, headers: int, name: int, size: int, address: int, length: int) -> int:
        assert headers == 0
        value = self.request.get(self._text(name, size))
        return NOT_FOUND if value is None else self._hand_over(value, address, length)

    def _set_header(self, headers: int, name: int, size: int, value: int, length: int) -> int:
        assert headers == 2
        self.response[self._text(name, size)] = self._text(value, length)
        return OK

    def _respond(self, status: int, details: int, length: int, *_: int) -> int:
        self.answered = (status, self._text(details, length))
        return OK

    def configured(self) -> bool:
        return bool(self.call("proxy_on_configure", 1, len(self.configuration)))


def _i32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def test_the_stack_names_the_module_by_its_sum() -> None:
    stack = yaml.safe_load((REPOSITORY / "Pulumi.local.yaml").read_text())["config"]
    named = stack["istio-mesh:extensions"]["wasm"]["exam-integrity"]["sha256"]
    assert hashlib.sha256(compiled("exam-integrity")).hexdigest() == named, (
        "every proxy would refuse the requests of the services that run it: write the new sum to Pulumi.local.yaml"
    )


@pytest.mark.parametrize(
    ("count", "refused"),
    [
        (None, False),
        ("", False),
        ("none", False),
        ("0", False),
        ("4", False),
        ("5", True),
        ("12", True),
        # Two headers of the name come as one.
        ("4,1", True),
        # 2^32 and 2^64, which would be 0 in so many bits.
        ("4294967296", True),
        ("18446744073709551616", True),
        ("0" * 60_000 + "5", True),
    ],
)
def test_a_request_is_refused_from_the_threshold_on(count: str | None, refused: bool) -> None:
    host = Host(request={} if count is None else {"x-suspicious-behavior": count})
    assert host.configured()
    action = host.call("proxy_on_request_headers", 2, len(host.request), 1)
    if refused:
        assert (action, host.answered) == (PAUSE, (403, "exam_integrity_violated"))
    else:
        assert (action, host.answered) == (CONTINUE, None)


def test_every_answer_says_that_its_request_was_looked_at() -> None:
    host = Host()
    assert host.configured()
    assert host.call("proxy_on_response_headers", 2, 0, 1) == CONTINUE
    assert host.response == {"x-exam-integrity": "checked"}


@pytest.mark.parametrize("configuration", ["", "{}", '{"suspicious_behavior_threshold":0}'])
def test_without_a_threshold_it_does_not_start(configuration: str) -> None:
    """A proxy then does what the plugin's fail strategy says."""
    assert not Host(configuration).configured()


def test_what_is_longer_than_its_memory_ends_it() -> None:
    with pytest.raises(wasmtime.Trap):
        Host().call("proxy_on_memory_allocate", 131_072)
