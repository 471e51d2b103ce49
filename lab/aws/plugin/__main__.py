"""Serve the engine: `pulumi-resource-aws ADDRESS_OF_THE_ENGINE`."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

# gRPC warns on standard error of every process started beside its threads, and the engine would show that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.aws.plugin.provider import Provider

# A call of the engine holds a thread until AWS has done what was asked, and the engine has many under way at once.
_THREADS = 64
_LARGEST_MESSAGE = 400 * 1024 * 1024


def main() -> None:
    """Serve until the engine ends us or is itself gone."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    limits = [(f"grpc.max_{way}_message_length", _LARGEST_MESSAGE) for way in ("send", "receive")]
    server = grpc.server(ThreadPoolExecutor(max_workers=_THREADS), options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(version("pulumi-aws")), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    print(port, flush=True)
    ended.wait()
    server.stop(grace=None).wait()
    # Calls to the account may still be under way in threads that nobody waits for any more.
    os._exit(0)


def _watch(parent: int) -> None:
    """End with the engine, which may be killed without a word to its plugins."""
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        os._exit(1)
    if os.getppid() == parent:
        select.select([handle], [], [])
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
