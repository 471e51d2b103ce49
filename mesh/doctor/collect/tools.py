"""What istioctl and kubectl are asked: Istio's analysis, istiod's word on its proxies, requests between gateways."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from components.naming import PROXY_CONTAINER
from mesh.doctor.collect.doors import EAST_WEST_PORT
from mesh.doctor.collect.within import listed, mapping
from mesh.doctor.facts import Message, Sync, Unseen, Way

T = TypeVar("T")

PUSH = 1.0
"""Seconds that a proxy may take to take what it is told."""

_TURNED_AWAY = ("EOF", "read: connection reset by peer")
"""How a connection ends that was taken, and then ended by the other side (Go's net and net/http)."""

SYNCED = "synced"

OF_SECRETS = ("gateway.SecretAnalyzer", "meshnetworks.MeshNetworksAnalyzer")
"""Analyzers that read Secrets (istio pkg/config/analysis/analyzers)."""

_TWICE = re.compile(r"\[(\S+) \1\]")
"""Two of one kind and name, in a list of those that are in each other's way: one object, seen twice."""

_NOTHING = "there is no JSON in it"
_OBJECT = re.compile(r"^\{", re.MULTILINE)

_FORBIDDEN = "forbidden"
_SYNC_KINDS = {
    "Cluster": "clusters",
    "ClusterLoadAssignment": "endpoints",
    "Listener": "listeners",
    "RouteConfiguration": "routes",
}


@dataclass
class Tools:
    """Runs of the two, all of which end at `deadline` (of time.monotonic).

    `environment` has PATH and KUBECONFIG; `contexts` the context of each cluster.
    """

    environment: Mapping[str, str]
    contexts: Mapping[str, str]
    deadline: float

    def analyse(self, cluster: str, peers: Sequence[str], revision: str) -> tuple[Message, ...] | Unseen:
        """Istio's analysis of the objects of one control plane, with the Services of all clusters in sight."""
        analyzers = self._analyzers()
        if isinstance(analyzers, Unseen):
            return analyzers
        words = ["analyze", "-A", "--revision", revision, "-o", "json", "--color=false"]
        words += [word for name in analyzers for word in ("--analyzer", name)]
        # Where none is named, istioctl reads the remote secrets, and goes to what they name, be it dead. A cluster
        # beside itself differs in nothing but that each object is there twice.
        words += [word for peer in peers or [cluster] for word in ("--remote-contexts", self.contexts[peer])]
        found = self._istioctl("istioctl analyze", cluster, messages, *words)
        if isinstance(found, Unseen):
            return found
        return tuple(message for message in found if not _TWICE.search(message.text))

    def _analyzers(self) -> list[str] | Unseen:
        """All that this istioctl has, but for those that read Secrets: nobody has to hold that right for a look.

        What they judge is seen otherwise: the gateways' certificates by handshakes, remote secrets by what istiods say.
        """
        name = "istioctl analyze --list-analyzers"
        done = self._run(name, *name.split())
        if isinstance(done, Unseen):
            return done
        names = [line[2:].rstrip(":") for line in done.stdout.splitlines() if line.startswith("* ")]
        return [name for name in names if name not in OF_SECRETS] or _failed(done, name)

    def sync(self, cluster: str) -> Mapping[str, Sync] | Unseen:
        """What the istiods of a cluster say of their proxies. Stale is what is so twice: a push takes a moment."""
        first = self._sync(cluster)
        if isinstance(first, Unseen) or not any(map(stale, first.values())):
            return first
        time.sleep(PUSH)
        second = self._sync(cluster)
        return first if isinstance(second, Unseen) else still(first, second)

    def _sync(self, cluster: str) -> Mapping[str, Sync] | Unseen:
        return self._istioctl("istioctl proxy-status", cluster, synced, "proxy-status", "-o", "json")

    def remotes(self, cluster: str) -> Mapping[str, str] | Unseen:
        """What the istiods of a cluster say of those that they read: their states, the worst of all istiods."""
        words = ("experimental", "internal-debug", "--all", "clusterz")
        return self._istioctl("istioctl internal-debug", cluster, states, *words)

    def request(self, cluster: str, namespace: str, pod: str, address: str) -> Way | Unseen:
        """A request from a gateway's pod to the gateway at `address`, by the one program that every proxy has.

        It goes to the port that other regions' requests come to, which may be the only one that is open between them.
        What is no TLS of the mesh is turned away there: that the gateway ends the connection is the answer.
        """
        there = f"{address}:{EAST_WEST_PORT}"
        wait = ["pilot-agent", "wait", "--url", f"http://{there}", "--timeoutSeconds", "1"]
        words = ["exec", "-n", namespace, pod, "-c", PROXY_CONTAINER, "--", *wait, "--requestTimeoutMillis", "900"]
        name = "kubectl exec"
        done = self._run(name, "kubectl", "--context", self.contexts[cluster], *words, "--periodMillis", "300")
        if isinstance(done, Unseen):
            return done
        if "Last error:" in done.stderr:
            error = last_error(done.stderr)
            return Way(there, "" if error.endswith(_TURNED_AWAY) else error)
        return _failed(done, name)

    def _istioctl(self, name: str, cluster: str, reader: Callable[[str], T], *words: str) -> T | Unseen:
        # It logs among what it prints (istioctl/pkg/root): that a way into a pod was closed, say, after the last line.
        command = ("istioctl", "--log_target", "stderr", "--context", self.contexts[cluster], *words)
        done = self._run(name, *command)
        return done if isinstance(done, Unseen) else _read(done, name, reader)

    def _run(self, name: str, *command: str) -> "subprocess.CompletedProcess[str] | Unseen":
        left = self.deadline - time.monotonic()
        try:
            return subprocess.run(
                command, env=dict(self.environment), capture_output=True, text=True, timeout=max(0.1, left), check=False
            )
        except FileNotFoundError:
            return Unseen(f"there is no `{command[0]}` on PATH", f"Install {command[0]}")
        except subprocess.TimeoutExpired:
            # Without a right to watch, istioctl waits for ever.
            cure = "Raise `--deadline`; see whether it has the rights of docs/doctor.md"
            return Unseen(f"`{name}` did not end in time", cure)


def _read(done: "subprocess.CompletedProcess[str]", name: str, reader: Callable[[str], T]) -> T | Unseen:
    """What was printed, as `reader` takes it. One istioctl may print what another does not: that ends no look."""
    if done.returncode != 0:
        return _failed(done, name)
    try:
        return reader(done.stdout)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        cure = "Take the istioctl of the stack's Istio version; run it by hand to see what it prints"
        return Unseen(f"what `{name}` printed could not be read ({type(problem).__name__}: {problem})", cure)


def _failed(done: "subprocess.CompletedProcess[str]", name: str) -> Unseen:
    said = " ".join((done.stderr or done.stdout).split())
    if _FORBIDDEN in said.lower():
        return Unseen(f"the credentials do not allow `{name}`", "Give them the rights of docs/doctor.md")
    return Unseen(f"`{name}` failed: {said[-300:]}", "Run it by hand, and mend what it says")


def still(first: Mapping[str, Sync], second: Mapping[str, Sync]) -> dict[str, Sync]:
    """What was said the second time, where only that is stale which was so before and has been sent nothing since."""

    def settled(proxy: str, sync: Sync) -> Sync:
        before = first.get(proxy)
        moving = {
            kind: "SYNCED"
            for kind, state in sync.states.items()
            if state == "STALE"
            and (before is None or before.states.get(kind) != state or before.sent.get(kind) != sync.sent.get(kind))
        }
        return replace(sync, states={**sync.states, **moving})

    return {proxy: settled(proxy, sync) for proxy, sync in second.items()}


def stale(sync: Sync) -> bool:
    """Whether a proxy has not taken something yet."""
    return "STALE" in sync.states.values()


def messages(text: str) -> tuple[Message, ...]:
    """Those that `istioctl analyze -o json` printed; sentences for people may follow them."""
    start, end = text.find("["), text.rfind("]")
    if not 0 <= start < end:
        raise ValueError(_NOTHING)
    listed: list[dict[str, Any]] = json.loads(text[start : end + 1])
    return tuple(
        Message(
            code=entry["code"],
            level=entry["level"],
            origin=entry.get("origin", ""),
            text=entry["message"],
            cluster=entry.get("cluster", "default"),
        )
        for entry in listed
    )


def synced(text: str) -> dict[str, Sync]:
    """Each proxy (`pod.namespace`) with its states, from what `istioctl proxy-status -o json` printed.

    Each istiod's answer is a document of its own, one after another (istioctl/pkg/writer/pilot/status.go). A proxy that
    has gone from one istiod to another may be in both: the former one's word on it is stale, or older.
    """
    found: dict[str, Sync] = {}
    for entry in (entry for answer in _documents(text) for entry in listed(answer, "resources")):
        metadata = mapping(entry, "node", "metadata")
        configs = {
            _SYNC_KINDS[kind]: config
            for config in listed(entry, "genericXdsConfigs")
            if (kind := config.get("typeUrl", "").rpartition(".")[2]) in _SYNC_KINDS
        }
        states = {kind: config.get("configStatus", "UNKNOWN") for kind, config in configs.items()}
        sent = {kind: config.get("lastUpdated", "") for kind, config in configs.items()}
        sync = Sync(metadata.get("ISTIO_VERSION", ""), states, sent)
        before = found.setdefault(entry["node"]["id"], sync)
        found[entry["node"]["id"]] = max(before, sync, key=_order)
    return found


def _order(sync: Sync) -> tuple[bool, str]:
    return not stale(sync), max(sync.sent.values(), default="")


def _documents(text: str) -> list[dict[str, Any]]:
    """The objects that were printed, whatever lines for people stand between them. Raises ValueError without one."""
    documents: list[dict[str, Any]] = []
    decoder, end = json.JSONDecoder(), 0
    while (start := _OBJECT.search(text, end)) is not None:
        document, end = decoder.raw_decode(text, start.start())
        documents.append(document)
    if not documents:
        raise ValueError(_NOTHING)
    return documents


def states(text: str) -> dict[str, str]:
    """The state of each remote cluster, from what `internal-debug --all clusterz` printed: a list by istiod."""
    found: dict[str, str] = {}
    for entry in (entry for document in _documents(text) for answer in document.values() for entry in answer):
        # Its own cluster has no secret. Of several istiods the one that is behind counts.
        if entry.get("secretName") and found.get(entry["id"], SYNCED) == SYNCED:
            found[entry["id"]] = entry.get("syncStatus", "unknown")
    return found


def last_error(text: str) -> str:
    """The reason in what `pilot-agent wait` says at its end, without the address before it."""
    said = text.rpartition("Last error:")[2].partition("\n")[0].strip()
    return said.rpartition('": ')[2] or said
