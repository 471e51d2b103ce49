"""How it is said that something does not fit the contract: where, what, what it would cause, and how to mend it."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pulumi
from pydantic import ValidationError


@dataclass(frozen=True)
class Problem:
    """One fault: three sentences without their full stops, at a path as `stack: clusters.use1.apiServer`."""

    where: str
    what: str
    consequence: str
    cure: str

    def __str__(self) -> str:
        said = (self.what, self.consequence, self.cure)
        return f"{self.where}: " + " ".join(part if part.endswith("?") else f"{part}." for part in said)


class ContractError(pulumi.RunError):
    """What a program asks of the contract, or reads, does not fit it. Ends the program without a stack trace."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def refused(where: str, what: str, consequence: str, cure: str) -> ContractError:
    """Shorthand for the usual case: one problem."""
    return ContractError(Problem(where, what, consequence, cure))


def faults(problem: ValidationError) -> Iterable[tuple[str, str, bool]]:
    """Each fault of outputs as path, what is wrong, and whether it is that nothing is there."""
    for error in problem.errors(include_url=False, include_input=False):
        path = ".".join(str(step) for step in error["loc"] if step != "[key]")
        missing = error["type"] == "missing"
        said = error["msg"].removeprefix("Value error, ")
        yield path, "it is missing" if missing else said[0].lower() + said[1:], missing


def near(name: str, known: Collection[str]) -> str:
    """A cure for a name that is not known: the nearest one, or all."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if found:
        return f"Did you mean `{found[0]}`?"
    return f"Known are {', '.join(f'`{one}`' for one in sorted(known))}" if known else "There are none"
