"""Asking a cluster's API server who and what it is, with the credentials of a kubeconfig and nothing but the standard
library: this runs in the engine's plugin process, before there is a Kubernetes provider.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from components.config.kubeconfig import Entry, select

TIMEOUT = 5.0
"""Seconds that an API server has to answer each question."""

_EXEC_TIMEOUT = 20.0
"""Seconds that a kubeconfig's credential command has: `aws eks get-token` takes some on a cold start."""

_PAGE = 500
"""Objects of one answer of the API server."""


@dataclass(frozen=True)
class Identity:
    """What an API server says of its cluster."""

    version: str
    """As in `v1.35.4`."""

    uid: str
    """UID of the namespace kube-system: the same for as long as the cluster lives."""


class Unreachable(Exception):
    """The API server cannot be used; the text is a clause such as `refused the credentials (401)`, and a cure."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"it {cause}")
        self.cause, self.cure = cause, cure


class Silent(Unreachable):
    """Nothing answers at its address: it is down, or gone."""


class Missing(Unreachable):
    """It answers that what was asked for is not there."""


def identify(kubeconfig: str | None, context: str | None) -> Identity:
    """Asks the API server. Raises Unreachable, or KubeconfigError where the kubeconfig itself is at fault."""
    request = connect(kubeconfig, context)
    # The namespace first: the version is given to anyone, and would hide that the credentials are refused.
    namespace = request.get("/api/v1/namespaces/kube-system")
    return Identity(version=request.get("/version")["gitVersion"], uid=namespace["metadata"]["uid"])


def has_namespace(kubeconfig: str | None, context: str | None, name: str) -> bool:
    """Whether there is a namespace of that name. Raises as `identify` does."""
    # A list, because one that is empty is an answer, and a namespace that is not there a refusal.
    return bool(connect(kubeconfig, context).get(f"/api/v1/namespaces?fieldSelector=metadata.name%3D{name}")["items"])


def has_metrics(kubeconfig: str | None, context: str | None) -> bool:
    """Whether it has figures of pods (metrics-server), which autoscalers ask for. Raises as `identify` does."""
    try:
        connect(kubeconfig, context).get("/apis/metrics.k8s.io/v1beta1")
    except Missing:
        return False
    return True


def listed(connection: "Connection", path: str) -> Iterator[dict[str, Any]]:
    """The objects in the list at `path`, in pages. Raises Unreachable."""
    proceed = ""
    while True:
        page = connection.get(f"{path}?limit={_PAGE}{proceed}")
        yield from page["items"]
        following = page.get("metadata", {}).get("continue")
        if not following:
            return
        proceed = f"&continue={following}"


def connect(kubeconfig: str | None, context: str | None) -> "Connection":
    """The way to a cluster's API server. Raises Unreachable, or KubeconfigError where the kubeconfig is at fault."""
    selected = select(kubeconfig, context)
    credential = _credential(selected.user)
    return Connection(selected.server, _ssl_context(selected.cluster, credential), credential.get("token"))


@dataclass(frozen=True)
class Connection:
    """Requests to one API server, each raising Unreachable when it is not served."""

    server: str
    tls: ssl.SSLContext = field(repr=False)
    token: str | None = field(repr=False)

    def get(self, path: str) -> dict[str, Any]:
        """What is at `path`, such as `/version`."""
        return self._ask("GET", path)

    def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Makes an object in the list at `path`; gives it as the API server has it."""
        return self._ask("POST", path, content)

    def delete(self, path: str) -> None:
        """Deletes the object at `path`."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        body = None if content is None else json.dumps(content).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.server + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT, context=self.tls) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            # Of an object that it is given: quotas and policies of the cluster refuse with 403 too.
            said = _said(problem) if content is not None else ""
            if problem.code == 401:
                raise Unreachable("refuses the credentials (401)", "Renew the kubeconfig's credentials") from None
            if problem.code == 403:
                raise Unreachable(
                    f"knows the credentials and forbids them {path} (403){said}",
                    "Give them the rights of cluster-admin",
                ) from None
            if problem.code == 404:
                raise Missing(f"has no {path} (404)", "Make it, or name a cluster that has it") from None
            raise Unreachable(f"answers {problem.code} to {path}{said}", "See its logs: it is not healthy") from None
        except (urllib.error.URLError, OSError, ValueError) as problem:
            raise _unreachable(problem) from None


def _said(problem: urllib.error.HTTPError) -> str:
    """What an API server says of an object that it does not take; nothing where it says nothing."""
    try:
        return f" ({json.load(problem)['message']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _unreachable(problem: Exception) -> Unreachable:
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    if isinstance(reason, ssl.SSLCertVerificationError):
        cause = f"shows a certificate that the kubeconfig does not trust ({reason.verify_message})"
        return Unreachable(
            cause, "Renew the kubeconfig: it is of another cluster, or of this one before it was rebuilt"
        )
    kind = Silent
    if isinstance(reason, TimeoutError):
        cause = f"does not answer within {TIMEOUT:g} s"
    elif isinstance(reason, ConnectionRefusedError):
        cause = "does not answer (connection refused)"
    elif isinstance(reason, OSError) and reason.strerror:
        cause = f"does not answer ({reason.strerror})"
    else:
        kind, cause = Unreachable, f"gives no usable answer ({reason})"
    return kind(cause, "Start the cluster, or mend its address in the kubeconfig")


def _credential(user: Entry) -> dict[str, str]:
    """Token or client certificate (PEM), from wherever the kubeconfig's user keeps them."""
    if "exec" in user:
        return _executed(cast(Entry, user["exec"]))
    found: dict[str, str] = {}
    if "token" in user:
        found["token"] = str(user["token"])
    elif "tokenFile" in user:
        found["token"] = _read(str(user["tokenFile"])).strip()
    for key in ("client-certificate", "client-key"):
        pem = _data(user, key)
        if pem is not None:
            found[key] = pem
    return found


def _executed(command: Entry) -> dict[str, str]:
    """Runs a client-go credential plugin (KEP-541) and takes token or certificate from its answer."""
    name = str(command.get("command"))
    variables: list[Entry] = command.get("env") or []
    arguments: list[object] = command.get("args") or []
    extra = {str(entry["name"]): str(entry["value"]) for entry in variables}
    version = str(command.get("apiVersion", "client.authentication.k8s.io/v1"))
    info = {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    try:
        done = subprocess.run(
            [name, *(str(argument) for argument in arguments)],
            env={**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info), **extra},
            capture_output=True,
            timeout=_EXEC_TIMEOUT,
            check=True,
        )
        status = json.loads(done.stdout)["status"]
    except subprocess.CalledProcessError as problem:
        said = problem.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise Unreachable(f"was not asked: `{name}` failed and said: {said[0]}", "Log in with it") from None
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as problem:
        raise Unreachable(
            f"was not asked: `{name}` gave no credential ({type(problem).__name__})", "Install it and log in with it"
        ) from None
    keys = {"token": "token", "clientCertificateData": "client-certificate", "clientKeyData": "client-key"}
    return {ours: status[theirs] for theirs, ours in keys.items() if status.get(theirs)}


def _ssl_context(cluster: Entry, credential: dict[str, str]) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if "client-certificate" in credential:
            _present(context, credential["client-certificate"] + "\n" + credential.get("client-key", ""))
    except (ssl.SSLError, ValueError):
        raise Unreachable(
            "was not asked: the kubeconfig's certificates cannot be read", "Renew the kubeconfig"
        ) from None
    return context


def _present(context: ssl.SSLContext, pem: str) -> None:
    """ssl takes a client's certificate and key from a file only: one of our own, gone at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def _data(entry: Entry, key: str) -> str | None:
    """`key` given as a path or, in base64, as `key`-data."""
    if entry.get(f"{key}-data"):
        return base64.b64decode(str(entry[f"{key}-data"])).decode()
    return _read(str(entry[key])) if entry.get(key) else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as problem:
        raise Unreachable(f"was not asked: {path} cannot be read ({problem.strerror})", "Mend the kubeconfig") from None
