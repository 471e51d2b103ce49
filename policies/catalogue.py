"""What a policy is: a typed value with its reason, and a function that yields what it finds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from components.config.policies import ParametersConfig
from policies.resources import Stack, Subject

Severity = Literal["mandatory", "advisory"]
"""mandatory refuses, advisory warns."""

MANDATORY: Severity = "mandatory"
ADVISORY: Severity = "advisory"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: `what` is wrong, what it would cause (`consequence`), how to mend it (`cure`).

    The texts are sentences without their full stop, and never hold a secret. `about` is the resource, where the policy
    judges a whole stack.
    """

    what: str
    consequence: str
    cure: str
    where: str = ""
    """Its place in the resource's properties, as in `spec.http[0].route`."""
    about: Subject | None = None

    @property
    def message(self) -> str:
        """As the engine shows it: the sentences on one line, the cure on the next."""
        return message(self.where, self.what, self.consequence, self.cure)


def message(where: str, what: str, consequence: str, cure: str) -> str:
    """The form of everything that is wrong: see `Finding.message`."""
    end = "" if cure.endswith("?") else "."
    return f"{f'{where}: ' if where else ''}{what}. {consequence}.\nMend it: {cure}{end}"


@dataclass(frozen=True)
class Setting:
    """What a policy may know besides the resource."""

    parameters: ParametersConfig
    production: bool
    """Whether the stack is one of production: `parameters.productionStacks`."""
    today: date
    """The day of the run, by which versions are over."""


ResourceJudge = Callable[[Subject, Setting], Iterable[Finding]]
StackJudge = Callable[[Stack, Setting], Iterable[Finding]]


@dataclass(frozen=True)
class Policy:
    """One policy. `on` are the keys of the resources that it is about (`policies.resources`)."""

    id: str
    severity: Severity
    on: tuple[str, ...]
    description: str
    """What has to be, in one sentence."""
    reason: str
    """What comes of it where it is not so."""
    source: str
    """Where the reason is from: a page, a benchmark's item, a CVE, or what was tried here."""
    resource_judge: ResourceJudge | None = None
    stack_judge: StackJudge | None = None
    production: bool = False
    """Whether it is about stacks of production alone."""

    @property
    def family(self) -> str:
        """The first word of its id: `aws`, `kubernetes`, `istio`, `stack`."""
        return self.id.partition("-")[0]

    def judge(self, subject: Subject, setting: Setting) -> Iterator[Finding]:
        """What it finds in one resource."""
        assert self.resource_judge is not None, f"{self.id} judges stacks"
        yield from self.resource_judge(subject, setting)

    def judge_stack(self, stack: Stack, setting: Setting) -> Iterator[Finding]:
        """What it finds in a whole stack."""
        assert self.stack_judge is not None, f"{self.id} judges resources"
        yield from self.stack_judge(stack, setting)


def resource_policy(
    id_: str, severity: Severity, *, on: Iterable[str], description: str, reason: str, source: str,
    production: bool = False,
) -> Callable[[ResourceJudge], Policy]:  # fmt: skip
    """Makes a policy of a function that judges one resource by itself."""

    def make(judge: ResourceJudge) -> Policy:
        return Policy(
            id_, severity, tuple(on), description, reason, source, resource_judge=judge, production=production
        )

    return make


def stack_policy(
    id_: str, severity: Severity, *, on: Iterable[str], description: str, reason: str, source: str,
    production: bool = False,
) -> Callable[[StackJudge], Policy]:  # fmt: skip
    """Makes a policy of a function that judges resources by each other."""

    def make(judge: StackJudge) -> Policy:
        return Policy(id_, severity, tuple(on), description, reason, source, stack_judge=judge, production=production)

    return make


def by_id(policies: Iterable[Policy]) -> Mapping[str, Policy]:
    """Policies by their ids; raises ValueError where two have one."""
    found: dict[str, Policy] = {}
    for policy in policies:
        if policy.id in found:
            raise ValueError(f"two policies are named {policy.id}")
        found[policy.id] = policy
    return found
