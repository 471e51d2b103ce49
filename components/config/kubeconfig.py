"""Reading a kubeconfig as kubectl does: which files, which context, which server, which user."""

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

Entry = dict[str, Any]

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----", re.DOTALL)

CLIENT_CERTIFICATE = ("client-certificate", "client-certificate-data")
"""Where a user's entry has its certificate: a path, or the certificate itself in base64."""


@dataclass(frozen=True)
class Selected:
    """What a kubeconfig and a context come to."""

    source: str
    """The files, as they were named."""

    context: str
    server: str
    cluster: Entry = field(repr=False)
    """The cluster's entry: server, authority."""

    user: Entry = field(repr=False)
    """The user's entry: credentials."""

    @property
    def authority(self) -> str | None:
        """What the API server's certificate is verified with (PEM); None where that is a public authority.

        Raises KubeconfigError where its file cannot be read.
        """
        if self.cluster.get("certificate-authority-data"):
            return decoded_authority(str(self.cluster["certificate-authority-data"]))
        path = self.cluster.get("certificate-authority")
        if not path:
            return None
        try:
            return _certificates(Path(str(path)).read_text())
        except (OSError, UnicodeDecodeError):
            raise KubeconfigError(
                "kubeconfig", f"{self.source} names the authority {path}, which cannot be read", "Mend the kubeconfig"
            ) from None

    @property
    def authentication(self) -> str:
        """How the user logs in: `exec`, `token` or `clientCertificate`, or `other`."""
        kinds = {"exec": ("exec",), "token": ("token", "tokenFile"), "clientCertificate": CLIENT_CERTIFICATE}
        return next((kind for kind, keys in kinds.items() if any(key in self.user for key in keys)), "other")


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used; `key` is the config key (`kubeconfig` or `context`) that leads to it."""

    def __init__(self, key: str, what: str, cure: str) -> None:
        super().__init__(what)
        self.key, self.what, self.cure = key, what, cure


def select(kubeconfig: str | None, context: str | None) -> Selected:
    """Finds a context (default: the current one) in a file (default: as kubectl), or in a kubeconfig's own text.

    Raises KubeconfigError, which says what was found instead and never quotes a line of the file.
    """
    blamed = "context" if kubeconfig is None else "kubeconfig"
    if kubeconfig is not None and kubeconfig.startswith("{"):
        source, documents = "the kubeconfig of the stack", [cast(Entry, json.loads(kubeconfig))]
    else:
        files = _files(kubeconfig)
        source = kubeconfig or os.pathsep.join(str(file) for file in files)
        documents = [_read(file, blamed) for file in files if kubeconfig is not None or file.is_file()]
    if not documents:
        raise KubeconfigError(
            blamed, f"there is no kubeconfig at {source}", "Set `kubeconfig`, or KUBECONFIG in the environment"
        )
    wanted = context or next((str(doc["current-context"]) for doc in documents if doc.get("current-context")), None)
    if wanted is None:
        raise KubeconfigError("context", f"{source} has no current context", "Set `context`")
    contexts = _named(documents, "contexts", "context")
    if wanted not in contexts:
        known = ", ".join(f"`{name}`" for name in contexts) or "none at all"
        raise KubeconfigError("context", f"{source} has no context `{wanted}`", f"Name one of those it has: {known}")
    cluster = str(contexts[wanted].get("cluster"))
    entry = _named(documents, "clusters", "cluster").get(cluster, {})
    if not entry.get("server"):
        raise KubeconfigError(
            blamed,
            f"context `{wanted}` of {source} names the cluster `{cluster}`, which has no server there",
            "Mend the kubeconfig, or name another context",
        )
    user = _named(documents, "users", "user").get(str(contexts[wanted].get("user")), {})
    return Selected(source, wanted, str(entry["server"]).rstrip("/"), entry, user)


def decoded_authority(encoded: str) -> str:
    """The certificates in `certificate-authority-data`, PEM in base64."""
    return _certificates(base64.b64decode(encoded).decode())


def _certificates(text: str) -> str:
    """The certificates alone: tools write comments between them, and other ends of lines."""
    blocks = _CERTIFICATE.findall(text.replace("\r\n", "\n"))
    return "".join(f"{block}\n" for block in blocks) or text


def _files(kubeconfig: str | None) -> list[Path]:
    """The file given, else those of KUBECONFIG, else ~/.kube/config."""
    if kubeconfig is not None:
        return [Path(kubeconfig).expanduser()]
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path("~/.kube/config").expanduser()]


def _read(file: Path, blamed: str) -> Entry:
    try:
        document: object = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        hint = "`make up` writes it for the lab" if ".lab" in file.parts else "Paths are relative to Pulumi.yaml"
        raise KubeconfigError(blamed, f"there is no file {file}", f"Mend the path. {hint}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        # Not the parser's own words: it quotes lines of the file, which may hold a token.
        cause = problem.strerror if isinstance(problem, OSError) else "it is not YAML"
        raise KubeconfigError(blamed, f"{file} cannot be read: {cause}", "Mend the file") from None
    if not isinstance(document, dict) or "contexts" not in document:
        raise KubeconfigError(blamed, f"{file} is not a kubeconfig: it has no `contexts`", "Name a kubeconfig")
    return cast(Entry, document)


def _named(documents: list[Entry], kind: str, inner: str) -> dict[str, Entry]:
    """The entries of one kind by name; where files repeat a name, the first one counts, as with kubectl."""
    found: dict[str, Entry] = {}
    for document in documents:
        for entry in _entries(document.get(kind)):
            value = entry.get(inner)
            found.setdefault(str(entry.get("name")), cast(Entry, value) if isinstance(value, dict) else {})
    return found


def _entries(listed: object) -> Iterator[Entry]:
    for entry in cast(list[object], listed) if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            yield cast(Entry, entry)
