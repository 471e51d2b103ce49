"""Programs of other teams on the recording engine, with the recorded contract as the platform's stack."""

import copy
import json
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi_kubernetes as kubernetes
import yaml
from istio_mesh_contract import Mesh, MeshOutputs, Token

from tests import mocks
from tests.builders import Yaml

REPOSITORY = Path(__file__).parents[2]
FIXTURE = REPOSITORY / "contract" / "fixtures" / "v1.json"
EXAMPLES = REPOSITORY / "examples"
STACK = "organization/istio-mesh/local"


def recorded() -> Yaml:
    """The outputs of a stack of version 1, as a reader got them."""
    return json.loads(FIXTURE.read_text())


def run(program: Callable[[], Any], outputs: Yaml | None = None, **options: Any) -> mocks.Recording:
    """A program of the project `shop` beside the platform's stack."""
    stacks = {STACK: copy.deepcopy(recorded() if outputs is None else outputs)}
    return mocks.run(program, stacks=stacks, project="shop", **options)


def example(outputs: Yaml | None = None, **options: Any) -> mocks.Recording:
    """The consumer of examples/, with tokens and an image as its stack is given them."""
    folder = EXAMPLES / "consumer"
    written = yaml.safe_load((folder / "Pulumi.local.yaml").read_text())["config"]
    values = {key.partition(":")[2]: value for key, value in written.items()}
    values |= {"tokens": {"use1": "token-of-shop-1", "usw2": "token-of-shop-2"}, "image": "localhost/shop:1.0"}
    with _beside(folder):
        main = str(folder / "__main__.py")
        return run(lambda: runpy.run_path(main, run_name="__main__"), outputs, config=values, **options)


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """The program's own modules, as when the engine runs it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name, module in sys.modules.items() if _file(module).parent == folder]:
            del sys.modules[name]


def _file(module: Any) -> Path:
    return Path(getattr(module, "__file__", None) or "/")


def entered(mesh: Mesh, *clusters: str) -> dict[str, kubernetes.Provider]:
    return {name: mesh.cluster(name).provider(Token(f"token-of-{name}")) for name in clusters or ("use1", "usw2")}


def made(use: Callable[[Mesh], Any], outputs: Yaml | None = None, **options: Any) -> mocks.Recording:
    """What a program makes that has the namespace `shop` in both clusters."""

    def program() -> None:
        mesh = MeshOutputs.from_stack(STACK)
        mesh.namespace("shop", entered(mesh))
        use(mesh)

    return run(program, outputs, **options)
