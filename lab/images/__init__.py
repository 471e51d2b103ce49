"""The lab's container images, made of the lab's own tools: no registry and no container engine is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.images.archive import Blob, Image
from lab.images.layers import Layer
from lab.images.recipes import PAUSE, PROXY, REPOSITORY, Files, former_recipes, recipes, tenant_image
from lab.tools import cache

__all__ = ["PAUSE", "PROXY", "REPOSITORY", "ImageArchive", "build_former_images", "build_images", "tenant_image"]

_ARCHIVE = "image.tar"


@dataclass(frozen=True)
class ImageArchive:
    """An image as a file. name: with tag, as pods ask for it. path: an OCI archive, for `ctr images import`."""

    name: str
    path: Path


def build_images(files: Files, out: Path) -> list[ImageArchive]:
    """Make the archives of all images and name them in `out`.

    The same files give the same bytes. Archives are kept in the per-user cache under a digest of what they are made of,
    and only what has changed is made anew; `out` holds links to them, named after the images.

    Args:
        files: Where the files come from: the lab's Toolset.
        out: Folder of the links; links of images that are no longer made are removed.

    Raises:
        LabError: A file is missing, or the disk is full.
    """
    archives = _built(recipes, (files,), out)
    for left in set(out.glob("*.tar")) - {archive.path for archive in archives}:
        left.unlink()
    return archives


def build_former_images(files: Files, former: Files, out: Path) -> list[ImageArchive]:
    """The same for what Istio's former release has of its own, in a folder of their own.

    Raises:
        LabError: A file is missing, or the disk is full.
    """
    return _built(former_recipes, (files, former), out)


def _built(made: Callable[..., list[Image]], files: tuple[Files, ...], out: Path) -> list[ImageArchive]:
    out.mkdir(parents=True, exist_ok=True)
    known: dict[Layer, Blob] = {}
    try:
        return [_build(image, known, out) for image in made(*files)]
    except OSError as error:
        raise LabError(
            f"The images could not be made: {error}. Check the space in {cache.folder()}; a tool whose files are gone "
            "is made anew once its folder there is removed."
        ) from error


def _build(image: Image, known: dict[Layer, Blob], out: Path) -> ImageArchive:
    short = image.name.rpartition("/")[2].partition(":")[0]
    entry = cache.folder() / "images" / f"{short}-{image.key()[:12]}"
    cache.install(entry, lambda folder: image.write(folder / _ARCHIVE, known))
    link = out / f"{short}.tar"
    link.unlink(missing_ok=True)
    link.symlink_to(entry / _ARCHIVE)
    return ImageArchive(image.name, link)
