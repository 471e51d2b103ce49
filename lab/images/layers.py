"""Layers of container images: what they hold, and their bytes, which depend on nothing else.

A layer is written as a plain tar, entries in the order of their paths, times zero, owners by number only. It is not
compressed: it is read on the machine that writes it, and inflating it would take longer than reading it.
"""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

# Large pieces: files of 100 MB are copied whole, and are never held in memory.
PIECE = 1 << 20


@dataclass(frozen=True)
class Owner:
    """Numbers of user and group; an image has no other names than its own passwd."""

    user: int = 0
    group: int = 0


ROOT = Owner()


@dataclass(frozen=True)
class Directory:
    """A directory, made even where no entry lies in it. mode: its permission bits."""

    path: str
    mode: int = 0o755
    owner: Owner = ROOT


@dataclass(frozen=True)
class Symlink:
    """A symbolic link. target: as it stands in the link, so relative to its directory unless it begins with a slash."""

    path: str
    target: str
    owner: Owner = ROOT


@dataclass(frozen=True)
class File:
    """A regular file. content: its bytes, or the file that holds them. mode: its permission bits."""

    path: str
    content: bytes | Path
    mode: int = 0o644
    owner: Owner = ROOT


Entry = Directory | Symlink | File


class Writer(Protocol):
    """What a layer is written to."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...


@dataclass(frozen=True)
class Layer:
    """The entries of one layer, each path once. name: for messages and the image's history."""

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for entry in self.entries:
            path = PurePosixPath(entry.path)
            if path.is_absolute() or ".." in path.parts or str(path) != entry.path or entry.path == ".":
                raise ValueError(f"layer {self.name}: `{entry.path}` is not a plain path below the image's root")
            if path.name.startswith(".wh."):
                # OCI image specification, layer.md: such a name hides a file of a lower layer.
                raise ValueError(f"layer {self.name}: `{entry.path}` would be read as a whiteout")
            if entry.path in seen:
                raise ValueError(f"layer {self.name}: `{entry.path}` is there twice")
            seen.add(entry.path)

    def key(self) -> str:
        """A digest of what the layer is made of; files are read, the layer is not written."""
        hashed = hashlib.sha256()
        for entry in self._ordered():
            content = ""
            if isinstance(entry, File):
                with _reading(entry) as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
            described = _header(entry)
            fields = (described.type.decode(), oct(described.mode), described.uid, described.gid, described.linkname)
            hashed.update(f"{entry.path}\0{fields}\0{content}\n".encode())
        return hashed.hexdigest()

    def write(self, target: Writer) -> None:
        """Write the layer's tar."""
        with tarfile.open(fileobj=_Sink(target), mode="w|", format=tarfile.PAX_FORMAT, bufsize=PIECE) as archive:
            for entry in self._ordered():
                header = _header(entry)
                if isinstance(entry, File):
                    with _reading(entry) as stream:
                        archive.addfile(header, stream)
                else:
                    archive.addfile(header)

    def _ordered(self) -> Iterator[Entry]:
        entries = {entry.path: entry for entry in self.entries}
        for path in list(entries):
            # Every parent is named, or the one who unpacks chooses its permissions.
            for parent in PurePosixPath(path).parents:
                if str(parent) != ".":
                    entries.setdefault(str(parent), Directory(str(parent)))
        for path in sorted(entries, key=lambda path: PurePosixPath(path).parts):
            yield entries[path]


def tree(root: Path, patterns: Iterable[str]) -> Iterator[Entry]:
    """The files and links below `root` that match, at the same places in the image, executable where they are it there.

    Raises:
        FileNotFoundError: A pattern matches nothing: a package of another release keeps its files elsewhere.
    """
    for pattern in patterns:
        found = [path for path in sorted(root.glob(pattern)) if path.is_symlink() or path.is_file()]
        if not found:
            raise FileNotFoundError(f"{root}: nothing there is named {pattern}")
        for path in found:
            place = path.relative_to(root).as_posix()
            if path.is_symlink():
                yield Symlink(place, path.readlink().as_posix())
            else:
                yield program(place, path) if path.stat().st_mode & stat.S_IXUSR else File(place, path)


def program(path: str, source: Path) -> File:
    """An executable file."""
    return File(path, source, 0o755)


def _header(entry: Entry) -> tarfile.TarInfo:
    # A new TarInfo has time zero and no names of owners.
    header = tarfile.TarInfo(entry.path)
    header.uid, header.gid = entry.owner.user, entry.owner.group
    match entry:
        case Directory(mode=mode):
            header.type, header.mode = tarfile.DIRTYPE, mode
        case Symlink(target=target):
            header.type, header.mode, header.linkname = tarfile.SYMTYPE, 0o777, target
        case File(content=content, mode=mode):
            header.mode = mode
            header.size = content.stat().st_size if isinstance(content, Path) else len(content)
    return header


def _reading(file: File) -> io.BufferedReader | io.BytesIO:
    return file.content.open("rb") if isinstance(file.content, Path) else io.BytesIO(file.content)


class _Sink(io.RawIOBase):
    """Makes a file of a writer, as tarfile wants one."""

    def __init__(self, target: Writer) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._target.write(data)
        return len(data)
