"""A root kept offline: what its certificate and the intermediates must be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.config.loading import check
from tests.builders import Yaml, authority, faults_of, intermediate, provided, put, stack

ROOT = authority("Root")
OTHER_ROOT_OF_THAT_NAME = authority("Root", lifetime=timedelta(days=99))
USE1, USW2 = intermediate("use1", ROOT), intermediate("usw2", ROOT)
AT = "istio-mesh:trust.root.provided"
WHERE = f"{AT}.intermediates.use1"
TODAY = datetime.now(UTC)


def trust(change: Callable[[Yaml], object] | None = None, **use1: object) -> Yaml:
    """A right one, but for what `change` does to it, or for use1's certificate being made with `use1`."""
    values = provided(ROOT, use1=intermediate("use1", ROOT, **use1), usw2=USW2)
    if change is not None:
        change(values)
    return values


def use1_of(values: Yaml) -> Yaml:
    return values["root"]["provided"]["intermediates"]["use1"]


def lacks(what: str) -> str:
    return (
        f"{WHERE}.certificate: the certificate lacks {what}. Workloads refuse what it signs, or it could make further "
        "authorities. Have it signed again with basicConstraints=critical,CA:TRUE,pathlen:0 and keyUsage=keyCertSign."
    )


NOT_SIGNED = (
    "the certificate is not signed by the given root. The other clusters' workloads would refuse every connection from "
    "this one. Give the root that signed it, or have it signed by this one."
)
NO_KEY = (
    f"{WHERE}.privateKey: this is not an unencrypted private key in PEM. istiod and gateways could not use it. "
    "Give an EC or RSA key in PKCS#8, SEC 1 or PKCS#1 form, set by `pulumi config set --secret --path`."
)

CASES: list[tuple[str, Yaml, list[str]]] = [
    (
        "an intermediate missing",
        trust(lambda t: t["root"]["provided"]["intermediates"].pop("usw2")),
        [
            f"{AT}.intermediates: there is no intermediate for the cluster `usw2`. istiod there would sign with a root "
            "of its own, which no other cluster trusts. Add `usw2: {certificate: ..., privateKey: ...}`."
        ],
    ),
    (
        "an intermediate too many",
        trust(lambda t: t["root"]["provided"]["intermediates"].update(euw1=use1_of(t))),
        [
            f"{AT}.intermediates.euw1: there is no cluster `euw1`. A key that nothing uses would be kept in the stack. "
            "Take it out, or name one of the clusters: `use1`, `usw2`."
        ],
    ),
    ("no authority", trust(ca=False), [lacks("CA:TRUE")]),
    ("no right to sign", trust(key_cert_sign=False), [lacks("keyCertSign")]),
    ("a right to make further authorities", trust(path_length=None), [lacks("pathlen:0")]),
    ("none of the three", trust(path_length=1, key_cert_sign=False), [lacks("pathlen:0 and keyCertSign")]),
    (
        "signed by another root",
        provided(ROOT, use1=intermediate("use1", authority("Other")), usw2=USW2),
        [f"{WHERE}.certificate: {NOT_SIGNED}"],
    ),
    (
        "signed by another root of that name",
        provided(ROOT, use1=intermediate("use1", OTHER_ROOT_OF_THAT_NAME), usw2=USW2),
        [f"{WHERE}.certificate: {NOT_SIGNED}"],
    ),
    (
        "ended",
        trust(begin=timedelta(days=-10), lifetime=timedelta(days=5)),
        [
            f"{WHERE}.certificate: the certificate ended on {TODAY - timedelta(days=5):%Y-%m-%d}. No workload accepts "
            "what it signed. Have it signed again."
        ],
    ),
    (
        "not begun",
        trust(begin=timedelta(days=2)),
        [
            f"{WHERE}.certificate: the certificate begins on {TODAY + timedelta(days=2):%Y-%m-%d}. No workload accepts "
            "what it signed. Wait for it or give one that is valid now."
        ],
    ),
    (
        "ending before a workload's certificate",
        trust(begin=timedelta(days=-10), lifetime=timedelta(days=10, hours=23)),
        [
            f"{WHERE}.certificate: the certificate ends on {TODAY + timedelta(hours=23):%Y-%m-%d}, within the 24h that "
            "a workload's may live. Workload certificates would outlive their signer, and be refused while they look "
            "valid. Have it signed again for longer."
        ],
    ),
    (
        "ending after its root",
        trust(lifetime=timedelta(days=4000)),
        [
            f"{WHERE}.certificate: the certificate ends on {TODAY + timedelta(days=3999):%Y-%m-%d}, after its root, "
            f"which ends on {TODAY + timedelta(days=3649):%Y-%m-%d}. From the root's end on its chain would be refused "
            "while it looks valid. Have it signed again for no longer than the root."
        ],
    ),
    (
        "another's key",
        trust(lambda t: use1_of(t).update(privateKey=USW2.key)),
        [
            f"{WHERE}.privateKey: the key is not the certificate's. istiod would not start with it. Give the key from "
            "which the certificate's request was made."
        ],
    ),
    ("no key but text", trust(lambda t: use1_of(t).update(privateKey="hunter2")), [NO_KEY]),
    (
        "no key but a list",
        trust(lambda t: use1_of(t).update(privateKey=["hunter2"])),
        [f"{WHERE}.privateKey: it is a list, not a text. Nothing can be made of it. Write a text."],
    ),
    (
        "the key not set",
        trust(lambda t: use1_of(t).pop("privateKey")),
        [
            f"{WHERE}.privateKey: it is missing. It has no default. Its key; a secret. Set it by "
            f"`pulumi config set --secret --path '{WHERE}.privateKey' < key.pem`."
        ],
    ),
    (
        "the key before the certificate",
        trust(lambda t: use1_of(t).update(certificate=USE1.key + USE1.certificate)),
        [
            f"{WHERE}.certificate: there is a private key among the certificates. Certificates are shown in outputs "
            "and logs, and the key with them. Keep the certificate alone here, and take the key for disclosed if the "
            "file was shared."
        ],
    ),
    (
        "two certificates",
        trust(lambda t: use1_of(t).update(certificate=USE1.certificate + ROOT.certificate)),
        [
            f"{WHERE}.certificate: there are 2 certificates. Proxies could not build a chain from it. Give one block "
            "from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`."
        ],
    ),
    (
        "text for a root",
        trust(lambda t: t["root"]["provided"].update(certificate="root")),
        [
            f"{AT}.certificate: this is not a certificate in PEM. Proxies could not build a chain from it. Give one "
            "block from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`."
        ],
    ),
    (
        "an intermediate for a root",
        trust(lambda t: t["root"]["provided"].update(certificate=USE1.certificate)),
        [
            f"{AT}.certificate: this is not a root: it is not self-signed. No workload would accept the chain that "
            "ends in it. Give the self-signed certificate of the authority that signed the intermediates.",
            f"{AT}.intermediates.use1.certificate: {NOT_SIGNED}",
            f"{AT}.intermediates.usw2.certificate: {NOT_SIGNED}",
        ],
    ),
    (
        "a generation that renews nothing",
        trust(lambda t: put(t, "intermediates.generation", 2)),
        [
            "istio-mesh:trust.intermediates.generation: generation has no meaning beside a provided root. A reader "
            "would think that it renews the intermediates, and they would end. Leave it out; renew an intermediate by "
            "giving its new certificate and key."
        ],
    ),
]


@pytest.mark.parametrize(("trust", "faults"), [pytest.param(t, f, id=i) for i, t, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(tmp_path: Path, trust: Yaml, faults: list[str]) -> None:
    assert faults_of(tmp_path, {"trust": trust}) == faults


def test_a_right_one_is_taken_and_its_keys_are_not_shown(tmp_path: Path) -> None:
    config, faults = check(stack(tmp_path, trust=trust()))

    assert faults == []
    assert config is not None
    assert config.trust.root.provided is not None
    given = config.trust.root.provided.intermediates["use1"].private_key
    assert given.get_secret_value() == intermediate("use1", ROOT).key
    assert "PRIVATE KEY" not in repr(config), "a model in a log or a traceback must not show a key"


def test_a_remote_cluster_has_no_intermediate_of_its_own(tmp_path: Path) -> None:
    changes = {"clusters.1.primary": "use1", "trust": provided(ROOT, use1=USE1)}
    assert faults_of(tmp_path, changes) == []
    assert faults_of(tmp_path, {**changes, "trust": provided(ROOT, use1=USE1, usw2=USW2)}) == [
        f"{AT}.intermediates.usw2: `usw2` is a remote cluster: the istiod of `use1` signs for its workloads. A key "
        "that nothing uses would be kept in the stack. Take it out."
    ]
