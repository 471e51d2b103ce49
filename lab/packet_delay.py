"""Delays, and loses, the packets of a netfilter queue: what netem does, for a kernel that lacks it.

Runs alone inside a region, by `packet_delay.py QUEUE SECONDS LOSS`, with nothing but the standard library. It speaks
nfnetlink_queue (linux/netfilter/nfnetlink_queue.h): the kernel sends each packet's number, and keeps the packet until
it is told what to do with it.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

NETLINK_NETFILTER = 12
SUBSYSTEM_QUEUE = 3 << 8
MESSAGE_PACKET, MESSAGE_VERDICT, MESSAGE_CONFIG = 0, 1, 2
ATTRIBUTE_PACKET_HEADER, ATTRIBUTE_VERDICT = 1, 2
CONFIG_COMMAND, CONFIG_PARAMETERS, CONFIG_MAXIMUM, CONFIG_MASK, CONFIG_FLAGS = 1, 2, 3, 4, 5
COMMAND_BIND = 1
COPY_META = 1
FLAG_FAIL_OPEN = 1
DROP, ACCEPT = 0, 1
REQUEST, ACKNOWLEDGE = 1, 4
ERROR = 2
LENGTH_OF_QUEUE = 100_000
"""Packets that may wait: 60 ms at 10 Gbit/s."""
NETLINK_HEADER = struct.Struct("=IHHII")


def attribute(kind: int, value: bytes) -> bytes:
    """A netlink attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(kind: int, queue: int, body: bytes, flags: int = REQUEST) -> bytes:
    """A message of the queue's subsystem."""
    payload = struct.pack("!BBH", socket.AF_UNSPEC, 0, queue) + body
    return NETLINK_HEADER.pack(16 + len(payload), SUBSYSTEM_QUEUE | kind, flags, 0, 0) + payload


def verdict(queue: int, packet: int, decision: int) -> bytes:
    """What is to become of a packet."""
    return message(MESSAGE_VERDICT, queue, attribute(ATTRIBUTE_VERDICT, struct.pack("!II", decision, packet)))


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages of a datagram: kind and body."""
    position = 0
    while position + 16 <= len(data):
        length, kind, _, _, _ = NETLINK_HEADER.unpack_from(data, position)
        yield kind, data[position + 16 : position + length]
        position += max(16, (length + 3) & ~3)


def packet_number(body: bytes) -> int | None:
    """The number of the packet that a message announces."""
    position = 4
    while position + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, position)
        if kind & 0x7FFF == ATTRIBUTE_PACKET_HEADER:
            return struct.unpack_from("!I", body, position + 4)[0]
        position += max(4, (length + 3) & ~3)
    return None


def connect(queue: int) -> socket.socket:
    """A socket that receives the queue's packets.

    Raises:
        OSError: The kernel refuses it; another process has the queue, for one.
    """
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    connection.bind((0, 0))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    for body in (
        attribute(CONFIG_COMMAND, struct.pack("!BBH", COMMAND_BIND, 0, socket.AF_INET)),
        attribute(CONFIG_PARAMETERS, struct.pack("!IB", 0, COPY_META)),
        attribute(CONFIG_MAXIMUM, struct.pack("!I", LENGTH_OF_QUEUE)),
        attribute(CONFIG_MASK, struct.pack("!I", FLAG_FAIL_OPEN))
        + attribute(CONFIG_FLAGS, struct.pack("!I", FLAG_FAIL_OPEN)),
    ):
        connection.send(message(MESSAGE_CONFIG, queue, body, REQUEST | ACKNOWLEDGE))
        for kind, answer in messages(connection.recv(65536)):
            number = -struct.unpack_from("=i", answer)[0] if kind == ERROR else 0
            if number:
                raise OSError(number, "the kernel refuses the queue")
    return connection


def serve(queue: int, delay: float, loss: float) -> None:
    """Pass on every packet after `delay` seconds, but for a share of `loss`, for ever."""
    connection = connect(queue)
    connection.setblocking(False)
    waiting: list[tuple[float, int]] = []
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([connection], [], [], timeout)
        if readable:
            now = time.monotonic()
            try:
                for kind, body in messages(connection.recv(1 << 20)):
                    number = packet_number(body) if kind == SUBSYSTEM_QUEUE | MESSAGE_PACKET else None
                    if number is None:
                        continue
                    if random.random() < loss:
                        connection.send(verdict(queue, number, DROP))
                    else:
                        heapq.heappush(waiting, (now + delay, number))
            except OSError as error:
                # More packets at once than fit: the kernel passes on what it cannot announce, and goes on.
                print(error, file=sys.stderr, flush=True)
        due = time.monotonic()
        while waiting and waiting[0][0] <= due:
            connection.send(verdict(queue, heapq.heappop(waiting)[1], ACCEPT))


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
