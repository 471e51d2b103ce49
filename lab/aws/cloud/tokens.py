"""Tokens for the API servers of EKS clusters.

On AWS a token is a signed request that the API server has AWS check. Here it is one of a service account in the region
of the lab behind the cluster, signed by the account with the region's own key for such tokens, as short-lived as on
AWS. Asking for one needs no way to the API server, on AWS as here: the account is asked, wherever the caller stands.
"""

from __future__ import annotations

import base64
import datetime
import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lab.aws.cloud.backing import Backing
from lab.component_model import CLUSTER_DOMAIN
from lab.kube_api import KubeApi

SECONDS = 900
"""How long a token lasts, as on AWS (`aws eks get-token` says 14 minutes)."""

LEEWAY = 60
"""Seconds for which an API server goes on taking a token that has ended, for clocks that differ (go-jose)."""

NAMESPACE = "kube-system"
ADMINISTRATOR, NOBODY = "rehearsal-administrator", "rehearsal-nobody"
ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"


def manifests(account: str) -> list[dict[str, Any]]:
    """The service account that a token is of, and its rights."""
    metadata = {"name": account, "namespace": NAMESPACE}
    found: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}]
    if account == ADMINISTRATOR:
        found.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": account},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", **metadata}],
            }
        )
    return found


def signed(key: ec.EllipticCurvePrivateKey, account: str, uid: str, end: float) -> str:
    """A token of a service account. end: when it is over, in seconds since 1970."""
    began = int(min(end, time.time()))
    claims = {
        "iss": ISSUER,
        "aud": [ISSUER],
        "sub": f"system:serviceaccount:{NAMESPACE}:{account}",
        "jti": str(uuid.uuid4()),
        "iat": began,
        "nbf": began,
        "exp": int(end),
        "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": account, "uid": uid}},
    }
    text = ".".join(_text(json.dumps(each).encode()) for each in ({"alg": "ES256", "typ": "JWT"}, claims))
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Asked:
    """A token that somebody asks for.

    Attributes:
        backing: Of the cluster's region.
        admin: Whether the caller's access entry has AmazonEKSClusterAdminPolicy; a token of nobody's otherwise, with
            which the API server answers 403.
        seconds: How long it is to last; below zero, one that has ended. Default: as on AWS.
    """

    backing: Backing
    admin: bool
    seconds: float | None = None

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and content: `token`, and `until` when it is good."""
        account = ADMINISTRATOR if self.admin else NOBODY
        try:
            with KubeApi(Path(self.backing.kubeconfig)) as api:
                for each in manifests(account):
                    api.apply(each)
                found = api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}")
        except httpx.HTTPError as error:
            return 503, {"error": f"the region of the lab behind the cluster does not answer: {error}"}
        key = load_pem_private_key(Path(self.backing.signing_key).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        end = time.time() + (SECONDS if self.seconds is None else self.seconds)
        until = datetime.datetime.fromtimestamp(end, datetime.UTC).isoformat(timespec="seconds")
        token = signed(key, account, found["metadata"]["uid"], end)
        return 200, {"token": token, "until": until.replace("+00:00", "Z")}
