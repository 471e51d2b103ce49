"""An account in this process, in which nothing takes time, and providers of two of its regions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.aws.cloud.around import CLOCK
from lab.aws.cloud.backends import backend
from lab.aws.cloud.balancers import BALANCERS
from lab.aws.cloud.eks.state import CLUSTERS
from lab.aws.cloud.quotas import DEFAULTS, LIMITS
from lab.aws.cloud.server import Account, started
from lab.aws.place import ENDPOINT, PACE
from tests.lab_aws.provider import Engine
from tests.lab_aws.world import World


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[str, Account]]:
    server, account = started()
    yield f"http://127.0.0.1:{server.port}", account
    server.shutdown()


@pytest.fixture
def account(_server: tuple[str, Account], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account."""
    from moto.backends import get_backend

    address, found = _server
    monkeypatch.setenv(ENDPOINT, address)
    monkeypatch.setenv(PACE, "0")
    for service in ("ec2", "kms", "logs", "route53", "acm-pca"):
        get_backend(service).reset()  # type: ignore[call-overload]
    # Its policies take a second to load: they stay.
    iam = backend("iam", "aws")
    iam.roles.clear()
    iam.open_id_providers.clear()
    CLUSTERS.clear()
    BALANCERS.clear()
    found.control.faults.clear()
    found.control.journal.clear()
    yield found
    LIMITS.update(DEFAULTS)
    CLOCK.pace = 0.0


@pytest.fixture
def east(account: Account) -> Iterator[Engine]:
    engine = Engine("us-east-1")
    yield engine
    engine.close()


@pytest.fixture
def west(account: Account) -> Iterator[Engine]:
    engine = Engine("us-west-2")
    yield engine
    engine.close()


@pytest.fixture
def world(east: Engine, west: Engine) -> World:
    return World(east, west)
