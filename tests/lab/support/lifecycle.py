"""The mesh taken away and made anew, and what must be left of it in a cluster: nothing."""

from __future__ import annotations

from collections.abc import Mapping

from lab import tenant
from lab.tenant import OUTSIDE
from tests.lab.support.engine import Changes, Engine
from tests.lab.support.kubectl import Kubectl
from tests.lab.support.site import EXAM, SERVICE_URL, Site
from tests.lab.support.stage import Stage
from tests.lab.support.workloads import PROOF


def anew(engine: Engine, sites: Mapping[str, Site], stage: Stage) -> None:
    """`destroy`, `up`, and the tenant back in the mesh."""
    engine.destroy()
    up(engine, sites, stage)


def up(engine: Engine, sites: Mapping[str, Site], stage: Stage) -> Changes:
    """`up` of the committed configuration into clusters without a mesh, and the tenant's pods in the new mesh.

    A destroyed root is gone for good: pods that still hold its certificates are of no mesh, and are started anew.
    """
    changes = engine.up()
    engine.restart_needed = False
    for site in sites.values():
        for namespace in (EXAM, *stage.namespaces):
            site.kubectl.run("rollout", "restart", "deployment", "-n", namespace)
    for site in sites.values():
        tenant.deploy(site.region, site.kubectl, [*tenant.WORKLOADS, *stage.workloads])
    everywhere = {site.region.region for site in sites.values()}
    for site in sites.values():
        site.caller().wait_for_regions(SERVICE_URL, everywhere)
    return changes


# Namespaces that are not the stack's: their labels ask for injection, and their pods keep the sidecars they were given.
USERS = frozenset({EXAM, OUTSIDE, PROOF, *Stage.read().namespaces})


def left_of_the_mesh(kubectl: Kubectl) -> list[str]:
    """Every object of a cluster that Istio or the stack made, as `kind namespace/name`.

    In the namespaces of the mesh's users that is what istiod put there; their own objects are theirs. Events are
    history.
    """
    kinds = kubectl.text("api-resources", "--verbs=list", "-o", "name").split()
    listed = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatuses")))
    columns = "K:.kind,S:.metadata.namespace,N:.metadata.name,L:.metadata.labels"
    lines = kubectl.text(
        "get", listed, "-A", "--ignore-not-found", "--no-headers", "-o", f"custom-columns={columns}", timeout=120
    ).splitlines()
    left: set[str] = set()
    for line in lines:
        kind, namespace, name, labels = line.split(maxsplit=3)
        theirs = namespace in USERS or (kind == "Namespace" and name in USERS)
        # The lab's own parts carry its name, which is also Istio's.
        marked = (name if theirs else f"{name} {namespace} {labels}").replace("istio-mesh-lab", "")
        if "istio" in marked or "cacerts" in marked:
            left.add(f"{kind} {namespace}/{name}")
    return sorted(left)
