"""Free ports, for parts that are told their port before they bind it."""

import random
import socket


def free_port(address: str = "127.0.0.1") -> int:
    """A port free for both UDP and TCP just now."""
    while True:
        port = random.randrange(10240, 32000)
        if _is_free(address, port):
            return port


def free_range(length: int, address: str = "127.0.0.1") -> int:
    """The first (even) port of a range of UDP ports that looks free, for RTP."""
    while True:
        start = random.randrange(33000, 60000, 2)
        if all(_is_free(address, port) for port in (start, start + length // 2, start + length - 1)):
            return start


def _is_free(address: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
