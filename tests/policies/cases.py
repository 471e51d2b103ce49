"""One case of a policy's table, and what it must show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from policies.catalogue import Policy, Setting
from policies.pack import POLICIES
from policies.resources import Resource
from tests.policies.support import found, setting

BY_ID: dict[str, Policy] = {policy.id: policy for policy in POLICIES}


@dataclass(frozen=True)
class Case:
    """`make` gives resources of which `policy` finds `messages`, word by word, and nothing else."""

    policy: str
    title: str
    make: Callable[[], Sequence[Resource]]
    messages: list[str]
    given: Setting = field(default_factory=setting)

    def __str__(self) -> str:
        return f"{self.policy}: {self.title}"


def check(case: Case) -> None:
    findings, untold = found(BY_ID[case.policy], *case.make(), given=case.given)
    assert [finding.message for finding in findings] == case.messages
    assert untold == [], "everything is known"
