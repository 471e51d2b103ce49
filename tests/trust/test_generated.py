"""When a certificate is made anew, and when it is not: the providers as the engine calls them."""

import base64
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import dill
import pulumi
import pytest
from cryptography import x509
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import Unknown

from components.trust import certificates, generated
from components.trust.certificates import KeyPair
from tests import mocks

# pyright: reportPrivateUsage=false
ROOT = generated._RootProvider()
INTERMEDIATE = generated._IntermediateProvider()
SERVER = generated._ServerProvider()
DAY = 86_400.0

Properties = dict[str, Any]


@pytest.fixture(scope="module")
def issuer() -> KeyPair:
    return certificates.make_root(
        organization="mesh.local", common_name="Root CA 1", lifetime=timedelta(days=3650), now=certificates.utc_now()
    )


@pytest.fixture
def wanted(issuer: KeyPair) -> Properties:
    return {
        "issuer_certificate": issuer.certificate,
        "issuer_private_key": issuer.private_key,
        "organization": "mesh.local",
        "common_name": "Intermediate CA use1",
        "lifetime": 730 * DAY,
        "generation": 1.0,
    }


@pytest.fixture
def made(wanted: Properties) -> Properties:
    return INTERMEDIATE.create(wanted).outs or {}


def changes(provider: Any, olds: Properties, news: Properties) -> bool:
    return bool(provider.diff("id", olds, news).changes)


def test_the_same_configuration_asks_for_no_new_intermediate(made: Properties, wanted: Properties) -> None:
    assert not changes(INTERMEDIATE, made, wanted)


def test_a_raised_generation_renews_the_intermediate_in_place(made: Properties, wanted: Properties) -> None:
    raised = wanted | {"generation": 2.0}
    result = INTERMEDIATE.diff("id", made, raised)
    assert result.changes
    assert not result.replaces, "a replaced certificate would take its dependents with it"
    renewed = INTERMEDIATE.update("id", made, raised).outs or {}
    old, new = (x509.load_pem_x509_certificate(outs["certificate"].encode()) for outs in (made, renewed))
    assert new.serial_number != old.serial_number
    assert new.public_key() != old.public_key(), "renewing the certificate alone would keep a stolen key in use"
    assert new.issuer == old.issuer
    assert "generation 2" in new.subject.rfc4514_string()
    assert not changes(INTERMEDIATE, renewed, raised)


def test_a_changed_lifetime_alone_does_not_reissue(made: Properties, wanted: Properties) -> None:
    longer = wanted | {"lifetime": 900 * DAY}
    assert not changes(INTERMEDIATE, made, longer)
    assert made["issued_lifetime"] == 730 * DAY
    renewed = INTERMEDIATE.update("id", made, longer | {"generation": 2.0}).outs or {}
    assert renewed["issued_lifetime"] == 900 * DAY


def test_another_issuer_renews_the_intermediate(made: Properties, wanted: Properties) -> None:
    other = certificates.make_root(
        organization="mesh.local", common_name="Root CA 2", lifetime=timedelta(days=10), now=certificates.utc_now()
    )
    moved = wanted | {"issuer_certificate": other.certificate, "issuer_private_key": other.private_key}
    assert changes(INTERMEDIATE, made, moved)
    assert changes(INTERMEDIATE, made, wanted | {"issuer_certificate": Unknown()}), "in a preview it is not known yet"


def test_a_lowered_generation_is_refused_with_its_path_and_cure(wanted: Properties) -> None:
    refused = INTERMEDIATE.check(wanted | {"generation": 3.0}, wanted | {"generation": 2.0})
    assert [failure.reason for failure in refused.failures] == [
        "istio-mesh:trust.intermediates.generation: 2 is below 3, which is in use. A former certificate cannot be had "
        "back. Write 3 to keep the present one, 4 for a new one."
    ]
    assert not INTERMEDIATE.check({}, wanted).failures
    assert not INTERMEDIATE.check(wanted, wanted).failures


def test_the_issuers_key_is_not_repeated_among_the_outputs(made: Properties, issuer: KeyPair) -> None:
    assert issuer.private_key not in made.values()


def test_a_root_is_never_made_anew(issuer: KeyPair) -> None:
    inputs = {"organization": "mesh.local", "common_name": "Root CA 1", "lifetime": 3650 * DAY}
    root = ROOT.create(inputs)
    assert root.outs
    assert root.id == certificates.fingerprint(root.outs["certificate"])
    assert not changes(ROOT, root.outs, inputs | {"lifetime": DAY, "organization": "other", "common_name": "Other"})


@pytest.fixture
def server(issuer: KeyPair) -> Properties:
    return {
        "issuer_certificate": issuer.certificate,
        "issuer_private_key": issuer.private_key,
        "organization": "exam ingress",
        "hosts": ["exam-platform.com"],
        "lifetime": 90 * DAY,
    }


def test_a_servers_certificate_is_renewed_in_the_last_third_of_its_life(server: Properties) -> None:
    outs = SERVER.create(server).outs or {}
    now = certificates.utc_now()
    for days, due in ((0, False), (59, False), (61, True), (100, True)):
        with patch.object(certificates, "utc_now", return_value=now + timedelta(days=days)):
            assert changes(SERVER, outs, server) is due, f"after {days} of 90 days"


def test_a_servers_certificate_follows_its_hosts(server: Properties) -> None:
    outs = SERVER.create(server).outs or {}
    more = server | {"hosts": ["exam-platform.com", "www.exam-platform.com"]}
    assert changes(SERVER, outs, more)
    renewed = SERVER.update("id", outs, more).outs or {}
    names = x509.load_pem_x509_certificate(renewed["certificate"].encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == more["hosts"]


@pytest.mark.parametrize("provider", [ROOT, INTERMEDIATE, SERVER])
def test_the_pickled_provider_is_its_name_alone(provider: Any) -> None:
    """Or every state would hold code and paths of the machine that ran last, and show them as a change."""
    pickled = base64.b64decode(serialize_provider(provider))
    assert len(pickled) < 120
    assert b"components.trust.generated" in pickled
    assert type(dill.loads(pickled)) is type(provider)


def test_keys_are_secret_outputs_and_secret_inputs() -> None:
    def program() -> None:
        root = generated.RootCertificate("root", organization="o", common_name="c", lifetime=10 * 86_400)
        made = generated.IntermediateCertificate(
            "intermediate", issuer=root, organization="o", common_name="i", lifetime=86_400, generation=1
        )
        generated.ServerCertificate("server", issuer=root, organization="o", hosts=["a.b"], lifetime=86_400)
        pulumi.export("not_after", made.not_after)

    done = mocks.run(program)
    for name in ("root", "intermediate", "server"):
        assert "private_key" in done.named(name).additional_secret_outputs
    for name in ("intermediate", "server"):
        assert "issuer_private_key" in done.named(name).additional_secret_outputs
    assert "not_after" in done.outputs


def test_a_preview_makes_no_certificate() -> None:
    def program() -> None:
        root = generated.RootCertificate("root", organization="o", common_name="c", lifetime=10 * 86_400)
        pulumi.export("certificate", root.certificate)

    with patch.object(certificates, "make_root", side_effect=AssertionError("made in a preview")):
        done = mocks.run(program, preview=True)
    assert done.unknown_outputs == {"certificate"}
