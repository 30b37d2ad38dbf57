"""Browser phones' secrets in Asterisk: let in when a log-in asks, shut out when it is over. No reload.

Asterisk looks a phone's two auth objects up in its own database (sorcery.conf), at each request; both have to
be there, so that one that nobody holds has a digest of noise.

A call under way outlives its log-in: Asterisk asks for the secret at a phone's registrations and new calls,
not for what belongs to a call that is up. So it can still be held, handed over at once and hung up; it cannot
ask a colleague first, and nothing rings there any more.
"""

import json
import secrets

import structlog

from cases import phones
from storage.database import Database
from storage.notify import notify
from telephony.ami import AmiError, AmiLink, AmiRefused, Message

AMI_USER = "hotline-phones"
FAMILY = "hotline/auth"  # as sorcery.conf names it, and the kind of object
CONTACTS = "registrar/contact"
_NOTHING_THERE = "not found"

log = structlog.get_logger(__name__)


def let_in(link: AmiLink, endpoint: str, place: int, digest: str) -> None:
    """From now on the phone may register with the secret of this digest. Raises AmiError."""
    _put(link, endpoint, place, digest)
    for other in phones.PLACES:
        if other != place and not _known(link, f"{endpoint}-{other}"):
            _put(link, endpoint, other, _noise())


def shut_out(link: AmiLink, endpoint: str, place: int) -> None:
    """Neither the secret nor a registration is good any more. Raises AmiError."""
    _put(link, endpoint, place, _noise())
    for event in _tree(link, CONTACTS):
        key = str(event.get("Key", "")).removeprefix(f"/{CONTACTS}/")
        if key.startswith(f"{endpoint};@"):
            link.action("DBDel", Family=CONTACTS, Key=key)


def sweep(database: Database, link: AmiLink) -> None:
    """Shut out every log-in that is over; a log-in of hers that is not registers again, as it is told.

    With Asterisk away the rest waits. Raises DatabaseAway.
    """
    with database.session() as session:
        for one in phones.over(session):
            try:
                shut_out(link, one.endpoint, one.place)
            except AmiError as why:
                log.warning("phone_not_shut_out_yet", session=one.session.id, why=str(why))
                return
            one.session.phone_slot = None
            notify(session, f"person:{one.session.person_id}", "register")


def _put(link: AmiLink, endpoint: str, place: int, digest: str) -> None:
    facts = {
        "username": endpoint,
        "auth_type": "digest",
        "realm": phones.REALM,
        "password_digest": f"MD5:{digest}",
    }
    link.action("DBPut", Family=FAMILY, Key=f"{endpoint}-{place}", Val=json.dumps(facts))


def _known(link: AmiLink, key: str) -> bool:
    try:
        link.action("DBGet", Family=FAMILY, Key=key)
    except AmiRefused as refusal:
        if _NOTHING_THERE not in str(refusal):
            raise
        return False
    return True


def _tree(link: AmiLink, family: str) -> list[Message]:
    try:
        return link.action("DBGetTree", Family=family)[1:]
    except AmiRefused as refusal:
        if _NOTHING_THERE not in str(refusal):
            raise
        return []


def _noise() -> str:
    """The digest of a secret that nobody has."""
    return secrets.token_hex(16)
