"""What the pages are handed: plain values and open links, joined by `hotline/wiring`.

A `Room` is what one folder of pages brings along; the shell takes them all in without knowing them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from cases.permissions import Action
from routing.policy import Policy
from storage.database import Database
from storage.notify import Note


@dataclass(frozen=True, slots=True)
class PhoneServer:
    """Where a browser phone registers: `ws` as the browser dials it, the SIP `domain` of its address."""

    ws: str = "ws://127.0.0.1:8088/ws"
    domain: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Services:
    """`ami` is a telephony.ami.AmiLink, or None when this process runs without one; `recordings` is the
    ledger's folder; `notes` opens the stream of storage.notify notes (None: this process sends none)."""

    database: Database
    policy: Policy
    recordings: Path
    ami: Any = None
    phone: PhoneServer = field(default_factory=PhoneServer)
    notes: Callable[[], Iterable[Note]] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the rail: message key `nav.<name>`, icon `<name>`, shown to those who may do `action`."""

    name: str
    path: str
    action: Action | None = None  # None: everybody's


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of pages: routers, `templates/`, `static/`, `messages/`, rail entries, what joins the shell.

    `strip` is the template of the phone strip; `scripts` and `styles` are paths below /static/<name>/.
    """

    name: str
    folder: Path
    routers: tuple[APIRouter, ...] = ()
    places: tuple[Place, ...] = ()
    strip: str = ""
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
