"""A program made to be recorded: a few resources that need no cloud, and change as its configuration says."""

import base64
import os
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from pulumi.dynamic import ResourceProvider as Provider

config = pulumi.Config("shop")
password = config.require_secret("password")


class Shelves(Provider):
    """Replaces a shelf that goes into another room, refuses the size 13 in a sentence that tells the
    password in a form that the engine does not look for."""

    def check(self, _olds: Any, news: Any) -> CheckResult:
        encoded = base64.b64encode(f"till:{news['password']}".encode()).decode()
        bad = [CheckFailure("size", f"13 is refused for {encoded}")]
        return CheckResult(news, bad if news["size"] == 13 else [])

    def create(self, props: Any) -> CreateResult:
        return CreateResult(f"shelf-{props['size']}", {**props, "address": f"10.0.0.{props['size']:.0f}"})

    def update(self, _id: str, _olds: Any, _news: Any) -> UpdateResult:
        return UpdateResult({**_news, "address": f"10.0.0.{_news['size']:.0f}"})

    def diff(self, _id: str, _olds: Any, _news: Any) -> DiffResult:
        changed = [key for key in ("size", "room", "password", "replicas") if _olds.get(key) != _news.get(key)]
        return DiffResult(bool(changed), [key for key in changed if key == "room"], [], True)

    def read(self, id_: str, props: Any) -> ReadResult:
        # As if somebody had been there since.
        return ReadResult(id_, {**props, "replicas": int(os.environ["REPLICAS"])})


class Shelf(Resource):
    """A shelf, which has an address only once it is there."""

    address: pulumi.Output[str]

    def __init__(self, name: str, size: int, room: str) -> None:
        properties = {"size": size, "room": room, "password": password, "replicas": 1, "address": None}
        super().__init__(Shelves(), name, properties)


if config.get_bool("broken"):
    password.apply(lambda value: pulumi.error(f"the password {value} does not fit"))
    raise pulumi.RunError("shop:broken is set.\n  Nothing can be sold. Take it out.")

shelf = Shelf("shelf", config.require_int("size"), config.require("room"))

if not config.get_bool("bare"):
    if config.get("kubeconfig"):
        provider = kubernetes.Provider("cluster", kubeconfig=config.require("kubeconfig"), cluster_identifier="shop")
    else:
        provider = kubernetes.Provider("cluster", render_yaml_to_directory=config.require("folder"))
    within = pulumi.ResourceOptions(provider=provider)
    kubernetes.core.v1.Secret("till", metadata={"name": "till"}, string_data={"password": password}, opts=within)
    hours = config.get("open") or "9-17"
    kubernetes.core.v1.ConfigMap(
        "sign", metadata={"name": "sign"}, data={"address": shelf.address, "open": hours}, opts=within
    )
    if config.get_bool("lamp"):
        kubernetes.core.v1.ConfigMap(
            "lamp", metadata={"name": "lamp"}, data={"address": "10.0.0.9", "open": "never"}, opts=within
        )
    if not config.get_bool("small"):
        share, lost = config.require_int("share"), config.get_int("lost") or 0
        kubernetes.apiextensions.CustomResource(
            "way-in",
            api_version="networking.istio.io/v1",
            kind="VirtualService",
            metadata={"name": "way-in", "namespace": "shop"},
            spec={
                "hosts": ["shop.example.com"],
                "http": [
                    {
                        "route": [
                            {"destination": {"host": "shop", "subset": "v1"}, "weight": 100 - share - lost},
                            {"destination": {"host": "shop", "subset": "v2"}, "weight": share},
                        ]
                    }
                ],
            },
            opts=within,
        )
pulumi.export("password", password)
pulumi.export("address", shelf.address)
