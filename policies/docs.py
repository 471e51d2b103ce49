"""`python -m policies.docs` writes docs/policies.md, the reference of all policies."""

from collections.abc import Iterable, Iterator
from inspect import getdoc
from pathlib import Path

from policies.catalogue import MANDATORY, Policy
from policies.pack import POLICIES, TOPICS, policies_in
from policies.verdicts import OWN

PATH = Path(__file__).parents[1] / "docs" / "policies.md"

COMMAND = "make policy-reference"
"""What renews the page."""


def rendered() -> str:
    """The page's text."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    mandatory = sum(policy.severity == MANDATORY for policy in POLICIES)
    yield f"<!-- Written by `{COMMAND}` from policies/: what is changed here is lost. -->"
    yield ""
    yield "# Policies"
    yield ""
    yield (
        f"{len(POLICIES)} policies judge every preview and every update: {mandatory} refuse, the others warn. How the "
        "pack is run, also for other programs: [policies/README.md](../policies/README.md). Exemptions and parameters: "
        "[`istio-mesh:policies`](reference/policies.md)."
    )
    for topic in TOPICS:
        first, _, _ = (getdoc(topic) or "").partition("\n")
        yield from ("", f"## {first.rstrip('.')}", "")
        yield from _table(policies_in(topic))
    yield from ("", "## The pack's own", "", "What it says in its own name, which cannot be exempted from.", "")
    yield "| Id | Severity | What has to be |"
    yield "|---|---|---|"
    yield from (f"| `{name}` | {severity} | {description} |" for name, (severity, description) in OWN.items())


def _table(policies: Iterable[Policy]) -> Iterator[str]:
    yield "| Id | Severity | What has to be | Why | Source |"
    yield "|---|---|---|---|---|"
    for policy in policies:
        severity = f"{policy.severity}, in production" if policy.production else policy.severity
        cells = (f"`{policy.id}`", severity, policy.description, policy.reason, policy.source)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    PATH.write_text(rendered())
