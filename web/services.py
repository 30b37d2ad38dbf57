"""What the pages are handed: plain values and open links, joined by `hotline/wiring`.

A `Room` is what one folder of pages brings along; the shell takes them all in without knowing them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import URL

from cases.notice_settings import Ways
from cases.permissions import Action, may
from routing.handling import Decision
from routing.policy import Policy
from storage.database import Database
from storage.notify import Note
from storage.viewer import Role, Viewer

HOST = re.compile(r"[a-z0-9.:-]{1,253}")


@dataclass(frozen=True, slots=True)
class PhoneServer:
    """Where browser phones register: Asterisk's ports, on whatever host name the browser calls us by."""

    ws_port: int = 8088
    wss_port: int = 8089

    def domain(self, page: URL) -> str:
        """The host of the address that a page of ours was opened by; empty when it is none."""
        host = page.hostname or ""
        if not HOST.fullmatch(host):  # it goes into headers and addresses
            return ""
        return f"[{host}]" if ":" in host else host

    def address(self, page: URL) -> str:
        """The WebSocket as that page dials it, under TLS when it came by HTTPS; empty without a host."""
        secure = page.scheme == "https"
        place = f"{self.domain(page)}:{self.wss_port if secure else self.ws_port}"
        return f"{'wss' if secure else 'ws'}://{place}/ws" if self.domain(page) else ""


@dataclass(frozen=True, slots=True)
class Operations:
    """What those who run the hotline ask: `ready` tells each part's state (web/health.py), `metrics` the page
    of figures, for `readers` only (web/metrics.py), `is_draining` whether an upgrade is about to happen."""

    ready: Callable[[], dict[str, bool]] = dict
    metrics: Callable[[], bytes] = bytes
    readers: tuple[IPv4Network | IPv6Network, ...] = ()
    is_draining: Callable[[], bool] = bool


@dataclass(frozen=True, slots=True)
class Services:
    """`ami` is a telephony.ami.AmiLink, or None when this process runs without one; `recordings` is the
    ledger's folder, `attachments` that of tickets' files (None: there are none here); `notes` opens the
    stream of storage.notify notes (None: this process sends none)."""

    database: Database
    policy: Policy
    recordings: Path
    ami: Any = None
    attachments: Path | None = None
    phone: PhoneServer = field(default_factory=PhoneServer)
    authority: Path | None = None  # the certificate that other PCs have to trust; there may be no such file
    notes: Callable[[], Iterable[Note]] | None = None
    operations: Operations = field(default_factory=Operations)
    totp_roles: tuple[Role, ...] = ()  # who must have a second step of logging in
    ways: Ways = field(default_factory=Ways)  # by which notices can leave
    phone_secrets: Any = None  # the AmiLink by which telephony/phone_secrets.py reaches Asterisk, or None


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the rail: message key `nav.<name>`, icon `<name>`, shown to those who may do `action`.

    `decides`: of those only to whom the policy gives one of these decisions, or what is sealed of it.
    `kept_at`: where it leads who may do what `keeps` says, and whom its count awaits there.
    """

    name: str
    path: str
    action: Action | None = None  # None: everybody's
    decides: tuple[Decision, ...] = ()
    keeps: Action | None = None
    kept_at: str = ""

    def opens(self, viewer: Viewer) -> str:
        """Where it leads her."""
        return self.kept_at if self.keeps and may(viewer, self.keeps) else self.path

    def is_for(self, viewer: Viewer, policy: Policy) -> bool:
        if self.action is not None and not may(viewer, self.action):
            return False
        deciders = {policy.decides(each) for each in self.decides} | {Role.DISCIPLINE}
        return not self.decides or viewer.role in deciders


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of pages: routers, `templates/`, `static/`, `messages/`, rail entries, what joins the shell.

    `strip` is the template of the phone strip, `keys` that of rows for the list of keys, `mine` that of a
    part of one's own page; `badges`: the address of the counts in the rail (#badge-<place>, out of band);
    `scripts` and `styles` are paths below /static/<name>/. `starts`: the page that somebody of a role begins
    with.
    """

    name: str
    folder: Path
    routers: tuple[APIRouter, ...] = ()
    places: tuple[Place, ...] = ()
    strip: str = ""
    keys: str = ""
    mine: str = ""
    badges: str = ""
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    starts: Mapping[Role, str] = field(default_factory=dict)
