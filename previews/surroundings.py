"""What the engine is run with: a stack of the lab in the lab's own environment, any other in the caller's.

A stack of AWS can be run on an account with nothing in it, which stands in for AWS, where no other one is at hand.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from components.config.faults import NAMESPACE
from lab import environment
from lab.errors import LabError
from lab.paths import Paths
from lab.regions import load_regions
from lab.stack import NAME, OTHERS
from previews.engine import PACK, PROJECT, Target
from previews.errors import PreviewError

BACKEND, TOKEN, HOME = "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_HOME"


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


def kept_nowhere(stack: str, project: Path, variables: Mapping[str, str]) -> bool:
    """Whether it is a stack of AWS, and this machine knows of no backend that it could be kept in."""
    file = project / f"Pulumi.{stack}.yaml"
    of_aws = file.is_file() and f"{NAMESPACE}:aws:" in file.read_text(encoding="utf-8")
    return of_aws and not (variables.get(BACKEND) or variables.get(TOKEN) or _logged_in(variables))


def _logged_in(variables: Mapping[str, str]) -> bool:
    """Whether `pulumi login` was done here."""
    home = Path(variables.get(HOME) or Path(variables.get("HOME", "~")) / ".pulumi").expanduser()
    try:
        return bool(json.loads((home / "credentials.json").read_text(encoding="utf-8")).get("current"))
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def rehearsed(stack: str, *, project: Path = PROJECT, pack: Path = PROJECT / PACK) -> Generator[Target]:
    """The stack on an account of the stand-in for AWS with nothing in it, for as long as the block lasts.

    Raises:
        PreviewError: It is no stack of AWS, or the stand-in could not be started.
    """
    # What stands in for AWS is needed by nothing else here.
    from lab.aws.rehearsal.empty_account import empty_account
    from lab.aws.rehearsal.stacks import Stack

    try:
        with empty_account(Stack.load(project, stack), project) as found:
            yield Target(stack, found.engine.environment, project, pack, found.config)
    except LabError as error:
        raise PreviewError(str(error)) from error
