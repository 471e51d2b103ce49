"""Where Helm takes a chart from."""

from typing import Any

import pulumi_kubernetes as kubernetes

from components.config.mesh import VERSION, ChartsConfig


def chart_arguments(charts: ChartsConfig, chart: str, version: str) -> dict[str, Any]:
    """`chart`, and `version` or `repository_opts` where they apply, of a Helm release.

    A chart in a folder has the version that is there: charts in Istio's source all say 1.0.0.
    """
    if charts.folder is not None:
        # A path without a dot or slash in front would be taken for a repository's chart.
        folder = charts.folder.replace(VERSION, version).rstrip("/")
        return {"chart": f"{folder if folder.startswith(('/', '.', '~')) else f'./{folder}'}/{chart}"}
    if charts.oci is not None:
        return {"chart": f"{charts.oci}/{chart}", "version": version}
    return {
        "chart": chart,
        "version": version,
        "repository_opts": kubernetes.helm.v3.RepositoryOptsArgs(repo=charts.repository),
    }
