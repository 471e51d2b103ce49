"""The committed schema: as the models are, what is exported fits it, and no reader of the released one breaks."""

import json
import re

import pytest
from istio_mesh_contract import VERSION, compatibility, schema
from istio_mesh_contract.compatibility import breaks
from jsonschema import Draft202012Validator, ValidationError

from tests.builders import ABSENT, put
from tests.contract.consumers import REPOSITORY, recorded
from tests.contract.readers import readers, sentence


def test_the_committed_schema_is_the_models() -> None:
    assert schema.LATEST.read_text() == schema.rendered(), "run `make contract`"


def test_programs_that_read_the_released_version_survive_this_one() -> None:
    released = schema.released()
    assert released is not None
    found = breaks(json.loads(released.read_text()), schema.schema())
    assert found == [], "\n".join(sentence(broken, readers()) for broken in found)


def test_the_released_version_is_this_one_or_the_one_before() -> None:
    released = schema.released()
    assert released is not None
    assert int(released.stem.removeprefix("v")) in (VERSION, VERSION - 1)


def test_the_package_is_of_the_version_that_it_reads() -> None:
    text = (REPOSITORY / "contract" / "pyproject.toml").read_text()
    found = re.search(r'^version = "(\d+)\.', text, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == VERSION


def test_every_field_is_described() -> None:
    made = schema.schema()
    silent = [
        f"{name}.{key}"
        for name, definition in {**made["$defs"], "MeshOutputs": made}.items()
        for key, field in definition["properties"].items()
        if not field.get("description")
    ]
    assert silent == []


def test_the_recorded_outputs_fit_the_schema_and_later_fields_too() -> None:
    validator = Draft202012Validator(schema.schema())
    validator.validate(recorded())
    validator.validate(put(recorded(), "mesh.addedLater", 1))


@pytest.mark.parametrize(
    ("path", "value"), [("mesh.id", ABSENT), ("mesh", ABSENT), ("clusters.use1.apiServer", "http:")]
)
def test_what_does_not_fit_the_models_does_not_fit_the_schema(path: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(schema.schema()).validate(put(recorded(), path, value))


def test_a_schema_breaks_nothing_of_itself() -> None:
    assert compatibility.breaks(schema.schema(), schema.schema()) == []
