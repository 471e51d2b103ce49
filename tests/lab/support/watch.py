"""A Prometheus in each region that scrapes as a stack would have it, and one view of all regions."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from components.observability.scraping import remote_write, scrape_configs
from lab.network import NAMESPACES
from lab.paths import Paths
from tests.lab.support.site import Site
from tests.prometheus import Server, served

PORT = 9095
FAST = "2s"  # between two scrapes, so that rates are there soon
RECEIVER = ("--web.enable-remote-write-receiver",)


@contextlib.contextmanager
def watched(sites: Mapping[str, Site], folder: Path) -> Generator[tuple[Server, Mapping[str, Server]]]:
    """The view, which is the first region's, and each region's own.

    Each runs as a process beside its region's node, from where pods are reached as from within the region.
    """
    view = next(iter(sites.values()))
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {}
        for site in sites.values():
            servers[site.name] = stack.enter_context(
                served(
                    folder / site.name,
                    _config(site, None if site is view else view),
                    options=RECEIVER if site is view else (),
                    within=("nsenter", f"--net={NAMESPACES / site.region.namespace}", "--"),
                    host=str(site.region.node_address),
                    port=PORT,
                )
            )
        yield servers[view.name], servers


def _config(site: Site, view: Site | None) -> dict[str, Any]:
    written = [] if view is None else [remote_write(f"http://{view.region.node_address}:{PORT}/api/v1/write")]
    return {
        "global": {"scrape_interval": FAST},
        "scrape_configs": [_found(site, job) for job in scrape_configs(site.name)],
        "remote_write": written,
    }


def _found(site: Site, job: Mapping[str, Any]) -> dict[str, Any]:
    """The job as a stack has it, but that it is no pod, which would have an account, and is in a hurry."""
    discovered = [{**each, "kubeconfig_file": str(Paths().region(site.name).kubeconfig)} for each in
                  job["kubernetes_sd_configs"]]  # fmt: skip
    return {**job, "kubernetes_sd_configs": discovered, "scrape_interval": FAST}
