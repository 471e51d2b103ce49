"""Where clusters stand in an upgrade of Istio, each by itself: what follows for the mesh in it, and what cannot be."""

from collections.abc import Iterator, Sequence

from components.config.clusters import ClusterConfig
from components.config.faults import Fault
from components.config.mesh import MeshConfig
from components.config.upgrade import minor_of, minors_apart, namespace_faults, step_faults


def standing(mesh: MeshConfig, cluster: ClusterConfig) -> MeshConfig:
    """The mesh as it stands in a cluster."""
    said = cluster.istio
    return mesh if said is None else mesh.at(said.version or mesh.version, said.upgrade)


def upgrade_faults(
    clusters: Sequence[tuple[int, ClusterConfig]], mesh: MeshConfig, namespaces: Sequence[str] | None
) -> Iterator[Fault]:
    """Faults between the mesh and the clusters, each given with its index in the file.

    `namespaces` are those of the stack's services; None where they are not known.
    """
    said: list[tuple[str, str]] = []
    for index, cluster in clusters:
        where = ("clusters", index, "istio")
        here = standing(mesh, cluster)
        if cluster.istio is not None and cluster.primary is not None:
            yield Fault(
                f"`{cluster.name}` is remote to `{cluster.primary}`, and has the istiod of that one",
                "Nothing could be upgraded here alone",
                f"Say it of `{cluster.primary}`: this one follows",
                where,
            )
            continue
        if cluster.istio is not None:
            yield from step_faults(here.version, here.upgrade, (*where, "upgrade"))
            others = {each.version for each in here.revisions}
            if others != {mesh.version}:
                yield from mesh.sharing_faults(where)
            for version in sorted(others - {each.version for each in mesh.revisions}):
                yield from (fault.under(("mesh",)) for fault in mesh.folder_faults(version))
        if cluster.primary is None:
            said += [(cluster.name, each.version) for each in here.revisions]
        if namespaces is not None:
            place = ("mesh", "upgrade") if cluster.istio is None else (*where, "upgrade")
            yield from namespace_faults(here.upgrade, namespaces, place)
    yield from _far_apart(said)


def _far_apart(said: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    """Control planes of different clusters; two of one cluster are a fault of its own."""
    if not said:
        return
    (one, low), (other, high) = (
        choose(said, key=lambda pair: [int(number) for number in pair[1].split(".")]) for choose in (min, max)
    )
    if one != other and minors_apart(low, high) > 1:
        yield Fault(
            f"`{one}` has Istio {low}, and `{other}` {high}",
            "Nobody says that proxies more than one minor apart understand each other",
            f"Bring `{one}` up to {minor_of(high)} first, one minor after the other",
            ("clusters",),
        )
