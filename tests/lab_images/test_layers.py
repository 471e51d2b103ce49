from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lab.images.layers import Directory, Entry, File, Layer, Owner, Symlink, tree


def written(layer: Layer) -> bytes:
    target = io.BytesIO()
    layer.write(target)
    return target.getvalue()


def members(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(written(layer))) as archive:
        return {member.name: member for member in archive}


@pytest.mark.parametrize("path", ["/etc/passwd", "../etc", "etc/../passwd", ".", "etc//passwd", "etc/"])
def test_paths_that_leave_the_image_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        Layer("bad", (File(path, b""),))


def test_a_name_that_would_hide_a_lower_layers_file_is_refused() -> None:
    with pytest.raises(ValueError, match="whiteout"):
        Layer("bad", (File("etc/.wh.passwd", b""),))


def test_a_path_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Layer("bad", (File("etc/passwd", b"a"), Directory("etc/passwd")))


def test_the_order_of_entries_and_the_times_of_files_leave_no_trace(tmp_path: Path) -> None:
    source = tmp_path / "tool"
    source.write_bytes(b"\x7fELF" * 1000)
    entries: list[Entry] = [File("usr/bin/tool", source, 0o755), Symlink("bin", "usr/bin"), File("etc/passwd", b"root")]
    first = written(Layer("a", tuple(entries)))
    source.touch()
    assert written(Layer("b", tuple(reversed(entries)))) == first


def test_every_member_has_time_zero_numeric_owners_and_the_mode_that_was_asked_for() -> None:
    found = members(
        Layer(
            "l",
            (
                Directory("tmp", 0o1777),
                Directory("var/lib/istio/data", owner=Owner(1337, 1338)),
                File("usr/bin/tool", b"x", 0o755),
                Symlink("var/run", "/run"),
            ),
        )
    )
    assert list(found) == [
        "tmp",
        "usr",
        "usr/bin",
        "usr/bin/tool",
        "var",
        "var/lib",
        "var/lib/istio",
        "var/lib/istio/data",
        "var/run",
    ]
    assert {(member.mtime, member.uname, member.gname) for member in found.values()} == {(0, "", "")}
    assert oct(found["tmp"].mode) == "0o1777"
    assert (found["var/lib/istio/data"].uid, found["var/lib/istio/data"].gid) == (1337, 1338)
    assert found["usr/bin/tool"].mode == 0o755
    assert found["var/lib"].isdir()
    assert found["var/lib"].mode == 0o755, "a parent that nobody names is an ordinary directory"
    assert found["var/run"].linkname == "/run"


@pytest.mark.parametrize(
    "changed",
    [
        File("f", b"other", 0o644),
        File("f", b"same", 0o755),
        File("f", b"same", 0o644, Owner(1, 0)),
        File("g", b"same"),
        Symlink("f", "same"),
        Directory("f"),
    ],
)
def test_the_key_changes_with_whatever_changes_the_bytes(changed: Entry) -> None:
    assert Layer("l", (changed,)).key() != Layer("l", (File("f", b"same", 0o644),)).key()


def test_a_tree_keeps_places_links_and_the_executable_bit(tmp_path: Path) -> None:
    (tmp_path / "lib/x").mkdir(parents=True)
    (tmp_path / "lib/x/libc.so.6").write_bytes(b"c")
    (tmp_path / "lib/x/libc.so.6").chmod(0o755)
    (tmp_path / "lib/x/libc.so.6.1").write_bytes(b"c")
    (tmp_path / "lib/x/libc.so").symlink_to("libc.so.6")
    (tmp_path / "lib/x/unrelated").write_bytes(b"")
    found = {entry.path: entry for entry in tree(tmp_path, ("lib/*/libc.so*",))}
    assert set(found) == {"lib/x/libc.so", "lib/x/libc.so.6", "lib/x/libc.so.6.1"}
    assert found["lib/x/libc.so"] == Symlink("lib/x/libc.so", "libc.so.6")
    assert found["lib/x/libc.so.6"] == File("lib/x/libc.so.6", tmp_path / "lib/x/libc.so.6", 0o755)
    assert found["lib/x/libc.so.6.1"] == File("lib/x/libc.so.6.1", tmp_path / "lib/x/libc.so.6.1", 0o644)


def test_a_pattern_without_a_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing there is named lib/\*"):
        list(tree(tmp_path, ("lib/*",)))
