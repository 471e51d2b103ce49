"""Names, type tokens, labels and their limits. Pure: nothing here knows a resource.

Logical names (`child`) are a stable contract: renaming one replaces the resource unless it carries an alias.
"""

PROJECT = "istio-mesh"

PART_OF = "app.kubernetes.io/part-of"
"""Label by which this project knows what it made."""

PROXY_CONTAINER = "istio-proxy"
"""The proxy's container in every pod that has one: sidecars, native ones among them, and gateways."""

DNS_LABEL_LIMIT = 63
"""Names of namespaces, Services and values of labels (RFC 1123)."""

DNS_SUBDOMAIN_LIMIT = 253
"""Names of most other objects, such as Secrets (RFC 1123)."""


def child(parent: str, role: str) -> str:
    """Logical name of a component's child: `{parent}-{role}`."""
    return f"{parent}-{role}"


def public_route(host: str) -> str:
    """Name of a public host's VirtualService: a first label that no host has stands for the wildcard."""
    return f"wildcard.{host.removeprefix('*.')}" if host.startswith("*.") else host


def host_credential(host: str) -> str:
    """Name of the Secret with a host's certificate.

    Its first label is one that no host has, so that a wildcard and a host cannot share a name.
    """
    return f"tls-wildcard.{host.removeprefix('*.')}" if host.startswith("*.") else f"tls.{host}"


def type_token(room: str, cls: str) -> str:
    """Type of a component: `istio-mesh:<room>:<Class>`."""
    return f"{PROJECT}:{room}:{cls}"


def common_labels(component: str, *, mesh_id: str) -> dict[str, str]:
    """Labels of every object made outside of a chart (kubernetes.io: recommended labels).

    `component` is its part in the mesh, such as `trust` or `gateway`.
    """
    return {
        "app.kubernetes.io/managed-by": "pulumi",
        PART_OF: PROJECT,
        "app.kubernetes.io/component": component,
        "istio-mesh/mesh-id": mesh_id,
    }


AWS_ROLE_NAME_LIMIT = 64
"""Names of IAM roles, the shortest limit among what has a name made of a cluster's (IAM and STS quotas)."""

AWS_TAG_VALUE_LIMIT = 256
"""Values of tags (Tag naming limits of AWS)."""

LONGEST_AWS_ROLE = "load-balancer-controller"
"""The longest of the roles that a name in the account ends in."""


def aws_name(mesh_id: str, environment: str, cluster: str, role: str | None = None) -> str:
    """A name in the account, where roles are known by their name in all regions: `exam-prod-use1-nodes`."""
    return "-".join(part for part in (mesh_id, environment, cluster, role) if part)


def aws_tags(*, owner: str, environment: str, cost_centre: str, stack: str, region: str) -> dict[str, str]:
    """Tags of everything that is made in AWS, beside its `Name`."""
    return {
        "owner": owner,
        "environment": environment,
        "costCentre": cost_centre,
        "stack": stack,
        "region": region,
        "managed-by": PROJECT,
    }
