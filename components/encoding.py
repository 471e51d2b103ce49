"""How Kubernetes keeps the content of a Secret."""

import base64

import pulumi


def secret_value(text: pulumi.Input[str]) -> pulumi.Output[str]:
    """`text` as a value of a Secret's `data`: base64, and secret in the stack's state, outputs and diffs."""
    return pulumi.Output.secret(text).apply(lambda known: base64.b64encode(known.encode()).decode())
