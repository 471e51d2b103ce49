"""Whether the clusters of a stack answer from where the preview ran.

The Kubernetes provider does not say it (seen with 4.25): where an API server is away, a preview compares what the
program says with what it said before, in place of a dry run, and comes to its end as if all were well.
"""

import socket
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from components.config.kubeconfig import KubeconfigError, select

PATIENCE = 5.0
"""Seconds that an API server gets to take a connection."""


@dataclass(frozen=True)
class Way:
    """How a provider gets to its cluster.

    Attributes:
        provider: The provider's name.
        kubeconfig: A path, or the whole text.
        context: None for the current one.
    """

    provider: str
    kubeconfig: str
    context: str | None


@dataclass(frozen=True)
class Unreached:
    """A cluster that did not answer: its provider, its address, and what happened."""

    provider: str
    server: str
    cause: str


def unreached(ways: Sequence[Way], project: Path) -> tuple[Unreached, ...]:
    """Those that take no connection; without a word on those of which nobody can say where they are."""
    asked: list[tuple[Way, str]] = []
    for way in ways:
        server = server_of(way, project)
        if server and not _by_proxy(server):
            asked.append((way, server))
    with ThreadPoolExecutor(max_workers=16) as pool:
        causes = list(pool.map(_cause, [server for _, server in asked]))
    return tuple(
        Unreached(way.provider, server, cause) for (way, server), cause in zip(asked, causes, strict=True) if cause
    )


def server_of(way: Way, project: Path) -> str | None:
    """The API server's address, as the kubeconfig has it."""
    inline = way.kubeconfig.lstrip().startswith("{") or "\n" in way.kubeconfig
    with tempfile.TemporaryDirectory(prefix="istio-mesh-kubeconfig-") as folder:
        file = project / Path(way.kubeconfig).expanduser() if not inline else Path(folder) / "kubeconfig"
        if inline:
            file.write_text(way.kubeconfig, encoding="utf-8")
        try:
            return select(str(file), way.context).server
        except KubeconfigError:
            return None


def _by_proxy(server: str) -> bool:
    """Whether the way leads through a proxy, where a connection of our own says nothing."""
    host = urlsplit(server).hostname or ""
    return bool(urllib.request.getproxies().get("https")) and not urllib.request.proxy_bypass(host)


def _cause(server: str) -> str | None:
    address = urlsplit(server)
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), timeout=PATIENCE):
            return None
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} s"
    except OSError as problem:
        return problem.strerror or str(problem)


def way_of(name: str, inputs: Mapping[str, object]) -> Way | None:
    """The way of a Kubernetes provider; None where it is not known: secret, not there yet, or the environment's."""
    kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
    if not isinstance(kubeconfig, str) or not kubeconfig:
        return None
    return Way(name, kubeconfig, context if isinstance(context, str) else None)
