"""HTTPS from this machine to a host of an ingress, for what a knock does not send: bodies, and many requests on one
connection."""

from __future__ import annotations

import httpx


def public(address: str, host: str, *, timeout: float = 10) -> httpx.Client:
    """A client of one host at an ingress, by paths: ``client.get("/health")``. It takes any certificate.

    :param timeout: seconds for each step of a request.
    """

    def name(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = host

    return httpx.Client(
        base_url=f"https://{address}", headers={"host": host}, event_hooks={"request": [name]},
        verify=False, timeout=timeout, trust_env=False,
    )  # fmt: skip
