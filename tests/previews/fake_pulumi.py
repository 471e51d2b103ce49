"""A `pulumi` that answers with a recording: what it is told to write, and with which exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.previews.recordings import log

_PROGRAM = """#!{python}
import json, os, pathlib, shutil, sys
here = pathlib.Path({here!r})
words = sys.argv[1:]
with (here / "asked.jsonl").open("a") as asked:
    asked.write(json.dumps([words, os.getcwd(), {{k: os.environ.get(k) for k in ("PULUMI_DEBUG_COMMANDS",)}}]) + "\\n")
answer = json.loads((here / "answer.json").read_text())
if words[0] == "config":
    sys.stdout.write(answer["config"])
    sys.stderr.write(answer["complaint"])
    sys.exit(answer["config_code"])
if answer["log"]:
    shutil.copy(answer["log"], words[words.index("--event-log") + 1])
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""


class FakePulumi:
    """`folder` goes in front of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / "pulumi"
        program.write_text(_PROGRAM.format(python=sys.executable, here=str(folder)))
        program.chmod(0o755)

    def answers(
        self,
        recording: str | None,
        *,
        code: int = 0,
        out: str = "",
        err: str = "",
        config: str = "{}",
        config_code: int = 0,
        complaint: str = "",
    ) -> None:
        answer = {
            "log": str(log(recording)) if recording else None,
            "code": code,
            "out": out,
            "err": err,
            "config": config,
            "config_code": config_code,
            "complaint": complaint,
        }
        (self.folder / "answer.json").write_text(json.dumps(answer))

    @property
    def asked(self) -> list[list[str]]:
        """The words of each run."""
        return [json.loads(line)[0] for line in (self.folder / "asked.jsonl").read_text().splitlines()]

    @property
    def last(self) -> tuple[list[str], str, dict[str, str]]:
        """Words, folder and environment of the last run."""
        words, folder, environment = json.loads((self.folder / "asked.jsonl").read_text().splitlines()[-1])
        return words, folder, environment
