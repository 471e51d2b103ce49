"""Another team in the lab: an identity of its own in each region, a program and a passphrase of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.images import tenant_image
from lab.paths import Paths
from tests.lab.support.engine import Engine
from tests.lab.support.site import Site
from tests.lab.support.traffic import Caller
from tests.lab.support.workloads import namespace, remove_namespace

PROJECT, STACK = "shop", "local"
SHOP = "shop"  # its namespace
TEAMS = "teams"  # where the platform keeps the accounts of other teams' programs
HOST = "shop.exam-platform.com"
PASSPHRASE = "the shop's own"
ACCOUNT = "shop-deployer"

_OWN = ("create", "delete", "get", "list", "patch", "update", "watch")
_READ = ("get", "list", "watch")
_RULES = [
    {"apiGroups": [""], "resources": ["serviceaccounts", "services"], "verbs": _OWN},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": _OWN},
    {"apiGroups": ["networking.istio.io"], "resources": ["virtualservices", "destinationrules"], "verbs": _OWN},
    {
        "apiGroups": ["security.istio.io"],
        "resources": ["authorizationpolicies", "peerauthentications"],
        "verbs": _OWN,
    },
    # What the provider watches until pods are ready.
    {"apiGroups": [""], "resources": ["endpoints", "events", "persistentvolumeclaims", "pods"], "verbs": _READ},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": _READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
]


def admit(site: Site) -> str:
    """What the platform does for a new team in a region: a namespace in which its account may do what a service needs,
    and nothing anywhere else. Gives the account's token."""
    name = {"name": ACCOUNT}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": TEAMS}
    site.kubectl.apply(
        [
            namespace(TEAMS, {}),
            namespace(SHOP, {}),
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**name, "namespace": TEAMS}},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "Role",
                "metadata": {**name, "namespace": SHOP},
                "rules": [{key: list(value) for key, value in rule.items()} for rule in _RULES],
            },
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": {**name, "namespace": SHOP},
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": ACCOUNT},
                "subjects": [subject],
            },
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRole",
                "metadata": name,
                "rules": [
                    {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [SHOP], "verbs": list(_OWN)},
                    # The provider waits for one of them, and watches them all for it.
                    {"apiGroups": [""], "resources": ["namespaces"], "verbs": list(_READ)},
                ],
            },
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": name,
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT},
                "subjects": [subject],
            },
        ]
    )
    return site.kubectl.text("create", "token", ACCOUNT, "-n", TEAMS, "--duration=8h").strip()


def dismiss(sites: Mapping[str, Site]) -> None:
    """Takes all of that away again."""
    for site in sites.values():
        for kind in ("clusterrolebinding", "clusterrole"):
            site.kubectl.run("delete", kind, ACCOUNT, "--ignore-not-found")
    remove_namespace([site.kubectl for site in sites.values()], TEAMS, SHOP)


def program(source: Path, folder: Path, paths: Paths) -> None:
    """A copy of a program, with the environment of this clone."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "Pulumi.yaml"
    project = yaml.safe_load(file.read_text(encoding="utf-8"))
    project["runtime"]["options"]["virtualenv"] = str(paths.root / ".venv")
    file.write_text(yaml.safe_dump(project), encoding="utf-8")


class Consumer:
    """The program of examples/consumer, as its team would run it.

    :ivar engine: the engine on its stack.
    """

    def __init__(self, paths: Paths, env: Mapping[str, str], folder: Path) -> None:
        program(paths.root / "examples" / "consumer", folder, paths)
        # Where the locks of this project's runs are kept.
        (folder / ".lab").mkdir()
        self._paths = paths
        self._file = folder / f"Pulumi.{STACK}.yaml"
        self.engine = Engine(folder, own(env, paths), folder, STACK)

    def begin(self, tokens: Mapping[str, str]) -> None:
        """The stack, with what only its team knows set as secrets."""
        self.engine.pulumi("stack", "init", STACK)
        self._set("image", tenant_image())
        for region, token in tokens.items():
            self._set("--secret", "--path", f"tokens.{region}", token)
        assert not any(token in self._file.read_text(encoding="utf-8") for token in tokens.values())

    def caller(self, site: Site) -> Caller:
        """Its pod in a region."""
        return Caller(site.kubectl, SHOP, "deploy/catalogue", "catalogue")

    def forget(self) -> None:
        """Nothing of the stack is left in the backend."""
        self.engine.pulumi("stack", "rm", STACK, "--yes", "--force", check=False)
        forget(self._paths, PROJECT)

    def _set(self, *words: str) -> None:
        self.engine.pulumi("config", "set", "--stack", STACK, *words)


def own(env: Mapping[str, str], paths: Paths) -> dict[str, Any]:
    """The environment of another team: the same backend, another passphrase, and no way into a cluster."""
    others = {key: value for key, value in env.items() if key != "KUBECONFIG"}
    return {**others, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PYTHONPATH": str(paths.root / "contract")}


def forget(paths: Paths, project: str) -> None:
    """Takes the files of a project's stacks out of the backend."""
    for kind in ("stacks", "history", "backups", "locks/organization"):
        shutil.rmtree(paths.pulumi / ".pulumi" / kind / project, ignore_errors=True)
