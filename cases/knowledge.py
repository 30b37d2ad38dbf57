"""知识库: what may be answered at once; published by the editor, found by any two of its characters.

Each writing is kept. What was published goes on being read while it is valid; a draft is the editors' own.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import Conflict, NotVisible, Refused
from cases.permissions import Action, demand, may, rule
from routing.bigrams import asked, bigrams
from routing.policy import Policy
from storage.knowledge import KnowledgeEntry, KnowledgeVersion
from storage.viewer import Viewer

SOON = timedelta(days=30)  # an entry that expires within them wants looking after
MOST = 20  # entries that a search finds
_MOST_GRAMS = 60
_LONGEST = {"title": 200, "body": 20_000, "keywords": 500, "category": 200, "unit": 40}
_FARTHEST = 16_383  # the last place that a tsvector knows


class State(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Shelf(StrEnum):
    """The editors' lists."""

    ALL = "all"
    DRAFTS = "drafts"
    EXPIRING = "expiring"  # published, and over soon or already
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeForm:
    """What is typed for an entry; days as 2026-12-31, or ''."""

    title: str = ""
    body: str = ""
    category: str = ""
    unit: str = ""
    keywords: str = ""
    valid_from: str = ""
    valid_until: str = ""

    def columns(self, policy: Policy) -> dict[str, Any]:
        """Raises Refused with every fault at once: required, too_long, unknown, no_day, day_order."""
        faults = {name: "too_long" for name, most in _LONGEST.items() if len(getattr(self, name)) > most}
        faults |= {name: "required" for name in ("title", "body") if not getattr(self, name).strip()}
        if self.category and self.category not in {each.code for each in policy.categories}:
            faults["category"] = "unknown"
        if self.unit and self.unit not in {each.code for each in policy.units}:
            faults["unit"] = "unknown"
        days: dict[str, date | None] = {}
        for name in ("valid_from", "valid_until"):
            try:
                days[name] = _day(getattr(self, name))
            except ValueError:
                faults[name] = "no_day"
        first, last = days.get("valid_from"), days.get("valid_until")
        if first and last and first > last:
            faults["valid_until"] = "day_order"
        if faults:
            raise Refused(faults)
        return {name: getattr(self, name).strip() for name in _LONGEST} | days


# -- reading ---------------------------------------------------------------------------------------


def search(
    session: Session, viewer: Viewer, text: str, today: date, *, category: str = "", limit: int = MOST
) -> list[KnowledgeEntry]:
    """What is valid today and has most of the text's words, in its title above all; '': what is used most.

    Of a short text all has to be there, of a long one a third. Raises NotAllowed.
    """
    demand(viewer, Action.READ_KNOWLEDGE)
    query = _valid(today)
    if category:
        query = query.where(KnowledgeEntry.category == category)
    grams = asked(text)[:_MOST_GRAMS]
    if text.strip() and not grams:
        return []
    return list(session.scalars(_ranked(query, grams).limit(limit)))


def read(session: Session, viewer: Viewer, entry_id: int) -> KnowledgeEntry:
    """What is published, valid or no longer; for who writes them all. Raises NotVisible, NotAllowed."""
    demand(viewer, Action.READ_KNOWLEDGE)
    entry = session.get(KnowledgeEntry, entry_id)
    is_open = entry is not None and entry.state == State.PUBLISHED
    if entry is None or not (is_open or may(viewer, Action.EDIT_KNOWLEDGE)):
        raise NotVisible(f"no knowledge entry {entry_id}")
    return entry


def is_valid(entry: KnowledgeEntry, today: date) -> bool:
    begun = entry.valid_from is None or entry.valid_from <= today
    return entry.state == State.PUBLISHED and begun and not (entry.valid_until and entry.valid_until < today)


def shelf(session: Session, viewer: Viewer, which: Shelf, today: date) -> list[KnowledgeEntry]:
    """One of the editors' lists, what was written last first; of those that expire, what is over first."""
    demand(viewer, Action.EDIT_KNOWLEDGE)
    by_age = KnowledgeEntry.changed_at.desc(), KnowledgeEntry.id.desc()
    order = (KnowledgeEntry.valid_until, *by_age) if which is Shelf.EXPIRING else by_age
    return list(session.scalars(select(KnowledgeEntry).where(_on(which, today)).order_by(*order)))


def counts(session: Session, viewer: Viewer, today: date) -> dict[Shelf, int]:
    """How many are on each shelf; {} for whom they are not."""
    if not may(viewer, Action.EDIT_KNOWLEDGE):
        return {}
    on = [func.count().filter(_on(which, today)) for which in Shelf]
    return dict(zip(Shelf, session.execute(select(*on)).one(), strict=True))


def versions(session: Session, viewer: Viewer, entry_id: int) -> list[KnowledgeVersion]:
    """All that an entry ever said, newest first. Raises NotAllowed."""
    demand(viewer, Action.EDIT_KNOWLEDGE)
    of_it = select(KnowledgeVersion).where(KnowledgeVersion.entry_id == entry_id)
    return list(session.scalars(of_it.order_by(KnowledgeVersion.version.desc())))


# -- writing ---------------------------------------------------------------------------------------


def write(
    session: Session,
    viewer: Viewer,
    form: KnowledgeForm,
    policy: Policy,
    now: datetime,
    *,
    entry_id: int | None = None,
    version: int | None = None,
) -> KnowledgeEntry:
    """Write a draft, or anew what was read as `version`: what is published says so at once.

    Raises Refused, Conflict, NotVisible, NotAllowed.
    """
    demand(viewer, Action.EDIT_KNOWLEDGE)
    columns = form.columns(policy)
    entry = KnowledgeEntry(version=0) if entry_id is None else _locked(session, entry_id)
    if version is not None and entry.version != version:
        raise Conflict(theirs=entry, yours=form)
    for name, value in columns.items():
        setattr(entry, name, value)
    entry.found = _vector(form)
    entry.version += 1
    entry.changed_by, entry.changed_at = viewer.person_id, now
    session.add(entry)
    session.flush()
    kept = KnowledgeVersion(entry_id=entry.id, version=entry.version, **columns)
    kept.by_id, kept.at = viewer.person_id, now
    session.add(kept)
    _note(session, viewer, entry, "knowledge.written")
    return entry


def publish(session: Session, viewer: Viewer, entry_id: int, version: int, today: date) -> KnowledgeEntry:
    """Let everybody read it, as it was read as `version`.

    Raises Conflict, Refused when its time is over, NotVisible, NotAllowed.
    """
    demand(viewer, Action.EDIT_KNOWLEDGE)
    entry = _locked(session, entry_id)
    if entry.version != version:
        raise Conflict(theirs=entry, yours=State.PUBLISHED)
    if entry.valid_until and entry.valid_until < today:
        raise Refused({"valid_until": "day_over"})
    entry.state = State.PUBLISHED
    _note(session, viewer, entry, "knowledge.published")
    return entry


def withdraw(session: Session, viewer: Viewer, entry_id: int) -> KnowledgeEntry:
    """Nobody finds it any more; it stays on record. Raises NotVisible, NotAllowed."""
    demand(viewer, Action.EDIT_KNOWLEDGE)
    entry = _locked(session, entry_id)
    entry.state = State.WITHDRAWN
    _note(session, viewer, entry, "knowledge.withdrawn")
    return entry


def count_as_answer(session: Session, entry: str, *, sealed: bool) -> bool:
    """This entry, by its id as typed, was given as an answer: in the transaction that says so.

    False when it is none that is published; '' is none. What was told in a `sealed` matter is not counted.
    """
    if not (entry.isascii() and entry.isdecimal() and len(entry) < 19):
        return False
    published = KnowledgeEntry.id == int(entry), KnowledgeEntry.state == State.PUBLISHED
    once_more = update(KnowledgeEntry).where(*published).values(used=KnowledgeEntry.used + int(not sealed))
    return session.scalar(once_more.returning(KnowledgeEntry.id)) is not None


def form_of(entry: KnowledgeEntry | KnowledgeVersion) -> KnowledgeForm:
    values = {each.name: getattr(entry, each.name) for each in fields(KnowledgeForm)}
    return KnowledgeForm(**{name: "" if value is None else str(value) for name, value in values.items()})


# -- parts -----------------------------------------------------------------------------------------


def _valid(today: date) -> Select[KnowledgeEntry]:
    return select(KnowledgeEntry).where(
        KnowledgeEntry.state == State.PUBLISHED,
        or_(KnowledgeEntry.valid_from.is_(None), KnowledgeEntry.valid_from <= today),
        or_(KnowledgeEntry.valid_until.is_(None), KnowledgeEntry.valid_until >= today),
    )


def _on(which: Shelf, today: date) -> ColumnElement[bool]:
    match which:
        case Shelf.DRAFTS:
            return KnowledgeEntry.state == State.DRAFT
        case Shelf.WITHDRAWN:
            return KnowledgeEntry.state == State.WITHDRAWN
        case Shelf.EXPIRING:
            return and_(KnowledgeEntry.state == State.PUBLISHED, KnowledgeEntry.valid_until <= today + SOON)
    return KnowledgeEntry.id.is_not(None)


def _ranked(query: Select[KnowledgeEntry], grams: list[str]) -> Select[KnowledgeEntry]:
    by_use = KnowledgeEntry.used.desc(), KnowledgeEntry.id.desc()
    if not grams:
        return query.order_by(*by_use)
    single = [cast(_asked_for(gram), TSQUERY) for gram in grams]
    any_of_them = cast(" | ".join(map(_asked_for, grams)), TSQUERY)
    there = [case((KnowledgeEntry.found.bool_op("@@")(each), 1), else_=0) for each in single]
    hits = sum(there[1:], start=there[0] + 0)
    needed = min(len(grams), max(2, -(-len(grams) // 3)))
    query = query.where(KnowledgeEntry.found.bool_op("@@")(any_of_them), hits >= needed)
    rank = func.ts_rank(KnowledgeEntry.found, any_of_them)
    return query.order_by(hits.desc(), rank.desc(), *by_use)


def _asked_for(gram: str) -> str:
    return f"'{gram}'" if len(gram) == 2 else f"'{gram}':*"  # letters and digits alone: nothing to escape


def _vector(form: KnowledgeForm) -> str:
    """Its bigrams as PostgreSQL reads them: the title's weigh A, the keywords' B, the body's D."""
    marks: dict[str, list[str]] = {}
    place = 0
    for text, weight in ((form.title, "A"), (form.keywords, "B"), (form.body, "D")):
        for gram in bigrams(text):
            place = min(place + 1, _FARTHEST)
            marks.setdefault(gram, []).append(f"{place}{weight}")
    return " ".join(f"'{gram}':{','.join(places)}" for gram, places in marks.items())


def _day(typed: str) -> date | None:
    return date.fromisoformat(typed.strip()) if typed.strip() else None


def _locked(session: Session, entry_id: int) -> KnowledgeEntry:
    entry = session.get(KnowledgeEntry, entry_id, with_for_update=True)
    if entry is None:
        raise NotVisible(f"no knowledge entry {entry_id}")
    return entry


def _note(session: Session, viewer: Viewer, entry: KnowledgeEntry, act: str) -> None:
    session.flush()
    allowed = rule(viewer, Action.EDIT_KNOWLEDGE)
    journal.append(session, viewer, act, "knowledge", entry.id, rule=allowed, version=entry.version)
