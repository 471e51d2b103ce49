"""The command line over a mesh that stands. It changes nothing.

Every command ends with 0, with 1 for what is wrong with the mesh, or with 2 for a misuse.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mesh.doctor import report, thresholds
from mesh.doctor import stack as stack_module
from mesh.doctor.checks import examine
from mesh.doctor.collect import Access, Options, gather
from mesh.doctor.findings import Severity
from mesh.doctor.thresholds import Thresholds
from mesh.errors import MeshError

app = typer.Typer(
    name="mesh",
    help="Looks after a mesh that stands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

console = Console(highlight=False)
complaints = Console(stderr=True, soft_wrap=True, highlight=False)


@app.callback()
def commands() -> None:
    """Looks after a mesh that stands."""


@app.command()
def doctor(
    stack: Annotated[
        str | None, typer.Option(help="Stack whose outputs say what should be there; asked of the engine.")
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(help="The same from a file, as `pulumi stack output --json` writes it; `-`: stdin.")
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(help="Kubeconfig with the clusters; default: as kubectl finds it.")
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(help="Context of a cluster, `use1=prod-use1`; default: named like the cluster. Repeatable."),
    ] = None,
    limits: Annotated[
        Path | None, typer.Option("--thresholds", help="YAML file with own thresholds; see docs/doctor.md.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    window: Annotated[float, typer.Option(min=0.5, max=300, help="Seconds within which traffic is looked at.")] = 2.0,
    deadline: Annotated[
        float, typer.Option(min=1, max=300, help="Seconds that istioctl and kubectl have altogether.")
    ] = 10.0,
    tools: Annotated[
        bool, typer.Option(help="Run istioctl and kubectl, which need a way into istiod and the gateways' pods.")
    ] = True,
    handshakes: Annotated[bool, typer.Option(help="Ask the gateways from here for the certificates behind.")] = True,
) -> None:
    """Says what is wrong with a mesh: in every region at once, by reading alone. Ends with 1 where there is a fault."""
    begun = time.monotonic()
    try:
        if (stack is None) == (outputs is None):
            raise typer.BadParameter("Give either `--stack` or `--outputs`: what should be there is read from it.")
        said = stack_module.of_file(outputs) if outputs is not None else stack_module.of_engine(stack or "", Path())
        values = thresholds.read(limits) if limits is not None else Thresholds()
        access = Access(kubeconfig, _contexts(context or [], list(said.clusters)))
        options = Options(window=window, deadline=max(deadline, window), tools=tools, handshakes=handshakes)
        snapshot = gather(said, values, access, options)
    except MeshError as problem:
        complaints.print(str(problem), style="red", markup=False)
        raise typer.Exit(1) from None
    findings = examine(snapshot)
    seconds = time.monotonic() - begun
    if as_json:
        typer.echo(json.dumps(report.document(snapshot, findings, seconds), indent=2, ensure_ascii=False))
    else:
        report.show(console, snapshot, findings, seconds)
    if any(finding.severity is Severity.FAULT for finding in findings):
        raise typer.Exit(1)


def _contexts(written: list[str], clusters: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in written:
        cluster, separator, name = entry.partition("=")
        if not separator or not name or cluster not in clusters:
            known = ", ".join(clusters)
            raise typer.BadParameter(
                f"`{entry}` names no cluster of the stack and its context. Write it as in `{clusters[0]}=prod`; "
                f"the clusters are {known}."
            )
        found[cluster] = name
    return found


def main() -> None:
    """Run the command line."""
    app()
