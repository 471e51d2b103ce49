"""Another team's program: a catalogue in both regions of the mesh, of which it knows the contract and nothing else."""

import pulumi
from istio_mesh_contract import MeshOutputs, Token
from workload import Workload

config = pulumi.Config()
mesh = MeshOutputs.from_stack(config.require("mesh"))
clusters: list[str] = config.require_object("clusters")
tokens: pulumi.Output[dict[str, str]] = config.require_secret_object("tokens")

providers = {name: mesh.cluster(name).provider(Token(tokens[name])) for name in clusters}
shop = mesh.namespace("shop", providers)

for name in clusters:
    Workload(
        f"catalogue-{name}",
        "catalogue",
        namespace=shop,
        cluster=name,
        region=mesh.cluster(name).region,
        image=config.require("image"),
        replicas=config.get_int("replicas") or 2,
        traces=mesh.telemetry,
    )

mesh.service("shop/catalogue", ports={"http": 8080})
mesh.expose("shop.exam-platform.com", "shop/catalogue")
mesh.allow("exam/web-frontend", "shop/catalogue")
# The other way round nothing is made: the platform offers this one to the namespace, or the program ends here.
mesh.allow("shop/catalogue", "exam/exam-service")

pulumi.export("addresses", {name: mesh.cluster(name).ingress for name in clusters})
