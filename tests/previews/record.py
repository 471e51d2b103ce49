"""`python -m tests.previews.record [NAME ...]`: the engine's events of real previews, to `tests/previews/recorded`.

Needs the engine and the Kubernetes provider (`lab.tools` builds what is missing), and no cluster. To be run again when
the engine's version changes; the tests read what it wrote.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import tools

RECORDED = Path(__file__).parent / "recorded"
OWN_PACK = Path(__file__).parents[2] / "policies"
PASSWORD, OTHER = "correct-horse-battery", "staple & `horse`|_2"
"""Secrets of the program that is recorded: none of them may ever be shown."""

SETTINGS = {"size": "4", "room": "cellar", "share": "10", "lamp": "true"}
"""What the stack is made with first."""


@dataclass(frozen=True)
class Recording:
    """One run: `changes` are laid over the settings, None takes one out; `deployed` is whether the stack is there.
    `pack` is a folder beside the program, or `policies` for the project's own pack.
    """

    changes: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    deployed: bool = True
    password: str = PASSWORD
    verb: tuple[str, ...] = ("preview",)
    pack: str | None = "pack"
    debug: bool = False


RECORDINGS: Mapping[str, Recording] = {
    "first": Recording(deployed=False, debug=True),
    "unchanged": Recording(),
    "changed": Recording({"room": "attic", "size": "5", "share": "50", "lamp": None}, password=OTHER),
    "refused": Recording({"lost": "10", "open": "always"}, deployed=False),
    "refused-stack": Recording({"small": "true"}),
    "refused-by-our-pack": Recording({"lost": "10"}, deployed=False, pack="policies"),
    "failed-program": Recording({"broken": "true"}),
    "failed-resource": Recording({"size": "13"}),
    "failed-pack": Recording(pack="broken"),
    "unreachable": Recording({"kubeconfig": "{kubeconfig}"}, verb=("preview", "--refresh")),
    "unreached": Recording({"kubeconfig": "{kubeconfig}"}, deployed=False),
    "drift": Recording({"bare": "true"}, verb=("refresh", "--preview-only"), pack=None),
    "no-drift": Recording({"bare": "true"}, verb=("refresh", "--preview-only"), pack=None),
}

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gone",
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "gone", "user": {"token": "a-token-of-nobody"}}],
}


@dataclass(frozen=True)
class Bench:
    """A backend of files and a copy of the program and the pack, apart from everything else."""

    folder: Path

    def prepare(self) -> None:
        toolset = tools.ensure(["pulumi", "kubectl", "istioctl", "pulumi-kubernetes"])
        toolset.link(self.folder / "bin", self.folder / "home")
        (self.folder / "state").mkdir()
        runtime = {"name": "python", "options": {"virtualenv": str(Path(sys.prefix))}}
        for name, file, content in (
            ("shop", "Pulumi.yaml", {"name": "shop", "runtime": runtime}),
            ("pack", "PulumiPolicy.yaml", {"runtime": runtime, "version": "1.2.3"}),
            ("broken", "PulumiPolicy.yaml", {"runtime": runtime}),
        ):
            if (RECORDED / name).is_dir():
                shutil.copytree(RECORDED / name, self.folder / name)
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name / file).write_text(yaml.safe_dump(content))
        (self.folder / "broken" / "__main__.py").write_text('raise RuntimeError("this pack does not start")\n')

    def pulumi(self, *words: str, stack: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "recorded",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            "REPLICAS": "1",
            **variables,
        }
        command = ["pulumi", "--non-interactive", *words, *(["--stack", stack] if stack else [])]
        return subprocess.run(
            command, cwd=self.folder / "shop", env=environment, text=True, capture_output=True, check=False
        )

    def configure(self, stack: str, password: str, changes: Mapping[str, str | None]) -> None:
        (self.folder / "shop" / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)
        assert self.pulumi("config", "set", "--secret", "shop:password", password, stack=stack).returncode == 0
        settings = {**SETTINGS, "folder": str(self.folder / stack), **changes}
        values = {key: value.format(kubeconfig=json.dumps(KUBECONFIG)) for key, value in settings.items() if value}
        plain = [word for key, value in values.items() for word in ("--plaintext", f"shop:{key}={value}")]
        assert self.pulumi("config", "set-all", *plain, stack=stack).returncode == 0

    def record(self, name: str, recording: Recording) -> None:
        made = self.pulumi("stack", "init", name)
        assert made.returncode == 0, made.stderr
        if recording.deployed:
            self.configure(name, PASSWORD, {key: value for key, value in recording.changes.items() if key == "bare"})
            up = self.pulumi("up", "--yes", "--skip-preview", stack=name)
            assert up.returncode == 0, up.stdout
        self.configure(name, recording.password, recording.changes)
        log = self.folder / f"{name}.jsonl"
        folder = OWN_PACK if recording.pack == OWN_PACK.name else self.folder / (recording.pack or "")
        pack = ["--policy-pack", str(folder)] if recording.pack else []
        replicas = "9" if name == "drift" else "1"
        run = self.pulumi(*recording.verb, "--event-log", str(log), *pack, stack=name, REPLICAS=replicas)
        lines = [line for line in log.read_text().splitlines() if recording.debug or not _debug(json.loads(line))]
        text = "\n".join(lines).replace(str(self.folder), "/recorded").replace(str(OWN_PACK.parent), "/clone")
        (RECORDED / f"{name}.jsonl").write_text(text + "\n")
        print(f"{name}: exit code {run.returncode}, {len(lines)} events", file=sys.stderr)  # noqa: T201


def _debug(event: Mapping[str, Any]) -> bool:
    """What the engine says to those who look for a fault of its own: most of a log."""
    return event.get("diagnosticEvent", {}).get("severity") == "debug" or "policyRemediateSummaryEvent" in event


def _wanted(names: list[str]) -> Iterator[tuple[str, Recording]]:
    for name, recording in RECORDINGS.items():
        if not names or name in names:
            yield name, recording


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="istio-mesh-recorded-") as place:
        bench = Bench(Path(place))
        bench.prepare()
        for each, how in _wanted(sys.argv[1:]):
            bench.record(each, how)
