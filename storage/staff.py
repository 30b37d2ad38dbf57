"""The tables of those who work here: people, their units, log-ins and duty. The others: storage/tables.py."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import NOW, Base
from storage.secret import Secret


class Person(Base):
    """A member of staff. `endpoint` is the opaque PJSIP endpoint name, `extension` what colleagues dial."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    extension: Mapped[str | None] = mapped_column(unique=True)
    endpoint: Mapped[str | None] = mapped_column(unique=True)
    phone: Mapped[str] = mapped_column(server_default="browser")  # browser | hardware | none
    language: Mapped[str] = mapped_column(server_default="zh")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    # Published numbers that she leads.
    lines: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    phone_digest: Mapped[str] = mapped_column(server_default="")  # a hardware phone's; cases/phones.py
    demo: Mapped[bool] = mapped_column(server_default=text("false"))  # of the demo city, with its password


class Unit(Base):
    """承办单位: who must act. `parent_id`: the unit above it; a county's offices are below the county."""

    __tablename__ = "unit"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="second")  # county | second | third
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    phone: Mapped[str] = mapped_column(server_default="")  # it is charged by; cases/units.py


class WebSession(Base):
    """A log-in. `token_hash` is SHA-256 of the cookie, `id` what pages and notes call it by.

    `awaits_code`: the password was right, the code of the app is still to come; nothing opens by it.
    `phone_slot`: which of her phone's two places in Asterisk holds this log-in's secret (cases/phones.py).
    """

    __tablename__ = "web_session"
    __table_args__ = (
        Index("ix_web_session_phone", "person_id", postgresql_where=text("phone_slot IS NOT NULL")),
    )
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(server_default="")
    user_agent: Mapped[str] = mapped_column(server_default="")
    awaits_code: Mapped[bool] = mapped_column(server_default=text("false"))
    wrong_codes: Mapped[int] = mapped_column(server_default=text("0"))
    phone_slot: Mapped[int | None]


class Totp(Base):
    """The app that shows a person's codes. `last_step`: of the newest code that was taken, which is spent."""

    __tablename__ = "totp"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    secret: Mapped[str] = mapped_column(Secret("totp.secret", purpose="totp"))
    proved_at: Mapped[datetime | None]  # NULL: being set up, not asked for yet
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class RecoveryCode(Base):
    """Instead of the app's code, once: the row goes with its use."""

    __tablename__ = "recovery_code"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    digest: Mapped[str]


class KnownBrowser(Base):
    """A browser that somebody logged in from before: others' guessing does not slow it (web/attempts.py)."""

    __tablename__ = "known_browser"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


class FirstLink(Base):
    """The link by which the first administrator is made; its row goes with its use."""

    __tablename__ = "first_link"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class PersonDuty(Base):
    """What an agent wants to be, and what the telephony sees of her. States: cases/duty.py.

    `wanted` and `wanted_reason` are the agent's word (or the system's, when it pauses her);
    `live` is derived from Asterisk and may be redrawn at any time.
    """

    __tablename__ = "person_duty"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    wanted: Mapped[str] = mapped_column(server_default="off")  # off | ready | paused
    wanted_reason: Mapped[str] = mapped_column(server_default="")  # a pause reason: meal, rest, no_answer, …
    wanted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    live: Mapped[str] = mapped_column(
        server_default="away"
    )  # away | idle | ringing | talking | wrapup | paused
    live_at: Mapped[datetime] = mapped_column(server_default=NOW)
    live_call_id: Mapped[str | None]
