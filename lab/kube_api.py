"""The few calls that the lab itself makes to a region's API server, without a process of kubectl for each."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from lab.errors import LabError

Object = dict[str, Any]
"""An object of Kubernetes as JSON."""

PLURALS: Mapping[str, str] = {
    "Namespace": "namespaces",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "EndpointSlice": "endpointslices",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "IPAddressPool": "ipaddresspools",
}
"""The kinds that the lab applies by itself."""

FIELD_MANAGER = "istio-mesh-lab"
"""Owner of the fields that the lab applies; what controllers and istiod add stays theirs."""


class KubeApi:
    """A client of one API server, by a kubeconfig with certificates in it.

    Args:
        kubeconfig: The file; one cluster and one user.
        timeout: Seconds for each call.
    """

    def __init__(self, kubeconfig: Path, timeout: float = 5) -> None:
        try:
            config = yaml.safe_load(kubeconfig.read_text())
        except OSError as error:
            raise LabError(
                f"{kubeconfig} cannot be read ({error.strerror}): no lab is running here; make up."
            ) from error
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        # The standard library reads a client's key from a file only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
        self.server: str = cluster["server"]
        # trust_env off: the lab's addresses are never behind the machine's proxy.
        self._client = httpx.Client(base_url=self.server, verify=context, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **parameters: str) -> Object:
        """What is at a path.

        Raises:
            httpx.HTTPError: It could not be had.
        """
        response = self._client.get(path, params=parameters)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, content: Object) -> Object:
        """Send an object to a path, and give what is answered.

        Raises:
            httpx.HTTPError: It was refused.
        """
        response = self._client.post(path, json=content)
        response.raise_for_status()
        return response.json()

    def merge(self, path: str, content: Object) -> None:
        """Change a part of what is at a path.

        Raises:
            httpx.HTTPError: It was refused.
        """
        headers = {"content-type": "application/merge-patch+json"}
        self._client.patch(path, json=content, headers=headers).raise_for_status()

    def delete(self, path: str) -> None:
        """Delete what is at a path; what is not there is no error.

        Raises:
            httpx.HTTPError: It was refused.
        """
        response = self._client.delete(path)
        if response.status_code != httpx.codes.NOT_FOUND:
            response.raise_for_status()

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self._client.get("/readyz").status_code == httpx.codes.OK

    def apply(self, manifest: Object) -> None:
        """Make an object as given, or bring it to it (server-side apply)."""
        api, metadata = manifest["apiVersion"], manifest["metadata"]
        namespace = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
        prefix = f"apis/{api}" if "/" in api else f"api/{api}"
        response = self._client.patch(
            f"/{prefix}/{namespace}{PLURALS[manifest['kind']]}/{metadata['name']}",
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            headers={"content-type": "application/apply-patch+yaml"},
            content=yaml.safe_dump(manifest),
        )
        response.raise_for_status()
