"""The Pulumi engine's language host for Python, for machines where only the engine itself can be had.

The engine starts `pulumi-language-python`, reads a port from its first line and asks it, over gRPC, to run programs
and policy packs. Upstream's host is written in Go and comes with a Pulumi installation; where there is one, the lab
uses it. The protocol is in pulumi/pulumi, proto/pulumi/language.proto.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    """Serve until the engine is done with us. The engine's flags for plugins (logging, tracing) are of no use here; its
    address is the last argument."""
    parser = argparse.ArgumentParser(prog="pulumi-language-python", description="Pulumi's language host for Python")
    parser.add_argument("--exec", type=Path, required=True, help="upstream's pulumi-language-python-exec")
    arguments, others = parser.parse_known_args()
    if not others:
        sys.exit(
            "pulumi-language-python is started by the Pulumi engine, which gives its address as the last argument."
        )
    # gRPC warns on standard error of every process started beside its threads, and the engine would show that.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from lab.pulumi_host.server import serve

    serve(others[-1], arguments.exec.absolute())
