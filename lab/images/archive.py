"""Image archives in the layout of the OCI image specification (image-layout.md), as `ctr images import` reads them."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.images.layers import Layer, Writer

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
"""The specification's names of architectures, which are Go's, by the kernel's."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Image:
    """What an image is made of.

    Attributes:
        name: Full name with tag, as a pod asks for it.
        layers: From the lowest to the highest.
        entrypoint: Command of a container that names none.
        arguments: Its arguments where the container names none.
        user: `user` or `user:group` by number: the kubelet refuses names to a pod that must not run as root.
        environment: Variables of every container.
        working_directory: Where commands start.
    """

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    working_directory: str = "/"

    def key(self) -> str:
        """A digest of all that decides what the archive's bytes are."""
        parts = [layer.key() for layer in self.layers]
        return hashlib.sha256(_json([self.name, self._execution(), _architecture(), parts])).hexdigest()

    def write(self, path: Path, known: dict[Layer, Blob] | None = None) -> None:
        """Write the archive to `path`.

        Args:
            path: A file to be made.
            known: Digests of layers that other images share; what is missing in it is added.
        """
        known = {} if known is None else known
        for layer in self.layers:
            if layer not in known:
                known[layer] = Blob.of(layer)
        layers = {blob.digest: (layer, blob) for layer in self.layers for blob in (known[layer],)}
        config = _json(self._config([known[layer] for layer in self.layers]))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(_CONFIG, config),
                "layers": [
                    {"mediaType": _LAYER, "digest": blob.digest, "size": blob.size}
                    for blob in (known[layer] for layer in self.layers)
                ],
            }
        )
        # containerd names an image after the first annotation, and takes the second for its tag alone.
        annotations = {
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name.rpartition(":")[2],
        }
        index = {
            "schemaVersion": 2,
            "mediaType": _INDEX,
            "manifests": [{**_descriptor(_MANIFEST, manifest), "annotations": annotations}],
        }
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", _json(index))
            for content in (manifest, config):
                _add(archive, _place(_digest(content)), content)
            for digest, (layer, blob) in layers.items():
                with _member(archive, _place(digest), blob.size) as target:
                    layer.write(target)

    def _config(self, blobs: list[Blob]) -> dict[str, Any]:
        return {
            "architecture": _architecture(),
            "os": "linux",
            "config": self._execution(),
            "rootfs": {"type": "layers", "diff_ids": [blob.digest for blob in blobs]},
            "history": [{"created_by": layer.name} for layer in self.layers],
        }

    def _execution(self) -> dict[str, Any]:
        execution: dict[str, Any] = {"WorkingDir": self.working_directory}
        if self.environment:
            execution["Env"] = [f"{name}={value}" for name, value in self.environment.items()]
        for name, value in (("User", self.user), ("Entrypoint", self.entrypoint), ("Cmd", self.arguments)):
            if value:
                execution[name] = value
        return execution


@dataclass(frozen=True)
class Blob:
    """Digest and size in bytes of a layer. A layer that is not compressed has one digest, packed and unpacked."""

    digest: str
    size: int

    @classmethod
    def of(cls, layer: Layer) -> Blob:
        """Write the layer to nowhere and measure it."""
        measure = _Measure()
        layer.write(measure)
        return cls(f"sha256:{measure.hashed.hexdigest()}", measure.size)


class _Measure:
    def __init__(self) -> None:
        self.hashed = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self.hashed.update(data)
        self.size += len(data)


def _architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    archive.addfile(header, io.BytesIO(content))


@contextmanager
def _member(archive: tarfile.TarFile, name: str, size: int) -> Iterator[Writer]:
    """A member of an archive that is written piece by piece instead of being read from a file."""
    header = tarfile.TarInfo(name)
    header.size = size
    archive.addfile(header)
    assert archive.fileobj is not None
    start = archive.fileobj.tell()
    yield archive.fileobj
    written = archive.fileobj.tell() - start
    if written != size:
        raise RuntimeError(f"{name}: {written} bytes instead of {size}: a file of the image changed while it was read")
    padding = -size % tarfile.BLOCKSIZE
    archive.fileobj.write(bytes(padding))
    archive.offset += size + padding
