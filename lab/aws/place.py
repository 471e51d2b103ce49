"""Where the account is, and how time passes in it: told to everything of a rehearsal by its environment."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

ENDPOINT = "AWS_ENDPOINT_URL"
"""Environment: the account's address. boto3 and the `aws` command read it too."""

PACE = "ISTIO_MESH_AWS_PACE"
"""Environment: by how much waiting is shortened; 1 waits as long as AWS may take, 0.01 a hundredth. Default 0.01."""

ORDERS = "/rehearsal/"
"""Requests below it are for the account itself, and not for a service of AWS."""


class NotTheStandIn(Exception):
    """The endpoint is not the rehearsal's account: nothing may be asked of it."""


def endpoint() -> str:
    """The account's address.

    Raises:
        NotTheStandIn: None is named, or one that is not on this machine.
    """
    found = os.environ.get(ENDPOINT, "")
    if not _of_this_machine(urlsplit(found).hostname):
        raise NotTheStandIn(
            f"{ENDPOINT} is {found or 'not set'}: this `pulumi-resource-aws` is the rehearsal's stand-in and talks "
            "to the "
            "account that `make rehearse` starts on this machine, never to AWS. Take it off PATH to deploy for real."
        )
    return found


def _of_this_machine(host: str | None) -> bool:
    # The second is the lab's own network: nothing beyond a lab has such an address (RFC 2544).
    try:
        return host is not None and (host == "127.0.0.1" or ip_address(host) in ip_network("198.18.0.0/15"))
    except ValueError:
        return False


def pace() -> float:
    """See PACE."""
    return float(os.environ.get(PACE, "0.01"))
