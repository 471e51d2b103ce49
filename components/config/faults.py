"""What can be wrong with a stack file, and how it is said.

A fault is one sentence each for what is wrong, what it would cause and how to mend it, at the path under which the
reader finds it in the YAML. All faults of a file are shown at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pulumi

NAMESPACE = "istio-mesh"
"""The configuration namespace of every stack: `istio-mesh:clusters`, `istio-mesh:trust`, ..."""

Location = tuple[str | int, ...]

SET = "{set}"
"""In a cure: the command by which a file becomes the value at the fault's own place."""

SET_SECRET = "{set --secret}"
"""The same for a value that is a secret."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: `what` is wrong, what it would cause (`consequence`), how to mend it (`cure`).

    `where` is relative to the model or value that found it until `under` puts it in its place. The three texts are
    sentences without their full stop, and never hold a secret.
    """

    what: str
    consequence: str
    cure: str
    where: Location = ()

    def under(self, location: Location) -> "Fault":
        """The same fault, seen from the parent that holds it at `location`."""
        return Fault(self.what, self.consequence, self.cure, (*location, *self.where))

    @property
    def sentence(self) -> str:
        cure = self.cure
        if SET in cure or SET_SECRET in cure:
            cure = cure.replace(SET_SECRET, set_secret(self.where)).replace(SET, set_plain(self.where))
        parts = (self.what, self.consequence, cure)
        return " ".join(part if part.endswith("?") else f"{part}." for part in parts)

    def __str__(self) -> str:
        return f"{path_of(self.where)}: {self.sentence}"


class InvalidValue(ValueError):
    """Raised inside models: carries faults through pydantic, which would keep only a text."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.sentence for fault in faults))
        self.faults = faults


class ConfigError(pulumi.RunError):
    """The stack file cannot be used: every fault of it, one a line. Ends the program without a stack trace."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        head = f"The stack's configuration has {count} fault{'s' if count != 1 else ''}; nothing was changed."
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))


def invalid(what: str, consequence: str, cure: str, *where: str | int) -> InvalidValue:
    """Shorthand for the usual case: one fault."""
    return InvalidValue(Fault(what, consequence, cure, where))


def path_of(location: Location) -> str:
    """The path as the reader sees it: `istio-mesh:clusters[1].existing.kubeconfig`."""
    return "".join(_steps(location))


def set_secret(location: Location) -> str:
    """The command by which a PEM file becomes the secret at `location`."""
    return f"pulumi config set --secret --path '{path_of(location)}' < key.pem"


def set_plain(location: Location) -> str:
    """The command by which a certificate in PEM becomes the value at `location`."""
    return f"pulumi config set --path '{path_of(location)}' < certificate.pem"


def _steps(location: Location) -> Iterator[str]:
    for index, step in enumerate(location):
        if index == 0:
            yield f"{NAMESPACE}:{step}"
        elif isinstance(step, int):
            yield f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            yield f".{step}"
        else:
            yield f'["{step}"]'
