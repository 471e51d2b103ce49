"""Writes the page of evidence: `python -m tests.lab.page`, after `make prove`."""

import json
import sys

from lab.paths import Paths
from tests.lab.claims import claims
from tests.lab.page.document import page


def write(paths: Paths) -> str:
    """Writes the page beside the evidence and says where, or why not."""
    if not paths.evidence.exists():
        sys.exit(f"{paths.evidence} is missing, so there is nothing to show: `make prove` writes it.")
    evidence = json.loads(paths.evidence.read_text(encoding="utf-8"))
    target = paths.evidence_page
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(page(evidence, claims()), encoding="utf-8")
    partial.replace(target)
    proven = sum(row["verdict"] == "proven" for row in evidence["rows"])
    return f"{target}: {proven} of {len(evidence['rows'])} proven, as of {evidence['date']}\n"


if __name__ == "__main__":
    sys.stdout.write(write(Paths()))
