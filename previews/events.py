"""The engine's events, as `--event-log` writes them: one JSON object a line.

They are what the engine tells Pulumi's service too (`sdk/go/common/apitype/events.go`). Only what is used here is
modelled; kinds of events that are not known are passed over, so that a later engine can be read.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from previews.errors import PreviewError

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which the engine marks objects that stand for something else (`sdk/go/common/resource/sig`)."""

SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""The mark of a secret, in an object with `ciphertext` or `plaintext`."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in a preview for a string that is known only after the update (`sdk/go/common/resource/plugin`)."""

Properties = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True)


class PropertyDiff(_Part):
    """How one property differs: `add`, `delete` or `update`, each with `-replace` where it replaces the resource."""

    diff_kind: str
    input_diff: bool = False


class State(_Part):
    """A resource before or after a step. Secrets among the properties are marked objects without their values; `custom`
    is what a provider makes, other resources are only a program's way to group those."""

    inputs: Properties = Field(default_factory=dict)
    outputs: Properties = Field(default_factory=dict)
    custom: bool = False
    protect: bool = False


class Step(_Part):
    """What the engine would do with a resource; `detailed_diff` is None where the provider gives none."""

    op: str
    urn: str
    type: str
    old: State | None = None
    new: State | None = None
    keys: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    detailed_diff: dict[str, PropertyDiff] | None = None


class ResourceEvent(_Part):
    """Before (`resourcePreEvent`) or after (`resOutputsEvent`) a step."""

    metadata: Step


class Diagnostic(_Part):
    """Something said of the run or of a resource. `severity` is debug, info, info#err, warning or error."""

    message: str
    severity: str
    urn: str = ""
    ephemeral: bool = False


class PolicyEvent(_Part):
    """A policy's finding. `enforcement_level` is advisory or mandatory."""

    message: str
    policy_name: str
    policy_pack_name: str
    enforcement_level: str
    resource_urn: str = ""


class PolicySummary(_Part):
    """Which policies looked at a resource, or at the stack, without and with something to say."""

    policy_pack_name: str
    resource_urn: str = ""
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Summary(_Part):
    """The end of the run. `result` is succeeded, failed or canceled."""

    duration_seconds: int = 0
    resource_changes: dict[str, int] = Field(default_factory=dict)
    policy_packs: dict[str, str] | None = Field(default=None, alias="PolicyPacks")
    result: str = ""


class EngineError(_Part):
    """A fault of the engine itself."""

    error: str


class Event(_Part):
    """One event: at most one of these is there."""

    diagnostic_event: Diagnostic | None = None
    resource_pre_event: ResourceEvent | None = None
    res_outputs_event: ResourceEvent | None = None
    policy_event: PolicyEvent | None = None
    policy_analyze_summary_event: PolicySummary | None = None
    policy_analyze_stack_summary_event: PolicySummary | None = None
    summary_event: Summary | None = None
    error_event: EngineError | None = None


def read(log: Path) -> Iterator[Event]:
    """The events of a log, one after the other: that of a large stack is larger than memory should be.

    Raises:
        PreviewError: A line is no event. A last line that was cut off, by an engine that was killed, is left out.
    """
    with log.open(encoding="utf-8") as lines:
        yield from parse(lines, log.name)


def parse(lines: Iterable[str], name: str) -> Iterator[Event]:
    """The events of lines; `name` is the log's, for messages."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield Event.model_validate_json(line)
        except ValidationError as error:
            if not line.endswith("\n"):
                return
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the whole"
            # Without the line itself: properties are in it.
            raise PreviewError(
                f"line {number} of the engine's events ({name}) is not an event as this program knows them: {where}: "
                f"{first['msg']}. Nothing is shown of a preview that was read in part. Run the engine version of "
                f"lab/tools/catalogue.py, or teach previews/events.py the new form."
            ) from None
