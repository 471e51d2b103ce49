"""Asking one region: what its API server lists, and what istiod and the proxies tell at their ports."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from statistics import median
from threading import Event
from typing import Any
from urllib.parse import quote

from components.config.objects import API_VERSIONS
from mesh.doctor.collect import metrics, objects
from mesh.doctor.collect.api import Api, Refused
from mesh.doctor.collect.exposition import Samples, parse
from mesh.doctor.collect.objects import SYSTEM
from mesh.doctor.collect.within import Object, labels, mapping
from mesh.doctor.facts import Istiod, Key, Message, Proxy, Region

LISTS = {
    "nodes": "/api/v1/nodes",
    "namespaces": "/api/v1/namespaces",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "mutating": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "validating": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "rules": "/apis/networking.istio.io/v1/destinationrules",
    "routes": "/apis/networking.istio.io/v1/virtualservices",
    "scopes": "/apis/networking.istio.io/v1/sidecars",
    "mtls": "/apis/security.istio.io/v1/peerauthentications",
}
"""What is listed in every region, over all namespaces."""

ROOTS = f"/api/v1/namespaces/{SYSTEM}/configmaps?fieldSelector=metadata.name%3Distio-ca-root-cert"
"""What istiod gives workloads to trust; the same in every namespace."""

_LOG_SECONDS, _LOG_LINES = 120, 1000
"""Of istiod's log: who is refused asks again within a minute (client-go, reflector.go), so what is older is over."""

_WORKERS = 12


@dataclass
class Asked:
    """What one region told so far: `open` asks for its objects, each `look` for its metrics."""

    name: str
    api: Api
    kubernetes_version: str = ""
    offset: float = 0.0
    listed: dict[str, list[Object]] = field(default_factory=dict[str, list[Object]])
    roots: bytes = b""
    looks: dict[Key, list[Samples]] = field(default_factory=dict[Key, list[Samples]])
    """By pod, without the looks at which it did not answer."""

    looked: Event = field(default_factory=Event)
    """Set once the first look is done."""

    mute: set[Key] = field(default_factory=set[Key])
    """Pods that did not answer once: to ask them again would take their time-out again."""

    offsets: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Of the clock of each node, by what its pods told."""

    refused: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def open(self) -> None:
        """Asks for its objects. Raises Refused."""
        version = self.api.text("/version")
        self.kubernetes_version = _git_version(version.text)
        self.offset = version.offset or 0.0
        with ThreadPoolExecutor(_WORKERS) as pool:
            asked = {key: pool.submit(self.api.list, path) for key, path in LISTS.items()}
            roots = pool.submit(self.api.list, ROOTS)
            self.listed = {key: answer.result() for key, answer in asked.items()}
            found = roots.result()
        if found:
            self.roots = mapping(found[0], "data").get("root-cert.pem", "").encode()

    def look(self) -> None:
        """Asks istiods and proxies for their metrics, once."""
        istiods = [(pod, 15014, "metrics", metrics.of_istiod) for pod in self._istiods() if objects.ready(pod)]
        proxies = [
            (pod, 15020, "stats/prometheus", metrics.of_proxy)
            for pod in objects.living(self.listed["pods"])
            if objects.proxy_container(pod) is not None and pod["status"].get("podIP")
        ]
        asked = [one for one in (*istiods, *proxies) if objects.key_of(one[0]) not in self.mute]
        with ThreadPoolExecutor(_WORKERS) as pool:
            for told in [pool.submit(self._told, *one) for one in asked]:
                told.result()
        self.looked.set()

    @property
    def serving(self) -> bool:
        """Whether some istiod answered at the first look, which is waited for."""
        self.looked.wait()
        return any(self._answers(objects.key_of(pod)) for pod in self._istiods())

    @property
    def silent_istiods(self) -> list[str]:
        """Pods of istiod that run, and are not ready or gave no answer at the first look, which is waited for."""
        self.looked.wait()
        there = [pod for pod in self._istiods() if pod["status"]["phase"] == "Running"]
        return [pod["metadata"]["name"] for pod in there if not self._answers(objects.key_of(pod))]

    def logs(self) -> None:
        """Asks for the lines of istiods' logs in which another cluster refuses them."""
        for pod in self._istiods():
            namespace, name = objects.key_of(pod)
            words = f"sinceSeconds={_LOG_SECONDS}&tailLines={_LOG_LINES}"
            try:
                log = self.api.text(f"/api/v1/namespaces/{namespace}/pods/{name}/log?{words}").text
            except Refused:
                continue
            self.refused[name] = tuple(line for line in log.splitlines() if _is_refusal(line))[-5:]

    def own(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Those that are not of Istio objects of another region alone: istioctl reads the objects of every cluster in
        sight into one heap, and does not say whose they are."""
        kinds = {message.origin.partition(" ")[0] for message in messages} & API_VERSIONS.keys()
        there = {kind: self._names(kind) for kind in kinds}

        def has(message: Message) -> bool:
            kind, _, name = message.origin.partition(" ")
            known = there.get(kind)
            return known is None or name in known

        return tuple(message for message in messages if has(message))

    def _names(self, kind: str) -> set[str] | None:
        """`namespace/name` of each object of a kind of Istio's; None where they may not be listed."""
        lower = kind.lower()
        plural = f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
        try:
            items = self.api.list(f"/apis/{API_VERSIONS[kind]}/{plural}")
        except Refused:
            return None
        return {"/".join(objects.key_of(item)) for item in items}

    def facts(self, seconds: float) -> Region:
        """What it told as facts; `seconds` between the first look and the last."""
        listed = self.listed
        mesh, network = objects.network(listed["namespaces"])
        clocks = {name: median(offsets) for name, offsets in self.offsets.items()}
        return Region(
            name=self.name,
            kubernetes_version=self.kubernetes_version,
            offset=self.offset,
            nodes=objects.nodes(listed["nodes"], clocks),
            network=network,
            mesh=mesh,
            istiods=tuple(self._istiod(pod) for pod in self._istiods()),
            gateways=tuple(objects.gateways(listed["services"], listed["pods"])),
            webhooks=(
                *objects.webhooks("mutating", listed["mutating"]),
                *objects.webhooks("validating", listed["validating"]),
            ),
            roots=objects.certificates(self.roots) if self.roots else None,
            proxies=tuple(self._proxy(proxy, seconds) for proxy in objects.proxies(listed["pods"])),
            bare=tuple(objects.bare(listed["pods"], listed["namespaces"])),
            services=objects.services(listed["services"], listed["slices"]),
            rules=tuple(objects.rules(listed["rules"])),
            scopes=tuple(objects.scopes(listed["scopes"])),
            routed=objects.routed(listed["routes"]),
            mutual_tls=objects.mutual_tls(listed["mtls"]),
        )

    def _istiods(self) -> list[Object]:
        return [
            pod
            for pod in objects.living(self.listed["pods"])
            if pod["metadata"]["namespace"] == SYSTEM and labels(pod).get("app") == "istiod"
        ]

    def _told(self, pod: Object, port: int, path: str, wanted: Callable[[str], bool]) -> None:
        namespace, name = objects.key_of(pod)
        try:
            answer = self.api.text(f"/api/v1/namespaces/{namespace}/pods/{quote(name)}:{port}/proxy/{path}")
        except Refused:
            self.mute.add((namespace, name))
            return
        self.looks.setdefault((namespace, name), []).append(parse(answer.text, wanted))
        if answer.offset is not None:
            self.offsets.setdefault(pod["spec"].get("nodeName", ""), []).append(answer.offset)

    def _istiod(self, pod: Object) -> Istiod:
        looks = self._answers(objects.key_of(pod))
        return Istiod(
            pod=pod["metadata"]["name"],
            revision=labels(pod).get("istio.io/rev", "default"),
            ready=objects.ready(pod),
            memory_limit=objects.memory_limit(pod["spec"]["containers"][0]),
            metrics=metrics.istiod(looks[0], looks[-1]) if looks else None,
            refused=self.refused.get(pod["metadata"]["name"], ()),
        )

    def _proxy(self, proxy: Proxy, seconds: float) -> Proxy:
        looks = self._answers((proxy.namespace, proxy.pod))
        return replace(proxy, metrics=metrics.proxy(looks, seconds)) if looks else proxy

    def _answers(self, pod: Key) -> Sequence[Samples]:
        return self.looks.get(pod, ())


def _is_refusal(line: str) -> bool:
    """Whether istiod says in a line of its log that a cluster refused its token.

    Not where somebody asked istiod itself for what it knows. Nor in a line on ConfigMaps: a token that is refused is so
    for Nodes, Pods and Services too, each with lines of its own. Of a cluster whose secret changes twice within seconds
    Istio 1.31 may leave a watch of the mesh's ConfigMap behind, with the former token and without a use
    (pilot/pkg/serviceregistry/kube/controller/multicluster.go).
    """
    return "Unauthorized" in line and "debug request" not in line and "*v1.ConfigMap:" not in line


def _git_version(text: str) -> str:
    said: Any = json.loads(text)
    return str(said["gitVersion"])
