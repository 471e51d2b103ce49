"""Starting and ending the host."""

from __future__ import annotations

import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import grpc
from pulumi.runtime.proto import language_pb2_grpc

from lab.pulumi_host.children import Children
from lab.pulumi_host.host import LanguageHost

# A program and its policy packs hold one thread each for as long as they run; the engine's questions need some beside.
_THREADS = 32
# The engine's own limit for messages (sdk/go/common/util/rpcutil): states of big stacks go through them.
_LARGEST_MESSAGE = 400 * 1024 * 1024


def serve(engine: str, program: Path) -> None:
    """Serve the engine, which is the parent process, until it ends us or is itself gone.

    Args:
        engine: The engine's address.
        program: Upstream's pulumi-language-python-exec.
    """
    ended, orphaned = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_watch, args=(os.getppid(), ended, orphaned), daemon=True).start()

    children = Children()
    limits = [(f"grpc.max_{way}_message_length", _LARGEST_MESSAGE) for way in ("send", "receive")]
    server = grpc.server(ThreadPoolExecutor(max_workers=_THREADS), options=limits)
    host = LanguageHost(engine=engine, program=program, version=version("pulumi"), children=children)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)

    ended.wait()
    children.end()
    server.stop(grace=None).wait()
    if orphaned.is_set() and os.getpgrp() == os.getpid():
        # Nobody is left to do it: the engine ends its plugins by their process group, with what they have started.
        os.killpg(0, signal.SIGKILL)


def _watch(parent: int, ended: threading.Event, orphaned: threading.Event) -> None:
    """Wait for the end of the parent, which may be killed without a word to its plugins."""
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        handle = None
    if handle is not None and os.getppid() == parent:
        select.select([handle], [], [])
    orphaned.set()
    ended.set()
