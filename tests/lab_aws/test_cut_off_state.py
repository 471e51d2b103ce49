"""The state that a killed engine leaves behind in a backend of files: what of it is cut off is taken away."""

from pathlib import Path

from lab.aws.rehearsal.engine import Engine


def test_files_that_were_being_written_give_way_to_those_before(tmp_path: Path) -> None:
    engine = Engine(tmp_path, tmp_path, stack="small", bins=(), address="127.0.0.1:1", pace=0.0)
    folder = tmp_path / "state" / ".pulumi" / "stacks" / "two-regions"
    folder.mkdir(parents=True)
    written = {"small.json": '{"half', "small.json.bak": "{}", "small.json.attrs": "", "small.json.bak.attrs": "{}"}
    for name, text in written.items():
        (folder / name).write_text(text)
    engine.unlock()
    left = {file.name: file.read_text() for file in folder.iterdir()}
    # The backend reads a file without notes, and none at all with notes that end in the middle.
    assert left == {"small.json": "{}", "small.json.bak": "{}", "small.json.bak.attrs": "{}"}
