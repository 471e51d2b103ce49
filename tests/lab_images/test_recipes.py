from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from lab.errors import LabError
from lab.images import PAUSE, REPOSITORY, ImageArchive, build_images, tenant_image
from lab.tools.catalogue import ISTIO
from tests.lab_images.builders import FakeFiles, ReadImage, read


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeFiles:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return FakeFiles(tmp_path / "files")


@pytest.fixture
def archives(files: FakeFiles, tmp_path: Path) -> list[ImageArchive]:
    return build_images(files, tmp_path / "out")


@pytest.fixture
def images(archives: list[ImageArchive]) -> dict[str, ReadImage]:
    return {archive.path.stem: read(archive.path) for archive in archives}


def test_names_are_those_that_the_charts_and_the_nodes_ask_for(archives: list[ImageArchive]) -> None:
    assert [archive.name for archive in archives] == [
        PAUSE,
        f"{REPOSITORY}/pilot:{ISTIO}",
        f"{REPOSITORY}/proxyv2:{ISTIO}",
        f"{REPOSITORY}/install-cni:{ISTIO}",
        tenant_image(),
    ]


def test_all_but_the_node_agent_name_a_user_by_number(images: dict[str, ReadImage]) -> None:
    users = {name: image.config["config"].get("User") for name, image in images.items()}
    assert users == {
        "pause": "65535:65535",
        "pilot": "1337:1337",
        "proxyv2": "1337:1337",
        "install-cni": None,
        "tenant": "65532:65532",
    }


def test_the_commands_of_every_image_are_in_it_and_executable(images: dict[str, ReadImage]) -> None:
    for name, image in images.items():
        config = image.config["config"]
        command = (config.get("Entrypoint") or config["Cmd"])[0]
        member = image.paths[command.removeprefix("/")]
        assert member.isfile(), name
        assert member.mode & 0o111, f"{name}: {command} is not executable"


def test_links_lead_to_files_of_the_same_image(images: dict[str, ReadImage]) -> None:
    for name, image in images.items():
        for path, member in image.paths.items():
            if member.issym():
                target = PurePosixPath("/", PurePosixPath(path).parent, member.linkname)
                assert str(target).removeprefix("/") in image.paths, f"{name}: {path} leads to {target}"


def test_no_layer_gives_a_shared_directory_other_permissions_than_a_lower_one(images: dict[str, ReadImage]) -> None:
    for name, image in images.items():
        seen: dict[str, tuple[int, int, int]] = {}
        for layer in image.layers:
            for member in layer:
                if member.isdir():
                    described = (member.mode, member.uid, member.gid)
                    assert seen.setdefault(member.name, described) == described, f"{name}: {member.name}"


def test_the_proxy_has_what_the_agent_and_traffic_redirection_need(images: dict[str, ReadImage]) -> None:
    paths = images["proxyv2"].paths
    for path in (
        "usr/local/bin/envoy",
        "usr/local/bin/pilot-agent",
        "var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
        "usr/sbin/iptables-nft-restore",
        "usr/sbin/ip6tables-legacy-save",
        "usr/sbin/iptables-restore",
        "usr/lib/x86_64-linux-gnu/xtables/libxt_owner.so",
        "lib64/ld-linux-x86-64.so.2",
        "bin/sh",
        "etc/ssl/certs/ca-certificates.crt",
    ):
        assert path in paths, path
    data = paths["var/lib/istio/data"]
    assert (data.uid, data.mode) == (1337, 0o755), "Envoy runs as 1337 and writes there"


def test_the_node_agent_has_the_plugin_where_it_copies_it_from_and_nothing_else_there(
    images: dict[str, ReadImage],
) -> None:
    assert [path for path in images["install-cni"].paths if path.startswith("opt/cni/bin/")] == [
        "opt/cni/bin/istio-cni"
    ]


def test_images_share_the_layers_that_they_have_in_common(images: dict[str, ReadImage]) -> None:
    digests = {name: [layer["digest"] for layer in image.manifest["layers"]] for name, image in images.items()}
    assert digests["proxyv2"][:2] == digests["install-cni"][:2]
    assert digests["pilot"][0] == digests["proxyv2"][0] == digests["tenant"][0]


def test_trusted_roots_are_in_the_order_of_their_names(images: dict[str, ReadImage], files: FakeFiles) -> None:
    size = images["pilot"].paths["etc/ssl/certs/ca-certificates.crt"].size
    roots = [path.read_text() for path in sorted(files.debian("ca-certificates").rglob("*.crt"))]
    assert size == sum(len(root) + 1 for root in roots)


def test_a_second_build_takes_the_archives_of_the_first(
    files: FakeFiles, archives: list[ImageArchive], tmp_path: Path
) -> None:
    before = {archive.name: archive.path.resolve().stat().st_ino for archive in archives}
    again = build_images(files, tmp_path / "out")
    assert {archive.name: archive.path.resolve().stat().st_ino for archive in again} == before


def test_a_changed_tool_makes_its_own_image_anew_and_no_other(
    files: FakeFiles, archives: list[ImageArchive], tmp_path: Path
) -> None:
    before = {archive.name: archive.path.resolve() for archive in archives}
    files.path("pilot-agent").write_text("a new release")
    (tmp_path / "out" / "gone.tar").touch()
    after = {archive.name: archive.path.resolve() for archive in build_images(files, tmp_path / "out")}
    assert {name for name in after if after[name] != before[name]} == {f"{REPOSITORY}/proxyv2:{ISTIO}"}
    assert not (tmp_path / "out" / "gone.tar").exists()


def test_a_missing_file_is_named_with_a_cure(files: FakeFiles, tmp_path: Path) -> None:
    (files.debian("busybox-static") / "bin/busybox").unlink()

    class WithoutShell(FakeFiles):
        def debian(self, package: str) -> Path:
            return self.root / package if package == "busybox-static" else super().debian(package)

    with pytest.raises(LabError, match=r"bin/busybox.*made anew"):
        build_images(WithoutShell(files.root), tmp_path / "out")
