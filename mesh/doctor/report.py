"""What was found, as a table for people and as JSON for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mesh.doctor.facts import Snapshot
from mesh.doctor.findings import ORDER, Finding, Severity

VERSION = 1
"""Of the JSON: rises with every change that a reader of the former would not survive."""

_COLOURS = {Severity.FAULT: "red", Severity.WARNING: "yellow", Severity.UNSEEN: "cyan"}


def document(snapshot: Snapshot, findings: Sequence[Finding], seconds: float) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "version": VERSION,
        "date": snapshot.now.isoformat(timespec="seconds"),
        "mesh": snapshot.stack.mesh.id,
        "seconds": round(seconds, 1),
        "regions": {name: {"answers": name in snapshot.answering} for name in snapshot.regions},
        "counts": {severity.value: count for severity, count in counts(findings).items()},
        "findings": [asdict(finding) for finding in findings],
    }


def counts(findings: Sequence[Finding]) -> dict[Severity, int]:
    """How many there are of each severity."""
    counted = Counter(finding.severity for finding in findings)
    return {severity: counted[severity] for severity in ORDER}


def show(console: Console, snapshot: Snapshot, findings: Sequence[Finding], seconds: float) -> None:
    """What was looked at, every finding, and the verdict."""
    console.print(_regions(snapshot))
    if findings:
        console.print(_findings(findings))
    console.print(verdict(snapshot, findings, seconds), markup=False)


def verdict(snapshot: Snapshot, findings: Sequence[Finding], seconds: float) -> str:
    """One line of it all."""
    counted = counts(findings)
    said = ", ".join(f"{count} {_plural(severity, count)}" for severity, count in counted.items() if count)
    answered = f"{len(snapshot.answering)} of {len(snapshot.regions)} regions answered, in {seconds:.1f} s"
    return f"{said or 'Nothing is wrong'}. {answered}."


def _plural(severity: Severity, count: int) -> str:
    if severity is Severity.UNSEEN:
        return "not seen"
    return severity.value + ("" if count == 1 else "s")


def _regions(snapshot: Snapshot) -> Table:
    table = Table(header_style="bold")
    for column in ("region", "Kubernetes", "istiod", "ingress", "east-west", "proxies", "services"):
        table.add_column(column, overflow="fold")
    for name in snapshot.regions:
        region = snapshot.answering.get(name)
        if region is None:
            table.add_row(name, "[red]does not answer[/red]", *[""] * 5)
            continue
        primary = snapshot.of_stack(name).primary
        ready = sum(istiod.ready for istiod in region.istiods)
        addresses = [
            escape(gateway.addresses[0]) if gateway and gateway.addresses else "[red]none[/red]"
            for gateway in (region.gateway("ingress"), region.gateway("east-west"))
        ]
        declared = [service for service in snapshot.stack.services.values() if name in service.clusters]
        up = sum(region.services[s.host].ready > 0 for s in declared if s.host in region.services)
        table.add_row(
            name,
            region.kubernetes_version,
            f"that of {primary}" if primary else f"{ready} of {len(region.istiods)} ready",
            *addresses,
            str(len(region.proxies)),
            f"{up} of {len(declared)} up",
        )
    return table


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table(header_style="bold", show_lines=True)
    table.add_column("", overflow="fold")
    table.add_column("region")
    table.add_column("what is wrong, what it leads to, how to mend it", overflow="fold", ratio=1)
    for finding in findings:
        colour = _COLOURS[finding.severity]
        text = (
            f"[bold]{escape(finding.cause)}.[/bold]\n{escape(finding.consequence)}.\n{escape(finding.cure)}.\n"
            f"[dim]{escape(finding.command)}[/dim]"
        )
        table.add_row(f"[{colour}]{finding.severity}[/{colour}]\n{finding.id}", finding.region, text)
    return table
