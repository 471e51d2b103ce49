"""Building a tool from its Go module."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.tools import cache
from lab.tools.catalogue import GO_FLAGS, GoSource, ModuleFile, Tool

FIRST_BUILD_GIB = 12
"""Disk that a first build of all tools takes (measured), most of it for Go's caches."""
_LAST_LINES = 15
# What is wrong, by what the build says, and what to do about it. The first that fits is shown.
_CURES: tuple[tuple[str, str], ...] = (
    (
        r"no space left on device",
        f"Free some disk: a first build of all tools takes {FIRST_BUILD_GIB} GiB, most of it for Go's caches.",
    ),
    (
        r"checksum mismatch|SECURITY ERROR",
        "A module is not what go.sum says: look at the proxy that GOPROXY names, then `go clean -modcache`.",
    ),
    (
        r"dial tcp|i/o timeout|connection refused|no such host|TLS handshake|proxyconnect|unexpected EOF|50[234] ",
        "The module proxy cannot be reached: check the network and GOPROXY, then run this again; nothing is lost.",
    ),
    (r"signal: killed|cannot allocate memory", "Memory ran out: close something, then run this again."),
)


def environment(go: Path) -> dict[str, str]:
    """The environment of a build: the caller's, less what would make another binary of the same source."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT")
    }
    return kept | {
        # Where Go keeps its caches; some CI and service managers start commands without.
        "HOME": os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir,
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # Not empty, or Go takes the flags of its own configuration file. Flags of the command line follow in any case.
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        # The compiler is short-lived and there is memory: collecting less saves a fifth of its time (measured, 100 to
        # 1000). The limit is for the linker, which lives longer and would take what there is.
        "GOGC": "1000",
        "GOMEMLIMIT": "3GiB",
    }


def command(source: GoSource, go: Path, output: Path) -> list[str]:
    """The `go build` command line, to be run in the module's folder."""
    variables = " ".join(f"-X {name}={value}" for name, value in source.variables.items())
    arguments = [str(go), "build", *GO_FLAGS, "-ldflags", f"-s -w {variables}".strip()]
    if source.tags:
        arguments += ["-tags", ",".join(source.tags)]
    # With several packages Go names the binaries itself, by the last element of each path.
    target = f"{output}/" if len(source.packages) > 1 else str(output / next(iter(source.packages)))
    return [*arguments, "-o", target, *source.packages.values()]


def make(tool: Tool, source: GoSource, go: Path, clone: Path, into: Path, run: Runner) -> None:
    """Build the tool's commands into the folder `into`/bin and put its shared files into `into`/share.

    Raises:
        LabError: A step of the build failed; with its last lines, the command and the cure.
    """
    # A copy: what is built is what was hashed, whatever an editor does meanwhile, and the clone is not written to.
    folder = into / "source"
    for path in cache.sources(source, clone):
        target = folder / path.relative_to(clone / source.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    modules: dict[str, Path] = {}
    for file in (*source.embedded, *source.shared, *source.patches):
        if file.module not in modules:
            modules[file.module] = _module(tool, file.module, go, folder, run)
    for file in source.embedded:
        _copy(modules[file.module] / file.path, folder / file.to, file)
    for number, patch in enumerate(source.patches):
        # Go's own -overlay refuses files of the module cache.
        patched = into / f"patched-{number}"
        shutil.copytree(modules[patch.module], patched)
        _make_writable(patched)
        shutil.copyfile(folder / patch.file, patched / patch.path)
        run(tool, [str(go), "mod", "edit", f"-replace={patch.module}={patched}"], folder)

    commands = into / "bin"
    commands.mkdir()
    run(tool, command(source, go, commands), folder)
    for name in source.links:
        (commands / name).symlink_to(next(iter(source.packages)))
    for file in source.shared:
        _copy(modules[file.module] / file.path, into / "share" / file.to, file)

    shutil.rmtree(folder)
    for number in range(len(source.patches)):
        shutil.rmtree(into / f"patched-{number}")


class Runner:
    """Runs the commands of builds, each in a process group of its own so that `stop` can end them all."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[str]] = set()
        setpriv = shutil.which("setpriv")
        self._tied = (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
        self._stopped = False

    def __call__(self, tool: Tool, arguments: Sequence[str], folder: Path) -> str:
        """Run a command and give its standard output.

        Raises:
            LabError: It ended with another status than 0.
        """
        process = subprocess.Popen(
            # Killed, we cannot stop what we have started: the kernel then does.
            [*self._tied, *arguments],
            cwd=folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._running.add(process)
        if self._stopped:
            self._end(process)
        output, errors = process.communicate()
        self._running.discard(process)
        if process.returncode:
            raise LabError(failure(tool, arguments, folder, errors or output, process.returncode))
        return output

    def stop(self) -> None:
        """End what is running, and whatever would still be started."""
        self._stopped = True
        for process in tuple(self._running):
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, 15)


def failure(tool: Tool, arguments: Sequence[str], folder: Path, output: str, status: int) -> str:
    """What to tell of a failed build: the last lines it said, the command, the cure."""
    lines = deque((line for line in output.splitlines() if line.strip()), maxlen=_LAST_LINES)
    cure = next((cure for pattern, cure in _CURES if re.search(pattern, output)), None)
    told = "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"
    return (
        f"Building {tool.name} {tool.version} failed with status {status}. Its last lines:\n{told}\n"
        f"  command: {' '.join(arguments)}\n  in a copy of: {folder.name if folder.name != 'source' else tool.name}\n"
        f"  cure: {cure or 'Mend what the lines above name, then run this again; what is built already is kept.'}"
    )


def _module(tool: Tool, module: str, go: Path, folder: Path, run: Runner) -> Path:
    answer = run(tool, [str(go), "mod", "download", "-json", module], folder)
    return Path(json.loads(answer)["Dir"])


def _copy(source: Path, target: Path, file: ModuleFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    _make_writable(target)
    if file.stamp:
        _stamp(target, file.stamp)


def _stamp(target: Path, fields: Mapping[str, str]) -> None:
    if target.suffix == ".json":
        content = json.loads(target.read_text())
        content.update(fields)
        target.write_text(json.dumps(content, separators=(",", ":")))
        return
    # A chart: lines are replaced, so that the comments and the order of the file stay.
    chart = target / "Chart.yaml"
    text = chart.read_text()
    for name, value in fields.items():
        text, count = re.subn(rf"(?m)^{name}:.*$", f"{name}: {value}", text)
        if count != 1:
            raise LabError(
                f"{chart} has {count} fields {name}, so it cannot be stamped {value}: the module's layout changed."
            )
    chart.write_text(text)


def _make_writable(root: Path) -> None:
    # The module cache is read-only.
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
