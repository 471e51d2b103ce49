"""Kubeconfigs: self-contained, readable by their owner only."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from lab.pki import Pair, write_private
from lab.regions import Region


def render(region: Region, authority: Path, user: str, pair: Pair) -> str:
    """A kubeconfig for one user of a region, whose cluster and context have the region's name.

    Certificates and key stand in the file itself: it can be copied to another place, and Istio refuses paths in one.
    """

    def inline(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": region.name,
                    "cluster": {"server": region.api_server, "certificate-authority-data": inline(authority)},
                }
            ],
            # Names of users of two files on one KUBECONFIG must differ, or the first file's user is taken for both.
            "users": [
                {
                    "name": f"{region.name}-{user}",
                    "user": {"client-certificate-data": inline(pair.certificate), "client-key-data": inline(pair.key)},
                }
            ],
            "contexts": [{"name": region.name, "context": {"cluster": region.name, "user": f"{region.name}-{user}"}}],
            "current-context": region.name,
        },
        sort_keys=False,
    )


def write(path: Path, region: Region, authority: Path, user: str, pair: Pair) -> None:
    """Write a kubeconfig with mode 0600."""
    write_private(path, render(region, authority, user, pair))
