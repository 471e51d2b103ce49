from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab.images.archive import Blob, Image
from lab.images.layers import File, Layer
from tests.lab_images.builders import place, read

NAME = "localhost/istio-mesh/echo:1.2.3"
BASE = Layer("base", (File("etc/passwd", b"root"),))
TOP = Layer("top", (File("app", b"\x7fELF" * 5000, 0o755),))
IMAGE = Image(
    NAME, (BASE, TOP), entrypoint=("/app",), arguments=("serve",), user="1337:1337", environment={"PATH": "/bin"}
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    IMAGE.write(tmp_path / "image.tar")
    return tmp_path / "image.tar"


def test_digests_chain_from_the_index_to_the_layers(archive: Path) -> None:
    image = read(archive)
    descriptors = [image.index["manifests"][0], image.manifest["config"], *image.manifest["layers"]]
    for descriptor in descriptors:
        content = image.blobs[place(descriptor["digest"])]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert descriptor["size"] == len(content)
    assert image.config["rootfs"]["diff_ids"] == [layer["digest"] for layer in image.manifest["layers"]]
    assert set(image.blobs) == {"oci-layout", "index.json", *(place(each["digest"]) for each in descriptors)}


def test_the_archive_says_what_containerd_and_the_kubelet_ask(archive: Path) -> None:
    image = read(archive)
    assert image.index["manifests"][0]["annotations"]["io.containerd.image.name"] == NAME
    assert image.config["config"] == {
        "Cmd": ["serve"],
        "Entrypoint": ["/app"],
        "Env": ["PATH=/bin"],
        "User": "1337:1337",
        "WorkingDir": "/",
    }
    assert image.config["os"] == "linux"
    assert [layer["created_by"] for layer in image.config["history"]] == ["base", "top"]


def test_the_same_image_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    IMAGE.write(tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_a_layer_known_from_another_image_is_not_measured_again(archive: Path, tmp_path: Path) -> None:
    known = {BASE: Blob.of(BASE)}
    IMAGE.write(tmp_path / "again.tar", known)
    assert set(known) == {BASE, TOP}
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_a_layer_that_is_there_twice_is_stored_once(tmp_path: Path) -> None:
    Image(NAME, (BASE, BASE)).write(tmp_path / "image.tar")
    image = read(tmp_path / "image.tar")
    assert len(image.manifest["layers"]) == 2
    assert len(image.blobs) == 5


def test_a_file_that_grows_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "growing"
    source.write_bytes(b"x" * 100)
    layer = Layer("growing", (File("growing", source),))
    known = {layer: Blob.of(layer)}
    source.write_bytes(b"x" * 100_000)
    with pytest.raises(RuntimeError, match="changed while it was read"):
        Image(NAME, (layer,)).write(tmp_path / "image.tar", known)


@pytest.mark.parametrize(
    "other",
    [
        Image(f"{NAME}4", IMAGE.layers, IMAGE.entrypoint, IMAGE.arguments, IMAGE.user, IMAGE.environment),
        Image(NAME, (TOP, BASE), IMAGE.entrypoint, IMAGE.arguments, IMAGE.user, IMAGE.environment),
        Image(NAME, IMAGE.layers, IMAGE.entrypoint, IMAGE.arguments, "0:0", IMAGE.environment),
        Image(NAME, IMAGE.layers, IMAGE.entrypoint, (), IMAGE.user, IMAGE.environment),
    ],
)
def test_the_key_changes_with_whatever_changes_the_archive(other: Image) -> None:
    assert other.key() != IMAGE.key()
