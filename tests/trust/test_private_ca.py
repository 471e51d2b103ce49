"""Intermediates that AWS Private CA signs, of keys that are made here."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography import x509

from components.config import StackConfig
from components.trust import Authorities, certificates
from components.trust.private_ca import _RequestProvider  # pyright: ignore[reportPrivateUsage]
from tests import builders, mocks

ARN = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/11111111-2222-3333-4444-555555555555"


def stack(folder: Path, **intermediates: Any) -> StackConfig:
    trust = {
        "trustDomain": "exam-platform.local",
        "root": {"privateCa": {"arn": ARN, "key": "EC"}},
        "intermediates": intermediates,
    }
    return builders.stack_config(folder, trust=trust)


def authorities(config: StackConfig, account: str | None = None, **run: Any) -> mocks.Recording:
    def program() -> None:
        made = Authorities("trust", config.trust, clusters=["use1", "usw2"], account=account)
        pulumi.export("roots", made.root_certificates)
        for name, intermediate in made.intermediates.items():
            pulumi.export(f"{name}-certificate", intermediate.certificate)
            pulumi.export(f"{name}-key", intermediate.private_key)
            pulumi.export(f"{name}-chain", intermediate.chain)
            pulumi.export(f"{name}-end", intermediate.not_after)

    return mocks.run(program, **run)


@pytest.fixture
def done(tmp_path: Path) -> mocks.Recording:
    return authorities(stack(tmp_path))


def test_a_request_is_signed_by_the_template_of_an_intermediate(done: mocks.Recording) -> None:
    asked = done.named("trust-intermediate-use1").inputs
    request = x509.load_pem_x509_csr(asked.pop("certificateSigningRequest").encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Intermediate CA use1 (generation 1),O=exam-platform.local"
    assert asked == {
        "certificateAuthorityArn": ARN,
        "signingAlgorithm": "SHA256WITHECDSA",
        "templateArn": "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1",
        "validity": {"type": "DAYS", "value": "730"},
    }


def test_it_is_asked_in_its_own_region_with_the_stacks_account(done: mocks.Recording, tmp_path: Path) -> None:
    provider = done.named("trust-private-ca-aws")
    assert (provider.inputs["region"], provider.inputs["allowedAccountIds"]) == ("eu-west-1", '["111122223333"]')
    assert done.named("trust-intermediate-use1").provider == "trust-private-ca-aws"
    shared = authorities(stack(tmp_path), account="444455556666").named("trust-private-ca-aws")
    assert shared.inputs["allowedAccountIds"] == '["444455556666"]', "an authority may be shared with an account"


def test_key_certificate_and_chain_belong_together(done: mocks.Recording) -> None:
    root = x509.load_pem_x509_certificate(done.outputs["roots"].encode())
    assert root.subject == root.issuer
    for name in ("use1", "usw2"):
        certificate = x509.load_pem_x509_certificate(done.outputs[f"{name}-certificate"].encode())
        own, authority = x509.load_pem_x509_certificates(done.outputs[f"{name}-chain"].encode())
        assert own == certificate
        certificate.verify_directly_issued_by(authority)
        authority.verify_directly_issued_by(root)
        key = builders.load_key(builders.Pair("", done.outputs[f"{name}-key"]))
        assert key.public_key() == certificate.public_key()
        assert done.outputs[f"{name}-end"] == certificate.not_valid_after_utc.isoformat()
    assert done.outputs["use1-key"] != done.outputs["usw2-key"]


def test_keys_are_secret_and_leave_in_no_request(done: mocks.Recording) -> None:
    assert {name for name in done.secret_outputs if name.endswith("-key")} == {"use1-key", "usw2-key"}
    line = done.outputs["use1-key"].splitlines()[1]
    assert [found.name for found in done.resources if line in str(found.inputs)] == []


def test_a_preview_of_an_empty_stack_knows_no_certificate(tmp_path: Path) -> None:
    preview = authorities(stack(tmp_path), preview=True)
    assert {"roots", "use1-certificate", "use1-key", "use1-chain"} <= preview.unknown_outputs


def test_another_lifetime_waits_for_the_next_generation() -> None:
    """Every input of the certificate replaces it: it is asked for with what the request was made with."""
    provider = _RequestProvider()
    asked = {"organization": "o", "common_name": "c", "lifetime": 86_400, "generation": 1}
    made = dict(provider.create(asked).outs or {})
    assert made["issued_lifetime"] == 86_400
    assert not provider.diff("", made, {**asked, "lifetime": 2 * 86_400}).changes
    raised = {**asked, "lifetime": 2 * 86_400, "generation": 2}
    assert provider.diff("", made, raised).changes
    renewed = dict(provider.update("", made, raised).outs or {})
    assert renewed["issued_lifetime"] == 2 * 86_400
    assert renewed["private_key"] != made["private_key"]


def test_a_lowered_generation_is_refused() -> None:
    asked = {"organization": "o", "common_name": "c", "lifetime": 86_400, "generation": 1}
    (failure,) = _RequestProvider().check({**asked, "generation": 3}, asked).failures
    assert failure.reason.startswith("istio-mesh:trust.intermediates.generation: 1 is below 3, which is in use. ")


def test_an_intermediate_near_its_end_is_warned_of(tmp_path: Path) -> None:
    warnings = authorities(stack(tmp_path, lifetime="30d", warnBefore="29d")).warnings()
    assert warnings == []
    near = authorities(
        stack(tmp_path, lifetime="31d", warnBefore="30d"),
        answers={
            "aws:acmpca/certificate:Certificate": lambda args: {
                "certificate": builders.sign_request(
                    mocks.plain(args.inputs)["certificateSigningRequest"], builders.authority("Short"), days=10
                ),
                "certificateChain": builders.authority("Short").certificate,
            }
        },
    ).warnings()
    assert [text.partition(" ends on ")[0] for text in near] == ["The intermediate of use1", "The intermediate of usw2"]
    assert all("istio-mesh:trust.intermediates.generation to 2" in text for text in near)


def test_a_chain_without_anything_between_is_the_intermediate_alone() -> None:
    root = builders.authority("Root")
    assert certificates.split_chain(root.certificate) == ("", root.certificate)
