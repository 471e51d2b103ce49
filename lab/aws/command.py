"""The stand-in for the `aws` command: `aws eks get-token`, and nothing else.

On AWS the token is a signed request that the API server has AWS check. Here it is one of a service account in the
region of the lab behind the cluster, made for a quarter of an hour and refused after it. It may do everything where
the caller's access entry has AmazonEKSClusterAdminPolicy, and nothing where there is none: the API server then answers
403.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from lab.aws.place import ENDPOINT, endpoint
from lab.aws.rehearsal.account import AccountClient
from lab.errors import LabError
from lab.kube_api import KubeApi

SECONDS = 900
"""How long a token lasts, as on AWS (`aws eks get-token` says 14 minutes)."""

NAMESPACE = "kube-system"
ADMINISTRATOR, NOBODY = "rehearsal-administrator", "rehearsal-nobody"


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


def credential(version: str, token: str, until: str) -> dict[str, Any]:
    """What client-go reads of a credential command."""
    status = {"token": token, "expirationTimestamp": until}
    return {"apiVersion": version, "kind": "ExecCredential", "spec": {}, "status": status}


def token_of(account: AccountClient, cluster: str, region: str, seconds: int = SECONDS) -> tuple[str, str]:
    """A token for a cluster, and when it ends.

    Raises:
        LabError: There is no such cluster, or no region of the lab behind it.
    """
    found = account.order("credentials", cluster=cluster, region=region)
    if found["kubeconfig"] is None:
        raise LabError(f"No region of the lab stands behind {region}: the cluster {cluster} has no API server.")
    name = ADMINISTRATOR if found["admin"] else NOBODY
    with KubeApi(Path(found["kubeconfig"])) as api:
        for each in manifests(name):
            api.apply(each)
        spec = {"expirationSeconds": seconds}
        answer = api.post(
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
    return answer["status"]["token"], answer["status"]["expirationTimestamp"]


def main() -> None:
    """Print a credential, or say what is wrong and end with 255, as the real command does."""
    parser = argparse.ArgumentParser(prog="aws", description="The rehearsal's stand-in: aws eks get-token")
    services = parser.add_subparsers(required=True)
    eks = services.add_parser("eks").add_subparsers(required=True)
    get_token = eks.add_parser("get-token")
    get_token.add_argument("--cluster-name", required=True)
    get_token.add_argument("--region", default=os.environ.get("AWS_REGION"))
    get_token.add_argument("--output", choices=["json"], default="json")
    arguments = parser.parse_args()
    asked = json.loads(os.environ.get("KUBERNETES_EXEC_INFO", "{}"))
    version = asked.get("apiVersion", "client.authentication.k8s.io/v1beta1")
    if not arguments.region:
        sys.exit('You must specify a region. You can also configure your region by running "aws configure".')
    try:
        token, until = token_of(AccountClient(endpoint()), arguments.cluster_name, arguments.region)
    except LabError as error:
        print(f"aws: {error} ({ENDPOINT}={os.environ.get(ENDPOINT, '')})", file=sys.stderr)
        sys.exit(255)
    print(json.dumps(credential(version, token, until)))


if __name__ == "__main__":
    main()
