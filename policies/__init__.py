"""A CrossGuard pack that knows AWS, Kubernetes and the mesh: see README.md beside this file."""
