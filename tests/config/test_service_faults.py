"""What may be wrong with a service: its name, ports, regions, callers and public hosts.

Each case is the services of the minimal stack, and every fault that they must show, word by word.
"""

from pathlib import Path

import pytest

from tests.builders import Yaml, faults_of, host_of, stack_config
from tests.services import PLAIN, services

_WILDCARD = f"*.{host_of(245)}"

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "a name without a namespace",
        services() | {"exam-service": PLAIN},
        [
            (
                "istio-mesh:services.exam-service: `exam-service` is not a service's name. A service is "
                "known by its namespace and its own name, both DNS labels. Write both, as in `exam/exam-"
                "service`."
            )
        ],
    ),
    (
        "a name that begins with a digit",
        services() | {"exam/1st": PLAIN},
        [
            (
                'istio-mesh:services["exam/1st"]: `1st` does not begin with a letter. The API server '
                "refuses such a Service (RFC 1035). Begin it with a letter, as in `exam/exam-service`."
            )
        ],
    ),
    (
        "a namespace of the mesh",
        services() | {"istio-system/exam": PLAIN},
        [
            (
                'istio-mesh:services["istio-system/exam"]: the namespace `istio-system` is the mesh\'s '
                "own. Default deny and injection would take its own pods out of service. Put the service "
                "into a namespace of its team."
            )
        ],
    ),
    (
        "a namespace of Kubernetes",
        services() | {"kube-public/exam": PLAIN},
        [
            (
                'istio-mesh:services["kube-public/exam"]: the namespace `kube-public` is Kubernetes\'s '
                "own. Default deny and injection would take its own pods out of service. Put the service "
                "into a namespace of its team."
            )
        ],
    ),
    (
        "ports missing",
        services() | {"exam/other": {}},
        [
            (
                'istio-mesh:services["exam/other"].ports: it is missing. It has no default. Its Service\'s'
                " ports by name. Add it, as in `ports: {http: 8080}`."
            )
        ],
    ),
    (
        "no port",
        services() | {"exam/other": {"ports": {}}},
        [('istio-mesh:services["exam/other"].ports: it is empty. There has to be at least one. Add one.')],
    ),
    (
        "a port without a protocol",
        services() | {"exam/other": {"ports": {"web": 80}}},
        [
            (
                'istio-mesh:services["exam/other"].ports.web: the name `web` does not begin with a '
                "protocol. Istio would take the port for plain TCP, and routes, roles and limits would "
                "not hold on it. Name it as in `http-web: 80`, or write `web: {number: 80, protocol: "
                "http}`."
            )
        ],
    ),
    (
        "an unknown protocol",
        services() | {"exam/other": {"ports": {"web": {"number": 80, "protocol": "HTTP"}}}},
        [
            (
                'istio-mesh:services["exam/other"].ports.web.protocol: `HTTP` is not a protocol that '
                "proxies know. Istio would take the port for plain TCP, and routes, roles and limits "
                "would not hold on it. Take one of grpc, grpc-web, http, http2, https, mongo, mysql, "
                "redis, tcp, tls."
            )
        ],
    ),
    (
        "a port out of range",
        services() | {"exam/other": {"ports": {"http": 70000}}},
        [
            (
                'istio-mesh:services["exam/other"].ports.http: 70000 is not a port. Ports go from 1 to '
                "65535. Write the Service's port."
            )
        ],
    ),
    (
        "one number for two ports",
        services() | {"exam/other": {"ports": {"http": 80, "grpc": 80}}},
        [
            (
                'istio-mesh:services["exam/other"].ports.grpc: 80 is the port `http` already. The API '
                "server refuses such a Service. Give each port its own number."
            )
        ],
    ),
    (
        "a region without a cluster",
        services(regions=["use1", "euw1"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].regions[1]: there is no cluster `euw1`. Nothing'
                " runs there, and nothing would be called from there. Name one of `istio-mesh:clusters`."
            )
        ],
    ),
    (
        "a region twice",
        services(regions=["use1", "use1"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].regions[1]: `use1` is named twice. One of them '
                "is a mistake. Name it once."
            )
        ],
    ),
    (
        "an unknown key",
        services(caller=["exam/web-frontend"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].caller: there is no key `caller`. It would be '
                "ignored, and the stack would not be what its file says. Did you mean `callers`?"
            )
        ],
    ),
    (
        "a caller that is no service",
        services(callers=["exam/web-frontent"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].callers[0]: there is no service `exam/web-'
                "frontent`. Nobody has the identity that would be let in. Did you mean `exam/web-"
                "frontend`?"
            )
        ],
    ),
    (
        "a caller twice",
        services(callers=["exam/web-frontend", "exam/web-frontend"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].callers[1]: `exam/web-frontend` is named twice.'
                " One of them is a mistake. Name it once."
            )
        ],
    ),
    (
        "the pods of another service",
        services(workload={"app": "web-frontend"}),
        [
            (
                'istio-mesh:services["exam/web-frontend"].workload: its labels select pods of `exam/exam-'
                "service` too. Istio applies one of the two scopes to such a pod, and the rules of both. "
                "Give each service labels of its own in `workload`."
            )
        ],
    ),
    (
        "a faulty service is still there for its callers",
        services() | {"exam/web-frontend": {"ports": {}}},
        [('istio-mesh:services["exam/web-frontend"].ports: it is empty. There has to be at least one. Add one.')],
    ),
    (
        "a host that the ingress does not serve",
        services(hosts=["api.exam-platform.com"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0]: the ingress does not serve `api.exam-'
                "platform.com`. No request for it would ever reach the service. Add it to a server of "
                "`istio-mesh:gateways.ingress`, with its certificate."
            )
        ],
    ),
    (
        "wildcard of 247 characters",
        services(hosts=[_WILDCARD]),
        [
            'istio-mesh:services["exam/exam-service"].hosts[0]: the VirtualService of this host would have a name of '
            "254 characters. The API server takes 253 at most (RFC 1123), and no request would reach the service by "
            "it. Shorten it."
        ],
    ),
    (
        "wildcard of 247 characters with its paths",
        services(hosts=[{"host": _WILDCARD, "paths": ["/a/*"]}]),
        [
            'istio-mesh:services["exam/exam-service"].hosts[0].host: the VirtualService of this host would have a name '
            "of 254 characters. The API server takes 253 at most (RFC 1123), and no request would reach the service by "
            "it. Shorten it."
        ],
    ),
    (
        "a host of two services",
        services(hosts=["exam-platform.com"]),
        [
            (
                'istio-mesh:services["exam/web-frontend"].hosts[0]: `exam-platform.com` is the host of '
                "`exam/exam-service` already. Istio would send its requests to one of the two. Name the "
                "paths of each in `paths`, or keep the host in one of them."
            )
        ],
    ),
    (
        "a path of two services",
        services(hosts=[{"host": "exam-platform.com", "paths": ["/a/*"]}])
        | {"exam/other": {"ports": {"http": 80}, "hosts": [{"host": "exam-platform.com", "paths": ["/a/*"]}]}},
        [
            (
                'istio-mesh:services["exam/other"].hosts[0].paths[0]: `/a/*` of `exam-platform.com` is '
                "that of `exam/exam-service` already. Istio would send its requests to one of the two. "
                "Name the paths of each in `paths`, or keep the host in one of them."
            )
        ],
    ),
    (
        "a path twice in one service",
        services(hosts=[{"host": "exam-platform.com", "paths": ["/a", "/a"]}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0].paths[1]: `/a` is named twice. One of '
                "them is a mistake. Name it once."
            )
        ],
    ),
    (
        "a path in two entries",
        services(
            hosts=[{"host": "exam-platform.com", "paths": ["/a"]}, {"host": "exam-platform.com", "paths": ["/a"]}]
        ),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[1].paths[0]: hosts[0] has `/a` of `exam-'
                "platform.com` already. One of the two would never be looked at. Name each path once."
            )
        ],
    ),
    (
        "a port that is none",
        services(hosts=[{"host": "exam-platform.com", "paths": ["/a"], "port": "web"}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0].port: there is no port `web`. Nothing '
                "would come of it. Known here: `http`, `grpc`, `tcp`."
            )
        ],
    ),
    (
        "a port that is not HTTP",
        services(hosts=[{"host": "exam-platform.com", "paths": ["/a"], "port": "tcp"}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0].port: `tcp` is not an HTTP port. The '
                "ingress routes requests, and would find none in its connections. Name an HTTP port."
            )
        ],
    ),
    (
        "a port that could be two",
        services(ports={"http-a": 80, "http-b": 81}, hosts=[{"host": "exam-platform.com", "paths": ["/a"]}]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0]: there are 2 HTTP ports, and none is '
                "named `http`. It is not known which one gets the requests. Add `port`, as in `port: "
                "http-a`."
            )
        ],
    ),
    (
        "a host with a scheme",
        services(hosts=["https://exam-platform.com"]),
        [
            (
                'istio-mesh:services["exam/exam-service"].hosts[0]: `https://exam-platform.com` is not a '
                "host name. Istio refuses the Gateway, and no request could carry the name. Write a full "
                "name in lower case without scheme, port or path, as in `api.exam-platform.com`."
            )
        ],
    ),
    (
        "a host of the ingress that nobody takes",
        {"exam/other": PLAIN},
        [
            (
                "istio-mesh:gateways.ingress.servers[0].hosts[0]: no service has `exam-platform.com` "
                "among its hosts. Every request for it would be answered 404. Add it to the `hosts` of a "
                "service, or name in `offeredTo` the namespaces that route it."
            )
        ],
    ),
]


@pytest.mark.parametrize(("said", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, said: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"services": said}) == faults


def test_a_wildcard_as_long_as_can_be_is_taken(tmp_path: Path) -> None:
    host = f"*.{host_of(244)}"
    servers = [{"hosts": [host], "tls": {"existingSecret": "tls"}}]
    said = {"exam/api": PLAIN | {"hosts": [host]}}
    stack_config(tmp_path, services=said, gateways={"ingress": {"servers": servers}})
