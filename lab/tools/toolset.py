"""The tools of a lab, once they are all there: where each command is, and the folders made of them."""

from __future__ import annotations

import filecmp
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.tools.catalogue import CATALOGUE, DebianSource, Tool
from lab.tools.host import LINKS_MARK, Found

CHARTS: Mapping[str, str] = {
    "base": "base",
    "istiod": "istio-control/istio-discovery",
    "gateway": "gateway",
    "cni": "istio-cni",
}
"""Istio's charts: the name in a stack's chart folder, as in the public Helm repository, and upstream's path."""

_ENGINE_PARTS = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


@dataclass(frozen=True)
class Ready:
    """A tool that is there. entry: in the cache, None if all its commands are the machine's. found: those that are."""

    tool: Tool
    entry: Path | None
    found: Mapping[str, Found]


class Toolset:
    """Made by `ensure`. Paths are absolute."""

    def __init__(self, clone: Path, ready: Mapping[str, Ready]) -> None:
        self._clone = clone
        self._ready = dict(ready)

    @property
    def commands(self) -> dict[str, Path]:
        """Every command with its path."""
        return {name: self.path(name) for ready in self._ready.values() for name in ready.tool.commands}

    def path(self, command: str) -> Path:
        """Where a command is.

        Raises:
            KeyError: No tool of this set has such a command.
        """
        for ready in self._ready.values():
            if command in ready.found:
                return ready.found[command].commands[command]
            if command in ready.tool.commands and ready.entry:
                return ready.entry / "bin" / command
        raise KeyError(f"{command}: not a command of {', '.join(sorted(self._ready))}")

    def bin(self, tool: str) -> Path:
        """The folder that holds a tool's commands."""
        return self.path(self._ready[tool].tool.commands[0]).parent

    def search_path(self, *tools: str) -> str:
        """The folders of these tools as a value for PATH, without the rest of it."""
        return ":".join(dict.fromkeys(str(self.bin(tool)) for tool in tools))

    def share(self, tool: str) -> Path:
        """The folder of files that come with a tool: istio's charts and envoy_bootstrap_tmpl.json, metallb's crds."""
        entry = self._ready[tool].entry
        if entry is None:
            raise KeyError(f"{tool} is the machine's own, so nothing comes with it")
        return entry / "share"

    @property
    def charts(self) -> Path:
        """Istio's charts, laid out as upstream does: base, istio-control/istio-discovery, gateway, istio-cni."""
        return self.charts_of("istio")

    def charts_of(self, tool: str) -> Path:
        """The same of this tool, which may be another version of Istio."""
        return self.share(tool) / "charts"

    def version(self, tool: str) -> str:
        """The version in use; of a tool whose commands are the machine's own, that one's."""
        ready = self._ready[tool]
        if ready.entry is None:
            return next(iter(ready.found.values())).version
        recorded = ready.entry / "version"
        return recorded.read_text() if recorded.is_file() else ready.tool.version

    def debian(self, package: str) -> Path:
        """The unpacked root of a Debian package of the catalogue, with its libraries; fetched if this set took the
        machine's own commands instead.

        Raises:
            KeyError: The catalogue has no such package.
            LabError: It cannot be fetched.
        """
        for tool in CATALOGUE:
            if isinstance(tool.source, DebianSource) and tool.source.package == package:
                from lab.tools import ensure_entry

                return ensure_entry(tool, self._clone) / "root"
        raise KeyError(package)

    def link(self, folder: Path, home: Path | None = None) -> None:
        """Make `folder` the one to have first in PATH: engine, its Python host and plugins, kubectl, istioctl.

        With `home`, the value of PULUMI_HOME to be, the Kubernetes provider is installed there, as `pulumi plugin
        install` does: the engine warns of every plugin that it finds in PATH only.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LINKS_MARK).touch()
        for name in ("kubectl", "istioctl"):
            _link(folder / name, self.path(name))
        provider = "pulumi-resource-kubernetes"
        if home is None:
            _link(folder / provider, self.path(provider))
        else:
            plugin = home / "plugins" / f"resource-kubernetes-v{self.version('pulumi-kubernetes')}"
            plugin.mkdir(parents=True, exist_ok=True)
            _link(plugin / provider, self.path(provider))
            (folder / provider).unlink(missing_ok=True)
        pulumi = self._ready["pulumi"]
        if pulumi.entry is None:
            for name in ("pulumi", *_ENGINE_PARTS):
                _link(folder / name, pulumi.found[name].commands[name])
            return
        # Not a symbolic link: the engine looks for its own plugins beside the file that it is.
        _place(folder / "pulumi", self.path("pulumi"))
        for name in _ENGINE_PARTS[1:]:
            _write(folder / name, (self.share("pulumi") / name).read_text())
        # -P: the engine starts this in the project's folder, whose modules must not be taken for the host's.
        code = f"import sys; sys.path.insert(0, {str(self._clone)!r}); from lab.pulumi_host import main; main()"
        arguments = [sys.executable, "-P", "-u", "-c", code, "--exec", str(folder.absolute() / _ENGINE_PARTS[1])]
        _write(folder / _ENGINE_PARTS[0], f'#!/bin/sh\nexec {shlex.join(arguments)} "$@"\n')

    def link_charts(self, folder: Path, tool: str = "istio") -> None:
        """Copy Istio's charts to `folder` under the names of CHARTS, unless they are there already."""
        made_of = folder / ".made-of"
        charts = self.charts_of(tool)
        origin = str(charts)
        if made_of.is_file() and made_of.read_text() == origin:
            return
        # Copies, not links: Helm warns of every link that it follows.
        shutil.rmtree(folder, ignore_errors=True)
        for name, path in CHARTS.items():
            shutil.copytree(charts / path, folder / name)
        made_of.write_text(origin)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _place(path: Path, target: Path) -> None:
    if path.is_file() and not path.is_symlink() and (path.samefile(target) or filecmp.cmp(path, target)):
        return
    # A running engine keeps the file that it was started from.
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(target)
    except OSError:
        # The cache is on another file system.
        shutil.copy2(target, path)


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
