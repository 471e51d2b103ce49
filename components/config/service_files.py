"""`istio-mesh:serviceFiles`: services in files of their own, one for each team or for as many as a stack file can hold.

The engine hands the whole configuration to the program as one environment variable, and Linux takes no more than
128 KiB for one (MAX_ARG_STRLEN; pulumi/pulumi#8680): a stack file ends at some 600 services.
"""

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from components.config.faults import Fault, Location

KEY = "serviceFiles"
_SERVICES = "services"
_TAG = "tag:yaml.org,2002:"
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
# The one in C where there is one: a thousand services take it a tenth of a second, the other one two.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Reads as the engine reads the stack file: keys are texts (`1`), and so are dates, `on` and `yes`.

    Refuses a key that is there twice: the last one would silently count.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            (tag, _BOOL if tag == f"{_TAG}bool" else pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"
        ]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"`{key.value}` is there twice", key.start_mark)
            seen.add(key.value)
            if key.tag != f"{_TAG}merge":
                key.tag = f"{_TAG}str"
        return super().construct_mapping(node, deep)


def with_files(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The parsed values with the services of all files among `services`, and the faults of the files themselves.

    What a file says of a service is checked as if it stood in the stack file.
    """
    patterns, services = raw.get(KEY), raw.get(_SERVICES, {})
    if not isinstance(patterns, list) or not isinstance(services, dict):
        # Told by the models.
        return dict(raw), []
    merged = dict(cast(dict[str, Any], services))
    origin = dict.fromkeys(merged, "the stack file")
    faults: list[Fault] = []
    read: set[Path] = set()
    for index, pattern in enumerate(cast(list[object], patterns)):
        if not isinstance(pattern, str) or not pattern:
            continue
        where: Location = (KEY, index)
        files = _files(pattern)
        if not files:
            faults.append(
                Fault(
                    f"there is no file {pattern}",
                    "Its services would be taken out of the mesh",
                    "Mend the path. Paths are relative to Pulumi.yaml",
                    where,
                )
            )
        for file in files:
            # One that two patterns match is one file.
            if file in read:
                continue
            read.add(file)
            found, fault = _read(file, where)
            faults += [fault] if fault else []
            for name, service in found.items():
                if name in merged:
                    faults.append(
                        Fault(
                            f"`{name}` is in {file} and in {origin[name]}",
                            "One of the two would be lost",
                            "Say each service once",
                            where,
                        )
                    )
                merged.setdefault(name, service)
                origin.setdefault(name, str(file))
    return {**raw, _SERVICES: merged}, faults


def _files(pattern: str) -> list[Path]:
    found = sorted(map(Path, glob.glob(os.path.expanduser(pattern), recursive=True)))  # noqa: PTH111, PTH207
    return [path for path in found if path.is_file()]


def _read(file: Path, where: Location) -> tuple[dict[str, Any], Fault | None]:
    consequence = "Its services would be taken out of the mesh"
    try:
        content: object = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as problem:
        cause = getattr(problem, "strerror", None) or getattr(problem, "problem", None) or "it is not YAML"
        mark = getattr(problem, "problem_mark", None)
        cause += f" (line {mark.line + 1})" if mark is not None else ""
        return {}, Fault(f"{file} cannot be read: {cause}", consequence, "Mend the file", where)
    if not isinstance(content, dict):
        return {}, Fault(
            f"{file} is not a map of services",
            consequence,
            "Write each as below `istio-mesh:services`: `namespace/name:`, and then what it is",
            where,
        )
    return {str(name): service for name, service in cast(dict[object, Any], content).items()}, None
