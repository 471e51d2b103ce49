"""The table of versions that go together."""

import pytest

from components.config.support import DEFAULT_ISTIO, SUPPORTED, kubernetes_minor, support_of


def test_the_default_is_supported_and_the_newest() -> None:
    assert support_of(DEFAULT_ISTIO) == SUPPORTED[-1]


@pytest.mark.parametrize(
    ("istio", "kubernetes", "taken"),
    [
        ("1.29.1", "v1.31.0", True),
        ("1.29.1", "v1.36.0", False),
        ("1.30.4", "v1.31.9", False),
        ("1.31.0", "v1.32.0", True),
        ("1.31.0", "v1.35.4", True),
        ("1.31.0", "v1.37.0", False),
    ],
)
def test_a_kubernetes_is_taken_by_its_minor(istio: str, kubernetes: str, taken: bool) -> None:
    support = support_of(istio)
    assert support is not None
    assert support.takes(kubernetes_minor(kubernetes)) is taken


@pytest.mark.parametrize("said", ["v1.35.4", "v1.35.4-eks-3cfe0ce", "v1.35.4+k3s1", "v1.35+", "v1.35.0-alpha.1"])
def test_the_minor_is_read_from_what_api_servers_say(said: str) -> None:
    assert kubernetes_minor(said) == (1, 35)
