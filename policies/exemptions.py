"""Exemptions: which findings they take back, and which of them are over or of no use."""

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from components.config.faults import path_of
from components.config.policies import ExemptionConfig
from policies.resources import Resource


@dataclass(frozen=True)
class Exempted:
    """One finding that an exemption took back."""

    index: int
    resource: str
    """Logical name."""


@dataclass
class Exemptions:
    """The exemptions of one stack, on one day, and what they were used for."""

    config: Sequence[ExemptionConfig]
    today: date
    used: dict[Exempted, None] = field(default_factory=dict[Exempted, None])

    def exempts(self, policy: str, resource: Resource) -> bool:
        """Whether a finding of `policy` about `resource` is taken back; remembers that it was."""
        for index, exemption in enumerate(self.config):
            if exemption.policy == policy and self._holds(exemption) and matches(exemption, resource):
                self.used[Exempted(index, resource.name)] = None
                return True
        return False

    def expired(self) -> Iterator[tuple[int, str]]:
        """Index and message of each that is over."""
        for index, exemption in enumerate(self.config):
            if not self._holds(exemption):
                yield (
                    index,
                    (
                        f"{_place(index)}: the exemption from `{exemption.policy}` ended on {exemption.expires}. What "
                        f"it was for is refused again.\nMend it: ask {exemption.owner} to renew it, or mend "
                        "the resource and take it out."
                    ),
                )

    def unused(self) -> Iterator[tuple[int, str]]:
        """Index and message of each that holds, and for which there was nothing to exempt."""
        used = {found.index for found in self.used}
        for index, exemption in enumerate(self.config):
            if self._holds(exemption) and index not in used:
                yield (
                    index,
                    (
                        f"{_place(index)}: `{exemption.policy}` finds nothing on a resource `{exemption.resource}`. It "
                        "would hide what comes to that name later.\nMend it: take it out, or mend the pattern."
                    ),
                )

    def told(self) -> list[str]:
        """A line for each resource that is exempt: policy, resource, reason, owner and end."""
        return [
            f"- {exemption.policy} on {found.resource}: {exemption.reason} "
            f"({exemption.owner}, until {exemption.expires})"
            for found in sorted(self.used, key=lambda found: (found.index, found.resource))
            for exemption in [self.config[found.index]]
        ]

    def _holds(self, exemption: ExemptionConfig) -> bool:
        return self.today <= exemption.expires.date


def matches(exemption: ExemptionConfig, resource: Resource) -> bool:
    """Whether the exemption's pattern is about the resource."""
    pattern = exemption.resource
    return fnmatch.fnmatchcase(resource.urn if pattern.startswith("urn:") else resource.name, pattern)


def _place(index: int) -> str:
    return path_of(("policies", "exemptions", index))
