"""A real Prometheus: for tests that ask it whether a query finds anything, and promtool for rules."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.observability.dashboards import INTERVAL
from lab.tools import ensure
from lab.waiting import wait_for


@cache
def tools() -> Mapping[str, Path]:
    """`prometheus` and `promtool`: the machine's own where they fit, else fetched once."""
    found = ensure(["prometheus"])
    return {name: found.path(name) for name in ("prometheus", "promtool")}


def promtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(tools()["promtool"]), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def asked(expression: str) -> str:
    """A dashboard's query as Grafana sends it, with all that can be chosen chosen."""
    return expression.replace(INTERVAL, "2m").replace('"$cluster"', '".*"')


@dataclass(frozen=True)
class Server:
    """One that runs."""

    address: str

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """What it finds at a time, now by default; [] where there is nothing. Numbers that are none (NaN) are nothing,
        too: a panel shows no line for them."""
        values = {"query": expression, **({} if at is None else {"time": f"{at:.3f}"})}
        answer = httpx.post(f"http://{self.address}/api/v1/query", data=values, timeout=60, trust_env=False).json()
        assert answer["status"] == "success", f"{answer['error']}: {expression}"
        result = answer["data"]["result"]
        return [found for found in result if found["value"][1] != "NaN"]

    def get(self, path: str, **values: Any) -> Any:
        answer = httpx.get(f"http://{self.address}/api/v1/{path}", params=values, timeout=60, trust_env=False)
        return answer.raise_for_status().json()["data"]


@contextlib.contextmanager
def served(
    folder: Path,
    config: Mapping[str, Any],
    *,
    options: Sequence[str] = (),
    within: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
) -> Generator[Server]:
    """A Prometheus of this configuration, with its data in `folder`, until the block is left.

    :param within: the beginning of a command that starts it somewhere else, such as in a region.
    :param port: one that is free there; by default one that is free here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    address = f"{host}:{port or _free()}"
    command = [
        *within,
        str(tools()["prometheus"]),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
        *options,
    ]
    log = folder / "prometheus.log"
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: process.poll() is not None or _ready(address), deadline=60, what="Prometheus to be ready")
        assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        yield Server(address)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def blocks(folder: Path, recorded: str) -> None:
    """Puts series of the past (OpenMetrics text) into a Prometheus's data to be."""
    file = folder / "recorded.om"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(recorded, encoding="utf-8")
    done = promtool("tsdb", "create-blocks-from", "openmetrics", file.name, "data", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
