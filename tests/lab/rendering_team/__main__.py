"""Another team's program that registers nothing itself: all of it is in files of YAML and in a chart.

It exists to be judged: each way to bring an object has one that is wrong, and the context names a cluster of the lab.
"""

from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

HERE = Path(__file__).parent

config = pulumi.Config("another-team")
provider = kubernetes.Provider("cluster", kubeconfig=config.require("kubeconfig"), context=config.require("context"))
options = pulumi.ResourceOptions(provider=provider)
written = HERE / "rule.yaml"

kubernetes.yaml.ConfigFile("file", file=str(written), resource_prefix="file", opts=options)
kubernetes.yaml.v2.ConfigFile("file-v2", file=str(written), opts=options)
kubernetes.yaml.v2.ConfigGroup("group-v2", objs=[yaml.safe_load(written.read_text())], opts=options)
kubernetes.helm.v4.Chart("chart", chart=str(HERE / "chart"), namespace="exam", opts=options)
