"""One run of the engine on a stack, read from its events.

`pulumi preview --json` leaves out every policy event (pulumi #18851), so the event log is read, which is a hidden
option: PULUMI_DEBUG_COMMANDS shows it.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from previews import masking
from previews.clusters import unreached
from previews.errors import PreviewError
from previews.events import read
from previews.report import Reader, Report

PROJECT = Path(__file__).resolve().parent.parent
"""The program's folder."""

PACK = "policies"
"""The pack, in that folder."""

_CONFIGURATION: TypeAdapter[dict[str, dict[str, Any]]] = TypeAdapter(dict[str, dict[str, Any]])


@dataclass(frozen=True)
class Target:
    """What is run, and with what.

    Attributes:
        stack: The stack's name.
        environment: Of the engine: credentials, the backend, PATH.
        project: The program's folder.
        pack: The policy pack's folder.
        config_file: In place of the project's `Pulumi.<stack>.yaml`.
    """

    stack: str
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    project: Path = PROJECT
    pack: Path = PROJECT / PACK
    config_file: Path | None = None

    @property
    def file(self) -> Path:
        """The stack file, as it is used."""
        return self.config_file or self.project / f"Pulumi.{self.stack}.yaml"


def preview(target: Target, show: Callable[[str], None] | None = None, *, log: Path | None = None) -> Report:
    """One preview with the pack. `show` gets the engine's own text with all differences, without secrets.

    `log` gets the engine's events, which have all properties, and is kept.

    Raises:
        PreviewError: It could not even be started.
    """
    if not target.pack.is_dir():
        raise PreviewError(f"There is no policy pack in {target.pack}, and a preview without one would pass anything.")
    words = ["preview", "--policy-pack", str(target.pack), *(["--diff"] if show else [])]
    return _run(target, words, pack=True, show=show, keep=log)


def drift(target: Target) -> Report:
    """What is no longer as the stack's state says, by asking every provider; nothing is changed, nor judged.

    Raises:
        PreviewError: It could not even be started.
    """
    return _run(target, ["refresh", "--preview-only"], pack=False, show=None)


def _run(
    target: Target, words: list[str], *, pack: bool, show: Callable[[str], None] | None, keep: Path | None = None
) -> Report:
    secrets = {*masking.of_environment(target.environment), *_declared(target)}
    with tempfile.TemporaryDirectory(prefix="istio-mesh-preview-") as folder:
        # Only its owner may enter such a folder: the log has all properties.
        log = keep or Path(folder) / "events.jsonl"
        run = _pulumi(target, *words, "--event-log", str(log))
        reader = Reader(target.stack, pack=pack, secrets=secrets)
        if log.is_file():
            reader.add_all(read(log))
    report = reader.report(run.returncode, run.stderr or run.stdout)
    report = replace(report, unreached=unreached(report.ways, target.project))
    if show:
        show(masking.Mask(reader.secrets).text(run.stdout + run.stderr))
    return report


def _pulumi(target: Target, *words: str) -> subprocess.CompletedProcess[str]:
    file = ["--config-file", str(target.config_file)] if target.config_file else []
    command = ["pulumi", *words, "--stack", target.stack, "--non-interactive", "--color", "never", *file]
    environment = {**target.environment, "PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    program = _on_path("pulumi", environment.get("PATH", os.defpath))
    if program is None:
        raise PreviewError(
            "There is no `pulumi` on PATH, so nothing can be previewed. Install Pulumi of the version in "
            "lab/tools/catalogue.py, or have the lab's: make up, then `. .lab/env`."
        )
    return subprocess.run(
        [str(program), *command[1:]],
        cwd=target.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _on_path(name: str, path: str) -> Path | None:
    candidates = (Path(folder) / name for folder in path.split(os.pathsep) if folder)
    return next((found for found in candidates if os.access(found, os.X_OK)), None)


def _declared(target: Target) -> Iterator[str]:
    """The secrets of the stack's configuration, decrypted: the engine knows them, but not every form they are told in.

    Raises:
        PreviewError: They cannot be decrypted: what cannot be recognised could not be kept from being shown.
    """
    if not target.file.is_file():
        return
    content: Any = yaml.safe_load(target.file.read_text(encoding="utf-8"))
    settings = cast(dict[str, Any], cast(dict[str, Any], content or {}).get("config") or {})
    sealed = {key: value for key, value in settings.items() if any(True for _ in _sealed(value))}
    if not sealed:
        return
    run = _pulumi(target, "config", "--show-secrets", "--json")
    try:
        known = _CONFIGURATION.validate_json(run.stdout) if run.returncode == 0 else None
    except ValidationError:
        known = None
    if known is None:
        cause = masking.Mask(masking.of_environment(target.environment)).text(run.stderr.strip())
        raise PreviewError(
            f"The secrets of {target.file.name} cannot be decrypted, so they could not be kept out of what is shown, "
            f"and no preview is made: {cause}"
        )
    for key, value in sealed.items():
        entry = known.get(key, {})
        opened = entry.get("objectValue", entry.get("value"))
        for path in _sealed(value):
            yield from masking.leaves(_at(opened, path))


def _sealed(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of `{secure: ...}` in a value of a stack file."""
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        if set(fields) == {"secure"}:
            yield path
            return
        for key, each in fields.items():
            yield from _sealed(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(cast(list[Any], value)):
            yield from _sealed(each, (*path, index))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value
