"""What the policy pack adds to a preview: its time and memory, of the first preview of prod on the stand-in for AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.aws.rehearsal.empty_account import EmptyAccount, empty_account
from lab.aws.rehearsal.stacks import Stack
from lab.scale.processes import Use, measured

STACK = "prod"

_DEADLINE = 600.0


@dataclass(frozen=True)
class JudgedPreview:
    """The same preview twice.

    Attributes:
        resources: How many the engine would make.
        plain: Without the pack.
        judged: With it.
    """

    resources: int
    plain: Use
    judged: Use


def measure(root: Path, *, judged_first: bool) -> JudgedPreview:
    """Make both previews, on one account. The second one finds warm caches: take turns. root: the clone.

    Raises:
        LabError: One failed, or the stand-in did not start.
    """
    with empty_account(Stack.load(root, STACK), root) as place:
        uses = {pack: _preview(place, root, pack=pack) for pack in (judged_first, not judged_first)}
    created = re.search(r"\+ (\d+) to create", uses[True].output)
    return JudgedPreview(int(created[1]) if created else 0, uses[False], uses[True])


def _preview(place: EmptyAccount, root: Path, *, pack: bool) -> Use:
    words = ["--policy-pack", str(root / "policies")] if pack else []
    stack = ["--stack", place.stack, "--config-file", str(place.config)]
    return measured(
        ["pulumi", "--non-interactive", "preview", *stack, *words],
        environment=place.engine.environment,
        folder=root,
        deadline=_DEADLINE,
    )
