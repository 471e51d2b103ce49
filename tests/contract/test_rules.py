"""What the platform lets other teams do: all else is refused with the line that its stack would need."""

from collections.abc import Callable

import pytest
from istio_mesh_contract import ContractError, MeshOutputs, rules
from istio_mesh_contract.model import EVERYBODY

from tests.builders import Yaml, put
from tests.contract.consumers import recorded

SOURCE = "organization/istio-mesh/prod"


def outputs(**changes: object) -> MeshOutputs:
    values: Yaml = recorded()
    for path, value in changes.items():
        put(values, path.replace("__", "."), value)
    return MeshOutputs.read(values, SOURCE)


def with_remote() -> MeshOutputs:
    return outputs(clusters__usw2__primary="use1")


def gateways(**offers: list[str]) -> MeshOutputs:
    values = recorded()
    template = values["gateways"]["shop.exam-platform.com"]
    values["gateways"] = {
        host: {**template, "host": host, "offeredTo": offered}
        for host, offered in ((name.replace("any_", "*.").replace("_", "."), to) for name, to in offers.items())
    }
    return MeshOutputs.read(values, SOURCE)


REFUSED: list[tuple[str, Callable[[], object], str]] = [
    (
        "a cluster that there is not",
        lambda: rules.cluster_of(outputs(), "use11", SOURCE),
        f"{SOURCE}: clusters: there is no cluster `use11`. Nothing can be made in it. Did you mean `use1`?",
    ),
    (
        "a namespace of the platform's services",
        lambda: rules.namespace_labels(outputs(), "exam", ["use1"], SOURCE),
        f"namespace `exam`: it is the platform's: `{SOURCE}` has its own in it. It would be taken over, and a "
        "`destroy` "
        "of this program would delete it with everything in it. Take a name of your own.",
    ),
    *(
        (
            f"the namespace {name}",
            lambda name=name: rules.namespace_labels(outputs(), name, ["use1"], SOURCE),
            f"namespace `{name}`: it is the platform's: `{SOURCE}` has its own in it. It would be taken over, and a "
            "`destroy` of this program would delete it with everything in it. Take a name of your own.",
        )
        for name in ("istio-system", "istio-ingress", "kube-system")
    ),
    (
        "a remote cluster without its primary",
        lambda: rules.namespace_labels(with_remote(), "shop", ["usw2"], SOURCE),
        "namespace `shop`: cluster `usw2`: its control plane is that of `use1`, in which the namespace is not made. "
        "Istio reads objects there alone: nothing would be denied, allowed or routed. Give the provider of `use1` too.",
    ),
    (
        "a host that the ingress does not serve",
        lambda: rules.gateway_of(outputs(), "shop.example.com", "shop", SOURCE),
        f"host `shop.example.com`: the ingress of `{SOURCE}` does not serve it. No request for it would ever arrive. "
        "Ask for it below `istio-mesh:gateways.ingress.servers`: `- {hosts: [shop.example.com], tls: ..., "
        "offeredTo: [shop]}`.",
    ),
    (
        "a host of the platform's own",
        lambda: rules.gateway_of(outputs(), "exam-platform.com", "shop", SOURCE),
        f"host `exam-platform.com`: `{SOURCE}` offers it to nobody, and not to the namespace `shop`. Two teams would "
        "route one host, and Istio take one of the routes. Ask for it below `istio-mesh:gateways.ingress.servers`, at "
        "the one with `exam-platform.com`: `offeredTo: [shop]`.",
    ),
    (
        "a host of a third team",
        lambda: rules.gateway_of(gateways(any_example_com=["billing"]), "a.example.com", "shop", SOURCE),
        f"host `a.example.com`: `{SOURCE}` offers it to billing, and not to the namespace `shop`. Two teams "
        "would route "
        "one host, and Istio take one of the routes. Ask for it below `istio-mesh:gateways.ingress.servers`, "
        "at the one "
        "with `*.example.com`: `offeredTo: [billing, shop]`.",
    ),
    (
        "a host that an exact server takes from an offered wildcard",
        lambda: rules.gateway_of(gateways(any_example_com=["shop"], a_example_com=[]), "a.example.com", "shop", SOURCE),
        f"host `a.example.com`: `{SOURCE}` offers it to nobody, and not to the namespace `shop`. Two teams would route "
        "one host, and Istio take one of the routes. Ask for it below `istio-mesh:gateways.ingress.servers`, "
        "at the one "
        "with `a.example.com`: `offeredTo: [shop]`.",
    ),
    (
        "a caller that nobody knows",
        lambda: rules.caller_of(outputs(), "exam/web", "shop", SOURCE),
        f"caller `exam/web`: it is neither in a namespace of this program nor a service of `{SOURCE}`. Its identity is "
        "not known, and whoever takes the name would be let in. Did you mean `exam/web-frontend`?",
    ),
    (
        "a caller that may not call out",
        lambda: rules.caller_of(outputs(), "exam/api-service", "shop", SOURCE),
        f"caller `exam/api-service`: `{SOURCE}` does not let it call the namespace `shop`. Its proxy would "
        "not know the "
        "service, and every request would be refused there. Ask for the line "
        '`istio-mesh:services["exam/api-service"].callsOut: [shop]`.',
    ),
    (
        "a caller that may call others out",
        lambda: rules.caller_of(outputs(), "exam/web-frontend", "billing", SOURCE),
        f"caller `exam/web-frontend`: `{SOURCE}` does not let it call the namespace `billing`. Its proxy "
        "would not know "
        "the service, and every request would be refused there. Ask for the line "
        '`istio-mesh:services["exam/web-frontend"].callsOut: [shop, billing]`.',
    ),
    (
        "a callee that nobody knows",
        lambda: rules.check_callee(outputs(), "exam/exam-servic", "shop", SOURCE),
        f"callee `exam/exam-servic`: it is neither in a namespace of this program nor a service of `{SOURCE}`. Nothing "
        "could be allowed there. Did you mean `exam/exam-service`?",
    ),
    (
        "a callee that is not offered",
        lambda: rules.check_callee(outputs(), "exam/admin-service", "shop", SOURCE),
        f"callee `exam/admin-service`: `{SOURCE}` does not offer it to the namespace `shop`. Every request would be "
        'answered 403. Ask for the line `istio-mesh:services["exam/admin-service"].offeredTo: [shop]`.',
    ),
    *(
        (
            f"`{name}` as a service",
            lambda name=name: rules.split(name),
            f"service `{name}`: it is no service's name. It is not known which one is meant. Write namespace and name, "
            "as in `shop/catalogue`.",
        )
        for name in ("catalogue", "/catalogue", "shop/", "shop/a/b", "")
    ),
]


@pytest.mark.parametrize(("ask", "sentence"), [pytest.param(ask, said, id=name) for name, ask, said in REFUSED])
def test_what_the_platform_does_not_allow_is_refused_with_its_line(ask: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ContractError) as caught:
        ask()
    assert str(caught.value) == sentence


def test_a_namespace_is_labelled_by_the_revision_alone() -> None:
    """`istio-injection` beside it would win, and keep the namespace on whatever revision is the default."""
    assert rules.namespace_labels(outputs(), "shop", ["use1", "usw2"], SOURCE) == {"istio.io/rev": "1-31"}
    assert rules.namespace_labels(with_remote(), "shop", ["usw2", "use1"], SOURCE) == {"istio.io/rev": "1-31"}


def test_a_namespace_is_labelled_by_the_tag_where_the_platform_has_one() -> None:
    """The platform moves it from revision to revision, in each cluster at its own time."""
    mesh = outputs()
    tagged = mesh.model_copy(update={"mesh": mesh.mesh.model_copy(update={"tag": "default"})})
    assert rules.namespace_labels(tagged, "shop", ["use1", "usw2"], SOURCE) == {"istio.io/rev": "default"}


@pytest.mark.parametrize(
    ("offered", "host"),
    [
        (gateways(any_example_com=["billing", "shop"]), "a.example.com"),
        (gateways(any_example_com=["shop"]), "*.example.com"),
        (gateways(any_example_com=[EVERYBODY]), "a.b.example.com"),
        (gateways(any_example_com=[], a_example_com=["shop"]), "a.example.com"),
    ],
)
def test_an_offered_host_has_its_gateway(offered: MeshOutputs, host: str) -> None:
    assert rules.gateway_of(offered, host, "shop", SOURCE).gateway == "istio-ingress/ingress"


def test_a_caller_that_may_call_out_has_its_own_identity() -> None:
    principal = "exam-platform.local/ns/exam/sa/web-frontend"
    assert rules.caller_of(outputs(), "exam/web-frontend", "shop", SOURCE) == principal
    rules.check_callee(outputs(), "exam/exam-service", "shop", SOURCE)
