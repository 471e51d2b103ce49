"""Requests from outside, all along: from this machine to each ingress."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import httpx

from tests.lab.support.public import public

TIMEOUT = 5.0  # seconds for each step of a request


@dataclass
class Visits:
    """What became of the requests to one address.

    :ivar outcomes: how many had each status, or kind of failure.
    """

    outcomes: Counter[str] = field(default_factory=Counter[str])

    @property
    def sent(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failed(self) -> dict[str, int]:
        """Those that were not answered with 200, by what came."""
        return {what: count for what, count in self.outcomes.items() if what != "200"}


@contextmanager
def visited(
    addresses: Mapping[str, str],
    host: str,
    path: str,
    *,
    rate: float,
    kept: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Generator[dict[str, Visits]]:
    """For as long as the block lasts `rate` requests a second to each address, by region; at most one at a time.

    Each is on a connection of its own, or `kept`: all on one, until the other side asks for another one.
    """
    found = {region: Visits() for region in addresses}
    over = threading.Event()

    def visit(region: str, address: str) -> None:
        due = time.monotonic()
        with public(address, host, timeout=timeout) as always:
            while not over.is_set():
                try:
                    with nullcontext(always) if kept else public(address, host, timeout=timeout) as client:
                        what = str(client.get(path, headers=headers).status_code)
                except httpx.HTTPError as problem:
                    what = f"{type(problem).__name__}: {problem}"
                found[region].outcomes[what] += 1
                due = max(due + 1 / rate, time.monotonic())
                over.wait(due - time.monotonic())

    threads = [threading.Thread(target=visit, args=pair, daemon=True) for pair in addresses.items()]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join(4 * timeout)
