"""AWS Private CA as the signer of the intermediates: the keys are made here, and only requests leave."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, Resource, UpdateResult

from components.config.aws_values import account_of, region_of
from components.config.trust import DAY, IntermediatesConfig, PrivateCaConfig
from components.dynamic import Properties, Provider
from components.naming import child, type_token
from components.trust import certificates
from components.trust.generated import refused_generation

TEMPLATE = "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1"
"""For an authority that signs workloads and no further authority (AWS Private CA, certificate templates)."""


@dataclass(frozen=True)
class Signed:
    """An intermediate that the authority has signed, all PEM."""

    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]
    """Secret."""
    chain: pulumi.Output[str]
    """The intermediate, then what stands between it and the root."""
    root: pulumi.Output[str]
    issued_lifetime: pulumi.Output[float]
    """Seconds of validity that were asked for."""


class PrivateCa(pulumi.ComponentResource):
    """The authority, in its own region, which needs not be a cluster's."""

    def __init__(
        self,
        name: str,
        config: PrivateCaConfig,
        *,
        account: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`account`: who asks it; default: its own account, where it is not shared by another."""
        super().__init__(type_token("trust", "PrivateCa"), name, None, opts)
        self._config = config
        self._provider = aws.Provider(
            child(name, "aws"),
            region=region_of(config.arn),
            allowed_account_ids=[account or account_of(config.arn)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def sign(self, name: str, *, organization: str, common_name: str, config: IntermediatesConfig) -> Signed:
        """An intermediate; renewed when its generation rises. The former one is revoked when nothing uses it more."""
        asked = SigningRequest(
            child(name, "request"),
            organization=organization,
            common_name=common_name,
            lifetime=config.lifetime.seconds,
            generation=config.generation,
            opts=pulumi.ResourceOptions(parent=self),
        )
        certificate = aws.acmpca.Certificate(
            name,
            certificate_authority_arn=self._config.arn,
            certificate_signing_request=asked.request,
            signing_algorithm=self._config.signing_algorithm,
            template_arn=TEMPLATE,
            # As the request was made with: another lifetime alone is no reason for another certificate.
            validity={"type": "DAYS", "value": asked.issued_lifetime.apply(lambda seconds: str(int(seconds) // DAY))},
            opts=pulumi.ResourceOptions(parent=self, provider=self._provider),
        )
        parts = certificate.certificate_chain.apply(certificates.split_chain)
        own = certificate.certificate.apply(lambda text: text.strip() + "\n")
        return Signed(
            certificate=own,
            private_key=asked.private_key,
            chain=pulumi.Output.concat(own, parts.apply(lambda found: found[0])),
            root=parts.apply(lambda found: found[1]),
            issued_lifetime=asked.issued_lifetime,
        )


class _RequestProvider(Provider):
    def check(self, _olds: Properties, news: Properties) -> CheckResult:
        return CheckResult(news, refused_generation(_olds, news))

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(str(props["common_name"]), _made(props))

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        return DiffResult(changes=int(_news["generation"]) > int(_olds["generation"]))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult(_made(_news))


def _made(props: Properties) -> Properties:
    made = certificates.make_request(
        organization=props["organization"],
        common_name=f"{props['common_name']} (generation {int(props['generation'])})",
    )
    return {
        **props,
        "request": made.request,
        "private_key": made.private_key,
        "issued_lifetime": float(props["lifetime"]),
    }


class SigningRequest(Resource, module="istio-mesh", name="SigningRequest"):
    """A key and the request to sign it; both are made anew, in place, when `generation` rises."""

    request: pulumi.Output[str]
    """PEM."""

    private_key: pulumi.Output[str]
    """PEM, PKCS#8; secret."""

    issued_lifetime: pulumi.Output[float]
    """Seconds of validity that the present request is to be signed for."""

    def __init__(
        self,
        name: str,
        *,
        organization: str,
        common_name: str,
        lifetime: int,
        generation: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs: dict[str, pulumi.Input[Any]] = {
            "organization": organization,
            "common_name": common_name,
            "lifetime": lifetime,
            "generation": generation,
        }
        outputs = ("request", "private_key", "issued_lifetime")
        secret = pulumi.ResourceOptions(additional_secret_outputs=["private_key"])
        super().__init__(
            _RequestProvider(),
            name,
            {**inputs, **dict.fromkeys(outputs)},
            pulumi.ResourceOptions.merge(opts, secret),
        )
