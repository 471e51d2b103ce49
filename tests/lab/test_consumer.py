"""Another team's program beside the platform's stack: by the contract alone, with an identity and a passphrase of its
own."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from istio_mesh_contract import MeshOutputs

from lab.paths import Paths
from lab.waiting import wait_for
from tests.lab.support.consumer import HOST, SHOP, Consumer, admit, dismiss, forget, own, program
from tests.lab.support.engine import Changes, Engine
from tests.lab.support.secrets import beginnings, found_in, of_cluster, of_state
from tests.lab.support.site import EXAM, WEB, Site, url_of
from tests.lab.support.tls import knock

CATALOGUE = url_of("catalogue", SHOP)
RBAC = 403
READER = "proof-reader"


@dataclass
class Shop:
    """The team's stack, up."""

    consumer: Consumer
    created: Changes
    load: Mapping[str, object]


@pytest.fixture(scope="module")
def shop(
    sites: Mapping[str, Site],
    engine: Engine,
    env: Mapping[str, str],
    paths: Paths,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Shop]:
    """`up` of the example, while the platform's own services are called."""
    consumer = Consumer(paths, env, tmp_path_factory.mktemp("teams") / "shop")
    try:
        consumer.begin({name: admit(site) for name, site in sites.items()})
        with ExitStack() as stack:
            loads = [
                stack.enter_context(site.caller(EXAM, WEB).load(url_of("exam-service", EXAM)))
                for site in sites.values()
            ]
            created = consumer.engine.up()
        yield Shop(consumer, created, {site: load.figures for site, load in zip(sites, loads, strict=True)})
    finally:
        consumer.engine.pulumi("destroy", "--yes", "--skip-preview", "--stack", consumer.engine.stack, check=False)
        consumer.forget()
        dismiss(sites)


def _unchanged(engine: Engine) -> None:
    changes = engine.up(None, "--expect-no-changes")
    assert changes.changed == 0, f"the platform's stack would change: {changes.steps}"


@pytest.mark.proof("K1", "`up` of another team's program by the contract alone, beside the platform's stack")
def test_another_teams_program_is_deployed_by_the_contract(
    shop: Shop, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    assert set(shop.created.operations) <= {"create", "read"}, shop.created.operations
    again = shop.consumer.engine.up(None, "--expect-no-changes")
    assert again.changed == 0, again.steps
    for site in sites.values():
        labels = site.kubectl.json("get", "namespace", SHOP)["metadata"]["labels"]
        assert labels["istio.io/rev"] == engine.outputs()["mesh"]["tag"]
        (pod,) = site.kubectl.items("pod", "-n", SHOP, "-l", "app=catalogue", "--field-selector=status.phase=Running")
        containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
        assert "istio-proxy" in {container["name"] for container in containers}
    _unchanged(engine)
    record(seconds=round(shop.created.seconds, 1), created=shop.created.operations["create"], load=shop.load)
    assert all(figures["failed"] == 0 for figures in shop.load.values()), shop.load  # type: ignore[index]


@pytest.mark.proof("K1", "its host is answered by its service at the ingress of each region")
def test_its_host_is_answered_at_both_ingresses(
    home: Site, shop: Shop, engine: Engine, record: Callable[..., None]
) -> None:
    address = str(shop.consumer.engine.outputs()["addresses"][home.name])
    assert address == home.ingress_address()
    trusted = str(engine.outputs()["mesh"]["ingressAuthority"]).encode()

    def answered() -> bool:
        return knock(address, 443, sni=HOST, trusted=trusted, check_name=True).status == 200

    wait_for(answered, deadline=60, what=f"an answer for {HOST} at {home.name}")
    answers = [knock(address, 443, sni=HOST, path="/shop", trusted=trusted, check_name=True) for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["service"] for answer in answers} == {"catalogue"}
    record(address=address, regions=sorted({answer.json["region"] for answer in answers}))


@pytest.mark.proof("K1", "the one caller that it allows is let in, and nobody else; it calls what is offered to it")
def test_it_lets_one_caller_in_and_calls_what_is_offered(home: Site, shop: Shop, record: Callable[..., None]) -> None:
    wait_for(
        lambda: home.caller(EXAM, WEB).get(CATALOGUE).status == 200,
        deadline=60,
        what=f"web-frontend of {home.name} to be let in by the catalogue",
    )
    stranger = home.caller().get(CATALOGUE)
    assert stranger.status == RBAC, f"a caller that nobody allowed: {stranger}"
    unoffered = home.caller(EXAM, "deploy/exam-service-v1").get(CATALOGUE)
    assert unoffered.status != 200, "a service that may not call out"
    own = shop.consumer.caller(home)
    wait_for(
        lambda: own.get(url_of("exam-service", EXAM)).status == 200,
        deadline=60,
        what=f"the catalogue of {home.name} to be let in by exam-service",
    )
    closed = own.get(url_of("results-service", EXAM))
    assert closed.status == RBAC, f"a service that is not offered: {closed}"
    record(stranger=stranger.status, may_not_call_out=unoffered.status or unoffered.error, not_offered=closed.status)


@pytest.mark.proof("K1", "it passes the policy pack")
def test_it_passes_the_policy_pack(shop: Shop, paths: Paths, record: Callable[..., None]) -> None:
    engine = shop.consumer.engine
    pack = ("--policy-pack", str(paths.root / "policies"), "--config-file", str(engine.base))
    said = engine.pulumi("preview", "--stack", engine.stack, *pack).text
    (report,) = (line.strip() for line in said.splitlines() if " policies judged " in line)
    assert ", 0 warned, 0 exempted." in report, said
    assert "; 0 findings refused" in report, said
    record(report=report)


@pytest.mark.proof("K1", "an `up` of the platform that changes an address reaches the consumer's next preview")
def test_a_changed_address_reaches_the_next_preview(shop: Shop, changes: Engine, record: Callable[..., None]) -> None:
    before = shop.consumer.engine.preview()
    assert before.changed == 0, before.steps
    moved = changes.configured({"telemetry": {"tracing": {"collector": {"port": 4318}}}})
    changes.up(moved)
    after = shop.consumer.engine.preview()
    assert sorted((operation, urn.rpartition("::")[2]) for operation, urn in after.steps) == [
        ("update", "catalogue-use1-pods"),
        ("update", "catalogue-usw2-pods"),
    ]
    record(before=before.changed, after=after.changed, seconds=round(after.seconds, 1))


@pytest.fixture
def seen(engine: Engine, env: Mapping[str, str], paths: Paths, tmp_path: Path, shop: Shop) -> Generator[dict[str, str]]:
    """What a program of another passphrase sees of the contract, by the name of what says it."""
    source, folder = tmp_path / "source", tmp_path / READER
    source.mkdir()
    project = {"name": READER, "runtime": {"name": "python", "options": {}}}
    (source / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (source / "__main__.py").write_text(
        "import pulumi\n"
        "from istio_mesh_contract import MeshOutputs\n"
        f"mesh = MeshOutputs.from_stack('organization/istio-mesh/{engine.stack}')\n"
        "pulumi.export('seen', mesh.outputs.apply(lambda outputs: outputs.exported()))\n",
        encoding="utf-8",
    )
    program(source, folder, paths)
    (folder / ".lab").mkdir()
    reader = Engine(folder, own(env, paths), folder, "proof")
    reader.pulumi("stack", "init", "proof")
    try:
        reader.up()
        yield {
            "outputs.json": json.dumps(reader.outputs(secrets=True)),
            "export.json": reader.pulumi("stack", "export", "--stack", "proof", "--show-secrets").out,
        }
    finally:
        reader.pulumi("stack", "rm", "proof", "--yes", "--force", check=False)
        forget(paths, READER)


@pytest.mark.proof("K1", "every field is read without the platform's passphrase, and no secret is among them")
def test_every_field_is_read_without_the_passphrase(
    sites: Mapping[str, Site], engine: Engine, seen: dict[str, str], tmp_path: Path, record: Callable[..., None]
) -> None:
    outputs = engine.outputs()
    exported = MeshOutputs.read(outputs, engine.stack).exported()
    assert json.loads(seen["outputs.json"])["seen"] == exported, "the reader did not see every field"
    state = json.loads(engine.pulumi("stack", "export", "--stack", engine.stack, "--show-secrets").out)
    secrets = [*(secret for site in sites.values() for secret in of_cluster(site)), *of_state(state)]
    assert len(secrets) >= 10, [secret.name for secret in secrets]
    files: list[Path] = []
    for name, text in seen.items():
        files.append(tmp_path / name)
        files[-1].write_text(text, encoding="utf-8")
    planted = tmp_path / "planted.json"
    planted.write_text(json.dumps({"seen": outputs, "leak": secrets[0].value.decode()}), encoding="utf-8")
    found = found_in([*files, planted], [*secrets, *beginnings()], tmp_path)
    assert set(found) == {str(planted)}, f"found in {[Path(file).name for file in found]}"
    record(fields=len(_leaves(exported)), secrets=len(secrets), found=len(found) - 1)


def _leaves(value: object) -> list[object]:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if below is None else [leaf for item in below for leaf in _leaves(item)]


@pytest.mark.proof("K1", "`destroy` of the consumer leaves the platform untouched, and nothing of its own")
def test_destroy_leaves_the_platform_untouched(
    shop: Shop, sites: Mapping[str, Site], engine: Engine, record: Callable[..., None]
) -> None:
    before = engine.resources()
    with ExitStack() as stack:
        loads = [
            stack.enter_context(site.caller(EXAM, WEB).load(url_of("exam-service", EXAM))) for site in sites.values()
        ]
        destroyed = shop.consumer.engine.destroy()
    assert set(destroyed.operations) <= {"delete", "discard"}, destroyed.operations
    assert engine.resources() == before
    _unchanged(engine)
    for site in sites.values():
        assert site.kubectl.run("get", "namespace", SHOP, check=False).code != 0, f"{SHOP} is left in {site.name}"
        address = site.ingress_address()

        def gone(address: str = address) -> bool:
            return knock(address, 443, sni=HOST).status == 404

        wait_for(gone, deadline=60, what=f"{HOST} to be answered no more at {site.name}")
    figures = {name: load.figures for name, load in zip(sites, loads, strict=True)}
    record(seconds=round(destroyed.seconds, 1), deleted=destroyed.operations["delete"], load=figures)
    assert all(load.failed == 0 for load in loads), figures
