"""The pack, as the engine runs it: `pulumi preview --policy-pack policies`."""

import sys
from pathlib import Path

# The engine runs this folder, and what it imports is beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from policies.pack import POLICIES
from policies.server import PolicyPack

PolicyPack(POLICIES)
