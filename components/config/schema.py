"""`python -m components.config.schema` writes the JSON schema of stack files, for editors."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from components.config.faults import NAMESPACE
from components.config.stack import StackConfig

PATH = Path(__file__).parents[2] / "schema" / "istio-mesh.schema.json"


class _Strict(GenerateJsonSchema):
    """As the models are: a key of a map that is no name of its kind is refused. A field's name is title enough."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema() -> dict[str, Any]:
    """Of a whole `Pulumi.<stack>.yaml`: the engine's own keys, and the namespace's values below `config`."""
    model = StackConfig.model_json_schema(by_alias=True, schema_generator=_Strict)
    definitions = model.pop("$defs")
    values = {f"{NAMESPACE}:{key}": value for key, value in model["properties"].items()}
    config: dict[str, Any] = {
        "type": "object",
        "description": model["description"],
        "properties": values,
        "required": [f"{NAMESPACE}:{key}" for key in model["required"]],
        # Other namespaces are other programs' own; a key of this one that is not known is a mistake.
        "patternProperties": {f"^(?!{NAMESPACE}:).*:": {}},
        "additionalProperties": False,
    }
    engine = {
        "secretsprovider": {"type": "string"},
        "encryptionsalt": {"type": "string"},
        "encryptedkey": {"type": "string"},
        "environment": {},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack of the Istio mesh",
        "type": "object",
        "properties": {"config": config, **engine},
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(rendered())
