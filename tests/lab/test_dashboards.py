"""Dashboards and alerts, asked of a real Prometheus that scrapes the running mesh of all regions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from itertools import count

import pytest

from components.observability.alerts import ALERTS
from components.observability.dashboards import DASHBOARDS
from components.observability.metrics import CLUSTER, METRICS
from lab.waiting import wait_for
from tests.lab.support.pods import end_gateways
from tests.lab.support.site import EXAM, SERVICE_URL, SYSTEM, UNDECLARED, WEB, Site, url_of
from tests.lab.support.traffic import loaded
from tests.lab.support.watch import watched
from tests.lab.support.workloads import PROOF
from tests.observability.series import MISSING, told_in_lab
from tests.prometheus import Server, asked

SEEN = 90.0  # seconds until there are rates of everything
CHANGING = "changing"
GATEWAY = "deploy/istio-eastwestgateway"
ALERT = "GatewayWithoutPods"

Watch = tuple[Server, Mapping[str, Server]]


@pytest.fixture(scope="module")
def watch(sites: Mapping[str, Site], tmp_path_factory: pytest.TempPathFactory) -> Generator[Watch]:
    with watched(sites, tmp_path_factory.mktemp("watch")) as servers:
        yield servers


@pytest.mark.proof("G4", "every query of a dashboard finds numbers of all regions in one view of them")
def test_queries_find_numbers_of_all_regions(
    watch: Watch, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    view, servers = watch
    queries = {
        f"{dashboard.name}: {panel.title} {query.name}": asked(query.expression)
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
        if told_in_lab(query.expression)
    }
    # Some are asked for by alerts alone, which find nothing while all is well.
    queries |= {series: series for metric in METRICS if metric.source not in MISSING for series in metric.series}
    callers = [(site.caller(EXAM, WEB), url_of("exam-service", EXAM)) for site in sites.values()]
    callers += [(site.caller(), SERVICE_URL) for site in sites.values()]

    ports = count(8100)

    def found() -> bool:
        # Something has to be told to proxies, or nothing can be said of how long it takes.
        _change(sites, next(ports))
        silent = {name: query for name, query in queries.items() if not view.query(query)}
        assert not silent, f"nothing for {silent}"
        return True

    def everywhere() -> bool:
        clusters = {name: _clusters(server) for name, server in servers.items()}
        own = all(clusters[name] == {name} for name in list(sites)[1:])
        return own and _clusters(view) == set(sites)

    with loaded(callers), _changed(sites):
        wait_for(found, deadline=SEEN, what="numbers for every query", interval=2)
        wait_for(everywhere, deadline=SEEN, what="series of all regions in the view, and of its own in each other")
    up = {
        (each["metric"][CLUSTER], each["metric"]["job"]): int(each["value"][1])
        for each in view.query("sum by (mesh_cluster, job) (up)")
    }
    # A pod that starts or ends does not answer for a while.
    wait_for(lambda: not view.query("up == 0"), deadline=SEEN, what="answers of istiods and all proxies")
    record(
        queries=len(queries),
        scraped={f"{cluster} {job}": count for (cluster, job), count in sorted(up.items())},
        series=int(view.query("count({__name__=~'.+'})")[0]["value"][1]),
    )
    assert set(up) == {(name, job) for name in sites for job in ("istiod", "proxies")}


def _change(sites: Mapping[str, Site], port: int) -> None:
    """A Service of every region with this port, and no pods."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": CHANGING, "namespace": UNDECLARED},
        "spec": {"selector": {"app": CHANGING}, "ports": [{"name": "http", "port": port}]},
    }
    for site in sites.values():
        site.kubectl.apply([service])


@contextmanager
def _changed(sites: Mapping[str, Site]) -> Generator[None]:
    try:
        yield
    finally:
        for site in sites.values():
            site.kubectl.run("delete", "service", "-n", UNDECLARED, CHANGING, "--ignore-not-found")


def _clusters(server: Server) -> set[str]:
    return {each["metric"][CLUSTER] for each in server.query("count by (mesh_cluster) (pilot_xds)")}


@pytest.mark.proof("G4", "no alert is raised of a healthy mesh")
def test_no_alert_of_a_healthy_mesh(watch: Watch, record: Callable[..., None]) -> None:
    view, _ = watch
    asked_of = [alert for alert in ALERTS if told_in_lab(alert.expression)]
    # Other proofs have workloads whose certificates live for two minutes.
    raised = {
        alert.name: [found for found in view.query(alert.expression) if found["metric"].get("namespace") != PROOF]
        for alert in asked_of
    }
    record(alerts=sorted(raised))
    assert not {name for name, found in raised.items() if found}, raised


@pytest.mark.proof("G4", "a gateway between networks that loses its pods raises its alert, in its own region alone")
def test_a_gateway_without_pods_raises_its_alert(
    watch: Watch, sites: Mapping[str, Site], record: Callable[..., None]
) -> None:
    view, _ = watch
    (alert,) = [alert for alert in ALERTS if alert.name == ALERT]
    site = list(sites.values())[-1]

    def raised() -> set[str]:
        return {found["metric"][CLUSTER] for found in view.query(alert.expression)}

    wait_for(lambda: not raised(), deadline=60, what="no alert at first")
    replicas = site.kubectl.json("get", GATEWAY, "-n", SYSTEM)["spec"]["replicas"]
    try:
        site.kubectl.run("scale", GATEWAY, "-n", SYSTEM, "--replicas=0")
        end_gateways(site.kubectl, SYSTEM, "-l", "istio=eastwestgateway")
        wait_for(lambda: raised() == {site.name}, deadline=90, what=f"the alert of {site.name}, and of nobody else")
    finally:
        site.kubectl.run("scale", GATEWAY, "-n", SYSTEM, f"--replicas={replicas}")
        site.kubectl.rolled_out(SYSTEM, GATEWAY)
    everywhere = {other.region.region for other in sites.values()}
    for other in sites.values():
        other.caller().wait_for_regions(SERVICE_URL, everywhere)
    record(raised_for=site.name)
