"""The other side, for real: a mail server and a house that takes posts; each remembers what it was given."""

import base64
import email
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class MailHouse:
    """An SMTP server. `answers`: what it says to a command instead of "250 well"; "" hangs up unheard."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    encrypted: bool = False  # somebody said STARTTLS


class _MailTalk(socketserver.StreamRequestHandler):
    house: MailHouse
    tls: ssl.SSLContext | None = None
    implicit = False  # TLS from the first byte on

    def setup(self) -> None:
        if self.tls and self.implicit:
            self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode(errors="replace").strip():
            verb = line.split(" ")[0].upper()
            told = self.house.answers.get(verb)
            if told == "" or not (self.say(told) if told else self.obey(verb, line)):
                return

    def obey(self, verb: str, line: str) -> bool:
        """Does what a command says; False: that was all."""
        if verb == "AUTH":
            self.house.users.append(base64.b64decode(line.split(" ")[2]).decode().split("\0")[1])
        if verb == "STARTTLS" and self.tls:
            self.say("220 go on")
            self.request = self.tls.wrap_socket(self.request, server_side=True)
            super().setup()
            self.house.encrypted = True
            return True
        if verb == "DATA":
            return self.say("354 go on") and self.letter()
        self.say(
            {
                "EHLO": f"250-here\r\n250-{'STARTTLS' if self.tls else 'SIZE'}\r\n250 AUTH PLAIN",
                "AUTH": "235 in",
                "QUIT": "221 bye",
            }.get(verb, "250 well")
        )
        return verb != "QUIT"

    def letter(self) -> bool:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.house.raw.append(b"".join(lines))
        self.house.letters.append(email.message_from_bytes(self.house.raw[-1], policy=default))
        told = self.house.answers.get("END", "250 taken")
        return bool(told) and self.say(told)

    def say(self, text: str) -> bool:
        self.wfile.write(f"{text}\r\n".encode())
        return True


class _MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


@contextmanager
def mail_house(certificate: Path | None = None, *, implicit: bool = False) -> Iterator[MailHouse]:
    """A mail server on a free port, until the block ends; with a certificate it speaks TLS."""
    house = MailHouse()
    own: dict[str, object] = {"house": house, "implicit": implicit}
    if certificate:
        own["tls"] = tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    with _MailServer(("127.0.0.1", 0), type("Talk", (_MailTalk,), own)) as server:
        house.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield house
        server.shutdown()


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> Any:
        return json.loads(self.body)


@dataclass
class WebHouse:
    """A web server. `answer`: a post → (status, body, headers), or None: it hangs up unheard."""

    url: str = ""
    host: str = ""
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[Post], tuple[int, str, dict[str, str]] | None] = lambda _: (200, '{"errcode": 0}', {})


@contextmanager
def web_house() -> Iterator[WebHouse]:
    house = WebHouse()

    class Talk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, dict(self.headers.items()), body)
            house.posts.append(post)
            if (told := house.answer(post)) is None:
                self.close_connection = True
                self.connection.close()
                return
            status, text, headers = told
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Talk) as server:
        house.host = f"127.0.0.1:{server.server_address[1]}"
        house.url = f"http://{house.host}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield house
        server.shutdown()
