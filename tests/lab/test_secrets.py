"""No secret of the run is readable where people look: state, outputs, logs, diffs, evidence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from istio_mesh_contract import MeshOutputs

from lab.paths import Paths
from tests.lab.evidence import evidence_of
from tests.lab.support.engine import Engine
from tests.lab.support.issuer import issuers
from tests.lab.support.secrets import (
    ALGORITHMS,
    Secret,
    beginnings,
    found_in,
    of_cluster,
    of_kubeconfig,
    of_state,
    planted,
    wrappers,
)
from tests.lab.support.site import EXAM, INGRESS, ISTIOD, SYSTEM, Site

LEAST = 12  # secrets of two regions: root, two intermediates, four ingress keys with their authority, two tokens ...


@pytest.fixture(scope="session")
def known() -> dict[tuple[bytes, ...], Secret]:
    """All secrets that were seen until now, each once: one that a later proof replaces stays a secret."""
    return {}


@pytest.fixture
def secrets(
    known: dict[tuple[bytes, ...], Secret], sites: Mapping[str, Site], engine: Engine, paths: Paths
) -> Sequence[Secret]:
    """Those of now and of before, each once, whatever it is called."""
    shown = json.loads(engine.pulumi("stack", "export", "--stack", engine.stack, "--show-secrets").out)
    found = [
        *(secret for site in sites.values() for secret in of_cluster(site)),
        *of_state(shown),
        *(secret for name in sites for secret in of_kubeconfig(paths.root / ".lab" / f"kubeconfig-{name}")),
    ]
    with issuers(sites) as copies:
        found += [
            Secret(f"issuer of {name} {key['alg']}", key["pem"].encode())
            for name, issuer in copies.items()
            for key in issuer.private_keys()
        ]
    known |= {tuple(sorted(secret.needles())): secret for secret in reversed(found)}
    return list(known.values())


@pytest.fixture
def exported(engine: Engine) -> str:
    return engine.pulumi("stack", "export", "--stack", engine.stack).out


CONSUMER = "proof-consumer"


@pytest.fixture
def consumed(engine: Engine, paths: Paths, tmp_path: Path) -> Generator[dict[str, str]]:
    """What another team's stack says that reads all outputs, by the name of what says it."""
    folder = tmp_path / CONSUMER
    folder.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": str(paths.root / ".venv")}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": CONSUMER, "runtime": runtime}), encoding="utf-8")
    names = [field.alias or name for name, field in MeshOutputs.model_fields.items()]
    (folder / "__main__.py").write_text(
        "import pulumi\n"
        f"mesh = pulumi.StackReference('organization/istio-mesh/{engine.stack}')\n"
        f"for name in {names!r}:\n"
        "    pulumi.export(name, mesh.require_output(name))\n",
        encoding="utf-8",
    )
    here, stack = ("--cwd", str(folder)), ("--stack", "proof")
    engine.pulumi(*here, "stack", "init", "proof")
    try:
        yield {
            "consumer-up.txt": engine.pulumi(*here, "up", *stack, "--yes", "--skip-preview", "--diff").text,
            "consumer-outputs.json": engine.pulumi(*here, "stack", "output", *stack, "--json", "--show-secrets").out,
            "consumer-export.json": engine.pulumi(*here, "stack", "export", *stack, "--show-secrets").out,
        }
    finally:
        engine.pulumi(*here, "stack", "rm", *stack, "--yes", "--force")
        for kind in ("stacks", "history", "backups", "locks/organization"):
            shutil.rmtree(paths.pulumi / ".pulumi" / kind / CONSUMER, ignore_errors=True)


def _kinds(secrets: Sequence[Secret]) -> set[str]:
    names = " ".join(secret.name for secret in secrets)
    kinds = ("cacerts", "istio-remote-secret", "istio-reader-token", "tls.", "trust-root", "kubeconfig", "issuer")
    return {kind for kind in kinds if kind in names}


@pytest.mark.proof("F5", "no secret of the run stands in state, outputs, logs, diffs or evidence")
def test_no_secret_is_in_plain_text(
    sites: Mapping[str, Site],
    secrets: Sequence[Secret],
    exported: str,
    consumed: dict[str, str],
    engine: Engine,
    paths: Paths,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    record: Callable[..., None],
) -> None:
    kinds = _kinds(secrets)
    # A reader's token is that of the remote secret, and counted once.
    assert kinds >= {"cacerts", "tls.", "trust-root", "kubeconfig", "issuer"}, kinds
    assert kinds & {"istio-remote-secret", "istio-reader-token"}, kinds
    assert len(secrets) >= LEAST, [secret.name for secret in secrets]
    said = tmp_path / "said"
    said.mkdir()

    def say(name: str, text: str) -> None:
        assert text.strip(), f"{name} says nothing, and proves nothing"
        (said / name).write_text(text, encoding="utf-8")

    say("export.json", exported)
    stack = ("--stack", engine.stack)
    outputs = engine.pulumi("stack", "output", *stack, "--json", "--show-secrets").out
    say("outputs.json", outputs)
    for name, text in consumed.items():
        say(name, text)
    assert json.loads(consumed["consumer-outputs.json"]) == json.loads(outputs), "the consumer did not read them all"
    say("stack.txt", engine.pulumi("stack", *stack, "--show-urns", "--show-ids").text)
    say("history.json", engine.pulumi("stack", "history", *stack, "--json").out)
    trust = engine.setting("trust")
    rotated = engine.configured(
        {
            "trust": {
                "intermediates": {"generation": int(trust["intermediates"]["generation"]) + 1},
                "remoteTokens": {"generation": int(trust["remoteTokens"]["generation"]) + 1},
            }
        }
    )
    events = engine.scratch / "events-rotation.json"
    diff = ("preview", *stack, "--diff", "--config-file", str(rotated))
    say("diff.json", engine.pulumi(*diff, "--json", "--show-replacement-steps").out)
    say("diff.txt", engine.pulumi(*diff, "--show-sames", "--show-reads", "--event-log", str(events)).text)
    for site in sites.values():
        for namespace, workloads in (
            (SYSTEM, (f"deploy/{ISTIOD}", "deploy/istio-eastwestgateway")),
            (INGRESS, ("deploy/istio-ingress",)),
            (EXAM, ("deploy/admin-service",)),
        ):
            for workload in workloads:
                text = site.kubectl.text("logs", "-n", namespace, workload, "--all-containers")
                say(f"{site.name}-{namespace}-{workload.rpartition('/')[2]}.log", text)
    say("evidence-of-this-session.json", _evidence(pytestconfig))
    files = _written(paths, engine, sites, said)
    for name in ("stacks", "history", "backups"):
        assert any(f"/.pulumi/{name}/" in str(path) for path in files["backend"]), f"the search misses {name}"
    assert all(files.values()), {name: len(paths) for name, paths in files.items()}
    searched = [path for paths in files.values() for path in paths]
    # Secrets that were replaced meanwhile are looked for by what all of their kind have in common.
    found = found_in(searched, [*secrets, *beginnings()], tmp_path)
    record(
        secrets=len(secrets),
        kinds=sorted(kinds),
        forms=sum(len(secret.needles()) for secret in secrets),
        files={name: len(paths) for name, paths in files.items()},
        megabytes=round(sum(path.stat().st_size for path in searched if path.exists()) / 1e6, 1),
        encrypted_values=wrappers(json.loads(exported)),
        found=len(found),
    )
    assert not found, _told(found)


@pytest.mark.closing
@pytest.mark.proof("F5", "once all other proofs are over: none of what they made stands in what they left behind")
def test_no_secret_is_left_behind(
    sites: Mapping[str, Site],
    secrets: Sequence[Secret],
    exported: str,
    engine: Engine,
    paths: Paths,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    record: Callable[..., None],
) -> None:
    said = tmp_path / "said"
    said.mkdir()
    (said / "export.json").write_text(exported, encoding="utf-8")
    (said / "evidence-of-this-session.json").write_text(_evidence(pytestconfig), encoding="utf-8")
    files = _written(paths, engine, sites, said)
    assert all(files.values()), {name: len(paths) for name, paths in files.items()}
    found = found_in([path for paths in files.values() for path in paths], [*secrets, *beginnings()], tmp_path)
    record(secrets=len(secrets), files={name: len(paths) for name, paths in files.items()}, found=len(found))
    assert not found, _told(found)


def _evidence(config: pytest.Config) -> str:
    return json.dumps([asdict(row) for row in evidence_of(config).complete()])


def _written(paths: Paths, engine: Engine, sites: Mapping[str, Site], said: Path) -> dict[str, list[Path]]:
    """All files that the lab, the engine and the proofs have written where people look."""
    lab = paths.root / ".lab"
    folders = {
        "said": said,
        "backend": lab / "pulumi",
        "engine's logs": lab / "pulumi-home" / "logs",
        "engine's events": engine.scratch,
        **{f"logs of {name}": lab / "regions" / name / "log" for name in sites},
    }
    files = {name: sorted(path for path in folder.rglob("*") if path.is_file()) for name, folder in folders.items()}
    return {**files, "evidence": [paths.evidence]} if paths.evidence.exists() else files


def _told(found: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(f"{Path(file).name}: {names}" for file, names in found.items())


@pytest.mark.proof("F5", "the search finds each of the secrets in each form, in the state too, and nothing else")
def test_the_search_finds_what_is_there(
    sites: Mapping[str, Site], secrets: Sequence[Secret], exported: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    laid: dict[str, str] = {}
    folder = tmp_path / "planted"
    folder.mkdir(mode=0o700)

    def lay(name: str, value: bytes, told: str) -> None:
        for form, text in planted(value).items():
            file = folder / f"{name}-{form}"
            file.write_text(f'{{"before": 1}}\n{text}\nafter', encoding="utf-8")
            laid[str(file)] = told

    for number, secret in enumerate(secrets):
        lay(str(number), secret.value, secret.name)
    # Tokens that are signed now, so that nothing of them is known but how their kind begins.
    kinds = {secret.value: secret.name for secret in beginnings()}
    with issuers(sites) as copies:
        tokens = {alg: next(iter(copies.values())).token(alg=alg).encode() for alg in ALGORITHMS}
    for alg, token in tokens.items():
        lay(alg, token, next(name for begins, name in kinds.items() if token.startswith(begins)))
    state = json.loads(exported)
    state["deployment"]["resources"][-1].setdefault("outputs", {})["note"] = secrets[0].value.decode()
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    laid[str(folder / "state.json")] = secrets[0].name
    clean = folder / "clean.json"
    clean.write_text(exported, encoding="utf-8")
    found = found_in([*map(Path, laid), clean], [*secrets, *beginnings()], tmp_path)
    missed = [f"{laid[file]} in {Path(file).name}" for file in laid if laid[file] not in found.get(file, [])]
    record(
        planted=len(laid),
        found=len(laid) - len(missed),
        forms=sorted(planted(b"x")),
        tokens=sorted(tokens),
        clean=str(clean) in found,
    )
    assert not missed, "\n".join(missed)
    assert str(clean) not in found
