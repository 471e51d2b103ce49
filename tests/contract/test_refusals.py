"""What helpers refuse before anything is made, word by word."""

from collections.abc import Callable
from typing import Any

import pytest
from istio_mesh_contract import AwsIdentity, ContractError, Mesh

from tests.contract.consumers import STACK, entered, made

REFUSED: list[tuple[str, Callable[[Mesh], Any], str]] = [
    (
        "an AWS identity where there is no EKS",
        lambda mesh: mesh.cluster("use1").provider(AwsIdentity(), name="other"),
        f"{STACK}: clusters.use1.authentication: it is `token`, and the cluster none of EKS. Its API server knows no "
        "AWS identity. Bring a Token, a ClientCertificate or a Command that it knows.",
    ),
    (
        "a namespace twice",
        lambda mesh: mesh.namespace("shop", {}),
        "namespace `shop`: it is made twice. Both would be the same objects. Make it once, with the providers of all "
        "its clusters.",
    ),
    (
        "a namespace in no cluster",
        lambda mesh: mesh.namespace("market", {}),
        "namespace `market`: it is in no cluster. Nothing would be made. Give the provider of each.",
    ),
    (
        "a namespace of the platform",
        lambda mesh: mesh.namespace("exam", entered(mesh, "use1")),
        f"namespace `exam`: it is the platform's: `{STACK}` has its own in it. It would be taken over, and a `destroy` "
        "of this program would delete it with everything in it. Take a name of your own.",
    ),
    (
        "a service in a namespace of others",
        lambda mesh: mesh.service("exam/catalogue", ports={"http": 80}),
        "service `exam/catalogue`: `exam` is no namespace of this program. What is in another team's namespace is "
        'theirs to expose and to protect. Make it first, by `mesh.namespace("exam", providers)`.',
    ),
    (
        "a service twice",
        lambda mesh: [mesh.service("shop/a", ports={"http": 80}) for _ in range(2)],
        "service `shop/a`: it is said twice. Both would be the same objects. Say it once, with all ports.",
    ),
    (
        "a service that nobody has said",
        lambda mesh: mesh.expose("shop.exam-platform.com", "shop/a"),
        "service `shop/a`: this program has not said what it is. Its ports and pods are not known. Add "
        '`mesh.service("shop/a", ports={"http": 8080})` before.',
    ),
    (
        "a host that is not offered",
        lambda mesh: mesh.expose("api.exam-platform.com", mesh.service("shop/a", ports={"http": 80})),
        f"host `api.exam-platform.com`: `{STACK}` offers it to nobody, and not to the namespace `shop`. Two teams "
        "would route one host, and Istio take one of the routes. Ask for it below "
        "`istio-mesh:gateways.ingress.servers`, at the one with `api.exam-platform.com`: `offeredTo: [shop]`.",
    ),
    (
        "a port that is not there",
        lambda mesh: mesh.expose("shop.exam-platform.com", mesh.service("shop/a", ports={"http": 80}), port="web"),
        "service `shop/a`: it has no port `web` with requests. The ingress could not route them. Those with requests "
        "are `http`: name one as `port`, whose first word is http, http2, grpc or grpc-web.",
    ),
    (
        "one of several ports",
        lambda mesh: mesh.expose("shop.exam-platform.com", mesh.service("shop/a", ports={"http-a": 80, "http-b": 81})),
        "service `shop/a`: it is not known which port gets public requests. The ingress could not route them. Those "
        "with requests are `http-a`, `http-b`: name one as `port`, whose first word is http, http2, grpc or grpc-web.",
    ),
    (
        "a service without requests",
        lambda mesh: mesh.expose("shop.exam-platform.com", mesh.service("shop/a", ports={"tcp": 80})),
        "service `shop/a`: it is not known which port gets public requests. The ingress could not route them. It has "
        "none: name one as `port`, whose first word is http, http2, grpc or grpc-web.",
    ),
    (
        "a path that is none",
        lambda mesh: mesh.expose("shop.exam-platform.com", mesh.service("shop/a", ports={"http": 80}), paths=["shop"]),
        "host `shop.exam-platform.com`: `shop` is no path. No request could match it. Write one path as in `/health`, "
        "or a path with all below it as in `/shop/*`.",
    ),
    (
        "no path",
        lambda mesh: mesh.expose("shop.exam-platform.com", mesh.service("shop/a", ports={"http": 80}), paths=[]),
        "host `shop.exam-platform.com`: no path of it is named. No request could match it. Write one path as in "
        "`/health`, or a path with all below it as in `/shop/*`.",
    ),
    (
        "a caller of the platform that may not call out",
        lambda mesh: mesh.allow("exam/api-service", mesh.service("shop/a", ports={"http": 80})),
        f"caller `exam/api-service`: `{STACK}` does not let it call the namespace `shop`. Its proxy would not know the "
        'service, and every request would be refused there. Ask for the line `istio-mesh:services["exam/api-service"]'
        ".callsOut: [shop]`.",
    ),
    (
        "a callee of the platform that is not offered",
        lambda mesh: mesh.allow("shop/a", "exam/api-service"),
        f"callee `exam/api-service`: `{STACK}` does not offer it to the namespace `shop`. Every request would be "
        'answered 403. Ask for the line `istio-mesh:services["exam/api-service"].offeredTo: [shop]`.',
    ),
    (
        "two of the platform",
        lambda mesh: mesh.allow("exam/web-frontend", "exam/exam-service"),
        "caller `exam/web-frontend`: neither it nor `exam/exam-service` is in a namespace of this program. It is not "
        "this program's to allow. Name a caller or a callee of your own.",
    ),
    (
        "a caller of a third team",
        lambda mesh: mesh.allow("billing/invoices", mesh.service("shop/a", ports={"http": 80})),
        f"caller `billing/invoices`: it is neither in a namespace of this program nor a service of `{STACK}`. Its "
        "identity is not known, and whoever takes the name would be let in. Known are `exam/admin-service`, "
        "`exam/api-service`, `exam/archive-service`, `exam/exam-service`, `exam/legacy-metrics`, "
        "`exam/results-service`, `exam/web-frontend`.",
    ),
]


@pytest.mark.parametrize(("use", "sentence"), [pytest.param(use, said, id=name) for name, use, said in REFUSED])
def test_what_is_not_the_consumers_is_refused(use: Callable[[Mesh], Any], sentence: str) -> None:
    with pytest.raises(ContractError) as caught:
        made(use)
    assert str(caught.value) == sentence
