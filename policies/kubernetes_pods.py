"""Pods: what they may do to their node, which images they run, what they need."""

from collections.abc import Iterator

from policies.catalogue import MANDATORY, Finding, Setting, resource_policy
from policies.resources import Subject
from policies.unknowns import Node

WORKLOADS = (
    "core/Pod",
    "apps/Deployment",
    "apps/StatefulSet",
    "apps/DaemonSet",
    "apps/ReplicaSet",
    "batch/Job",
    "batch/CronJob",
)

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_NODE_NAMESPACES = {"hostNetwork": "network", "hostPID": "processes", "hostIPC": "shared memory"}
_DANGEROUS = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "NET_RAW", "DAC_READ_SEARCH"})
_STANDARDS = "kubernetes.io: Pod Security Standards, baseline"


def pod_spec(workload: Subject) -> Node:
    """The spec of the pods that a workload makes."""
    kind = workload.resource.key.rpartition("/")[2]
    if kind == "Pod":
        return workload.spec
    if kind == "CronJob":
        return workload.spec.at("jobTemplate", "spec", "template", "spec")
    return workload.spec.at("template", "spec")


def containers(workload: Subject) -> Iterator[Node]:
    """All of its containers."""
    for name in _CONTAINERS:
        yield from pod_spec(workload)[name]


def called(container: Node) -> str:
    """A container for a message."""
    return f"container {container['name'].shown}"


@resource_policy(
    "kubernetes-privileged",
    MANDATORY,
    on=WORKLOADS,
    description="Containers are not privileged.",
    reason="A privileged container is root on its node, and by the node's credentials in the other pods.",
    source=f"{_STANDARDS}; CIS Amazon EKS Benchmark 4.2.1",
)
def privileged(workload: Subject, _: Setting) -> Iterator[Finding]:
    for container in containers(workload):
        context = container["securityContext"]
        if context["privileged"].is_(True):
            yield Finding(
                f"{called(container)} is privileged",
                "Whoever gets into it is root on the node",
                "take `privileged` out, and name the one capability that is needed",
                context["privileged"].path,
            )
        for capability in context.at("capabilities", "add"):
            if capability.is_(*_DANGEROUS):
                yield Finding(
                    f"{called(container)} gets {capability.text}",
                    "That is enough to leave the container",
                    "take it out of `capabilities.add`",
                    capability.path,
                )


@resource_policy(
    "kubernetes-host",
    MANDATORY,
    on=WORKLOADS,
    description="Pods have nothing of their node's: network, processes, files, ports.",
    reason="On the node's network a pod has no sidecar and no identity, and reads the node's credentials.",
    source=f"{_STANDARDS}; CIS Amazon EKS Benchmark 4.2.2 to 4.2.4; Istio: application requirements",
)
def host(workload: Subject, _: Setting) -> Iterator[Finding]:
    pod = pod_spec(workload)
    for name, what in _NODE_NAMESPACES.items():
        if pod[name].is_(True):
            yield Finding(
                f"the pods share their node's {what}",
                "They see and reach what belongs to other pods, past every policy of the mesh",
                f"take `{name}` out",
                pod[name].path,
            )
    for volume in pod["volumes"]:
        if volume["hostPath"].given:
            yield Finding(
                f"volume {volume['name'].shown} is a path of the node",
                "Who writes there changes the node, and reads what other pods left",
                "take an emptyDir or a PersistentVolumeClaim",
                volume["hostPath"].path,
            )
    for container in containers(workload):
        for port in container["ports"]:
            number = port["hostPort"].number
            if number:
                yield Finding(
                    f"{called(container)} takes port {number:.0f} of its node",
                    "It is reached past the Service, its policies and its sidecar",
                    "take `hostPort` out, and make a Service",
                    port["hostPort"].path,
                )


@resource_policy(
    "kubernetes-image-tag",
    MANDATORY,
    on=WORKLOADS,
    description="Images have a version: a tag that is not `latest`, or a digest.",
    reason="Two pods of one Deployment may run two programs, and no rollback finds the one before.",
    source="kubernetes.io: Images, avoid `latest`; EKS best practices: image security",
)
def image_tag(workload: Subject, _: Setting) -> Iterator[Finding]:
    for container in containers(workload):
        image = container["image"].text
        # Istio's webhook puts its own image there.
        if image is None or image == "auto" or "@sha256:" in image:
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            yield Finding(
                f"{called(container)} runs `{image}`, {'tag `latest`' if tag else 'without a tag'}",
                "Nobody can tell what runs, and no rollback finds what ran before",
                "write the version's tag, or better its digest",
                container["image"].path,
            )


@resource_policy(
    "kubernetes-image-registry",
    MANDATORY,
    on=WORKLOADS,
    description="Images come from the registries that the stack allows.",
    reason="What comes from elsewhere was neither scanned nor kept, and may be gone or another tomorrow.",
    source="CIS Amazon EKS Benchmark 5.1.4; EKS best practices: image security",
)
def image_registry(workload: Subject, setting: Setting) -> Iterator[Finding]:
    allowed = setting.parameters.registries
    for container in containers(workload) if allowed else ():
        image = container["image"].text
        if image is None or image == "auto":
            continue
        first, slash, rest = image.partition("/")
        # Without a host in front it is Docker's own (distribution/reference).
        full = (
            image if slash and rest and ("." in first or ":" in first or first == "localhost") else f"docker.io/{image}"
        )
        if not any(full.startswith(f"{registry.rstrip('/')}/") for registry in allowed):
            yield Finding(
                f"{called(container)} runs `{image}`, which is from none of the allowed registries",
                "It was neither scanned nor kept",
                f"copy it to {' or '.join(allowed)}, or add it to `istio-mesh:policies.parameters.registries`",
                container["image"].path,
            )


@resource_policy(
    "kubernetes-resources",
    MANDATORY,
    on=WORKLOADS,
    description="Containers say what they need, and how much memory they may take.",
    reason="Without requests nothing is scaled or placed rightly; without a limit one leak ends its neighbours.",
    source="EKS best practices: tenant isolation, requests and limits; kubernetes.io: resource management",
)
def resources(workload: Subject, _: Setting) -> Iterator[Finding]:
    for container in containers(workload):
        # A cpu limit only slows a pod down where cpu is left over: it is for the owner to choose.
        needed = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
        absent = [".".join(place) for place in needed if container["resources"].at(*place).missing]
        if absent:
            yield Finding(
                f"{called(container)} says no {', '.join(absent)}",
                "It is placed and scaled blindly, and its leak ends other pods of the node",
                f"add {', '.join(f'`{place}`' for place in absent)}",
                container["resources"].path,
            )
