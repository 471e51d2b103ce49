"""The per-user cache of tools: one folder a tool and version, made whole or not at all, shared by all clones.

`<cache>/istio-mesh-lab/<tool>/<version>-<digest>/` holds `bin` (commands), for some tools `share` (files for others)
and `root` (an unpacked package). The digest covers everything that the entry is made from, so a changed source makes
another entry beside the old one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.tools.catalogue import GO_FLAGS, GoSource, Tool

# Part of every digest: raised when the way an entry is made changes, so that old entries are not taken for new ones.
LAYOUT = "1"
_BUILDING = ".building-"
# What lies in a module's folder without going into its binary.
_NOT_SOURCE = {"__pycache__", ".pytest_cache", ".ruff_cache"}


def folder() -> Path:
    """The cache's folder, after the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative path is to be ignored.
    parent = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return parent / "istio-mesh-lab"


def sources(source: GoSource, clone: Path) -> Iterator[Path]:
    """The files of a Go module's folder that go into its build, in a stable order."""
    embedded = {file.to for file in source.embedded}
    root = clone / source.folder
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _NOT_SOURCE)
        for name in sorted(files):
            path = Path(directory) / name
            if path.suffix in (".py", ".pyc") or path.name.endswith("_test.go"):
                continue
            if str(path.relative_to(root)) not in embedded:
                yield path


def digest(tool: Tool, clone: Path) -> str:
    """Twelve hexadecimal digits over all that decides what a build of the tool gives."""
    hashed = hashlib.sha256(f"{LAYOUT}\n{tool.version}\n{tool.source!r}\n".encode())
    if isinstance(tool.source, GoSource):
        hashed.update(f"{GO_FLAGS}\n".encode())
        root = clone / tool.source.folder
        for path in sources(tool.source, clone):
            content = path.read_bytes()
            hashed.update(f"{path.relative_to(root)}\n{len(content)}\n".encode())
            hashed.update(content)
    else:
        # The packages of another release of the system are other packages.
        hashed.update(_system().encode())
    return hashed.hexdigest()[:12]


def entry(tool: Tool, clone: Path) -> Path:
    """Where the tool is, or will be once it is made."""
    return folder() / tool.name / f"{tool.version}-{digest(tool, clone)}"


def install(final: Path, make: Callable[[Path], None], *, waiting: Callable[[], None] = lambda: None) -> Path:
    """Give the entry `final`, calling `make` with an empty folder to fill if there is none yet.

    The folder becomes the entry by one rename after `make` has returned, so a build that is cut off leaves no entry;
    what it left behind is removed by the next one. Of two clones that need the same tool one builds, and the other
    waits: `waiting` is called before it does.
    """
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with _lock(final.parent / ".lock", waiting):
        if final.is_dir():
            return final
        for leftover in final.parent.glob(f"{_BUILDING}*"):
            _remove(leftover)
        building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=final.parent))
        try:
            make(building)
            _flush(building)
            building.chmod(0o755)
            building.rename(final)
        except BaseException:
            _remove(building)
            raise
    return final


@contextlib.contextmanager
def _lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    # The kernel gives the lock up with the process that holds it, however that one ends.
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _flush(root: Path) -> None:
    # After a power cut a renamed folder must not turn out to hold files without content.
    for directory, _, files in os.walk(root):
        for name in files:
            path = Path(directory) / name
            if not path.is_symlink():
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def _remove(root: Path) -> None:
    # Files copied from Go's module cache are in folders without write permission.
    for directory, _, _ in os.walk(root):
        Path(directory).chmod(0o755)
    shutil.rmtree(root)


def _system() -> str:
    release = Path("/etc/os-release")
    if not release.is_file():
        return ""
    wanted = ("ID=", "VERSION_ID=")
    return "\n".join(line for line in release.read_text().splitlines() if line.startswith(wanted))
