"""What the doctor finds: one thing that is wrong, in sentences."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the order is that of the report."""

    FAULT = "fault"
    """Requests fail or will, or what is said of the mesh is not so: the command ends with 1."""

    WARNING = "warning"
    """It works, and is worse than it has to be, or will not work for ever."""

    UNSEEN = "unseen"
    """It could not be looked at: neither well nor wrong."""


ORDER = tuple(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    The three texts are sentences without their full stop, and never hold a secret.
    """

    id: str
    """Kind of the finding, such as `gateway-address`: the same in every release, for machines."""

    severity: Severity
    region: str
    """The cluster that it is in or seen from, by its name in the stack."""

    subject: str
    """What it is about, such as `exam/exam-service`; empty where it is the region itself."""

    cause: str
    """What is wrong, with the numbers."""

    consequence: str
    """What it leads to."""

    cure: str
    """How to mend it."""

    command: str
    """What shows it to a person, as it can be typed."""

    @property
    def sentence(self) -> str:
        """All of it but the command."""
        return f"{self.cause}. {self.consequence}. {self.cure}."


def fault(id: str, region: str, subject: str, *, cause: str, consequence: str, cure: str, command: str) -> Finding:  # noqa: A002
    """A finding of severity `fault`."""
    return Finding(id, Severity.FAULT, region, subject, cause, consequence, cure, command)


def warning(id: str, region: str, subject: str, *, cause: str, consequence: str, cure: str, command: str) -> Finding:  # noqa: A002
    """A finding of severity `warning`."""
    return Finding(id, Severity.WARNING, region, subject, cause, consequence, cure, command)


def unseen(id: str, region: str, subject: str, *, cause: str, consequence: str, cure: str, command: str) -> Finding:  # noqa: A002
    """A finding of severity `unseen`."""
    return Finding(id, Severity.UNSEEN, region, subject, cause, consequence, cure, command)
