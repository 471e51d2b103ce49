"""How often each policy judged: what the project's own pack counts at its end, read from what it says."""

import re
from dataclasses import dataclass

_HEAD = "Judged:"
_LINE = re.compile(r"- (?P<policy>[a-z0-9-]+): (?P<counts>\d+ [a-z ]+(?:, \d+ [a-z ]+)*)")


@dataclass(frozen=True)
class Judged:
    """What came of one policy, counted in resources.

    Attributes:
        policy: Its id.
        judged: Those that it judged.
        unjudged: Those that it could not judge before the update.
        found: What it found.
        exempted: What it found and was exempt.
    """

    policy: str
    judged: int
    unjudged: int = 0
    found: int = 0
    exempted: int = 0

    @property
    def remarkable(self) -> bool:
        """Whether there is more to say of it than that all was judged and well."""
        return bool(self.unjudged or self.found or self.exempted)


def judged(account: str) -> tuple[Judged, ...]:
    """The policies in the pack's account (`Report.account`), by their ids; none of another pack's."""
    _, _, counted = account.partition(f"\n{_HEAD}\n")
    return tuple(
        _judged(match["policy"], match["counts"]) for match in map(_LINE.fullmatch, counted.split("\n")) if match
    )


def without_counts(account: str) -> str:
    """The account without what was judged how often."""
    return account.partition(f"\n{_HEAD}\n")[0]


def _judged(policy: str, counts: str) -> Judged:
    numbers = {name: int(number) for number, _, name in (part.partition(" ") for part in counts.split(", "))}
    return Judged(
        policy,
        numbers.get("judged", 0),
        numbers.get("not judged", 0),
        numbers.get("found", 0),
        numbers.get("exempted", 0),
    )
