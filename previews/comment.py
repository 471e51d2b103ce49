"""A report as Markdown: the comment of a pull request, the summary of a job, the body of an issue."""

from collections.abc import Iterator, Sequence

from previews.changes import Change, Difference, Kind
from previews.costs import Costs, Row
from previews.fitting import Section, fitted
from previews.markdown import code, prose, shortened
from previews.report import Finding, Message, Report, Verdict
from previews.urns import kind_of, name_of, type_of

LIMIT = 65_536
"""Characters of a comment, and of an issue's body, that GitHub takes: it answers "body is too long (maximum is 65536
characters)" to more."""

SUMMARY_LIMIT = 500_000
"""Characters of a job's summary: GitHub takes 1 MiB a step (its docs: workflow commands), which is bytes.
"""

DIFFERENCES = 6
"""Properties of one change that are listed; of more, the others are counted."""

PLACES = 4
"""Resources that are named for one message; of more, the others are counted."""

LONGEST = 1_500
"""Characters of one message: a provider may answer with a page."""

_TITLES = {
    Verdict.PASSED: "passed",
    Verdict.REFUSED: "refused by the policy pack",
    Verdict.FAILED: "the preview failed",
}
_SIGNS = {Kind.REPLACE: "± replace", Kind.DELETE: "- delete", Kind.UPDATE: "~ update", Kind.CREATE: "+ create"}


def marker(stack: str, what: str = "preview") -> str:
    """The hidden line by which the comment of a stack is found again."""
    return f"<!-- istio-mesh {what}: {stack} -->"


def comment(report: Report, *, costs: Costs | None = None, commit: str = "", limit: int = LIMIT) -> str:
    """The comment on a preview of a stack, in at most `limit` characters."""
    sections = [
        Section(
            "\n".join((marker(report.stack), f"## Preview of `{report.stack}`: {_title(report)}", "", _lead(report)))
        ),
        *_failure(report),
        *_unreached(report),
        *_mandatory(report),
        *_changes(report),
        *_costs(costs or Costs()),
        *_advisory(report),
        *_notes(report),
        *_warnings(report),
        *_account(report),
        Section(_foot(report, commit)),
    ]
    return fitted(sections, limit)


def drift(report: Report, *, run: str = "", limit: int = LIMIT) -> str:
    """The body of the issue on a stack that is no longer as it was made."""
    lead = (
        f"The last look found {_count(report.changes, 'resource')} of the stack `{report.stack}` changed by "
        f"something other than `pulumi up`. Either the stack's program takes the change over, or `pulumi up --refresh` "
        f"puts back what it says."
    )
    sections = [
        Section("\n".join((marker(report.stack, "drift"), lead))),
        *_failure(report),
        *_unreached(report),
        *_changes(report),
        *_warnings(report),
        *([Section(f"<sub>Seen by {run}.</sub>")] if run else []),
    ]
    return fitted(sections, limit)


def _title(report: Report) -> str:
    title = _TITLES[report.verdict]
    if report.verdict is Verdict.PASSED and not report.changes:
        title += ", no changes"
    return f"{title}, {_count(report.unreached, 'cluster')} not reached" if report.unreached else title


def _lead(report: Report) -> str:
    match report.verdict:
        case Verdict.REFUSED:
            findings = _count(report.mandatory, "finding")
            also = " Besides, the preview failed before its end." if report.errors else ""
            return f"{findings} must be mended before this can be deployed.{also}\n\n{_totals(report)}"
        case Verdict.FAILED:
            return (
                "Nobody knows what this would change, nor whether the policy pack would refuse it: the preview did not "
                "come to its end. This is no finding of the pack."
            )
        case Verdict.PASSED:
            return _totals(report)


def _totals(report: Report) -> str:
    counts = {kind: sum(change.kind is kind for change in report.changes) for kind in Kind}
    head = " | ".join((*Kind, "unchanged"))
    row = " | ".join(f"**{count}**" if count else "0" for count in counts.values())
    return f"| {head} |\n|{'---:|' * (len(Kind) + 1)}\n| {row} | {report.unchanged} |"


def _failure(report: Report) -> Iterator[Section]:
    if not report.errors and not report.reason:
        return
    items = _messages(report.errors) or [f"- {prose(shortened(report.reason, LONGEST))}"]
    hint = ""
    if report.says_unreached:
        hint = (
            "\n\nThe runner did not reach a cluster: see `docs/pull-requests.md` on where it must sit. What is in that "
            "cluster was not looked at."
        )
    yield Section(f"### What failed{hint}\n", items, "errors", rank=1)


def _unreached(report: Report) -> Iterator[Section]:
    """What is shown of a cluster that did not answer is the program's side of it only, and nothing else says so."""
    if report.unreached:
        head = (
            "### Not reached from here\n\nWhat is in these clusters was compared with what the stack made last, "
            "without a dry run: what somebody else changed there, and what an API server would refuse, is not seen. "
            "`docs/pull-requests.md` says where the runner must sit.\n"
        )
        items = [f"- {code(each.provider)} at {code(each.server)}: {prose(each.cause)}" for each in report.unreached]
        yield Section(head, items, "clusters", rank=1)


def _mandatory(report: Report) -> Iterator[Section]:
    if report.mandatory:
        yield Section("### To be mended\n", [*map(_finding, report.mandatory)], "findings", rank=0)


def _changes(report: Report) -> Iterator[Section]:
    """The grave ones open, the many harmless ones folded; each with what differs."""
    grave = [change for change in report.changes if change.kind in (Kind.REPLACE, Kind.DELETE)]
    if grave:
        yield _table("### Replaced and deleted", grave, rank=2)
    for kind, rank in ((Kind.UPDATE, 3), (Kind.CREATE, 6)):
        some = [change for change in report.changes if change.kind is kind]
        if some:
            yield _table(f"<details><summary>{kind.capitalize()}: {len(some)}</summary>", some, rank, "\n</details>")


def _table(head: str, changes: Sequence[Change], rank: int, foot: str = "") -> Section:
    # Of what is made anew everything differs.
    differing = changes[0].kind is not Kind.CREATE and any(map(_details, changes))
    rows = [
        f"| {_SIGNS[change.kind]} | {code(kind_of(change.type))} | {code(name_of(change.urn))} |"
        + (f" {_details(change)} |" if differing else "")
        for change in changes
    ]
    columns = "| | kind | name |" + (" what differs |" if differing else "")
    line = "|---" * (columns.count("|") - 1) + "|"
    return Section(f"{head}\n\n{columns}\n{line}", rows, "changes", foot, rank)


def _details(change: Change) -> str:
    said = [_difference(each) for each in change.differences[:DIFFERENCES]]
    more = len(change.differences) - len(said)
    protected = change.protected and change.kind in (Kind.REPLACE, Kind.DELETE)
    notes = ["**protected: the engine will refuse**"] if protected else []
    return "<br>".join([*notes, *said, *([f"… and {more} more"] if more else [])])


def _difference(difference: Difference) -> str:
    signs = {"add": "+ ", "delete": "- "}
    text = signs.get(difference.kind, "") + code(shortened(difference.path, 120))
    if difference.values:
        before, after = (code(value) if value is not None else "none" for value in difference.values)
        text += f": {before} → {after}"
    return f"{text} (replaces)" if difference.replaces else text


def _costs(costs: Costs) -> Iterator[Section]:
    if not costs.compared:
        return
    if not costs.rows:
        yield Section("### Costs\n\nThe cost tables do not change.")
        return
    rows = [f"| {prose(row.heading)} | {prose(row.name)} | {_cells(row)} |" for row in costs.rows]
    yield Section("### Costs\n\n| table | row | what differs |\n|---|---|---|", rows, "rows", rank=4)


def _cells(row: Row) -> str:
    if row.before and row.after:
        differing = [
            column for column in {**row.before, **row.after} if row.before.get(column) != row.after.get(column)
        ]
        pairs = [(column, row.before.get(column, "none"), row.after.get(column, "none")) for column in differing]
        return "<br>".join(f"{prose(column)}: {prose(old)} → {prose(new)}" for column, old, new in pairs)
    cells = ", ".join(f"{column} {cell}" for column, cell in (row.before or row.after).items())
    return f"{'gone' if row.before else 'new'}: {prose(cells)}"


def _advisory(report: Report) -> Iterator[Section]:
    if report.advisory:
        head = f"<details><summary>Advice of the pack: {len(report.advisory)}</summary>\n"
        yield Section(head, [*map(_finding, report.advisory)], "findings", "\n</details>", rank=5)


def _notes(report: Report) -> Iterator[Section]:
    if report.notes:
        head = f"<details><summary>Not judged before the update: {len(report.notes)}</summary>\n"
        yield Section(head, [*map(_finding, report.notes)], "notes", "\n</details>", rank=7)


def _warnings(report: Report) -> Iterator[Section]:
    if report.warnings:
        head = f"<details><summary>Warnings: {len(report.warnings)}</summary>\n"
        yield Section(head, _messages(report.warnings), "warnings", "\n</details>", rank=8)


def _finding(finding: Finding) -> str:
    place = f" on {_resource(finding.urn)}" if finding.urn else ""
    what = prose(shortened(finding.what, LONGEST))
    cure = f"<br>**Mend it:** {prose(shortened(finding.cure, LONGEST))}" if finding.cure else ""
    return f"- {code(finding.policy)}{place}: {what}{cure}"


def _messages(messages: Sequence[Message]) -> list[str]:
    """Each text once, with the resources that it was said of: a cluster that is away is away for all in it."""
    by_text: dict[str, list[str]] = {}
    for message in messages:
        by_text.setdefault(message.text, []).append(_resource(message.urn) if message.urn else "")
    return [f"- {_places(places)}{prose(shortened(text, LONGEST))}" for text, places in by_text.items()]


def _places(places: Sequence[str]) -> str:
    named = [place for place in places if place]
    if not named:
        return ""
    more = f" and {len(named) - PLACES} more" if len(named) > PLACES else ""
    return f"{', '.join(named[:PLACES])}{more}: "


def _resource(urn: str) -> str:
    if type_of(urn) == "pulumi:pulumi:Stack":
        return "the stack"
    return f"{code(kind_of(type_of(urn)))} {code(name_of(urn))}"


def _account(report: Report) -> Iterator[Section]:
    """What the pack says of its own work, folded under its first line."""
    said = report.account.splitlines()
    if said:
        head = f"<details><summary>{prose(shortened(said[0], LONGEST))}</summary>\n"
        lines = [f"- {prose(shortened(line.removeprefix('- '), LONGEST))}" for line in said[1:]]
        yield Section(head, lines, "lines", "\n</details>", rank=9)


def _foot(report: Report, commit: str) -> str:
    by = f"{report.policies} policies of {', '.join(map(code, report.packs))}" if report.packs else "no policy pack"
    of_commit = f" of {code(commit)}" if commit else ""
    return (
        f"<sub>One preview{of_commit} in {report.seconds} s, by {by}. Values are shown of a few kinds of properties "
        f"only, secrets never.</sub>"
    )


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
