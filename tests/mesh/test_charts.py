"""Where charts come from, and what becomes of the annotation that would leave their definitions behind."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.mesh import ChartsConfig
from components.mesh.charts import chart_arguments
from components.mesh.control_plane import REMOVE_KEEP_POLICY

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"folder": ".lab/charts"}, {"chart": ".lab/charts/istiod"}),
        ({"folder": "charts/"}, {"chart": "./charts/istiod"}),
        ({"folder": "/srv/charts"}, {"chart": "/srv/charts/istiod"}),
        (
            {"oci": "oci://registry.example.com/istio"},
            {"chart": "oci://registry.example.com/istio/istiod", "version": "1.31.0"},
        ),
    ],
)
def test_a_chart_is_found_in_its_source(source: dict[str, str], expected: dict[str, Any]) -> None:
    assert chart_arguments(ChartsConfig.model_validate(source), "istiod", "1.31.0") == expected


def test_a_repositorys_chart_is_pinned_to_the_meshs_version() -> None:
    charts = ChartsConfig.model_validate({"repository": "https://charts.example.com"})
    found = chart_arguments(charts, "gateway", "1.31.0")
    assert (found["chart"], found["version"]) == ("gateway", "1.31.0")
    assert found["repository_opts"].repo == "https://charts.example.com"


DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    helm.sh/resource-policy: keep
    example.com/other: kept
  name: gateways.networking.istio.io
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    "helm.sh/resource-policy": keep
  name: sidecars.networking.istio.io
spec:
  description: 'helm.sh/resource-policy: keep is named here in passing'
"""


def test_the_post_renderer_takes_the_keep_policy_away_and_nothing_else() -> None:
    path = ROOT / REMOVE_KEEP_POLICY
    assert os.access(path, os.X_OK), "Helm runs it"
    done = subprocess.run([path], input=DEFINITION, capture_output=True, text=True, check=True)
    first, second = yaml.safe_load_all(done.stdout)
    assert first["metadata"]["annotations"] == {"example.com/other": "kept"}
    assert not second["metadata"]["annotations"]
    assert second["spec"] == {"description": "helm.sh/resource-policy: keep is named here in passing"}
