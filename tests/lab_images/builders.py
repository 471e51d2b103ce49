"""Small stand-ins for the tools and packages that images are made of."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {
    "libc6": ("lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    "iptables": (
        "usr/sbin/xtables-nft-multi",
        "usr/sbin/xtables-legacy-multi",
        "usr/lib/x86_64-linux-gnu/libxtables.so.12.7.0",
        "usr/lib/x86_64-linux-gnu/xtables/libxt_owner.so",
    ),
    "busybox-static": ("bin/busybox",),
    "ca-certificates": (
        "usr/share/ca-certificates/mozilla/B.crt",
        "usr/share/ca-certificates/mozilla/A.crt",
    ),
}


@dataclass(frozen=True)
class FakeFiles:
    """Every command is a file that holds its own name."""

    root: Path

    def path(self, command: str) -> Path:
        return self._file(self.root / "bin" / command, command)

    def share(self, tool: str) -> Path:
        self._file(self.root / "share" / tool / "envoy_bootstrap_tmpl.json", "{}")
        return self.root / "share" / tool

    def debian(self, package: str) -> Path:
        root = self.root / package
        for name in PACKAGES[package]:
            self._file(root / name, name)
        if package == "libc6":
            link = root / "lib64/ld-linux-x86-64.so.2"
            if not link.is_symlink():
                link.parent.mkdir()
                link.symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        return root

    def _file(self, path: Path, content: str) -> Path:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(0o755)
        return path


@dataclass(frozen=True)
class ReadImage:
    """An archive read back. layers: the members of each, in their order; blobs: name to content."""

    index: dict[str, Any]
    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: list[list[tarfile.TarInfo]]
    blobs: dict[str, bytes]

    @property
    def paths(self) -> dict[str, tarfile.TarInfo]:
        """What a container sees; a later layer hides an earlier one."""
        return {member.name: member for layer in self.layers for member in layer}


def read(archive: Path) -> ReadImage:
    with tarfile.open(archive) as opened:
        members = {member.name: member for member in opened.getmembers()}
        blobs = {}
        for name, member in members.items():
            content = opened.extractfile(member)
            assert content is not None, f"{name} is no file"
            blobs[name] = content.read()
    index = json.loads(blobs["index.json"])
    manifest = json.loads(blobs[place(index["manifests"][0]["digest"])])
    layers = []
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blobs[place(layer["digest"])])) as opened:
            layers.append(opened.getmembers())
    return ReadImage(index, manifest, json.loads(blobs[place(manifest["config"]["digest"])]), layers, blobs)


def place(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
