"""`python -m previews`: what a stack would change, and what the policy pack says of it.

Ends with 0 where it may be deployed, with 1 where the preview failed or could not be shown, with 2 for a misuse, and
with 3 where the pack refuses it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from previews import comment, costs, engine, terminal
from previews.errors import PreviewError
from previews.github import GitHub
from previews.report import Report, Verdict
from previews.surroundings import environment_of, kept_nowhere, rehearsed

FAILED, REFUSED = 1, 3
"""Exit codes; 2 is a misuse of the command line."""

app = typer.Typer(name="previews", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)
complaints = Console(stderr=True, soft_wrap=True, highlight=False)

Stack = Annotated[str, typer.Option(help="The stack.")]
Pack = Annotated[Path, typer.Option(help="The policy pack's folder.")]
Rehearsed = Annotated[
    bool | None,
    typer.Option(
        "--rehearsed/--deployed",
        help="On an account with nothing in it, by the stand-in for AWS; default: where no backend is known.",
        show_default=False,
    ),
]
DEFAULT_PACK = engine.PROJECT / engine.PACK


@contextmanager
def _sentences() -> Generator[None]:
    try:
        yield
    except PreviewError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


def _target(stack: str, pack: Path = DEFAULT_PACK) -> engine.Target:
    return engine.Target(stack, environment_of(stack, engine.PROJECT, os.environ), pack=pack.resolve())


def _preview(stack: str, pack: Path, on_nothing: bool | None) -> tuple[Report, str]:
    """A person's preview, and what has to be said of where it was made."""
    unknown = on_nothing is None and kept_nowhere(stack, engine.PROJECT, os.environ)
    if not (on_nothing or unknown):
        with console.status(f"previewing {stack}"):
            return engine.preview(_target(stack, pack)), ""
    with console.status(f"previewing {stack} on the stand-in for AWS"), rehearsed(stack, pack=pack.resolve()) as target:
        report = engine.preview(target)
    why = " No backend is known here (PULUMI_BACKEND_URL, pulumi login)." if unknown else ""
    return report, (
        f"Rehearsed: {stack} on an account with nothing in it, by the stand-in for AWS (lab/aws).{why} "
        "What is deployed was not looked at."
    )


def _end(report: Report, where: str = "") -> None:
    if where:
        console.print(where, style="yellow", markup=False, soft_wrap=True)
    codes = {Verdict.PASSED: 0, Verdict.FAILED: FAILED, Verdict.REFUSED: REFUSED}
    raise typer.Exit(codes[report.verdict])


@app.command()
def show(
    stack: Stack = "local",
    pack: Pack = DEFAULT_PACK,
    everything: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    on_nothing: Rehearsed = None,
) -> None:
    """One preview with the pack, as tables on the terminal."""
    with _sentences():
        report, where = _preview(stack, pack, on_nothing)
        terminal.show(report, console, everything=everything)
        _end(report, where)


@app.command()
def policy(
    stack: Stack = "local",
    pack: Pack = DEFAULT_PACK,
    everything: Annotated[
        bool, typer.Option("--all", help="Count every policy, not only the remarkable ones.")
    ] = False,
    on_nothing: Rehearsed = None,
) -> None:
    """What the pack says of a preview, and how often each policy judged, without its changes."""
    with _sentences():
        report, where = _preview(stack, pack, on_nothing)
        terminal.show_findings(report, console, everything=everything, counted=True)
        _end(report, where)


@app.command("report")
def report_command(
    stack: Stack,
    pull_request: Annotated[int | None, typer.Option(help="The one that gets the comment; none without it.")] = None,
    base: Annotated[str | None, typer.Option(help="Commit or branch that costs are compared with.")] = None,
    commit: Annotated[str, typer.Option(help="The commit that is previewed, to be named.")] = "",
    pack: Pack = DEFAULT_PACK,
    diff: Annotated[bool, typer.Option(help="Show the engine's own text, with all differences, in the log.")] = False,
) -> None:
    """One preview with the pack, as the summary of a workflow's job and the comment of a pull request."""
    with _sentences():
        github = GitHub.of(os.environ) if pull_request is not None else None
        difference = costs.difference(engine.PROJECT, stack, base)
        report = engine.preview(_target(stack, pack), _log if diff else None)
        _summarize(comment.comment(report, costs=difference, commit=commit, limit=comment.SUMMARY_LIMIT))
        if github and pull_request is not None:
            body = comment.comment(report, costs=difference, commit=commit)
            _log(f"comment: {github.comment(pull_request, comment.marker(stack), body)}")
        terminal.show_findings(report, console)
        _end(report)


@app.command()
def drift(
    stack: Stack,
    issue: Annotated[bool, typer.Option(help="Open an issue, or close the one that is open.")] = False,
    run: Annotated[str, typer.Option(help="Address of the run, for the issue.")] = "",
) -> None:
    """What is no longer as the stack made it, by a refresh that changes nothing. Ends with 1 when that failed."""
    with _sentences():
        github = GitHub.of(os.environ) if issue else None
        report = engine.drift(_target(stack))
        body = comment.drift(report, run=run)
        _summarize(body)
        terminal.show(report, console)
        if github and report.verdict is Verdict.PASSED:
            _tell(github, stack, report, body)
        _end(report)


def _tell(github: GitHub, stack: str, report: Report, body: str) -> None:
    marker = comment.marker(stack, "drift")
    if report.changes:
        _log(f"issue: {github.issue(marker, f'The stack {stack} has drifted', body)}")
    elif address := github.close(marker):
        _log(f"closed: {address}")


def _log(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _summarize(text: str) -> None:
    """To the summary of the job, where there is one."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(text)


if __name__ == "__main__":
    app()
