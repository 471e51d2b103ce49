"""Operating a mesh that stands: `python -m mesh`."""
