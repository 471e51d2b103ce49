"""`python -m policies.package FOLDER` packs the policies with all that they import, for programs of other teams."""

import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]

_BESIDE = (
    "policies/__main__.py",
    "policies/PulumiPolicy.yaml",
    "policies/README.md",
    "policies/requirements.txt",
    "policies/data/*",
    "docs/policies.md",
    "docs/reference/policies.md",
)
"""What Python does not import, relative to the project."""

_IMPORTED = """
import sys
import policies.pack, policies.server
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    if file and file.startswith(sys.argv[1]):
        print(file)
"""


def version() -> str:
    """The pack's version."""
    return str(yaml.safe_load((ROOT / "policies" / "PulumiPolicy.yaml").read_text())["version"])


def files() -> list[Path]:
    """Every file that the pack needs, relative to the project."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED, f"{ROOT}/"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # What is installed below the project is not the project's.
    ours = {Path(line).relative_to(ROOT) for line in done.stdout.split("\n") if line}
    ours = {file for file in ours if file.parts[0] in ("components", "policies")}
    return sorted({*ours, *(file.relative_to(ROOT) for pattern in _BESIDE for file in ROOT.glob(pattern))})


def package(folder: Path) -> Path:
    """Writes the archive into a folder, and gives its path. The same files make the same archive."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"istio-mesh-policies-{version()}"
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for file in files():
            tar.add(ROOT / file, arcname=f"{name}/{file}", filter=_plain)
    return archive


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without whose it was, and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


if __name__ == "__main__":
    sys.stdout.write(f"{package(Path(sys.argv[1]))}\n")
