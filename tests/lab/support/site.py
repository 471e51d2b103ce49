"""One region of the lab as the proofs see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.regions import Region
from lab.tenant import CONTAINER, NAMESPACE, OUTSIDE
from lab.tenant.manifests import HTTP
from tests.lab.support.istioctl import Istioctl
from tests.lab.support.kubectl import Kubectl
from tests.lab.support.traffic import Caller

SYSTEM = "istio-system"
INGRESS = "istio-ingress"
ISTIOD = "istiod-1-31"  # of the committed stack
EXAM = NAMESPACE
UNDECLARED = "undeclared"  # of services that the stack says nothing of: see tests/lab/stage/undeclared.yaml
FRONTEND = "deploy/frontend"
WEB = "deploy/web-frontend"  # of the exam platform
PUBLIC, PUBLIC_API = "exam-platform.com", "api.exam-platform.com"  # hosts of its ingress


def host_of(service: str, namespace: str) -> str:
    """The name by which a service is called within the mesh."""
    return f"{service}.{namespace}.svc.cluster.local"


def url_of(service: str, namespace: str, path: str = "/", *, port: int = HTTP, scheme: str = "http") -> str:
    """Where a service is called within the mesh."""
    return f"{scheme}://{host_of(service, namespace)}:{port}{path}"


SERVICE = host_of("echo", UNDECLARED)
SERVICE_URL = url_of("echo", UNDECLARED)


@dataclass(frozen=True)
class Site:
    """A region with the tools to look into it.

    :ivar region: its addresses and labels.
    """

    region: Region
    kubectl: Kubectl
    istioctl: Istioctl

    @classmethod
    def of(cls, region: Region, env: Mapping[str, str]) -> Site:
        return cls(region, Kubectl(region.name, env), Istioctl(region.name, env))

    @property
    def name(self) -> str:
        return self.region.name

    def caller(self, namespace: str = UNDECLARED, workload: str = FRONTEND) -> Caller:
        """A pod of this region to send requests from; by default one in the mesh, of a service that is not declared."""
        return Caller(self.kubectl, namespace, workload, CONTAINER)

    def outsider(self) -> Caller:
        """A pod of this region that is not in the mesh."""
        return self.caller(OUTSIDE, "deploy/client")

    def east_west_address(self) -> str:
        address = self.kubectl.load_balancer_address(SYSTEM, "istio-eastwestgateway")
        assert address, f"the east-west gateway of {self.name} has no address"
        return address

    def ingress_address(self) -> str:
        """The address of the one load balancer in the ingress namespace."""
        services = [
            item for item in self.kubectl.items("service", "-n", INGRESS) if item["spec"]["type"] == "LoadBalancer"
        ]
        (service,) = services
        return str(service["status"]["loadBalancer"]["ingress"][0]["ip"])

    def identity(self, trust_domain: str, namespace: str, workload: str) -> str:
        """The SPIFFE identity that the pods of a Deployment must have."""
        spec = self.kubectl.json("get", workload, "-n", namespace)["spec"]["template"]["spec"]
        return f"spiffe://{trust_domain}/ns/{namespace}/sa/{spec.get('serviceAccountName', 'default')}"
