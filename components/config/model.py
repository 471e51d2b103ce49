"""The base of every configuration model."""

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from components.config.faults import Fault, InvalidValue


class Model(BaseModel):
    """Frozen, closed (an unknown key is a fault) and written in camelCase, as the YAML is.

    A rule that one field's type cannot hold goes into `faults`, which yields every fault it finds, so that a reader
    sees them all at once. It runs only where each field alone is right.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        # A rejected input may hold a private key.
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    def faults(self) -> Iterator[Fault]:
        """Faults between the fields of this model; `where` is relative to it, in camelCase."""
        yield from ()

    @model_validator(mode="after")
    def _no_faults(self) -> Self:
        found = tuple(self.faults())
        if found:
            raise InvalidValue(*found)
        return self


def exactly_one(model: Model, *names: str, why: str, cure: str) -> Iterator[Fault]:
    """A fault unless exactly one of the fields `names` (as written in the YAML) is given."""
    fields = {(info.alias or name): name for name, info in type(model).model_fields.items()}
    given = [name for name in names if getattr(model, fields[name]) is not None]
    if len(given) != 1:
        choice = ", ".join(f"`{name}`" for name in names)
        said = (
            "none of them is given"
            if not given
            else "both are given"
            if len(given) == 2 == len(names)
            else (f"{', '.join(f'`{name}`' for name in given)} are given")
        )
        yield Fault(f"exactly one of {choice} is needed, and {said}", why, cure)
