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
        "intermediates do not help: they end with it. Rotate it, in three runs of `pulumi up` and without a failed "
        "request: see docs/rotate-the-root.md."
    )


def test_the_end_of_a_provided_root_is_warned_of_once(tmp_path: Path) -> None:
    root = builders.authority("Short root", lifetime=timedelta(days=31))
    pairs = {name: builders.intermediate(name, root, lifetime=timedelta(days=30)) for name in ("use1", "usw2")}
    config = builders.stack_config(tmp_path, trust=builders.provided(root, **pairs))
    warnings = [text for text in authorities(config).warnings() if text.startswith("The root of the mesh ends on ")]
    assert len(warnings) == 1, warnings
    assert warnings[0].endswith("without a failed request: see docs/rotate-the-root.md.")


def test_a_changed_lifetime_is_said_to_wait_for_the_next_generation(three: StackConfig) -> None:
    assert lifetime_warning("use1", three.trust, issued=Duration.parse("730d")) is None
    assert lifetime_warning("use1", three.trust, issued=Duration.parse("365d")) == (
        "istio-mesh:trust.intermediates.lifetime is 730d; the intermediate of use1 was made for 365d and stays as "
        "it is. Set istio-mesh:trust.intermediates.generation to 2 to have one made with the new lifetime."
    )


def rotating(folder: Path, phase: str, **changes: Any) -> StackConfig:
    trust = {"trustDomain": "exam-platform.local", "rotation": {"phase": phase, **changes}}
    return builders.stack_config(folder, trust=trust)


def subjects(pem: str) -> list[str]:
    return [found.subject.rfc4514_string() for found in x509.load_pem_x509_certificates(pem.encode())]


ONE, TWO = "CN=Root CA 1,O=exam-platform.local", "CN=Root CA 2,O=exam-platform.local"


@pytest.mark.parametrize(
    ("phase", "trusted", "signer", "comments"),
    [
        ("trust-both", [ONE, TWO], ONE, []),
        ("sign-new", [ONE, TWO], TWO, ["# reissue 1"]),
        ("drop-old", [TWO], TWO, []),
    ],
)
def test_a_phase_says_what_is_trusted_and_who_signs(
    tmp_path: Path, phase: str, trusted: list[str], signer: str, comments: list[str]
) -> None:
    done = authorities(rotating(tmp_path, phase))
    assert {found.name for found in done.of_type("RootCertificate")} == {"trust-root-1", "trust-root-2"}
    assert subjects(done.outputs["roots"]) == trusted
    for name in ("use1", "usw2"):
        certificate = x509.load_pem_x509_certificate(done.outputs[f"{name}-certificate"].encode())
        assert certificate.issuer.rfc4514_string() == signer
        given = done.outputs[f"{name}-roots"]
        assert given.startswith(done.outputs["roots"])
        assert given.removeprefix(done.outputs["roots"]).splitlines() == comments
    assert done.named("trust-roots").inputs["phase"] == phase
    assert subjects(done.named("trust-roots").inputs["signer"]) == [signer]


def test_certificates_asked_for_again_are_another_text(tmp_path: Path) -> None:
    done = authorities(rotating(tmp_path, "sign-new", reissue=1))
    assert done.outputs["use1-roots"].endswith("-----\n# reissue 1\n# reissue 2\n# reissue 3\n")


def test_the_next_root_is_the_present_one_afterwards_under_its_own_name(tmp_path: Path) -> None:
    during = authorities(rotating(tmp_path, "drop-old"))
    trust = {"trustDomain": "exam-platform.local", "root": {"generated": {"generation": 2}}}
    after = authorities(builders.stack_config(tmp_path, trust=trust))
    assert set(during.names) - set(after.names) == {"trust-root-1"}
    for name in after.names:
        before, now = during.named(name), after.named(name)
        assert (before.urn, before.inputs.keys()) == (now.urn, now.inputs.keys())
    for name in ("trust-root-2", "trust-intermediate-use1"):
        made = {key: during.named(name).inputs[key] for key in ("organization", "common_name", "lifetime")}
        assert made == {key: after.named(name).inputs[key] for key in made}


def test_nothing_is_signed_before_a_step_is_taken(tmp_path: Path) -> None:
    """A refused step would else have renewed the intermediates in the state."""
    done = authorities(rotating(tmp_path, "sign-new"))
    for name in ("use1", "usw2"):
        assert {"trust-roots", "trust-root-2"} <= done.named(f"trust-intermediate-{name}").dependencies
    assert done.named("trust-roots").dependencies == {"trust-root-1", "trust-root-2"}


def test_an_offline_root_follows_one_of_the_stacks_own(tmp_path: Path) -> None:
    root = builders.authority("Offline root")
    near = builders.intermediate("use1", root, lifetime=timedelta(days=30))
    following = builders.provided(root, use1=near, usw2=builders.intermediate("usw2", root))["root"]
    before = authorities(rotating(tmp_path, "trust-both", next=following))
    assert subjects(before.outputs["roots"]) == [ONE, "CN=Offline root"]
    assert subjects(before.outputs["use1-certificate"]) == [
        "CN=Intermediate CA use1 (generation 1),O=exam-platform.local"
    ]
    assert before.warnings() == []
    after = authorities(rotating(tmp_path, "sign-new", next=following))
    assert after.outputs["use1-certificate"] == near.certificate
    assert after.outputs["use1-key"].strip() == near.key.strip()
    assert after.of_type("IntermediateCertificate") == []
    (warning,) = after.warnings()
    assert "give it as istio-mesh:trust.rotation.next.provided.intermediates.use1 and run" in warning


def test_one_offline_root_follows_another(tmp_path: Path) -> None:
    first, second = builders.authority("Offline root 1"), builders.authority("Offline root 2")
    values = [
        builders.provided(root, **{name: builders.intermediate(name, root) for name in ("use1", "usw2")})
        for root in (first, second)
    ]
    found: dict[str, tuple[list[str], str]] = {}
    for phase in ("trust-both", "sign-new", "drop-old"):
        trust = {**values[0], "rotation": {"phase": phase, "next": values[1]["root"]}}
        done = authorities(builders.stack_config(tmp_path, trust=trust))
        issuer = x509.load_pem_x509_certificate(done.outputs["usw2-certificate"].encode()).issuer.rfc4514_string()
        found[phase] = (subjects(done.outputs["roots"]), issuer)
    assert found == {
        "trust-both": (["CN=Offline root 1", "CN=Offline root 2"], "CN=Offline root 1"),
        "sign-new": (["CN=Offline root 1", "CN=Offline root 2"], "CN=Offline root 2"),
        "drop-old": (["CN=Offline root 2"], "CN=Offline root 2"),
    }


def test_a_preview_of_a_new_rotation_knows_no_next_root(tmp_path: Path) -> None:
    assert "roots" in authorities(rotating(tmp_path, "trust-both"), preview=True).unknown_outputs
