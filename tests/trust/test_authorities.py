"""One root, one intermediate for each cluster, and a warning before either surprises anybody."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography import x509

from components.config import StackConfig
from components.config.values import Duration
from components.trust import Authorities
from components.trust.authorities import end_warning, lifetime_warning, root_end_warning
from tests import builders, mocks

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def authorities(config: StackConfig, **run: Any) -> mocks.Recording:
    def program() -> None:
        made = Authorities("trust", config.trust, clusters=[cluster.name for cluster in config.clusters])
        pulumi.export("roots", made.root_certificates)
        for name, intermediate in made.intermediates.items():
            pulumi.export(f"{name}-certificate", intermediate.certificate)
            pulumi.export(f"{name}-key", intermediate.private_key)
            pulumi.export(f"{name}-chain", intermediate.chain)
            pulumi.export(f"{name}-roots", intermediate.root_certificates)
            pulumi.export(f"{name}-end", intermediate.not_after)

    return mocks.run(program, **run)


@pytest.fixture
def three(tmp_path: Path) -> StackConfig:
    return builders.stack_config(tmp_path, ("use1", "usw2", "euc1"))


def test_one_root_is_shared_and_each_cluster_has_its_own_intermediate(three: StackConfig) -> None:
    done = authorities(three)
    assert [found.name for found in done.of_type("RootCertificate")] == ["trust-root-1"]
    assert {found.name for found in done.of_type("IntermediateCertificate")} == {
        "trust-intermediate-use1",
        "trust-intermediate-usw2",
        "trust-intermediate-euc1",
    }
    root = x509.load_pem_x509_certificate(done.outputs["roots"].encode())
    keys: set[bytes] = set()
    for name in ("use1", "usw2", "euc1"):
        certificate = x509.load_pem_x509_certificate(done.outputs[f"{name}-certificate"].encode())
        certificate.verify_directly_issued_by(root)
        assert certificate.subject.rfc4514_string() == (
            f"CN=Intermediate CA {name} (generation 1),O=exam-platform.local"
        )
        assert done.outputs[f"{name}-roots"] == done.outputs["roots"]
        keys.add(done.outputs[f"{name}-key"])
    assert len(keys) == 3


def test_what_the_mesh_trusts_is_remembered_under_one_name_whoever_made_the_root(
    three: StackConfig, tmp_path: Path
) -> None:
    """Or a change from one to the other would be a new resource, which refuses nothing."""
    root = builders.authority("Offline root")
    pairs = {name: builders.intermediate(f"Intermediate {name}", root) for name in ("use1", "usw2")}
    provided = builders.stack_config(tmp_path, trust=builders.provided(root, **pairs))
    made = [authorities(config).named("trust-roots") for config in (three, provided)]
    assert made[0].urn == made[1].urn
    assert made[1].inputs["bundle"] == root.certificate


def test_the_chain_shown_to_receivers_leaves_the_root_out(three: StackConfig) -> None:
    done = authorities(three)
    assert done.outputs["use1-chain"] == done.outputs["use1-certificate"]


def test_keys_are_secret_and_certificates_are_not(three: StackConfig) -> None:
    done = authorities(three)
    assert {name for name in done.secret_outputs if name.endswith("-key")} == {"use1-key", "usw2-key", "euc1-key"}


def test_certificates_are_children_of_the_component(three: StackConfig) -> None:
    done = authorities(three)
    assert {found.parent for found in done.resources if found.name != "trust"} == {"trust"}
    assert done.named("trust").type == "istio-mesh:trust:Authorities"


def test_a_preview_of_an_empty_stack_knows_no_certificate(three: StackConfig) -> None:
    done = authorities(three, preview=True)
    assert {"roots", "use1-certificate", "use1-key"} <= done.unknown_outputs


def test_a_provided_root_makes_no_certificate_and_keeps_its_key_out(tmp_path: Path) -> None:
    root = builders.authority("Offline root")
    pairs = {name: builders.intermediate(f"Intermediate {name}", root) for name in ("use1", "usw2")}
    config = builders.stack_config(tmp_path, trust=builders.provided(root, **pairs))
    done = authorities(config)
    assert done.names == ["trust", "trust-roots"], "nothing but the component and what remembers the roots"
    assert done.outputs["roots"] == root.certificate
    for name, pair in pairs.items():
        assert done.outputs[f"{name}-certificate"] == pair.certificate
        assert done.outputs[f"{name}-chain"] == pair.certificate
        assert done.outputs[f"{name}-key"].strip() == pair.key.strip()
        assert f"{name}-key" in done.secret_outputs
    shown = {name: value for name, value in done.outputs.items() if name not in done.secret_outputs}
    kept = str((shown, [found.inputs for found in done.resources], done.logs))
    # One line of it: in a text made by str() the line ends are escaped.
    leaked = [name for name, pair in pairs.items() if pair.key.splitlines()[1] in kept]
    assert leaked == []


def test_an_intermediate_near_its_end_is_warned_of_by_each_run(tmp_path: Path) -> None:
    root = builders.authority("Offline root")
    near = builders.intermediate("near", root, lifetime=timedelta(days=30))
    far = builders.intermediate("far", root)
    config = builders.stack_config(tmp_path, trust=builders.provided(root, use1=near, usw2=far))
    for preview in (False, True):
        warnings = authorities(config, preview=preview).warnings()
        assert len(warnings) == 1, warnings
        assert warnings[0].startswith("The intermediate of use1 ends on ")
        assert "trust.root.provided.intermediates.use1" in warnings[0]


def test_a_fresh_stack_warns_of_nothing(three: StackConfig) -> None:
    assert authorities(three).warnings() == []


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=61), None),
        (
            timedelta(days=60),
            "The intermediate of use1 ends on 2026-10-31, in 60 days. From then on no workload of use1 is trusted by "
            "any other. Set istio-mesh:trust.intermediates.generation to 2 and run `pulumi up`: it is renewed in "
            "place, and no request fails.",
        ),
        (
            timedelta(days=-1),
            "The intermediate of use1 ended on 2026-08-31. From then on no workload of use1 is trusted by any other. "
            "Set istio-mesh:trust.intermediates.generation to 2 and run `pulumi up`: it is renewed in place, and no "
            "request fails.",
        ),
    ],
)
def test_the_warning_says_when_what_and_the_line_to_change(
    three: StackConfig, left: timedelta, said: str | None
) -> None:
    assert end_warning("use1", three.trust, end=NOW + left, root_end=NOW + timedelta(days=999), now=NOW) == said


def test_an_intermediate_that_ends_with_its_root_is_not_told_to_be_renewed(three: StackConfig) -> None:
    end = NOW + timedelta(days=30)
    assert end_warning("use1", three.trust, end=end, root_end=end, now=NOW) is None
    assert root_end_warning(three.trust, end=NOW + timedelta(days=61), now=NOW) is None
    assert root_end_warning(three.trust, end=end, now=NOW) == (
        "The root of the mesh ends on 2026-10-01, in 30 days. From then on no workload trusts any other, and renewed "
        "intermediates do not help: they end with it. A root is not renewed in place: run `pulumi destroy` and "
        "`pulumi up`."
    )


def test_the_end_of_a_provided_root_is_warned_of_once(tmp_path: Path) -> None:
    root = builders.authority("Short root", lifetime=timedelta(days=31))
    pairs = {name: builders.intermediate(name, root, lifetime=timedelta(days=30)) for name in ("use1", "usw2")}
    config = builders.stack_config(tmp_path, trust=builders.provided(root, **pairs))
    warnings = [text for text in authorities(config).warnings() if text.startswith("The root of the mesh ends on ")]
    assert len(warnings) == 1, warnings
    assert "run `pulumi destroy`, give another one as istio-mesh:trust.root.provided, and `pulumi up`." in warnings[0]


def test_a_changed_lifetime_is_said_to_wait_for_the_next_generation(three: StackConfig) -> None:
    assert lifetime_warning("use1", three.trust, issued=Duration.parse("730d")) is None
    assert lifetime_warning("use1", three.trust, issued=Duration.parse("365d")) == (
        "istio-mesh:trust.intermediates.lifetime is 730d; the intermediate of use1 was made for 365d and stays as "
        "it is. Set istio-mesh:trust.intermediates.generation to 2 to have one made with the new lifetime."
    )
