"""EnvoyFilters: what Envoy can do and Istio has no word for, put into the sidecars of one service.

In the form of today: `typed_config` with the filter's own type, found by the router's name, with a priority (istioctl
analyze IST0151: without one, the place relative to another filter is not certain).
"""

from collections.abc import Sequence

from components.config.platform import Service
from components.resources.objects import IstioObject, Spec


def inbound_filter(
    service: Service, role: str, filters: Sequence[Spec], *, priority: int, ports: Sequence[int] | None = None
) -> IstioObject:
    """`filters` before the router of requests that arrive at the service's pods, on `ports` or on every HTTP port.

    The object is named `{service}.{role}`. Those of a higher `priority` come later on a request's way.
    """
    chains: list[Spec] = [{}] if ports is None else [{"destinationPort": port} for port in ports]
    return IstioObject(
        "EnvoyFilter",
        service.namespace,
        f"{service.name}.{role}",
        {
            "workloadSelector": {"labels": dict(sorted(service.selector.items()))},
            "priority": priority,
            "configPatches": [
                {
                    "applyTo": "HTTP_FILTER",
                    "match": {
                        "context": "SIDECAR_INBOUND",
                        "listener": {
                            "filterChain": {
                                **chain,
                                "filter": {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "subFilter": {"name": "envoy.filters.http.router"},
                                },
                            }
                        },
                    },
                    "patch": {"operation": "INSERT_BEFORE", "value": found},
                }
                for chain in chains
                for found in filters
            ],
        },
    )
