"""A report on a terminal."""

from collections.abc import Sequence
from textwrap import indent

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from previews.changes import Change, Kind
from previews.judged import Judged, judged, without_counts
from previews.report import Finding, Message, Report, Verdict
from previews.urns import kind_of, name_of, type_of

_STYLES = {Kind.REPLACE: "magenta", Kind.DELETE: "red", Kind.UPDATE: "yellow", Kind.CREATE: "green"}
_LISTED = 40
"""Changes that are listed; all of them with --all."""


def show(report: Report, console: Console, *, everything: bool = False) -> None:
    """Changes, findings, messages, and what it comes to."""
    shown = report.changes if everything else report.changes[:_LISTED]
    if shown:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for head in ("", "kind", "name", "what differs"):
            table.add_column(head, overflow="fold")
        for change in shown:
            table.add_row(*_row(change), style=_STYLES[change.kind])
        console.print(table)
        if len(shown) < len(report.changes):
            console.print(f"… and {len(report.changes) - len(shown)} more changes: ALL=1 lists them.", style="dim")
    show_findings(report, console, everything=everything)


def show_findings(report: Report, console: Console, *, everything: bool = False, counted: bool = False) -> None:
    """What the pack says, what failed, and what it comes to. `counted`: how often each policy judged, too."""
    for away in report.unreached:
        said = f"{away.provider} at {away.server} was not reached ({away.cause}): compared without a dry run."
        console.print(said, style="yellow", markup=False, soft_wrap=True)
    _findings(report.mandatory, "To be mended", "red", console)
    _findings(report.advisory, "Advice", "yellow", console)
    _findings(report.notes, "Not judged before the update", "dim", console)
    _messages(report.errors, "What failed", "red", console)
    _messages(report.warnings, "Warnings", "dim", console)
    if report.account:
        console.print(without_counts(report.account), style="dim", markup=False, soft_wrap=True)
        if counted or everything:
            _counts(judged(report.account), console, everything=everything)
    console.print(
        conclusion(report),
        style="green" if report.verdict is Verdict.PASSED else "bold red",
        markup=False,
        soft_wrap=True,
    )


def _counts(policies: Sequence[Judged], console: Console, *, everything: bool) -> None:
    """A line for each policy of which there is something to say, or for every one; in numbers of resources."""
    shown = [each for each in policies if everything or each.remarkable]
    if shown:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("policy")
        for head in ("judged", "not judged", "found", "exempted"):
            table.add_column(head, justify="right")
        for each in shown:
            numbers = (each.judged, each.unjudged, each.found, each.exempted)
            table.add_row(each.policy, *(str(number or "") for number in numbers), style="dim")
        console.print(table)
    if rest := len(policies) - len(shown):
        console.print(f"{rest} more policies judged all that they are about: ALL=1 lists them.", style="dim")


def conclusion(report: Report) -> str:
    """One sentence: what would happen, or why nothing may."""
    counts = [f"{count} to {kind}" for kind in Kind if (count := sum(one.kind is kind for one in report.changes))]
    changes = ", ".join(counts) or "no changes"
    match report.verdict:
        case Verdict.PASSED:
            by = (
                f"{report.policies} policies of {', '.join(report.packs)} let it pass" if report.packs else "not judged"
            )
            return f"{report.stack}: {changes}, {report.unchanged} unchanged; {by}."
        case Verdict.REFUSED:
            findings = f"{len(report.mandatory)} finding{'s' if len(report.mandatory) > 1 else ''}"
            return f"{report.stack}: refused by the policy pack, {findings} to be mended; {changes}."
        case Verdict.FAILED:
            why = f" {report.reason}" if report.reason else ""
            return f"{report.stack}: the preview failed, so nobody knows what would change.{why}"


def _row(change: Change) -> tuple[str, str, str, str]:
    differing = [
        f"{each.path}: {each.values[0] or 'none'} → {each.values[1] or 'none'}" if each.values else each.path
        for each in change.differences
    ]
    cells = (change.kind, kind_of(change.type), name_of(change.urn), "\n".join(differing))
    return (escape(cells[0]), escape(cells[1]), escape(cells[2]), escape(cells[3]))


def _findings(findings: Sequence[Finding], title: str, style: str, console: Console) -> None:
    if not findings:
        return
    console.print(f"{title}: {len(findings)}", style=f"bold {style}", markup=False, soft_wrap=True)
    for finding in findings:
        console.print(f"  {finding.policy}  {_place(finding.urn)}", style=style, markup=False, soft_wrap=True)
        console.print(indent(finding.what, "    "), markup=False, soft_wrap=True)
        if finding.cure:
            console.print(indent(f"Mend it: {finding.cure}", "    "), markup=False, soft_wrap=True)


def _messages(messages: Sequence[Message], title: str, style: str, console: Console) -> None:
    if not messages:
        return
    console.print(f"{title}: {len(messages)}", style=f"bold {style}", markup=False, soft_wrap=True)
    for message in messages:
        place = f"{_place(message.urn)}: " if message.urn else ""
        console.print(indent(f"{place}{message.text}", "  "), style=style, markup=False, soft_wrap=True)


def _place(urn: str) -> str:
    if not urn or type_of(urn) == "pulumi:pulumi:Stack":
        return "the stack"
    return f"{kind_of(type_of(urn))} {name_of(urn)}"
