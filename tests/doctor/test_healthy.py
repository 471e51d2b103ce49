"""A healthy mesh has no finding, and what is one stands in its place."""

import inspect

from mesh.doctor.checks import (
    CHECKS,
    drift,
    examine,
    gateways,
    performance,
    proxies,
    regions,
    trust,
    versions,
    webhooks,
)
from mesh.doctor.findings import Severity
from tests.doctor.mesh import all_of, healthy, in_region, lines, with_gateway


def test_a_healthy_mesh_has_no_finding() -> None:
    assert examine(healthy()) == []


def test_every_check_is_run() -> None:
    """A public function of a module of checks that takes a snapshot alone is one, and none is left out."""
    written = {
        function
        for module in (drift, gateways, performance, proxies, regions, trust, versions, webhooks)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and list(inspect.signature(function).parameters) == ["snapshot"]
        and name != "stack_roots"
    }
    assert written == set(CHECKS)


def test_faults_come_first() -> None:
    changed = all_of(with_gateway("ingress", pods=2), in_region("usw2", mutual_tls="PERMISSIVE"))(healthy())
    assert [finding.severity for finding in examine(changed)] == [Severity.FAULT, Severity.WARNING]


def test_every_finding_is_whole() -> None:
    """Each text is a clause without its full stop, and each command can be typed."""
    changed = all_of(with_gateway("ingress", ready=0), in_region("usw2", mutual_tls=None))(healthy())
    for finding in examine(changed):
        for text in (finding.cause, finding.consequence, finding.cure):
            assert text == text.strip()
            assert not text.endswith((".", ";"))
        assert finding.command.split()[:2] == ["kubectl", "--context"]


def test_two_regions_with_the_same_fault_are_two_findings() -> None:
    said = lines(all_of(in_region("use1", mutual_tls=None), in_region("usw2", mutual_tls=None)))
    assert [line.split()[2] for line in said] == ["use1", "usw2"]
