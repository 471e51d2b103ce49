"""Comments and issues by GitHub's REST API, each written once and brought up to date from then on."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from previews.errors import PreviewError

API = "https://api.github.com"
AUTHOR = "github-actions[bot]"
"""Who writes with the token that a workflow is given."""

VERSION = "2022-11-28"
"""Of the API (GitHub docs: API versions)."""

ATTEMPTS = 4
PATIENCE = 60.0
"""Seconds that GitHub may ask to be waited for, at most."""

_CAUSES = {
    401: "the token is not valid",
    403: "the token may not do it, or GitHub's limit of requests is reached; a workflow's job needs the permission "
    "`{permission}: write`, and one that a fork started never has it",
    404: "there is no such thing, or the token may not see it",
    410: "the repository has its issues switched off",
    422: "GitHub does not take what was sent",
}


@dataclass(frozen=True)
class GitHub:
    """One repository.

    Attributes:
        repository: `owner/name`.
        token: Shown in no message.
        api: The API's address.
        author: Who the token writes as: what others wrote is not taken for ours.
        sleep: Waits between attempts.
    """

    repository: str
    token: str = field(repr=False)
    api: str = API
    author: str = AUTHOR
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "GitHub":
        """As a workflow's environment says it.

        Raises:
            PreviewError: It does not.
        """
        missing = [name for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY") if not variables.get(name)]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            raise PreviewError(
                f"{' and '.join(missing)} {are} not in the environment, so nothing can be written to GitHub. In a "
                f"workflow, give the step `env: {{GITHUB_TOKEN: ${{{{ github.token }}}}}}`."
            )
        return cls(
            variables["GITHUB_REPOSITORY"],
            variables["GITHUB_TOKEN"],
            variables.get("GITHUB_API_URL") or API,
            variables.get("PREVIEWS_AUTHOR") or AUTHOR,
        )

    def comment(self, pull_request: int, marker: str, body: str) -> str:
        """Writes the comment of a pull request that begins with `marker`, or brings it up to date.

        Returns:
            Its address.

        Raises:
            PreviewError: GitHub refused it, or was not reached.
        """
        path = f"issues/{pull_request}/comments"
        ours = next((found for found in self._pages(path, "pull-requests") if self._is_ours(found, marker)), None)
        if ours is None:
            return self._ask("POST", path, "pull-requests", {"body": body}).json()["html_url"]
        return self._ask("PATCH", f"issues/comments/{ours['id']}", "pull-requests", {"body": body}).json()["html_url"]

    def issue(self, marker: str, title: str, body: str) -> str:
        """Opens the issue whose body begins with `marker`, or brings the open one up to date.

        Returns:
            Its address.

        Raises:
            PreviewError: GitHub refused it, or was not reached.
        """
        ours = self._issue(marker)
        if ours is None:
            return self._ask("POST", "issues", "issues", {"title": title, "body": body}).json()["html_url"]
        sent = {"title": title, "body": body}
        return self._ask("PATCH", f"issues/{ours['number']}", "issues", sent).json()["html_url"]

    def close(self, marker: str) -> str | None:
        """Closes that issue, where there is an open one.

        Returns:
            Its address.

        Raises:
            PreviewError: GitHub refused it, or was not reached.
        """
        ours = self._issue(marker)
        if ours is None:
            return None
        sent = {"state": "closed", "state_reason": "completed"}
        return self._ask("PATCH", f"issues/{ours['number']}", "issues", sent).json()["html_url"]

    def _issue(self, marker: str) -> Mapping[str, Any] | None:
        pages = self._pages("issues?state=open&sort=created&direction=desc", "issues")
        return next((each for each in pages if "pull_request" not in each and self._is_ours(each, marker)), None)

    def _is_ours(self, found: Mapping[str, Any], marker: str) -> bool:
        author = cast(Mapping[str, Any], found.get("user") or {}).get("login")
        return author == self.author and str(found.get("body") or "").startswith(marker)

    def _pages(self, path: str, permission: str) -> Iterator[Mapping[str, Any]]:
        following: str | None = f"{path}{'&' if '?' in path else '?'}per_page=100"
        while following:
            answer = self._ask("GET", following, permission)
            yield from cast(list[Mapping[str, Any]], answer.json())
            # The next page's address is the server's own: the token goes nowhere but to this API.
            following = answer.links.get("next", {}).get("url")
            if following and not following.startswith(f"{self.api}/"):
                raise PreviewError(f"GitHub names {following} as the next page, which is not below {self.api}.")

    def _ask(self, method: str, path: str, permission: str, sent: Any = None) -> httpx.Response:
        address = path if path.startswith(f"{self.api}/") else f"{self.api}/repos/{self.repository}/{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": VERSION,
        }
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = httpx.request(method, address, headers=headers, json=sent, timeout=30.0)
            except httpx.HTTPError as error:
                # A request that may have arrived is not sent again: there would be two comments.
                if last or (method == "POST" and not isinstance(error, httpx.ConnectError)):
                    raise PreviewError(f"{method} {address}: GitHub was not reached: {error}.") from None
                self.sleep(2.0**attempt)
                continue
            if answer.is_success:
                return answer
            wait = _wait(answer, attempt)
            if last or wait is None:
                cause = _CAUSES.get(answer.status_code, "GitHub does not work as it should").format(
                    permission=permission
                )
                raise PreviewError(f"{method} {address} was answered {answer.status_code}: {cause}. {_said(answer)}")
            self.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _wait(answer: httpx.Response, attempt: int) -> float | None:
    """Seconds until it is worth trying again; None where it is not."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isdigit():
        return min(float(asked), PATIENCE)
    failing = answer.status_code in (500, 502, 503, 504) and answer.request.method != "POST"
    if answer.status_code == 429 or failing:
        return 2.0**attempt
    return None


def _said(answer: httpx.Response) -> str:
    try:
        message = answer.json().get("message", "")
    except (ValueError, AttributeError):
        message = ""
    return f"It says: {message}" if message else ""
