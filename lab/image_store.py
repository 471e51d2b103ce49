"""The nodes' images: imported once into a containerd of the lab, and from then on taken over as files.

An import unpacks every layer, which takes seconds a region and the whole machine's processors. Its result is a
directory that any containerd of the same version can go on with. Layers are never written to again (overlayfs copies a
file before it changes it), so regions share them as hard links; containerd's own databases are copied.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import network

_BUILDING = threading.Lock()
DATABASE = ".db"
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
"""Unpacked layers: what ends in .db there is an image's own."""


@dataclass(frozen=True)
class ImageStore:
    """What a node's containerd starts with.

    Attributes:
        directory: Where imported stores are kept.
        archives: The images that the node has to have.
        containerd: The program; another one may keep its files differently.
    """

    directory: Path
    archives: Sequence[Path]
    containerd: Path

    @property
    def path(self) -> Path:
        """Where the store for exactly these images and this containerd is kept."""
        digest = hashlib.sha256(str(self.containerd.resolve()).encode())
        for archive in sorted(self.archives):
            # The archive's own place in the cache is named after what it is made of.
            digest.update(f"{archive.resolve()}\n".encode())
        return self.directory / f"store-{digest.hexdigest()[:16]}"

    def fill(self, target: Path, import_all: Callable[[Sequence[Path]], None]) -> bool:
        """Give a node its images.

        Args:
            target: The directory that the node's containerd keeps its files in; containerd does not run.
            import_all: Starts containerd on `target`, imports archives, and stops it. Called where no store is kept
            yet.

        Returns:
            Whether the images had to be imported.
        """
        with _BUILDING:
            if self.path.exists():
                link_tree(self.path, target)
                return False
            import_all(self.archives)
            for old in self.directory.glob("store-*"):
                shutil.rmtree(old)
            unfinished = self.directory / "unfinished-store"
            shutil.rmtree(unfinished, ignore_errors=True)
            link_tree(target, unfinished)
            # After a power cut a renamed directory must not turn out to hold files without content.
            os.sync()
            unfinished.rename(self.path)
            return True


def link_tree(source: Path, target: Path) -> None:
    """Make a copy of a directory whose files are the same files, databases excepted; `target` may exist.

    By `cp`, which carries owners, modes and attributes of every kind of file, as the layers of images need it.
    """
    target.mkdir(parents=True, exist_ok=True)
    network.run("cp", "--archive", "--link", f"{source}/.", str(target))
    for database in source.rglob(f"*{DATABASE}"):
        copy = target / database.relative_to(source)
        if copy.is_relative_to(target / SNAPSHOTS):
            continue
        copy.unlink()
        shutil.copy2(database, copy)
