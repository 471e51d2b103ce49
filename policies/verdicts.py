"""One run of the engine before all policies: what each resource is told, and what is said of the whole at the end."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from components.config.faults import path_of
from policies.catalogue import ADVISORY, MANDATORY, Finding, Policy, Severity, message
from policies.exemptions import Exemptions
from policies.resources import Index, Resource, Stack, Subject
from policies.settings import Settings
from policies.unknowns import secrets_in

SETTINGS, EXPIRED, UNUSED, REPORT = "policies-settings", "exemption-expired", "exemption-unused", "policies-report"
"""Said in the pack's own name: settings that cannot be used, exemptions that are over or of no use, the report."""

OWN: Mapping[str, tuple[Severity, str]] = {
    SETTINGS: (MANDATORY, "What the stack says to the pack can be read."),
    EXPIRED: (MANDATORY, "No exemption is over."),
    UNUSED: (ADVISORY, "Every exemption exempts something."),
    REPORT: (ADVISORY, "What was judged, what was not, and what is exempt."),
}

_PLACES = 3
"""As many places are named where something could not be judged."""


@dataclass(frozen=True)
class Verdict:
    """What the engine is to show. `urn`: of the resource, empty for the whole stack."""

    policy: str
    severity: Severity
    message: str
    urn: str = ""


@dataclass
class Tally:
    """What came of one policy, counted in resources."""

    judged: int = 0
    unjudged: dict[str, tuple[str, list[str]]] = field(default_factory=dict[str, tuple[str, list[str]]])
    """Names and places by URN of those that it could not judge."""
    found: int = 0
    exempted: int = 0


class Judgement:
    """Verdicts of one run of the engine. Each resource comes once by itself, all of them together at the end."""

    def __init__(
        self,
        policies: Iterable[Policy],
        settings: Settings,
        *,
        today: date,
        levels: Mapping[str, Severity | None] | None = None,
    ) -> None:
        """`levels`: severities in place of the policies' own, None to leave one out."""
        self._settings, self._setting = settings, settings.setting(today)
        self._levels = levels or {}
        self._exemptions = Exemptions(settings.config.exemptions, today)
        self.tallies: dict[str, Tally] = {}
        self._resources: dict[str, Resource] = {}
        self._told_faults = False
        self._alone: dict[str, list[Policy]] = {}
        self._together: list[Policy] = []
        for policy in policies:
            if self._level(policy) is None or (policy.production and not self._setting.production):
                continue
            if policy.stack_judge is not None:
                self._together.append(policy)
            for key in policy.on if policy.resource_judge is not None else ():
                self._alone.setdefault(key, []).append(policy)

    def resource(self, resource: Resource) -> list[Verdict]:
        """What is wrong with a resource by itself."""
        self._resources[resource.urn] = resource
        verdicts = list(self._faults())
        for policy in self._alone.get(resource.key, ()):
            places: list[str] = []
            subject = Subject(resource, places.append)
            found = list(_guarded(policy, lambda p=policy, s=subject: p.judge(s, self._setting)))
            verdicts += self._verdicts(policy, [(resource, finding) for finding in found])
            self._count(policy, resource, places, found=bool(found))
        return verdicts

    def stack(self, resources: Sequence[Resource]) -> list[Verdict]:
        """What is wrong between resources, what could not be judged, exemptions, and the report, which is the last."""
        # What was asked for, where it was seen: results of a preview know less.
        index = Index(_asked(self._resources.get(resource.urn), resource) for resource in resources)
        verdicts = list(self._faults())
        for policy in self._together:
            places: dict[str, list[str]] = {}
            stack = Stack(index, lambda resource, path, places=places: places.setdefault(resource.urn, []).append(path))
            found = list(_guarded(policy, lambda p=policy, s=stack: p.judge_stack(s, self._setting)))
            about = [(finding.about.resource if finding.about else None, finding) for finding in found]
            verdicts += self._verdicts(policy, about)
            wrong = {resource.urn for resource, _ in about if resource is not None}
            judged = [subject.resource for subject in stack.of(*policy.on)]
            # What another resource does not say yet leaves a hole as well.
            beside = [index.urns[urn] for urn in places if urn not in {resource.urn for resource in judged}]
            for resource in (*judged, *beside):
                self._count(policy, resource, places.get(resource.urn, ()), found=resource.urn in wrong)
        verdicts += self._notes()
        verdicts += [Verdict(EXPIRED, MANDATORY, message) for _, message in self._exemptions.expired()]
        verdicts += [Verdict(UNUSED, ADVISORY, message) for _, message in self._exemptions.unused()]
        return [*verdicts, Verdict(REPORT, ADVISORY, self.report())]

    def report(self) -> str:
        """How often each policy judged, how often it could not, and all exemptions that were used."""
        tallies = self.tallies.values()
        severities = {policy.id: self._level(policy) for policy in self._policies}
        refused = sum(tally.found for name, tally in self.tallies.items() if severities[name] == MANDATORY)
        warned = sum(tally.found for name, tally in self.tallies.items() if severities[name] == ADVISORY)
        lines = [
            f"{len(self.tallies)} policies judged {sum(t.judged for t in tallies)} times; "
            f"{sum(len(t.unjudged) for t in tallies)} times not judged; {refused} findings refused, "
            f"{warned} warned, {sum(t.exempted for t in tallies)} exempted."
        ]
        if self._exemptions.used:
            lines += ["Exempted:", *self._exemptions.told()]
        if self.tallies:
            lines += ["Judged:", *(f"- {name}: {_counts(tally)}" for name, tally in sorted(self.tallies.items()))]
        return "\n".join(lines)

    @property
    def _policies(self) -> dict[Policy, None]:
        return dict.fromkeys([*(p for policies in self._alone.values() for p in policies), *self._together])

    def _level(self, policy: Policy) -> Severity | None:
        return self._levels.get(policy.id, policy.severity)

    def _faults(self) -> Iterator[Verdict]:
        """Once, and as early as can be: a stack that is refused for it may never come to its end."""
        if not self._told_faults:
            self._told_faults = True
            for fault in self._settings.faults:
                said = message(path_of(fault.where), fault.what, fault.consequence, fault.cure)
                yield Verdict(SETTINGS, MANDATORY, said)

    def _verdicts(self, policy: Policy, found: Iterable[tuple[Resource | None, Finding]]) -> Iterator[Verdict]:
        level = self._level(policy)
        assert level is not None, "a policy that is left out does not judge"
        for resource, finding in found:
            tally = self.tallies.setdefault(policy.id, Tally())
            if resource is not None and self._exemptions.exempts(policy.id, resource):
                tally.exempted += 1
                continue
            tally.found += 1
            said = finding.message
            for text in sorted(secrets_in(resource.properties), key=len, reverse=True) if resource else ():
                # Whatever a policy quotes: a whole spec may be secret.
                said = said.replace(text, "a secret")
            yield Verdict(policy.id, level, said, resource.urn if resource else "")

    def _count(self, policy: Policy, resource: Resource, places: Sequence[str], *, found: bool) -> None:
        tally = self.tallies.setdefault(policy.id, Tally())
        # What was found stands, whatever else is not known.
        if places and not found:
            tally.unjudged[resource.urn] = (resource.name, list(dict.fromkeys(places)))
        else:
            tally.judged += 1

    def _notes(self) -> Iterator[Verdict]:
        for name, tally in sorted(self.tallies.items()):
            if tally.unjudged:
                places = [f"`{path}` of {resource}" for resource, paths in tally.unjudged.values() for path in paths]
                more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
                count = len(tally.unjudged)
                yield Verdict(
                    name,
                    ADVISORY,
                    f"Not judged before the update: {count} resource{'s' if count != 1 else ''}, for want of "
                    f"{', '.join(places[:_PLACES])}{more}.",
                )


def _guarded(policy: Policy, judge: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What it finds; a policy that fails has judged nothing, and refuses."""
    try:
        yield from judge()
    # Whatever it is: a judge that fails must not let things pass.
    except Exception as error:
        yield Finding(
            f"the policy itself failed: {type(error).__name__}",
            "What it is about was not judged",
            f"exempt the resource, and tell who keeps the pack of `{policy.id}`",
        )


def _asked(seen: Resource | None, told: Resource) -> Resource:
    """What a program asked for, with the dependencies that the engine tells at the end."""
    if seen is None:
        return told
    return dataclasses.replace(seen, dependencies=told.dependencies, property_dependencies=told.property_dependencies)


def _counts(tally: Tally) -> str:
    parts = [f"{tally.judged} judged"]
    parts += [f"{len(tally.unjudged)} not judged"] if tally.unjudged else []
    parts += [f"{tally.found} found"] if tally.found else []
    parts += [f"{tally.exempted} exempted"] if tally.exempted else []
    return ", ".join(parts)
