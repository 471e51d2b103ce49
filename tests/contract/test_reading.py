"""Reading a stack's outputs: the recorded ones always, others of the same version, and in one sentence what keeps any
from being read."""

import copy
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from istio_mesh_contract import VERSION, ContractError, MeshOutputs

from tests.builders import ABSENT, Yaml, authority, put
from tests.contract.consumers import STACK, recorded, run

SEEN = "organization/istio-mesh/prod"
_MEND = (
    f"The platform's team has it mended by an `up` of `{SEEN}` with the program of today; "
    f"`pulumi stack output --stack {SEEN}` shows it."
)


def test_the_recorded_outputs_of_version_1_are_read() -> None:
    mesh = MeshOutputs.read(recorded(), SEEN)
    assert (mesh.contract_version, mesh.mesh.revision, mesh.clusters["usw2"].ingress.host) == (1, "1-31", "192.0.2.172")
    assert mesh.services["exam/exam-service"].ports["grpc"].number == 9090
    assert mesh.gateways["shop.exam-platform.com"].offered_to == ("shop",)
    assert mesh.telemetry.traces is not None
    assert mesh.telemetry.traces.port == 4317


def test_what_is_read_is_what_would_be_exported() -> None:
    assert MeshOutputs.read(recorded(), SEEN).exported() == recorded()


def _maps(value: Any) -> list[Yaml]:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) else []), *(found for item in below for found in _maps(item))]


NAMED = {"clusters", "gateways", "services", "ports", "dashboards"}
"""Maps of names: what is added there is one more of its kind."""


@given(st.data())
def test_a_field_of_a_later_platform_is_passed_over(data: st.DataObject) -> None:
    values = recorded()
    named = [found[key] for found in _maps(values) for key in NAMED & found.keys() if isinstance(found[key], dict)]
    place = data.draw(st.sampled_from([found for found in _maps(values) if not any(found is one for one in named)]))
    place["addedLater"] = data.draw(st.sampled_from([1, "text", {"deep": [None]}, ["list"], None]))
    assert MeshOutputs.read(values, SEEN) == MeshOutputs.read(recorded(), SEEN)


def test_a_null_says_the_same_as_nothing() -> None:
    values = put(recorded(), "clusters.use1.primary", None)
    assert MeshOutputs.read(values, SEEN) == MeshOutputs.read(recorded(), SEEN)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            "contractVersion",
            2,
            "contractVersion: it is 2, and this program reads version 1. Fields have gone or changed their meaning, "
            "and what is made from them would be wrong. Take istio-mesh-contract 2.* into the program's requirements; "
            "its schema says what changed.",
        ),
        (
            "contractVersion",
            ABSENT,
            "contractVersion: it is missing. These are no outputs of a mesh, or of one from before there was a "
            "contract. Name a stack of the project istio-mesh, as in `organization/istio-mesh/prod`, and let it be "
            "brought `up`.",
        ),
        *(
            (
                "contractVersion",
                wrong,
                f"contractVersion: `{wrong}` is no version. It is not known how the other outputs are to be read. Name "
                "a stack of the project istio-mesh, as in `organization/istio-mesh/prod`.",
            )
            for wrong in ("one", 0, 1.5, True)
        ),
        (
            "mesh.trustDomain",
            ABSENT,
            f"mesh.trustDomain: it is missing. What is made from it would be made without it. {_MEND}",
        ),
        ("clusters", ABSENT, f"clusters: it is missing. What is made from it would be made without it. {_MEND}"),
        (
            "clusters.usw2.apiServer",
            "http://192.0.2.1",
            "clusters.usw2.apiServer: string should match pattern '^https://'. What is made from it would fail. "
            f"{_MEND}",
        ),
        (
            "clusters.usw2.ingress.address",
            "nowhere",
            f"clusters.usw2.ingress.address: it is no IP address. What is made from it would fail. {_MEND}",
        ),
        # An output that became a secret, which the engine does not hand on without the platform's passphrase.
        (
            "mesh",
            {},
            "mesh.id: it is missing. What is made from it would be made without it. " + _MEND,
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_path_and_cure(path: str, value: object, sentence: str) -> None:
    with pytest.raises(ContractError) as caught:
        MeshOutputs.read(put(recorded(), path, value), SEEN)
    said = str(caught.value).splitlines()
    assert said[0] == (f"{SEEN}: {sentence}")
    assert "PRIVATE KEY" not in str(caught.value)


def test_every_fault_is_told_at_once_and_no_value_of_it() -> None:
    values = put(put(recorded(), "mesh.id", ABSENT), "mesh.rootCertificates", authority().key)
    with pytest.raises(ContractError) as caught:
        MeshOutputs.read(values, SEEN)
    assert [str(problem.where) for problem in caught.value.problems] == [
        f"{SEEN}: mesh.id",
        f"{SEEN}: mesh.rootCertificates",
    ]
    assert "PRIVATE" not in str(caught.value)


def test_a_stack_that_does_not_exist_ends_the_program_in_one_sentence() -> None:
    with pytest.raises(ContractError) as caught:
        run(lambda: MeshOutputs.from_stack("organization/istio-mesh/nowhere"))
    assert str(caught.value) == (
        "organization/istio-mesh/nowhere: there is no such stack in this backend. Nothing is known of the mesh, and "
        "nothing can be made in it. Name it in full, as in `organization/istio-mesh/prod` (`pulumi stack ls --all` "
        "shows what there is), or log in to the backend that the platform's stack is in: `pulumi login`."
    )


def test_a_stack_of_a_newer_major_ends_the_program() -> None:
    outputs = put(recorded(), "contractVersion", VERSION + 1)

    def program() -> None:
        pulumi.export("region", MeshOutputs.from_stack(STACK).cluster("use1").region)

    with pytest.raises(ContractError, match=r"contractVersion: it is 2, and this program reads version 1\."):
        run(program, outputs)


def test_the_fixture_is_of_the_version_that_it_says() -> None:
    before = copy.deepcopy(recorded())
    MeshOutputs.read(before, SEEN)
    assert before == recorded(), "reading changes nothing"
    assert before["contractVersion"] == 1
