"""A lab of real Kubernetes regions on one Linux machine: `python -m lab`."""
