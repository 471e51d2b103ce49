"""What one run of the engine said, as this program shows it: changes, findings, notes, messages, and the verdict."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from previews import masking
from previews.changes import Change, by_gravity, change_of, together
from previews.clusters import Unreached, Way, way_of
from previews.events import Diagnostic, Event, PolicyEvent, PolicySummary, ResourceEvent, Summary
from previews.urns import is_default_provider, name_of


class Verdict(StrEnum):
    """How a preview ended."""

    PASSED = "passed"
    REFUSED = "refused"
    """The pack has findings that must be mended."""
    FAILED = "failed"
    """The preview could not be made, so nobody knows what would change, nor whether the pack would refuse it."""


@dataclass(frozen=True)
class Finding:
    """What a policy says of a resource, or of the stack.

    Attributes:
        policy: Its id.
        urn: Of the resource; empty where it is about the stack.
        what: What is wrong and what it would cause.
        cure: How to mend it; empty where the policy names none.
    """

    policy: str
    urn: str
    what: str
    cure: str = ""


@dataclass(frozen=True)
class Message:
    """An error or a warning of the program, a provider or the engine; `urn` is empty where it is of no resource."""

    urn: str
    text: str


@dataclass(frozen=True)
class Report:
    """All of a run, without any secret: they are taken out of every text before it gets here.

    Attributes:
        stack: The stack's name.
        changes: Replaces and deletes first.
        unchanged: How many resources stay as they are.
        mandatory: Findings that refuse the change.
        advisory: Findings that do not.
        notes: What a policy could not judge yet.
        errors: What made the run fail.
        warnings: What else was said.
        ways: How the Kubernetes providers get to their clusters.
        unreached: Clusters that did not answer from here.
        account: What the pack says of its own work: what it judged and could not, each exemption that held.
        policies: How many policies looked at something.
        packs: Names of the packs that judged.
        verdict: How it ended.
        reason: Why, of a run that failed without any error's being said.
        seconds: How long the engine took.
    """

    stack: str
    changes: tuple[Change, ...]
    unchanged: int
    mandatory: tuple[Finding, ...]
    advisory: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    errors: tuple[Message, ...]
    warnings: tuple[Message, ...]
    ways: tuple[Way, ...]
    account: str
    policies: int
    packs: tuple[str, ...]
    verdict: Verdict
    reason: str
    seconds: int
    unreached: tuple[Unreached, ...] = ()

    @property
    def says_unreached(self) -> bool:
        """Whether the run itself has said of a cluster that it could not be reached."""
        return any(_UNREACHED.search(message.text) for message in (*self.errors, *self.warnings))


_UNREACHED = re.compile(
    r"unreachable cluster|cluster is unreachable|the API server at \S+ (?!refuses|shows|knows|answers|was not asked)"
    r"|connection refused|no such host|i/o timeout",
    re.IGNORECASE,
)
"""In the words of the provider, of this project's own check of existing clusters, and of Go's network library."""


_ABANDONED = re.compile(r"^can't run policy '[^']*' from policy pack '[^']*' during preview: (?P<why>.*)", re.DOTALL)
"""How the policy SDK itself says that a value is not known yet (pulumi-policy 1.21, `policy.py`)."""

_NOT_JUDGED = "Not judged before the update: "
_CURE = "Mend it: "
_ACCOUNT = "policies-report"
"""How this project's pack begins a note and a cure, and what it calls the account that it gives at the end."""

_GENERAL = ("preview failed", "update failed", "refresh failed")
"""What the engine says after the cause, of the run as a whole."""

_ENDED = re.compile(r"^an unhandled error occurred: Program exited with non-zero exit code: \d+$")
"""What it says besides of a program that has said its fault."""

_COLOURS = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*[mK]")


@dataclass
class Reader:
    """Puts a report together, event by event.

    Attributes:
        stack: The stack's name.
        pack: Whether a pack was to judge: a run without its verdict has failed then.
        secrets: What nobody may read; what the events themselves have in plain text is added.
    """

    stack: str
    pack: bool = True
    secrets: set[str] = field(default_factory=set[str])
    _changes: dict[str, Change] = field(default_factory=dict[str, Change])
    _ways: dict[str, Way] = field(default_factory=dict[str, Way])
    _refreshed: set[str] = field(default_factory=set[str])
    _findings: dict[str, dict[Finding, None]] = field(default_factory=dict[str, dict[Finding, None]])
    _messages: dict[str, dict[Message, None]] = field(default_factory=dict[str, dict[Message, None]])
    _policies: set[str] = field(default_factory=set[str])
    _account: str = ""
    _erring: Message | None = None
    _summary: Summary | None = None

    def add_all(self, events: Iterable[Event]) -> "Reader":
        """Takes all of them in."""
        for event in events:
            self.add(event)
        return self

    def add(self, event: Event) -> None:
        """Takes one event in."""
        if event.resource_pre_event:
            self._before(event.resource_pre_event)
        elif event.res_outputs_event:
            self._after(event.res_outputs_event)
        elif event.diagnostic_event:
            self._said(event.diagnostic_event)
        elif event.policy_event:
            self._found(event.policy_event)
        elif event.policy_analyze_summary_event:
            self._looked(event.policy_analyze_summary_event)
        elif event.policy_analyze_stack_summary_event:
            self._looked(event.policy_analyze_stack_summary_event)
        elif event.error_event:
            self._say("error", Message("", event.error_event.error.strip()))
        elif event.summary_event:
            self._summary = event.summary_event

    def report(self, exit_code: int = 0, said: str = "") -> Report:
        """The report of all that was taken in.

        `exit_code` is the engine's, `said` what it wrote where a person reads: the last resort for a cause.
        """
        summary = self._summary or Summary()
        mask = masking.Mask(self.secrets)
        packs = tuple(sorted(name.partition("|")[0] for name in summary.policy_packs or {}))
        verdict, reason = self._verdict(exit_code, said, packs)
        findings = {
            level: tuple(
                Finding(each.policy, mask.text(each.urn), mask.text(each.what), mask.text(each.cure)) for each in found
            )
            for level, found in self._findings.items()
        }
        messages = {
            level: tuple(Message(mask.text(each.urn), mask.text(each.text)) for each in said_of)
            for level, said_of in self._messages.items()
        }
        return Report(
            stack=self.stack,
            changes=tuple(by_gravity([each.masked(mask) for each in self._changes.values()])),
            unchanged=summary.resource_changes.get("same", 0),
            mandatory=findings.get("mandatory", ()),
            advisory=findings.get("advisory", ()),
            notes=findings.get("note", ()),
            errors=_causes(messages.get("error", ())),
            warnings=messages.get("warning", ()),
            ways=tuple(self._ways.values()),
            account=mask.text(self._account),
            policies=len(self._policies),
            packs=packs,
            verdict=verdict,
            reason=mask.text(reason),
            seconds=summary.duration_seconds,
        )

    def _verdict(self, exit_code: int, said: str, packs: tuple[str, ...]) -> tuple[Verdict, str]:
        if self._findings.get("mandatory"):
            return Verdict.REFUSED, ""
        if self._messages.get("error"):
            return Verdict.FAILED, ""
        if self._summary is None:
            return Verdict.FAILED, _last(said) or "The engine ended before it had said what would change."
        if exit_code or self._summary.result not in ("", "succeeded"):
            return Verdict.FAILED, _last(said) or f"The engine ended with {exit_code} and no cause."
        if self.pack and not packs:
            return Verdict.FAILED, "No policy pack has judged. A change that nobody judged does not pass."
        return Verdict.PASSED, ""

    def _before(self, event: ResourceEvent) -> None:
        step = event.metadata
        for state in (step.old, step.new):
            if state:
                for properties in (state.inputs, state.outputs):
                    self.secrets.update(masking.of_properties(properties))
                    if step.type.startswith("kubernetes:core/v1:Secret"):
                        self.secrets.update(masking.of_kubernetes_secret(properties))
        if step.type == "pulumi:providers:kubernetes" and step.new and not is_default_provider(step.urn):
            way = way_of(name_of(step.urn), step.new.inputs)
            if way:
                self._ways[step.urn] = way
        if step.op == "refresh":
            # What it came to is said when the provider has answered.
            self._refreshed.add(step.urn)
        else:
            self._change(event)

    def _after(self, event: ResourceEvent) -> None:
        if event.metadata.urn in self._refreshed:
            self._change(event)

    def _change(self, event: ResourceEvent) -> None:
        change = change_of(event.metadata)
        if change is None or is_default_provider(change.urn):
            return
        before = self._changes.get(change.urn)
        self._changes[change.urn] = together(before, change) if before else change

    def _said(self, diagnostic: Diagnostic) -> None:
        text = _plain(diagnostic.message)
        if diagnostic.ephemeral or not text.strip() or text in _GENERAL:
            return
        match diagnostic.severity:
            case "error":
                self._say("error", Message(diagnostic.urn, text))
            case "warning":
                self._say("warning", Message(diagnostic.urn, text))
            case "info#err":
                self._erred(Message(diagnostic.urn, _COLOURS.sub("", diagnostic.message).rstrip()))
            case _:
                pass

    def _erred(self, line: Message) -> None:
        """A line that a program wrote to its standard error: no fault by itself, and one text with those before it."""
        before = self._erring
        if before and before.urn == line.urn:
            self._messages["warning"].pop(before, None)
            line = Message(line.urn, f"{before.text}\n{line.text}")
        self._erring = line
        self._say("warning", line)

    def _say(self, level: str, message: Message) -> None:
        self._messages.setdefault(level, {})[message] = None

    def _found(self, event: PolicyEvent) -> None:
        text = _plain(event.message)
        if event.policy_name == _ACCOUNT:
            self._account = text
            return
        level = "mandatory" if event.enforcement_level == "mandatory" else "advisory"
        what, _, cure = text.partition(f"\n{_CURE}")
        if abandoned := _ABANDONED.match(text):
            level, what = "note", abandoned["why"]
        elif level == "advisory" and text.startswith(_NOT_JUDGED):
            level, what = "note", what.removeprefix(_NOT_JUDGED)
        finding = Finding(event.policy_name, event.resource_urn, what.strip(), cure.strip())
        self._findings.setdefault(level, {})[finding] = None

    def _looked(self, summary: PolicySummary) -> None:
        self._policies.update(summary.passed, summary.failed)


def _causes(errors: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(error for error in errors if not _ENDED.match(error.text)) or errors


def _plain(text: str) -> str:
    return _COLOURS.sub("", text).strip()


def _last(said: str) -> str:
    """The end of what the engine wrote where there are no events: of a stack that is not there, say."""
    lines = [line for line in _plain(said).splitlines() if line.strip()]
    return "\n".join(lines[-12:])
