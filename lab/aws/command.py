"""The stand-in for the `aws` command: `aws eks get-token`, and nothing else (lab/aws/cloud/tokens.py)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from lab.aws.place import ENDPOINT, endpoint
from lab.aws.rehearsal.account import AccountClient
from lab.errors import LabError


def credential(version: str, token: str, until: str) -> dict[str, Any]:
    """What client-go reads of a credential command."""
    status = {"token": token, "expirationTimestamp": until}
    return {"apiVersion": version, "kind": "ExecCredential", "spec": {}, "status": status}


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
        account = AccountClient(endpoint())
        found = account.order("token", cluster=arguments.cluster_name, region=arguments.region)
    except LabError as error:
        print(f"aws: {error} ({ENDPOINT}={os.environ.get(ENDPOINT, '')})", file=sys.stderr)
        sys.exit(255)
    print(json.dumps(credential(version, found["token"], found["until"])))


if __name__ == "__main__":
    main()
