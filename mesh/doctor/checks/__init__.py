"""The checks: each a function of a snapshot to findings, which asks nobody anything."""

from collections.abc import Callable, Iterator

from mesh.doctor.checks import drift, gateways, performance, proxies, regions, trust, versions, webhooks
from mesh.doctor.facts import Snapshot
from mesh.doctor.findings import ORDER, Finding

Check = Callable[[Snapshot], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    regions.silence,
    regions.nodes,
    regions.control_planes,
    regions.remotes,
    proxies.in_sync,
    proxies.bare,
    proxies.silent_proxies,
    gateways.gateways,
    gateways.networks,
    gateways.ways,
    gateways.doors,
    trust.roots,
    trust.authorities,
    trust.workload_certificates,
    trust.chains,
    trust.public_certificates,
    trust.clocks,
    webhooks.webhooks,
    versions.versions,
    drift.services,
    drift.hosts,
    drift.mutual_tls,
    drift.rules,
    drift.analysis,
    performance.latency,
    performance.breakers,
    performance.retries,
    performance.ejections,
    performance.memory,
    performance.killed,
    performance.configuration,
    performance.pushes,
)
"""All of them, in the order in which a person would look."""


def examine(snapshot: Snapshot) -> list[Finding]:
    """Everything that is wrong: the worst first, then in the order of the checks."""
    found = dict.fromkeys(finding for check in CHECKS for finding in check(snapshot))
    return sorted(found, key=lambda finding: ORDER.index(finding.severity))
