"""Which clusters answer from here, found by the kubeconfigs of the providers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from previews.clusters import Unreached, Way, server_of, unreached, way_of
from previews.events import SECRET, SIGNATURE, UNKNOWN


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> Iterator[int]:
    """One that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def kubeconfig(*servers: str) -> str:
    entries = {str(number): server for number, server in enumerate(servers)}
    return json.dumps(
        {
            "current-context": "0",
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in entries],
            "clusters": [{"name": name, "cluster": {"server": server}} for name, server in entries.items()],
            "users": [{"name": "u", "user": {"exec": {"command": "aws"}}}],
        }
    )


def test_clusters_that_take_a_connection_are_reached_and_the_others_are_named(port: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    text = kubeconfig(f"https://127.0.0.1:{port}", f"https://127.0.0.1:{closed}")
    ways = [Way("use1", text, "0"), Way("usw2", text, "1")]
    assert unreached(ways, tmp_path) == (Unreached("usw2", f"https://127.0.0.1:{closed}", "Connection refused"),)


def test_a_name_that_nobody_knows_is_a_cause(tmp_path: Path) -> None:
    (found,) = unreached([Way("use1", kubeconfig("https://cluster.invalid"), None)], tmp_path)
    assert (found.provider, found.server) == ("use1", "https://cluster.invalid")
    assert found.cause


def test_a_server_that_says_nothing_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_: Any, **__: Any) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", never)
    (found,) = unreached([Way("use1", kubeconfig("https://10.0.0.1"), None)], tmp_path)
    assert found.cause == "no answer within 5 s"


def test_behind_a_proxy_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ways = [Way("use1", kubeconfig("https://127.0.0.1:9"), None)]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    assert unreached(ways, tmp_path) == ()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert len(unreached(ways, tmp_path)) == 1


def test_a_path_is_relative_to_the_program(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(kubeconfig("https://one.example"))
    assert server_of(Way("use1", "config.yaml", None), tmp_path) == "https://one.example"


@pytest.mark.parametrize("text", [UNKNOWN, "missing.yaml", "{}", "{not JSON", "a: b\nc: d"])
def test_where_nobody_can_say_where_it_is_nothing_is_said(text: str, tmp_path: Path) -> None:
    assert server_of(Way("use1", text, None), tmp_path) is None
    assert unreached([Way("use1", text, None)], tmp_path) == ()


def test_the_way_is_read_from_a_providers_properties() -> None:
    assert way_of("use1", {"kubeconfig": "file", "context": "prod"}) == Way("use1", "file", "prod")
    assert way_of("use1", {"kubeconfig": "file"}) == Way("use1", "file", None)
    for inputs in ({}, {"kubeconfig": ""}, {"kubeconfig": {SIGNATURE: SECRET, "ciphertext": "[secret]"}}):
        assert way_of("use1", inputs) is None
