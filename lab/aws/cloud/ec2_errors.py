"""Errors of EC2 that moto does not have, with AWS's codes and messages (EC2 API reference, error codes)."""

from __future__ import annotations

from moto.ec2.exceptions import EC2ClientError


class Ec2Error(EC2ClientError):
    """An error with its code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


def dependency(message: str) -> Ec2Error:
    """Something still uses the resource."""
    return Ec2Error("DependencyViolation", message)
