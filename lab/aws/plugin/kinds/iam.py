"""Roles, their policies, OpenID Connect providers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lab.aws.plugin.clients import Aws, code, given, pairs, unpaired
from lab.aws.plugin.kind import Gone, Kind, Values, kind, tagged

NO_ENTITY = "NoSuchEntity"
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")
# Characters without white space (IAM user guide, quotas).
_TRUST_LIMIT, _INLINE_LIMIT = 2048, 10240


def document_faults(property: str, text: str | None, limit: int) -> Iterator[tuple[str, str]]:
    """What AWS or the real provider refuses of a policy's text."""
    if text is None:
        return
    try:
        content = json.loads(text)
    except ValueError as error:
        yield property, f"is not JSON: {error}"
        return
    if not isinstance(content, dict) or "Statement" not in content:
        yield property, "is no policy document: it has no Statement"
    elif len(re.sub(r"\s", "", text)) > limit:
        yield property, f"has more than the {limit} characters that IAM takes"


def _told(text: Any) -> Any:
    """A policy as text: boto3 opens it, and IAM answers it encoded."""
    return json.dumps(text) if isinstance(text, dict) else unquote(text)


def _same(text: str, wanted: Any) -> str:
    """What was last known, where the account's document means the same: it is kept in a form of its own."""
    try:
        return wanted if isinstance(wanted, str) and json.loads(text) == json.loads(wanted) else text
    except ValueError:
        return text


@kind("aws:iam/role:Role")
class Role(Kind):
    computed = ("arn", "createDate", "uniqueId", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        name = inputs.get("name")
        if name is not None and not _ROLE_NAME.fullmatch(name):
            yield "name", f"`{name}` has to have 1 to 64 letters, digits and +=,.@-_"
        yield from document_faults("assumeRolePolicy", inputs.get("assumeRolePolicy"), _TRUST_LIMIT)
        duration = inputs.get("maxSessionDuration", 3600)
        if not 3600 <= duration <= 43200:
            yield "maxSessionDuration", f"is {duration} s, and has to be between 3600 and 43200"

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.iam.create_role(
            RoleName=inputs["name"],
            Path=inputs["path"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            MaxSessionDuration=inputs["maxSessionDuration"],
            Tags=pairs(inputs.get("tags")),
            **given(Description=inputs.get("description"), PermissionsBoundary=inputs.get("permissionsBoundary")),
        )
        return answer["Role"]["RoleName"]

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        try:
            return aws.iam.get_role(RoleName=id)["Role"]
        except Exception as error:
            if code(error) == NO_ENTITY:
                raise Gone from error
            raise

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        role = self._one(aws, id)
        return {
            "arn": role["Arn"],
            "name": role["RoleName"],
            "path": role["Path"],
            "assumeRolePolicy": _same(_told(role["AssumeRolePolicyDocument"]), known.get("assumeRolePolicy")),
            "createDate": role["CreateDate"].isoformat(),
            "description": role.get("Description") or None,
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "uniqueId": role["RoleId"],
            **tagged(unpaired(role.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        aws.iam.update_assume_role_policy(RoleName=id, PolicyDocument=inputs["assumeRolePolicy"])
        aws.iam.update_role(
            RoleName=id, Description=inputs.get("description", ""), MaxSessionDuration=inputs["maxSessionDuration"]
        )
        present = self._one(aws, id)
        boundary = present.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if wanted := inputs.get("permissionsBoundary"):
            aws.iam.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=wanted)
        elif boundary:
            aws.iam.delete_role_permissions_boundary(RoleName=id)
        tags, old = inputs.get("tags", {}), unpaired(present.get("Tags"))
        if surplus := [name for name in old if name not in tags]:
            aws.iam.untag_role(RoleName=id, TagKeys=surplus)
        if tags:
            aws.iam.tag_role(RoleName=id, Tags=pairs(tags))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            if known.get("forceDetachPolicies"):
                for each in aws.iam.list_attached_role_policies(RoleName=id)["AttachedPolicies"]:
                    aws.iam.detach_role_policy(RoleName=id, PolicyArn=each["PolicyArn"])
                for name in aws.iam.list_role_policies(RoleName=id)["PolicyNames"]:
                    aws.iam.delete_role_policy(RoleName=id, PolicyName=name)
            aws.again(lambda: aws.iam.delete_role(RoleName=id), "DeleteConflict", seconds=120)
        except Exception as error:
            if code(error) != NO_ENTITY:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        try:
            return self._one(aws, inputs["name"])["RoleName"]
        except Gone:
            return None


@kind("aws:iam/rolePolicy:RolePolicy")
class RolePolicy(Kind):
    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        yield from document_faults("policy", inputs.get("policy"), _INLINE_LIMIT)

    def create(self, aws: Aws, inputs: Values) -> str:
        aws.iam.put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        role, _, name = id.partition(":")
        try:
            found = aws.iam.get_role_policy(RoleName=role, PolicyName=name)
        except Exception as error:
            if code(error) == NO_ENTITY:
                raise Gone from error
            raise
        return {"role": role, "name": name, "policy": _same(_told(found["PolicyDocument"]), known.get("policy"))}

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        role, _, name = id.partition(":")
        try:
            aws.iam.delete_role_policy(RoleName=role, PolicyName=name)
        except Exception as error:
            if code(error) != NO_ENTITY:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = f"{inputs['role']}:{inputs['name']}"
        try:
            self.read(aws, id, inputs)
        except Gone:
            return None
        return id


@kind("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
class RolePolicyAttachment(Kind):
    def create(self, aws: Aws, inputs: Values) -> str:
        aws.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        role, _, policy = id.partition("/")
        try:
            attached = aws.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        except Exception as error:
            if code(error) == NO_ENTITY:
                raise Gone from error
            raise
        if policy not in [each["PolicyArn"] for each in attached]:
            raise Gone
        return {"role": role, "policyArn": policy}

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        role, _, policy = id.partition("/")
        try:
            aws.iam.detach_role_policy(RoleName=role, PolicyArn=policy)
        except Exception as error:
            if code(error) != NO_ENTITY:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = f"{inputs['role']}/{inputs['policyArn']}"
        try:
            self.read(aws, id, inputs)
        except Gone:
            return None
        return id


@kind("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
class OpenIdConnectProvider(Kind):
    computed = ("arn", "thumbprintLists", "tagsAll")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        url = inputs.get("url")
        if url is not None and not url.startswith("https://"):
            yield "url", f"`{url}` has to begin with https://"

    def _arn(self, aws: Aws, url: str) -> str:
        return f"arn:aws:iam::{aws.account}:oidc-provider/{url.removeprefix('https://').rstrip('/')}"

    def create(self, aws: Aws, inputs: Values) -> str:
        answer = aws.iam.create_open_id_connect_provider(
            Url=inputs["url"],
            ClientIDList=inputs["clientIdLists"],
            ThumbprintList=inputs.get("thumbprintLists", []),
            Tags=pairs(inputs.get("tags")),
        )
        return answer["OpenIDConnectProviderArn"]

    def _one(self, aws: Aws, id: str) -> dict[str, Any]:
        try:
            return aws.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=id)
        except Exception as error:
            if code(error) == NO_ENTITY:
                raise Gone from error
            raise

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        found = self._one(aws, id)
        url = found["Url"] if found["Url"].startswith("https://") else f"https://{found['Url']}"
        return {
            "arn": id,
            "url": url,
            "clientIdLists": found["ClientIDList"],
            "thumbprintLists": found["ThumbprintList"],
            **tagged(unpaired(found.get("Tags"))),
        }

    def update(self, aws: Aws, id: str, inputs: Values, olds: Values) -> None:
        present = self._one(aws, id)
        for each in inputs["clientIdLists"]:
            if each not in present["ClientIDList"]:
                aws.iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=id, ClientID=each)
        for each in present["ClientIDList"]:
            if each not in inputs["clientIdLists"]:
                aws.iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=id, ClientID=each)
        if "thumbprintLists" in inputs and inputs["thumbprintLists"] != present["ThumbprintList"]:
            aws.iam.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=id, ThumbprintList=inputs["thumbprintLists"]
            )
        tags, old = inputs.get("tags", {}), unpaired(present.get("Tags"))
        if surplus := [name for name in old if name not in tags]:
            aws.iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=id, TagKeys=surplus)
        if tags:
            aws.iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=id, Tags=pairs(tags))

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            aws.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=id)
        except Exception as error:
            if code(error) != NO_ENTITY:
                raise

    def find(self, aws: Aws, inputs: Values) -> str | None:
        id = self._arn(aws, inputs["url"])
        try:
            self._one(aws, id)
        except Gone:
            return None
        return id
