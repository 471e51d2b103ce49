"""The Helm values as a whole: a key that is missing, misspelt or new is a difference here."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import StackConfig
from components.mesh import values
from tests import builders
from tests.services import PLAIN

PRODUCTION_ISTIOD = """
revision: 1-31
autoscaleEnabled: true
autoscaleMin: 3
autoscaleMax: 10
cpu: {targetAverageUtilization: 70}
resources:
  requests: {cpu: 500m, memory: 2Gi}
  limits: {cpu: "1", memory: 4Gi}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app: istiod, istio.io/rev: 1-31}}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app: istiod, istio.io/rev: 1-31}}
env:
  DEFAULT_WORKLOAD_CERT_TTL: 24h
  MAX_WORKLOAD_CERT_TTL: 24h
  ISTIO_MULTIROOT_MESH: "true"
cni: {enabled: false}
telemetry: {enabled: true}
meshConfig:
  trustDomain: exam-platform.local
  accessLogFile: ""
  pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}
  defaultConfig:
    holdApplicationUntilProxyStarts: true
    proxyMetadata: {SECRET_TTL: 24h, PROXY_CONFIG_XDS_AGENT: "true"}
global:
  hub: docker.io/istio
  tag: 1.31.0
  imagePullPolicy: IfNotPresent
  enableReaderRBAC: true
  meshID: exam
  network: network-of-use1
  multiCluster: {clusterName: use1}
  proxy:
    resources:
      requests: {cpu: 100m, memory: 128Mi}
      limits: {cpu: 200m, memory: 256Mi}
"""

PRODUCTION_INGRESS = """
revision: 1-31
imagePullPolicy: IfNotPresent
autoscaling:
  enabled: true
  minReplicas: 2
  maxReplicas: 8
  targetCPUUtilizationPercentage: 80
resources:
  requests: {cpu: 100m, memory: 128Mi}
  limits: {cpu: "2", memory: 1Gi}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app: istio-ingress}}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app: istio-ingress}}
podAnnotations: {istio-mesh/proxy: digest, proxy.istio.io/config: "drainDuration: 120s"}
env: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true", MINIMUM_DRAIN_DURATION: 2m}
terminationGracePeriodSeconds: 240
service: {type: LoadBalancer}
podDisruptionBudget: {minAvailable: 1}
"""


@pytest.fixture
def stack(tmp_path: Path) -> StackConfig:
    return builders.stack_config(tmp_path)


def istiod(config: StackConfig) -> dict[str, Any]:
    return values.istiod_values(
        config.mesh, config.trust, cluster="use1", network="network-of-use1", declared=config.declared
    )


def ingress(config: StackConfig) -> dict[str, Any]:
    gateways = config.gateways
    return values.ingress_values(
        config.mesh, gateways.ingress, drain=gateways.drain, release="istio-ingress", proxy="digest"
    )


def east_west(config: StackConfig, **more: Any) -> dict[str, Any]:
    gateways = config.gateways
    return values.east_west_values(
        config.mesh,
        gateways.east_west,
        drain=gateways.drain,
        release="istio-eastwestgateway",
        proxy="digest",
        network="n1",
        **more,
    )


def with_mesh(tmp_path: Path, **mesh: Any) -> StackConfig:
    return builders.stack_config(tmp_path, mesh={"id": "exam", **mesh})


def test_istiod_is_sized_for_production_by_default(stack: StackConfig) -> None:
    assert istiod(stack) == yaml.safe_load(PRODUCTION_ISTIOD)


def test_the_ingress_is_sized_for_production_by_default(stack: StackConfig) -> None:
    rendered = ingress(stack)
    assert rendered == yaml.safe_load(PRODUCTION_INGRESS)


def test_the_east_west_gateway_stands_for_its_network(stack: StackConfig) -> None:
    rendered = east_west(stack)
    expected = yaml.safe_load(PRODUCTION_INGRESS.replace("istio-ingress", "istio-eastwestgateway"))
    assert rendered == expected | {"networkGateway": "n1"}


def test_gateways_serve_on_until_nobody_is_connected(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path, gateways={"drain": {"atLeast": "5s", "atMost": "3m"}})
    for rendered in (ingress(config), east_west(config)):
        assert rendered["env"] == {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": "5s"}
        assert rendered["terminationGracePeriodSeconds"] == 180
        assert rendered["podAnnotations"]["proxy.istio.io/config"] == "drainDuration: 45s", "not below Istio's own"
    assert east_west(config, serves_remotes=True)["env"] == {
        **east_west(config)["env"],
        "ISTIO_META_REQUESTED_NETWORK_VIEW": "n1",
    }


def test_base_points_the_default_webhook_at_the_revision(stack: StackConfig) -> None:
    assert values.base_values(stack.mesh) == {
        "defaultRevision": "1-31",
        "global": {"enableReaderRBAC": True},
    }


def test_a_fixed_number_of_replicas_needs_no_autoscaler_and_one_no_disruption_budget(tmp_path: Path) -> None:
    """A small cluster has no metrics-server, and a budget over one pod would block every drain of its node."""
    one = {"replicas": {"min": 1, "max": 1}}
    config = builders.stack_config(tmp_path, mesh={"id": "exam", "istiod": one}, gateways={"ingress": one})
    rendered = istiod(config)
    assert rendered["autoscaleEnabled"] is False
    assert rendered["replicaCount"] == 1
    assert not {"autoscaleMin", "autoscaleMax", "cpu"} & set(rendered)
    gateway = ingress(config)
    assert gateway["autoscaling"]["enabled"] is False
    assert gateway["replicaCount"] == 1
    assert "podDisruptionBudget" not in gateway


def test_two_fixed_replicas_keep_their_disruption_budget(tmp_path: Path) -> None:
    config = builders.stack_config(tmp_path, gateways={"ingress": {"replicas": {"min": 2, "max": 2}}})
    gateway = ingress(config)
    assert (gateway["replicaCount"], gateway["podDisruptionBudget"]) == (2, {"minAvailable": 1})


def test_an_upstream_envoy_is_given_none_of_istios_extensions(tmp_path: Path) -> None:
    rendered = istiod(with_mesh(tmp_path, dataPlane="upstream-envoy"))
    assert rendered["telemetry"] == {"enabled": False}
    assert rendered["env"]["PILOT_ENABLE_ALPN_FILTER"] == "false"
    assert rendered["env"]["PILOT_ENABLE_METADATA_EXCHANGE"] == "false"


def test_the_node_agent_takes_net_admin_away_from_pods(tmp_path: Path) -> None:
    config = with_mesh(tmp_path, cni=True, images={"hub": "registry.example.com/istio", "tag": "mine"})
    assert istiod(config)["cni"] == {"enabled": True}
    assert values.cni_values(config.mesh) == {
        "global": {"hub": "registry.example.com/istio", "tag": "mine", "imagePullPolicy": "IfNotPresent"}
    }


def test_lifetimes_reach_istiod_and_the_agents_in_gos_notation(tmp_path: Path) -> None:
    """Go knows no days: `1d` would stop istiod from starting."""
    trust = {
        "trustDomain": "exam-platform.local",
        "workloadCertificates": {"lifetime": "90m", "maxLifetime": "2d"},
    }
    rendered = istiod(builders.stack_config(tmp_path, trust=trust))
    assert rendered["env"]["DEFAULT_WORKLOAD_CERT_TTL"] == "1h30m"
    assert rendered["env"]["MAX_WORKLOAD_CERT_TTL"] == "48h"
    assert rendered["meshConfig"]["defaultConfig"]["proxyMetadata"]["SECRET_TTL"] == "1h30m"


def test_istiods_tuning_is_said_where_it_differs(tmp_path: Path) -> None:
    tuning = {
        "pushThrottle": 100,
        "debounceAfter": "200ms",
        "debounceMax": "5s",
        "debounceEndpoints": False,
        "jwksRefresh": "10m",
        "blockedJwksRanges": [],
        "workloadEntryRegistration": False,
    }
    said = {"services": {"exam/api": PLAIN}, "gateways": {}}
    plain = istiod(builders.stack_config(tmp_path, **said))["env"]
    tuned = istiod(builders.stack_config(tmp_path, mesh={"id": "exam", "istiod": {"tuning": tuning}}, **said))["env"]
    assert {key: value for key, value in tuned.items() if plain.get(key) != value} == {
        "PILOT_PUSH_THROTTLE": "100",
        "PILOT_DEBOUNCE_AFTER": "200ms",
        "PILOT_DEBOUNCE_MAX": "5s",
        "PILOT_ENABLE_EDS_DEBOUNCE": "false",
        "PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION": "false",
        "PILOT_JWT_PUB_KEY_REFRESH_INTERVAL": "10m",
    }
    assert set(plain) - set(tuned) == {"BLOCKED_CIDRS_IN_JWKS_URIS"}


def test_what_may_be_refused_depends_on_what_is_declared(tmp_path: Path) -> None:
    """Until a stack says its services nothing is; what it tunes itself always holds."""

    def said(**changes: Any) -> tuple[Any, bool, bool]:
        rendered = istiod(builders.stack_config(tmp_path, **changes))
        keys = {"PILOT_JWT_PUB_KEY_REFRESH_INTERVAL", "BLOCKED_CIDRS_IN_JWKS_URIS"} & set(rendered["env"])
        mode = rendered["meshConfig"].get("outboundTrafficPolicy")
        return mode, len(keys) == 2, "extensionProviders" in rendered["meshConfig"]

    envoy = {"mesh": {"id": "exam", "dataPlane": "upstream-envoy"}, "gateways": {}}
    assert said(**envoy) == (None, False, False)
    assert said(**envoy, telemetry={}) == (None, False, True)
    assert said(**envoy, services={"exam/api": PLAIN}) == ({"mode": "REGISTRY_ONLY"}, True, True)
    tuned = istiod(with_mesh(tmp_path, istiod={"tuning": {"jwksRefresh": "10m", "blockedJwksRanges": ["10.0.0.0/8"]}}))
    assert tuned["env"]["PILOT_JWT_PUB_KEY_REFRESH_INTERVAL"] == "10m"
    assert tuned["env"]["BLOCKED_CIDRS_IN_JWKS_URIS"] == "10.0.0.0/8"


def test_what_is_left_out_is_left_to_the_chart(tmp_path: Path) -> None:
    proxies = {"resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "256Mi"}}}
    rendered = istiod(with_mesh(tmp_path, proxies=proxies))
    assert rendered["global"]["proxy"]["resources"] == {
        "requests": {"cpu": "100m"},
        "limits": {"memory": "256Mi"},
    }


def test_gateways_are_restarted_for_another_proxy_and_for_nothing_else(tmp_path: Path) -> None:
    """Their Deployments do not name the proxy's image and configuration: istiod's webhook fills them in."""

    def digest(
        mesh: dict[str, Any] | None = None, *, network: str = "use1", domain: str = "exam.local", **certificates: str
    ) -> str:
        trust = {"trustDomain": domain, "workloadCertificates": certificates}
        config = builders.stack_config(tmp_path, mesh={"id": "exam", **(mesh or {})}, trust=trust)
        return values.proxy_digest(config.mesh, config.trust, network=network)

    assert digest() == digest({"istiod": {"targetCpu": 50}})
    assert digest() != digest({"images": {"tag": "1.31.0-mine"}})
    assert digest() != digest({"version": "1.31.1"})
    assert digest() != digest(lifetime="12h")
    assert digest() != digest(network="other")
    assert digest() != digest(domain="other.local")
    assert digest() != digest({"id": "other"})


def test_environment_values_are_strings(tmp_path: Path) -> None:
    """The chart prints them between quotes; a YAML boolean would come out as Go prints it."""
    rendered = istiod(with_mesh(tmp_path, dataPlane="upstream-envoy"))
    everything = {**rendered["env"], **rendered["meshConfig"]["defaultConfig"]["proxyMetadata"]}
    assert {type(value) for value in everything.values()} == {str}


def test_proxies_count_what_becomes_of_requests_once_services_are_declared(tmp_path: Path) -> None:
    """Until then the mesh is what it was; Istio's own Envoy counts the rest by its standard metrics."""

    def counted(mesh: dict[str, Any], **said: Any) -> list[str] | None:
        config = builders.stack_config(tmp_path, mesh={"id": "exam", **mesh}, **said)
        matcher = istiod(config)["meshConfig"]["defaultConfig"].get("proxyStatsMatcher")
        return matcher["inclusionSuffixes"] if matcher else None

    services = {"services": {"exam/api": PLAIN}, "gateways": {}}
    few = [
        ";.circuit_breakers.default.rq_open",
        ";.circuit_breakers.default.rq_pending_open",
        ";.outlier_detection.ejections_active",
        ";.upstream_rq_completed",
        ";.upstream_rq_retry",
    ]
    more = [";.membership_total", ";.upstream_rq_active", ";.upstream_rq_pending_overflow", ";.upstream_rq_time"]
    assert counted({}) is None
    assert counted({}, **services) == few
    assert counted({"dataPlane": "upstream-envoy"}, **services) == [*few, *more]
