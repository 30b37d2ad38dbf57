"""The second step of logging in: codes of an authenticator app (RFC 6238), and recovery codes without it.

A code is good for its half minute and the ones beside it, once. The app's secret is sealed in the database.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import pyotp
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import journal, permissions
from cases.errors import Refused
from cases.permissions import Action
from storage.staff import Person, RecoveryCode, Totp
from storage.viewer import Viewer

STEP_SECONDS = 30
DRIFT_STEPS = (0, -1, 1)
DIGITS = 6
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that reads like another
_RECOVERY_LENGTH = 12  # 59 bits: more than can be guessed, so a quick hash serves


def is_on(session: Session, person_id: int) -> bool:
    """Is a code asked for?"""
    return session.scalar(select(Totp.proved_at).where(Totp.person_id == person_id)) is not None


def begin(session: Session, viewer: Viewer) -> str:
    """A fresh secret to be set up, in base 32; nothing is asked for until a code has proved it.

    Raises Refused when a code is asked for already: that one has to be turned off first.
    """
    if is_on(session, viewer.person_id):
        raise Refused({"totp": "on"})
    secret = pyotp.random_base32()
    row = insert(Totp).values(person_id=viewer.person_id, secret=secret)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Totp.person_id], set_={"secret": row.excluded.secret, "last_step": 0}
        )
    )
    return secret


def pending(session: Session, viewer: Viewer) -> str | None:
    """The secret that is being set up; None when there is none, or it is proved and never seen again."""
    row = session.get(Totp, viewer.person_id)
    return row.secret if row is not None and row.proved_at is None else None


def address(secret: str, login: str, issuer: str) -> str:
    """What the picture says to the app: otpauth://…"""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer)


def finish(session: Session, viewer: Viewer, code: str, now: datetime | None = None) -> list[str] | None:
    """Prove the app by a code of it: from now on one is asked for. The recovery codes, to be shown once.

    None: the code is wrong.
    """
    now = now or datetime.now(UTC)
    row = _locked(session, viewer.person_id)
    if row is None or row.proved_at is not None or not _spend(row, code, now):
        return None
    row.proved_at = now
    journal.append(session, viewer, "person.totp_on", "person", viewer.person_id)
    return _new_recovery_codes(session, viewer.person_id)


def accept(session: Session, viewer: Viewer, code: str, now: datetime | None = None) -> bool:
    """Is this an unused code of her app, or a recovery code of hers? It is spent by that."""
    row = _locked(session, viewer.person_id)
    if row is None or row.proved_at is None:
        return False
    if _spend(row, code, now or datetime.now(UTC)):
        return True
    used = session.execute(
        delete(RecoveryCode)
        .where(RecoveryCode.person_id == viewer.person_id, RecoveryCode.digest == _digest(code))
        .returning(RecoveryCode.id)
    ).first()
    if used is not None:
        journal.append(session, viewer, "person.recovery_code", "person", viewer.person_id)
    return used is not None


def recovery_codes_left(session: Session, person_id: int) -> int:
    return len(session.scalars(select(RecoveryCode.id).where(RecoveryCode.person_id == person_id)).all())


def turn_off(session: Session, viewer: Viewer) -> None:
    """Her own, once password and code were right."""
    _forget(session, viewer.person_id)
    journal.append(session, viewer, "person.totp_off", "person", viewer.person_id, own=True)


def turn_off_for(session: Session, viewer: Viewer | None, login: str) -> Person:
    """Somebody who lost her phone and her recovery codes; `viewer` None: at the command line.

    Raises NotAllowed, Refused.
    """
    if viewer is not None:
        permissions.demand(viewer, Action.MANAGE_PEOPLE)
    person = session.scalar(select(Person).where(Person.login == login.strip().lower(), Person.active))
    if person is None:
        raise Refused({"login": "unknown"})
    _forget(session, person.id)
    rule = permissions.rule(viewer, Action.MANAGE_PEOPLE) if viewer else ""
    journal.append(session, viewer, "person.totp_off", "person", person.id, rule=rule, own=False)
    return person


def people_with(session: Session, viewer: Viewer) -> Sequence[Person]:
    """Everybody whose log-in asks for a code, by log-in. Raises NotAllowed."""
    permissions.demand(viewer, Action.MANAGE_PEOPLE)
    asked = select(Person).join(Totp, Totp.person_id == Person.id).where(Totp.proved_at.is_not(None))
    return session.scalars(asked.where(Person.active).order_by(Person.login)).all()


def _locked(session: Session, person_id: int) -> Totp | None:
    """Two log-ins with one code: the second waits, and finds it spent."""
    return session.scalar(
        select(Totp)
        .where(Totp.person_id == person_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _spend(row: Totp, code: str, now: datetime) -> bool:
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdecimal()):
        return False
    here = int(now.timestamp()) // STEP_SECONDS
    app = pyotp.HOTP(row.secret)
    for step in (here + drift for drift in DRIFT_STEPS):
        if step > row.last_step and hmac.compare_digest(app.at(step), typed):
            row.last_step = step
            return True
    return False


def _new_recovery_codes(session: Session, person_id: int) -> list[str]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    codes = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)
    ]
    session.add_all(RecoveryCode(person_id=person_id, digest=_digest(code)) for code in codes)
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _digest(code: str) -> str:
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def _forget(session: Session, person_id: int) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    session.execute(delete(Totp).where(Totp.person_id == person_id))
