"""Certificates that AWS Private CA signs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography import x509

from lab.aws.plugin.clients import Aws, code, given
from lab.aws.plugin.kind import Gone, Kind, Values, kind

_UNITS = ("DAYS", "MONTHS", "YEARS", "ABSOLUTE", "END_DATE")


@kind("aws:acmpca/certificate:Certificate")
class Certificate(Kind):
    computed = ("arn", "certificate", "certificateChain")

    def check(self, inputs: Values) -> Iterator[tuple[str, str]]:
        validity = inputs.get("validity") or {}
        if validity.get("type", "DAYS") not in _UNITS:
            yield "validity.type", f"is {validity['type']}, and has to be one of {', '.join(_UNITS)}"

    def create(self, aws: Aws, inputs: Values) -> str:
        validity = inputs["validity"]
        answer = aws.client("acm-pca").issue_certificate(
            CertificateAuthorityArn=inputs["certificateAuthorityArn"],
            Csr=inputs["certificateSigningRequest"].encode(),
            SigningAlgorithm=inputs["signingAlgorithm"],
            Validity={"Type": validity["type"], "Value": int(validity["value"])},
            **given(TemplateArn=inputs.get("templateArn")),
        )
        return answer["CertificateArn"]

    def _get(self, aws: Aws, id: str) -> dict[str, Any]:
        authority = id.partition("/certificate/")[0]
        return aws.client("acm-pca").get_certificate(CertificateAuthorityArn=authority, CertificateArn=id)

    def settle(self, aws: Aws, id: str, inputs: Values) -> None:
        aws.again(lambda: self._get(aws, id), "RequestInProgressException", seconds=300)

    def read(self, aws: Aws, id: str, known: Values) -> dict[str, Any]:
        try:
            found = self._get(aws, id)
        except Exception as error:
            if code(error) == "ResourceNotFoundException":
                raise Gone from error
            raise
        return {
            "arn": id,
            "certificateAuthorityArn": id.partition("/certificate/")[0],
            "certificate": found["Certificate"],
            "certificateChain": found.get("CertificateChain"),
        }

    def delete(self, aws: Aws, id: str, known: Values) -> None:
        try:
            certificate = x509.load_pem_x509_certificate(known["certificate"].encode())
            serial = f"{certificate.serial_number:x}"
            serial = serial.zfill(len(serial) + len(serial) % 2)
            aws.client("acm-pca").revoke_certificate(
                CertificateAuthorityArn=known["certificateAuthorityArn"],
                CertificateSerial=":".join(serial[at : at + 2] for at in range(0, len(serial), 2)),
                RevocationReason="UNSPECIFIED",
            )
        except Exception as error:
            if code(error) not in ("ResourceNotFoundException", "RequestAlreadyProcessedException"):
                raise
