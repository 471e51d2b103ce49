"""Clusters of the account that are real: a region of the lab stands behind a region of AWS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backing:
    """What an EKS cluster in a region says and gives.

    Attributes:
        endpoint: URL of the API server.
        authority: Its certificate authority, PEM.
        kubeconfig: File of its administrator, by which the accounts of tokens are made.
        signing_key: File of the key that its service accounts' tokens are signed with.
    """

    endpoint: str
    authority: str
    kubeconfig: str
    signing_key: str


_BACKINGS: dict[str, Backing] = {}


def back(region: str, backing: Backing) -> None:
    """Let clusters that are made in a region from now on be this one."""
    _BACKINGS[region] = backing


def backing_of(region: str) -> Backing | None:
    """What stands behind a region; None where nothing does."""
    return _BACKINGS.get(region)
