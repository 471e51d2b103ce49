"""A Prometheus in each region that scrapes as a stack would have it, and one view of all regions."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from components.observability.scraping import INTERVAL, remote_write, scrape_configs
from lab.network import NAMESPACES
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
    """The job with the pods found here, in the words of Prometheus's own discovery: Debian's build lacks it."""
    assert job["scrape_interval"] == INTERVAL
    (discovery,) = job["kubernetes_sd_configs"]
    where = discovery.get("namespaces", {}).get("names")
    words = [word for name in where for word in ("-n", name)] if where else ["-A"]
    targets = [target for pod in site.kubectl.items("pods", *words) for target in _targets(pod)]
    changed = {"scrape_interval": FAST, "static_configs": targets}
    return {key: value for key, value in {**job, **changed}.items() if key != "kubernetes_sd_configs"}


def _targets(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for each container, as the role `pod` has them."""
    labels = {f"label_{key}": value for key, value in pod["metadata"].get("labels", {}).items()}
    said = {"name": pod["metadata"]["name"], "ip": pod["status"].get("podIP", ""), "phase": pod["status"]["phase"]}
    known = {f"__meta_kubernetes_pod_{_word(key)}": value for key, value in {**labels, **said}.items()}
    known["__meta_kubernetes_namespace"] = pod["metadata"]["namespace"]
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return [
        {"targets": [said["ip"] or "none"], "labels": {**known, "__meta_kubernetes_pod_container_name": each["name"]}}
        for each in containers
    ]


def _word(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)
