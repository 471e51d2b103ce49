"""What may be wrong with `istio-mesh:objects`, and which object gets which version.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from components.config.gateways import ServerConfig
from components.config.object_references import INGRESS_LABELS, INGRESS_PORTS
from components.mesh.gateways import INGRESS_RELEASE
from components.resources.gateway import ingress_spec
from components.resources.objects import OwnObjects, own_objects
from tests import mocks, rooms
from tests.builders import faults_of, stack_config

SPEC = "istio-mesh:objects[0].spec"


def objects(kind: str, spec: dict[str, Any], **words: Any) -> dict[str, Any]:
    return {"objects": [{"kind": kind, "name": "own", "namespace": "exam", "spec": spec, **words}]}


def own(kind: str, spec: dict[str, Any], **words: Any) -> dict[str, Any]:
    """One of several objects, whose names :func:`together` tells apart."""
    return {"kind": kind, "namespace": "exam", "spec": spec, **words}


def together(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"objects": [{**entry, "name": f"own-{index}"} for index, entry in enumerate(entries)]}


DB = "db.exam.svc.cluster.local"

SERVICES = {"exam/api": {"ports": {"http": 8080}, "hosts": ["exam-platform.com"]}}
FILTER = objects("EnvoyFilter", {"workloadSelector": {"labels": {"app": "api"}}})
LOCALITY = {"localityLbSetting": {"failover": [{"from": "us-east-1", "to": "us-west-2"}]}}
ALL_EJECTED = {"consecutive5xxErrors": 5, "maxEjectionPercent": 100}

VERSIONS = {"exam/api": {"ports": {"http": 8080}, "versions": ["v1", "v2"]}, "exam/web": {"ports": {"http": 8080}}}


def routes(*destinations: dict[str, Any]) -> dict[str, Any]:
    route = [{"destination": destination} for destination in destinations]
    return {**objects("VirtualService", {"hosts": ["a.example.com"], "http": [{"route": route}]}), **SAID}


SAID = {"services": VERSIONS, "gateways": {}}


def gateway(*hosts: str, number: int = 443, **selector: str) -> dict[str, Any]:
    server = {"port": {"number": number, "name": "https", "protocol": "HTTPS"}, "hosts": list(hosts)}
    return objects("Gateway", {"selector": selector, "servers": [server]}) | {"gateways": INGRESS}


INGRESS = {
    "ingress": {
        "servers": [
            {"hosts": ["exam.com"], "tls": {"existingSecret": "a"}},
            {"hosts": ["*.exam.com"], "tls": {"existingSecret": "b"}},
        ]
    }
}


def principals(*names: str, **more: Any) -> dict[str, Any]:
    source = {"principals": list(names), **more}
    return objects("AuthorizationPolicy", {"rules": [{"from": [{"source": source}]}]})


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("right", FILTER, []),
    (
        "unknown kind",
        objects("HTTPRoute", {}),
        [
            "istio-mesh:objects[0].kind: it is `HTTPRoute`. Only these are known: `AuthorizationPolicy`, "
            "`DestinationRule`, `EnvoyFilter`, `Gateway`, `PeerAuthentication`, `ProxyConfig`, "
            "`RequestAuthentication`, `ServiceEntry`, `Sidecar`, `Telemetry`, `VirtualService`, `WasmPlugin`, "
            "`WorkloadEntry`, `WorkloadGroup`. Take one."
        ],
    ),
    (
        "name with a space",
        objects("EnvoyFilter", {}, name="my own"),
        [
            "istio-mesh:objects[0].name: `my own` is not an object's name. The API server refuses it (RFC 1123). Use "
            "at most 253 lower-case letters, digits, inner hyphens and dots."
        ],
    ),
    (
        "name with two dots in a row",
        objects("EnvoyFilter", {}, name="my..own"),
        [
            "istio-mesh:objects[0].name: `my..own` is not an object's name. The API server refuses it (RFC 1123). Use "
            "at most 253 lower-case letters, digits, inner hyphens and dots."
        ],
    ),
    (
        "cluster that is not there",
        objects("EnvoyFilter", {}, clusters=["use1", "euw1"]),
        [
            "istio-mesh:objects[0].clusters[1]: there is no cluster `euw1`. It would be nowhere. Known here: `use1`, "
            "`usw2`."
        ],
    ),
    (
        "remote without its primary",
        {**objects("EnvoyFilter", {}, clusters=["usw2"]), "clusters.1.primary": "use1"},
        [
            "istio-mesh:objects[0].clusters: `usw2` is named without `use1`. The istiod of `use1` serves both, and the "
            "object would hold in both. Name both of them, and choose the pods by the object's own selector."
        ],
    ),
    (
        "primary without its remote",
        {**objects("EnvoyFilter", {}, clusters=["use1"]), "clusters.1.primary": "use1"},
        [
            "istio-mesh:objects[0].clusters: `use1` is named without `usw2`. The istiod of `use1` serves both, and the "
            "object would hold in both. Name both of them, and choose the pods by the object's own selector."
        ],
    ),
    (
        "primary and remote",
        {**objects("EnvoyFilter", {}, clusters=["usw2", "use1"]), "clusters.1.primary": "use1"},
        [],
    ),
    (
        "object twice",
        {"objects": FILTER["objects"] * 2},
        [
            "istio-mesh:objects[1].name: EnvoyFilter `exam/own` is objects[0] already. Both would be the same object. "
            "Give it another name, or take one out."
        ],
    ),
    (
        "two objects for the destination of one host",
        together(
            own("DestinationRule", {"host": "db", "trafficPolicy": {}, "subsets": [{"name": "v1"}]}),
            own("DestinationRule", {"host": DB, "trafficPolicy": {}}),
            own("DestinationRule", {"host": DB, "subsets": [{"name": "v2"}, {"name": "v1"}]}),
        ),
        [
            f"istio-mesh:objects[{index}].spec.host: `{DB}` is said in objects[0], another DestinationRule. Of two for "
            "one host Istio takes parts of one and drops the other. Say it in one of them."
            for index in (1, 2)
        ],
    ),
    (
        "two objects for the routes of one host",
        together(
            own("VirtualService", {"hosts": ["a.com", "b.com"], "gateways": ["mesh", "in"]}),
            own("VirtualService", {"hosts": ["c.com", "b.com"], "gateways": ["mesh"]}, clusters=["use1"]),
            own("VirtualService", {"hosts": ["a.com"]}, namespace="store"),
        ),
        [
            f"istio-mesh:objects[{index}].spec.hosts[{place}]: `{host}` is said in objects[0], another VirtualService. "
            "Of two for one host Istio takes the older one in pods and drops the other. Say it in one of them."
            for index, place, host in ((1, 1, "b.com"), (2, 0, "a.com"))
        ],
    ),
    (
        "two objects for one host that never meet, or that Istio puts together",
        together(
            own("DestinationRule", {"host": DB, "trafficPolicy": {}}),
            own("DestinationRule", {"host": DB, "trafficPolicy": {}}, namespace="store"),
            own(
                "DestinationRule",
                {"host": "db", "trafficPolicy": {}, "workloadSelector": {"matchLabels": {"app": "web"}}},
            ),
            own("DestinationRule", {"host": DB, "subsets": [{"name": "v1"}]}),
            own("DestinationRule", {"host": DB, "subsets": [{"name": "v2"}]}),
            own("DestinationRule", {"host": "other", "trafficPolicy": {}, "exportTo": ["one"]}),
            own("DestinationRule", {"host": "other", "trafficPolicy": {}, "exportTo": ["two"]}),
            own("DestinationRule", {"host": "other", "trafficPolicy": {}, "exportTo": ["~"]}),
            own("VirtualService", {"hosts": ["d.com"], "gateways": ["mesh", "one"]}),
            own("VirtualService", {"hosts": ["d.com"], "gateways": ["one"]}),
            own("VirtualService", {"hosts": ["a.com"], "gateways": ["one"]}),
            own("VirtualService", {"hosts": ["a.com"], "gateways": ["two"]}),
            own("VirtualService", {"hosts": ["b.com"], "exportTo": ["."]}),
            own("VirtualService", {"hosts": ["b.com"], "exportTo": ["."]}, namespace="store"),
            own("VirtualService", {"hosts": ["c.com"]}, clusters=["use1"]),
            own("VirtualService", {"hosts": ["c.com"]}, clusters=["usw2"]),
        ),
        [],
    ),
    (
        "two objects for a host that the stack says",
        together(own("DestinationRule", {"host": "api"}), own("DestinationRule", {"host": "api"}))
        | {"services": SERVICES},
        [
            f'istio-mesh:objects[{index}].spec.host: `api` is said in `services["exam/api"]`, which makes its '
            "DestinationRule. Of two for one host Istio takes parts of one and drops the other. Say it in "
            '`services["exam/api"]`.'
            for index in (0, 1)
        ],
    ),
    (
        "destination of a service of the stack",
        {**objects("DestinationRule", {"host": "api"}), "services": SERVICES},
        [
            f'{SPEC}.host: `api` is said in `services["exam/api"]`, which makes its DestinationRule. Of two for one '
            'host Istio takes parts of one and drops the other. Say it in `services["exam/api"]`.'
        ],
    ),
    (
        "routes of a public host of the stack",
        {**objects("VirtualService", {"hosts": ["a.example.com", "exam-platform.com"]}), "services": SERVICES},
        [
            f'{SPEC}.hosts[1]: `exam-platform.com` is said in `services["exam/api"].hosts`, which makes its '
            "VirtualService. Of two for one host Istio takes parts of one and drops the other. Say it in "
            '`services["exam/api"].hosts`.'
        ],
    ),
    (
        "plain text without a port",
        objects("PeerAuthentication", {"mtls": {"mode": "PERMISSIVE"}}),
        [
            f"{SPEC}.mtls.mode: mode PERMISSIVE without a port. Everything that it holds for would take plain text "
            "from anybody. Name workload and port in `istio-mesh:security.permissive`."
        ],
    ),
    (
        "plain text on a port",
        objects("PeerAuthentication", {"portLevelMtls": {"8081": {"mode": "DISABLE"}}}),
        [
            f"{SPEC}.portLevelMtls.8081.mode: port 8081 takes plain text. It is not among the exceptions that the "
            "stack lists. Name workload and port in `istio-mesh:security.permissive`."
        ],
    ),
    (
        "policy that allows all",
        objects("AuthorizationPolicy", {"rules": [{"to": [{"operation": {"methods": ["GET"]}}]}, {}]}),
        [
            f"{SPEC}.rules[1]: a rule without a condition allows everybody everything. The default deny of the "
            "namespace would be worth nothing. Say from whom, as `callers` of the service."
        ],
    ),
    (
        "plain text for the whole mesh",
        objects("PeerAuthentication", {"mtls": {"mode": "DISABLE"}}, namespace="istio-system"),
        [
            f"{SPEC}: the mesh-wide PeerAuthentication is made by the program, with mode STRICT. Of two for the whole "
            "mesh Istio takes the older one. Take it out; an exception has its place in "
            "`istio-mesh:security.permissive`."
        ],
    ),
    (
        "plain text for a workload",
        objects("PeerAuthentication", {"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "DISABLE"}}),
        [
            f"{SPEC}.mtls.mode: mode DISABLE without a port. Everything that it holds for would take plain text from "
            "anybody. Name workload and port in `istio-mesh:security.permissive`."
        ],
    ),
    (
        "policy that allows everybody with a certificate",
        principals("exam-platform.local/ns/exam/sa/web", "*"),
        [
            f"{SPEC}.rules[0].from[0].source.principals[1]: `*` is everybody with a certificate. A caller of any trust "
            "domain would be let in, and the default deny of the namespace be worth nothing. Name the trust domain "
            "too, as in `exam-platform.com/ns/exam/sa/web-frontend`, or let the service say it in `callers`."
        ],
    ),
    (
        "policy that allows a name of any trust domain",
        principals("*/ns/exam/sa/web"),
        [
            f"{SPEC}.rules[0].from[0].source.principals[0]: `*/ns/exam/sa/web` is whoever has such a name. A caller of "
            "any trust domain would be let in, and the default deny of the namespace be worth nothing. Name the trust "
            "domain too, as in `exam-platform.com/ns/exam/sa/web-frontend`, or let the service say it in `callers`."
        ],
    ),
    ("policy that allows all of one trust domain", principals("exam-platform.local/*"), []),
    ("policy that says the trust domain beside", principals("*", trustDomains=["exam-platform.local"]), []),
    (
        "policy that denies everybody with a certificate",
        objects("AuthorizationPolicy", {"action": "DENY", "rules": [{"from": [{"source": {"principals": ["*"]}}]}]}),
        [],
    ),
    (
        "version that a service does not have",
        routes({"host": "api", "subset": "v2"}, {"host": "api.exam.svc.cluster.local", "subset": "v3"}),
        [
            f"{SPEC}.http[0].route[1].destination.subset: `api.exam.svc.cluster.local` has no version `v3`. Every "
            "request that goes there would be answered 503. Known there: `v1`, `v2`; add it to the service's "
            "`versions`, or name another one."
        ],
    ),
    (
        "version of a service that has none, in a copy",
        {
            **objects(
                "VirtualService",
                {
                    "hosts": ["a.example.com"],
                    "http": [
                        {
                            "mirror": {"host": "web", "subset": "v1"},
                            "mirrors": [{"destination": {"host": "web", "subset": "v2"}}],
                        }
                    ],
                    "tls": [{"route": [{"destination": {"host": "web", "subset": "v3"}}]}],
                },
            ),
            **SAID,
        },
        [
            f"{SPEC}.{place}.subset: `web` has no version `{version}`. Every request that goes there would be answered "
            "503. It has none; add it to the service's `versions`, or name another one."
            for place, version in (
                ("http[0].mirror", "v1"),
                ("http[0].mirrors[0].destination", "v2"),
                ("tls[0].route[0].destination", "v3"),
            )
        ],
    ),
    (
        "version of a service that is not the stack's",
        routes({"host": "api.other.svc.cluster.local", "subset": "v3"}),
        [],
    ),
    (
        "hosts that the ingress serves",
        gateway("exam/exam.com", "www.exam.com", istio="ingress"),
        [
            f"{SPEC}.servers[0].hosts[0]: the ingress serves `exam.com` already, by `gateways.ingress.servers[0]`. Its "
            "requests would be answered by one of the two, with the certificate and the routes of that one. Take the "
            "host out here, or there; pods of another gateway are chosen by a `selector` of their own.",
            f"{SPEC}.servers[0].hosts[1]: the ingress serves `www.exam.com` already, by `gateways.ingress.servers[1]`. "
            "Its requests would be answered by one of the two, with the certificate and the routes of that one. Take "
            "the host out here, or there; pods of another gateway are chosen by a `selector` of their own.",
        ],
    ),
    (
        "host of every gateway that the ingress serves",
        gateway("exam.com", number=80),
        [
            f"{SPEC}.servers[0].hosts[0]: the ingress serves `exam.com` already, by `gateways.ingress.servers[0]`. Its "
            "requests would be answered by one of the two, with the certificate and the routes of that one. Take the "
            "host out here, or there; pods of another gateway are chosen by a `selector` of their own."
        ],
    ),
    ("host that the ingress serves, at other pods", gateway("exam.com", istio="internal"), []),
    ("host that the ingress serves, at another port", gateway("exam.com", number=8443, istio="ingress"), []),
    ("host that the ingress does not serve", gateway("exam.org", istio="ingress"), []),
    (
        "weights that do not add up",
        objects("VirtualService", {"hosts": ["a"], "http": [{"route": [{"weight": 90}, {"weight": 20}]}]}),
        [
            f"{SPEC}.http[0].route: the weights add up to 110. Istio takes them for shares of that sum, and nobody "
            "sees what is meant. Make them add up to 100, each given."
        ],
    ),
    (
        "words that are gone",
        objects(
            "DestinationRule",
            {
                "host": "a",
                "trafficPolicy": {
                    "loadBalancer": {"simple": "LEAST_CONN"},
                    "outlierDetection": {"consecutiveErrors": 5},
                },
            },
        ),
        [
            f"{SPEC}.trafficPolicy.loadBalancer.simple: LEAST_CONN is gone. Istio takes it for LEAST_REQUEST, and one "
            "day for an error. Write LEAST_REQUEST.",
            f"{SPEC}.trafficPolicy.outlierDetection.consecutiveErrors: `consecutiveErrors` is gone. Nothing would be "
            "ejected. Write `consecutive5xxErrors`.",
        ],
    ),
    (
        "regions without outlier detection",
        objects("DestinationRule", {"host": "a", "trafficPolicy": {"loadBalancer": LOCALITY}}),
        [
            f"{SPEC}.trafficPolicy.loadBalancer.localityLbSetting: there is no outlier detection beside it. Istio does "
            "not see that endpoints are bad, and requests stay with them. Add `outlierDetection` with "
            "`maxEjectionPercent: 100`."
        ],
    ),
    (
        "regions with an outlier detection that keeps the last",
        objects(
            "DestinationRule",
            {"host": "a", "trafficPolicy": {"loadBalancer": LOCALITY, "outlierDetection": {"interval": "1s"}}},
        ),
        [
            f"{SPEC}.trafficPolicy.outlierDetection: the outlier detection beside it does not eject every endpoint. "
            "The last bad ones of a region keep their requests (default 10 %: none of fewer than ten is ejected). Set "
            "`maxEjectionPercent: 100`."
        ],
    ),
    (
        "shares and a failover",
        objects(
            "DestinationRule",
            {
                "host": "a",
                "trafficPolicy": {
                    "loadBalancer": {"localityLbSetting": {"distribute": [{}], "failover": [{}]}},
                    "outlierDetection": ALL_EJECTED,
                },
            },
        ),
        [
            f"{SPEC}.trafficPolicy.loadBalancer.localityLbSetting: there is `distribute` with a failover. Istio "
            "refuses it. Keep one of the two."
        ],
    ),
    (
        "subset twice",
        objects("DestinationRule", {"host": "a", "subsets": [{"name": "v1"}, {"name": "v1"}]}),
        [f"{SPEC}.subsets[1].name: `v1` is there twice. Istio refuses it. Name it once."],
    ),
    (
        "gateway of every host",
        objects("Gateway", {"servers": [{"hosts": ["exam/*"]}, {"hosts": ["*"], "tls": {"mode": "AUTO_PASSTHROUGH"}}]}),
        [
            f"{SPEC}.servers[0].hosts[0]: `exam/*` takes every host. Requests for names that nobody declared would be "
            "let in. Name the hosts.",
            f"{SPEC}.servers[1].hosts[0]: `*` takes every host. Requests for names that nobody declared would be let "
            "in. Write `*.local`.",
        ],
    ),
    (
        "module without a sum",
        objects("WasmPlugin", {"url": "oci://registry.example.com/a:1"}),
        [
            f"{SPEC}.sha256: the module is not pinned by a sum. What proxies run could be replaced by whoever may "
            "write to where it lies. Add `sha256`, or say it in `istio-mesh:extensions.wasm`."
        ],
    ),
    (
        "Telemetry of the whole mesh",
        objects("Telemetry", {"tracing": []}, namespace="istio-system"),
        [
            f"{SPEC}: the mesh-wide Telemetry is made from `istio-mesh:telemetry`. Of two for the whole mesh Istio "
            "takes the older one. Say it in `istio-mesh:telemetry`, or name a namespace or a workload."
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults


def test_an_object_goes_to_its_clusters_in_the_version_that_istio_serves(tmp_path: Path) -> None:
    everywhere, somewhere = FILTER["objects"][0], {**FILTER["objects"][0], "name": "here", "clusters": ["use1"]}
    stack = stack_config(tmp_path, objects=[everywhere, somewhere])
    assert [found.name for found in own_objects(stack.objects, "use1")] == ["own", "here"]

    def program() -> None:
        mesh = rooms.mesh(stack)
        for cluster in mesh.clusters:
            OwnObjects(
                f"{cluster.name}-own",
                stack.objects,
                mesh=stack.mesh,
                cluster=cluster,
                namespaces={},
                depends_on=mesh.control_planes[cluster.name].ready,
            )

    made = [found for found in mocks.run(program).of_type("EnvoyFilter") if found.custom]
    assert sorted(found.name for found in made) == ["use1-own-exam.here", "use1-own-exam.own", "usw2-own-exam.own"]
    assert {found.inputs["apiVersion"] for found in made} == {"networking.istio.io/v1alpha3"}
    assert all(f"{found.name[:4]}-mesh-istiod-1-31" in found.dependencies for found in made)


def test_the_pods_that_a_gateway_of_the_ingress_selects_are_those_of_its_release() -> None:
    assert {"app": INGRESS_RELEASE, **ingress_spec([])["selector"]} == INGRESS_LABELS
    server = ServerConfig.model_validate({"hosts": ["exam.com"], "tls": {"existingSecret": "tls"}})
    assert {server["port"]["number"] for server in ingress_spec([server])["servers"]} == set(INGRESS_PORTS)
