"""What is installed for the Python that this runs on.

Run as a file by other Pythons than the host's, so it imports nothing but the standard library.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from typing import Any


def distributions() -> list[dict[str, Any]]:
    """Each distribution's `name` and `version`, the names of others that it `requires`, and the content of its
    pulumi-plugin.json as `plugin`, where it has one."""
    found: list[dict[str, Any]] = []
    for distribution in importlib.metadata.distributions():
        required = [re.split(r"[^\w.-]", each, maxsplit=1)[0].lower() for each in distribution.requires or ()]
        entry: dict[str, Any] = {
            "name": distribution.metadata["Name"],
            "version": distribution.version,
            "requires": required,
        }
        # Only an SDK for Pulumi names a plugin; the lists of files of all the others need not be read.
        if "pulumi" in required:
            for file in distribution.files or ():
                if file.name == "pulumi-plugin.json":
                    entry["plugin"] = json.loads(file.read_text())
        found.append(entry)
    return found


if __name__ == "__main__":
    json.dump(distributions(), sys.stdout)
