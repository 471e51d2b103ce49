"""The program's rooms, along the data's way: config, clusters, trust, mesh, resources, outputs."""
