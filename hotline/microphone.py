"""Why a browser would give no microphone, or reach no telephone: found by knocking as a browser does."""

import base64
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from hotline.cert import Held, Keeper, machine_addresses
from hotline.home import Home
from hotline.settings import Settings

PATIENCE_SECONDS = 5.0
NOT_UP = "start it: hotline up"
GOODBYE = bytes.fromhex("8882 00000000 03e8")  # WebSocket's close; without it Asterisk logs a warning


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found, and the remedy when it is a fault."""

    told: str
    remedy: str = ""


def look(settings: Settings, home: Home) -> Iterator[Seen]:
    """All that stands between an agent's microphone and us. Raises CertError for a damaged certificate."""
    held = Keeper(home.tls).held()
    alone = ipaddress.ip_address(settings.bind).is_loopback
    if held is None:
        if alone:
            yield Seen("works in browsers on this machine, by http://127.0.0.1 or localhost")
        else:
            told = "browsers on other PCs give none: the desk is plain HTTP there"
            yield Seen(told, "hotline cert --name with the name that they open it by")
        yield _phones(settings, None)
        return
    yield _dates(held)
    if not alone:
        yield _covering(settings, held)
    yield _desk(settings, held)
    yield _phones(settings, held)


def _dates(held: Held) -> Seen:
    fault = held.fault(datetime.now(UTC))
    return Seen(fault, held.renewal) if fault else Seen(f"certificate until {held.ends_at:%Y-%m-%d}")


def _covering(settings: Settings, held: Held) -> Seen:
    """Does any name of the certificate lead here? By which one the staff open the desk only they know."""
    every = ipaddress.ip_address(settings.bind).is_unspecified
    here = machine_addresses() if every else [settings.bind]
    leading = [name for name in held.names if name.startswith("*.") or set(_lead_to(name)) & set(here)]
    outside = [settings.external_address] if held.covers(settings.external_address) else []
    if leading or outside:
        return Seen(f"certificate good for {', '.join([*leading, *outside])}")
    told = f"the certificate is for {', '.join(held.names)}, and none of these leads to {', '.join(here)}"
    remedy = "hotline cert --name with the name that other PCs open the desk by"
    return Seen(told, remedy if held.ours else held.renewal)


def _lead_to(name: str) -> list[str]:
    with suppress(OSError):
        return [str(one[4][0]) for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    return []


def _desk(settings: Settings, held: Held) -> Seen:
    try:
        with closing(_secure(settings, settings.web_port)) as wire:
            served = wire.getpeercert(binary_form=True)
    except OSError as why:
        return Seen(f"desk, port {settings.web_port}: no TLS ({why})", NOT_UP)
    if served != held.der:
        remedy = "it takes it up within seconds; if not, see log/desk.log, and start anew: hotline up"
        return Seen(f"desk, port {settings.web_port}: serves another certificate than the one in use", remedy)
    return Seen(f"desk speaks HTTPS at port {settings.web_port}")


def _phones(settings: Settings, held: Held | None) -> Seen:
    """Asterisk's WebSocket, up to the point where a browser phone would register."""
    port = settings.asterisk_tls_port if held else settings.asterisk_http_port
    place = f"browser phones, port {port}"
    try:
        if held is None:
            with closing(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)) as wire:
                answer = _upgrade(wire)
        else:
            with closing(_secure(settings, port)) as secure:
                if secure.getpeercert(binary_form=True) != held.der:
                    told = f"{place}: Asterisk serves another certificate than the desk"
                    return Seen(told, "hotline cert again, or asterisk -rx 'module reload http'")
                answer = _upgrade(secure)
    except OSError as why:
        return Seen(f"{place}: {why}", f"hotline config --reload; if Asterisk does not run, {NOT_UP}")
    head = answer.decode(errors="replace").lower()
    if not head.startswith("http/1.1 101") or "sec-websocket-protocol: sip" not in head:
        told = f"{place}: no SIP over WebSocket there ({head.splitlines()[0] if head else 'no answer'})"
        setting = "HOTLINE_ASTERISK_TLS_PORT" if held else "HOTLINE_ASTERISK_HTTP_PORT"
        return Seen(told, f"set {setting} to a port of its own")
    return Seen(f"{place}: {'WSS' if held else 'WS, for this machine only,'} answers")


def _secure(settings: Settings, port: int) -> ssl.SSLSocket:
    """A TLS connection as it comes; whether the certificate is the right one is asked afterwards."""
    every = ipaddress.ip_address(settings.bind).is_unspecified
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wire = socket.create_connection(("127.0.0.1" if every else settings.bind, port), PATIENCE_SECONDS)
    try:
        return context.wrap_socket(wire)
    except BaseException:
        wire.close()
        raise


def _upgrade(wire: socket.socket) -> bytes:
    """Asterisk's answer to a browser that wants to speak SIP over a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    wire.sendall(
        (
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer and (more := wire.recv(4096)):
        answer += more
    if b" 101 " in answer.partition(b"\r\n")[0]:
        wire.sendall(GOODBYE)
    return answer
