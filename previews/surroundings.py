"""What the engine is run with: a stack of the lab in the lab's own environment, any other in the caller's."""

from collections.abc import Mapping
from pathlib import Path

from lab import environment
from lab.paths import Paths
from lab.regions import load_regions
from lab.stack import NAME, OTHERS
from previews.errors import PreviewError

BACKEND = "PULUMI_BACKEND_URL"


def environment_of(stack: str, project: Path, variables: Mapping[str, str]) -> Mapping[str, str]:
    """The engine's environment.

    Raises:
        PreviewError: The stack is the lab's, and no lab runs here.
    """
    if stack not in (NAME, *OTHERS) or BACKEND in variables:
        return variables
    paths = Paths(project)
    if not paths.environment.is_file():
        raise PreviewError(
            f"The stack `{stack}` lives in the lab, and none runs here: make up. One that is kept elsewhere is found "
            f"by {BACKEND}."
        )
    return environment.process_environment(paths, load_regions(), variables)
