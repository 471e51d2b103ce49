"""The spans that proxies have sent to their region's sink, asked without a limit to the answer's size."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from lab.tenant import OUTSIDE
from lab.tenant.manifests import HTTP
from tests.lab.support.forward import forwarded
from tests.lab.support.site import Site

Span = dict[str, Any]


@dataclass(frozen=True)
class Sinks:
    """The sinks of several regions, by the regions' names."""

    clients: dict[str, httpx.Client]

    def spans(self, *, trace: str = "", service: str = "") -> dict[str, list[Span]]:
        """By the region whose sink has them.

        :param trace: of this trace alone.
        :param service: of this workload's proxies alone, such as ``web-frontend.exam``.
        """
        asked = {"trace": trace, "service": service}
        return {
            region: client.get("/spans", params=asked).raise_for_status().json()["records"]
            for region, client in self.clients.items()
        }


@contextmanager
def sinks(sites: Iterable[Site]) -> Generator[Sinks]:
    """The sinks of the regions, for as long as the block lasts."""
    with ExitStack() as stack:
        yield Sinks(
            {site.name: stack.enter_context(forwarded(site.kubectl, OUTSIDE, "deploy/sink", HTTP)) for site in sites}
        )
