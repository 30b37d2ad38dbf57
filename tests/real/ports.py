"""Free ports, for parts that are told their port before they bind it.

Each worker of a parallel run picks from its own share: a port is free only until somebody else binds it.
"""

import os
import random
import socket

WORKERS = 8
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS

_given: set[int] = set()  # nobody listens there yet, and two of one hotline must differ


def free_port(address: str = "127.0.0.1") -> int:
    """A port free for both UDP and TCP just now."""
    while True:
        port = random.choice(_share(10240, 32000))
        if port not in _given and _is_free(address, port):
            _given.add(port)
            return port


def free_range(length: int, address: str = "127.0.0.1") -> int:
    """The first (even) port of a range of UDP ports that looks free, for RTP."""
    while True:
        start = random.choice(_share(33000, 60000)[:-length]) & ~1
        if all(_is_free(address, port) for port in (start, start + length // 2, start + length - 1)):
            return start


def _share(first: int, last: int) -> range:
    size = (last - first) // WORKERS
    return range(first + WORKER * size, first + (WORKER + 1) * size)


def _is_free(address: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
