"""What makes load balancers: Auto Mode's own part, and the AWS Load Balancer Controller, in one.

It looks at a region's Services of type LoadBalancer that ask for a Network Load Balancer, has the account make one for
each, and tells its name in the Service's status: a name and no address, as on AWS. Behind the name stands an address
of the lab: that of a second Service with the same pods, which the lab's own MetalLB serves. A finalizer keeps a
Service until its load balancer is deleted; the account keeps the interfaces longer, which is what subnets and VPCs
then wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lab.kube_api import Object

CLASSES = ("eks.amazonaws.com/nlb", "service.k8s.aws/nlb")
PREFIX = "service.beta.kubernetes.io/"
FINALIZER = "service.k8s.aws/resources"
"""Of the AWS Load Balancer Controller."""

SUFFIX = "-in-the-lab"
"""The second Service's name ends with it."""

INTERVAL = 0.5
"""Seconds between two looks."""

RESOLVED = 3.0
"""Seconds until the regions' name servers know a new name: the next look writes it down, and they look every second. It
is told only then: who asks too early remembers for half a minute that there is none.
"""


class Api(Protocol):
    """What is asked of an API server; `lab.kube_api.KubeApi` has it."""

    def get(self, path: str, **parameters: str) -> Object: ...

    def apply(self, manifest: Object) -> None: ...

    def merge(self, path: str, content: Object) -> None: ...

    def delete(self, path: str) -> None: ...


class Account(Protocol):
    """What is asked of the account; `AccountClient` has it."""

    def order(self, name: str, /, **content: Any) -> Any: ...


def asks(service: Object) -> bool:
    """Whether a Service asks for a Network Load Balancer of AWS."""
    spec, annotations = service["spec"], service["metadata"].get("annotations", {})
    external = annotations.get(f"{PREFIX}aws-load-balancer-type") == "external"
    return spec.get("type") == "LoadBalancer" and (spec.get("loadBalancerClass") in CLASSES or external)


def scheme(service: Object) -> str:
    """`internal`, unless it says otherwise."""
    return service["metadata"].get("annotations", {}).get(f"{PREFIX}aws-load-balancer-scheme", "internal")


def second(service: Object) -> Object:
    """The Service by which the lab serves a load balancer."""
    metadata, spec = service["metadata"], service["spec"]
    ports = [
        {name: port[name] for name in ("name", "port", "targetPort", "protocol") if name in port}
        for port in spec["ports"]
    ]
    # Its source ranges are left out: nobody in the lab has an address of AWS, and the account's ways decide in their
    # place.
    wanted = {"type": "LoadBalancer", "selector": spec.get("selector", {}), "ports": ports}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{metadata['name']}{SUFFIX}", "namespace": metadata["namespace"]},
        "spec": wanted,
    }


def address_of(service: Object) -> str | None:
    """The address that MetalLB gave."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return ingress[0].get("ip")


def path_of(service: Object) -> str:
    """Where a Service is."""
    metadata = service["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}"


class Controller:
    """One region's controller. region: of AWS. cluster: its name in EKS. resolved: see RESOLVED."""

    def __init__(self, api: Api, account: Account, *, region: str, cluster: str, resolved: float = RESOLVED) -> None:
        self._api, self._account = api, account
        self._region, self._cluster, self._resolved = region, cluster, resolved
        self.addresses: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._known: dict[str, float] = {}

    def look(self) -> None:
        """Bring everything to what the Services ask for now."""
        services = self._api.get("/api/v1/services")["items"]
        by_path = {path_of(each): each for each in services}
        self.addresses.clear()
        self.problems.clear()
        for service in services:
            if asks(service):
                self._reconcile(service, by_path)

    def _key(self, service: Object) -> str:
        metadata = service["metadata"]
        return f"{self._cluster}/{metadata['namespace']}/{metadata['name']}"

    def _reconcile(self, service: Object, by_path: Mapping[str, Object]) -> None:
        metadata, path = service["metadata"], path_of(service)
        finalizers = metadata.get("finalizers", [])
        if metadata.get("deletionTimestamp"):
            if FINALIZER in finalizers:
                self._account.order("unbalance", region=self._region, key=self._key(service))
                self._api.delete(f"{path}{SUFFIX}")
                rest = [each for each in finalizers if each != FINALIZER]
                self._api.merge(path, {"metadata": {"finalizers": rest}})
            return
        if FINALIZER not in finalizers:
            self._api.merge(path, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
        made = self._account.order(
            "balancer", region=self._region, cluster=self._cluster, key=self._key(service), scheme=scheme(service)
        )
        if "problem" in made:
            self.problems[self._key(service)] = made["problem"]
            return
        companion = by_path.get(f"{path}{SUFFIX}")
        if companion is None:
            self._api.apply(second(service))
            return
        if address := address_of(companion):
            self.addresses[made["name"]] = address
            if time.monotonic() - self._known.setdefault(made["name"], time.monotonic()) < self._resolved:
                return
            told = [{"hostname": made["name"]}]
            if service.get("status", {}).get("loadBalancer", {}).get("ingress") != told:
                self._api.merge(f"{path}/status", {"status": {"loadBalancer": {"ingress": told}}})


def hosts(addresses: Mapping[str, str]) -> str:
    """The names of load balancers as a file of hosts, for the regions' name servers."""
    return "".join(f"{address} {name}\n" for name, address in sorted(addresses.items()))


class Loop:
    """Controllers of all regions, at work in the background until `end`. files: the regions' files of hosts."""

    def __init__(self, controllers: Iterable[Controller], files: Iterable[Path]) -> None:
        self._controllers, self._files = tuple(controllers), tuple(files)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load balancers", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(INTERVAL):
            known: dict[str, str] = {}
            for each in self._controllers:
                try:
                    each.look()
                except Exception as error:
                    # A region that does not answer now does so later, and the cluster may not be made yet.
                    each.problems["look"] = str(error)
                known.update(each.addresses)
            for file in self._files:
                text = hosts(known)
                if not file.exists() or file.read_text() != text:
                    partial = file.with_suffix(".partial")
                    partial.write_text(text)
                    partial.replace(file)

    def end(self) -> None:
        """End it, after the look that is under way."""
        self._over.set()
        self._thread.join()
