"""The contract as a JSON schema, for programs in other languages, and as what the next version is measured by.

In a clone: `python -m istio_mesh_contract.schema` writes `contract/schema/latest.json`, the models of today. With
`--release` it becomes `contract/schema/v1.json`, the last released one, unless its readers would not survive that.
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema

from istio_mesh_contract.compatibility import breaks
from istio_mesh_contract.model import VERSION, MeshOutputs

FOLDER = Path(__file__).parents[1] / "schema"
LATEST = FOLDER / "latest.json"


class _Plain(GenerateJsonSchema):
    """A field's name is title enough."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema() -> dict[str, Any]:
    """Of the outputs as `pulumi stack output --json` shows them.

    Fields that it does not name may come: a reader passes them over. So it forbids none, as the models do at export.
    """
    made = MeshOutputs.model_json_schema(by_alias=True, schema_generator=_Plain)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_published(made)}


def rendered() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def released() -> Path | None:
    """The file of the last released version; None before the first one."""
    found = {int(file.stem.removeprefix("v")): file for file in FOLDER.glob("v*.json")}
    return found[max(found)] if found else None


def _published(value: Any) -> Any:
    """Open to fields that it does not name, and without null: what is not there is left out."""
    if isinstance(value, list):
        return [_published(item) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    entries = cast(dict[str, Any], value)
    choices = [choice for choice in entries.get("anyOf", []) if choice != {"type": "null"}]
    if "anyOf" in entries and len(choices) == 1:
        left = {key: item for key, item in entries.items() if key not in ("anyOf", "default")}
        return _published({**choices[0], **left})
    return {
        key: _published(item) for key, item in entries.items() if not (key == "additionalProperties" and item is False)
    }


def main(arguments: list[str]) -> str | None:
    """Writes the schema of today, and releases it where asked to; gives what keeps it from being released."""
    LATEST.write_text(rendered())
    if arguments == ["--release"]:
        last = released()
        found = breaks(json.loads(last.read_text()), schema()) if last is not None else []
        if found:
            return "\n".join(f"{problem.path}: {problem.what}" for problem in found)
        (FOLDER / f"v{VERSION}.json").write_text(rendered())
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
