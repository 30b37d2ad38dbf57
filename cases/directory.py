"""派单目录: who handles what, kept by the administrator; and whom a matter would go to by it, and why."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import journal, units
from cases.errors import Conflict, NotVisible, Refused
from cases.permissions import Action, demand, rule
from routing.bigrams import fold
from routing.policy import Policy
from storage.knowledge import DirectoryEntry
from storage.staff import Unit
from storage.viewer import Viewer

LONGEST = 200
MOST_WORDS = 40
_LOCK = 962299_012  # advisory: one who writes at a time, or two would add the same entry
_COUNTY_END = re.compile(r"(.族)*自治县$|(?<=..)[区县市]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryForm:
    """What is typed for an entry; what is empty may be anything."""

    category: str = ""
    kind: str = ""
    words: tuple[str, ...] = ()
    place: str = ""
    unit: str = ""
    choice: str = ""
    designated: bool = False
    note: str = ""

    @property
    def when(self) -> tuple[str, str, tuple[str, ...], str]:
        """What has to be so; no two entries have the same."""
        return self.category, self.kind, tuple(sorted(map(fold, self.words))), fold(self.place)


@dataclass(frozen=True, slots=True)
class Why:
    """One ground of a proposal: message `dispatch.why.<code>`, with the `value` in it.

    category, kind, default (a category's own unit): a code; place, county: a name; words: as the entry has
    them, in one line.
    """

    code: str
    value: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """The unit that should act, and within which of the kind's longer limits ('': the usual one)."""

    unit_code: str
    choice: str
    why: tuple[Why, ...]
    entry_id: int | None = None
    designated: bool = False


@dataclass(frozen=True, slots=True)
class Directory:
    """The whole directory, read once for any number of proposals."""

    policy: Policy
    entries: tuple[DirectoryEntry, ...]
    units: dict[str, Unit] = field(repr=False)

    def propose(
        self, *, kind: str, category: str, place: str, text: str, accused_unit_id: int | None
    ) -> Proposal | None:
        """The entry that says most of it: of its category first, then of its place, then of its words.

        Where none fits, the unit that the policy has for the category; else the county of the place. Never
        the accused unit nor one below it.
        """
        open_to = {code for code, unit in self.units.items() if not self._is_below(unit, accused_unit_id)}
        path, place, text = self._path(category), fold(place), fold(text)
        best: tuple[tuple[int, ...], DirectoryEntry, tuple[Why, ...]] | None = None
        for entry in self.entries:
            fits = _fit(entry, kind, path, place, text) if entry.unit in open_to else None
            if fits and (best is None or fits[0] > best[0]):
                best = (fits[0], entry, fits[1])
        if best is not None:
            entry = best[1]
            choice = entry.choice if entry.choice in self._longer(kind) else ""
            return Proposal(entry.unit, choice, best[2], entry.id, entry.designated)
        for code, unit in self._defaults(path):
            if unit in open_to:
                return Proposal(unit, "", (Why("default", code),))
        county = self._county(place)
        if county is None or county.code not in open_to:
            return None
        return Proposal(county.code, "", (Why("county", county.name),))

    def _is_below(self, unit: Unit, accused_unit_id: int | None) -> bool:
        by_id = {each.id: each for each in self.units.values()}
        above: Unit | None = unit
        while above is not None and above.id != accused_unit_id:
            above = by_id.get(above.parent_id or 0)
        return above is not None

    def _path(self, category: str) -> list[str]:
        """The category and all above it, itself first; a text of before there was a list stands alone."""
        return [each.code for each in reversed(self.policy.category_way(category))] or [category]

    def _defaults(self, path: list[str]) -> Iterator[tuple[str, str]]:
        own = {each.code: each.unit for each in self.policy.categories if each.unit}
        return ((code, own[code]) for code in path if code in own)

    def _longer(self, kind: str) -> set[str]:
        return {choice for each in self.policy.kinds if each.code == kind for choice in each.longer}

    def _county(self, place: str) -> Unit | None:
        """The county or zone that the place names, in full or as people shorten it; the longest name wins."""
        named = [
            (len(name), unit)
            for unit in self.units.values()
            if unit.level == "county"
            for name in (fold(unit.name), _COUNTY_END.sub("", fold(unit.name)))
            if name in place
        ]
        return max(named, key=lambda each: (each[0], -each[1].id))[1] if named else None


def load(session: Session, policy: Policy) -> Directory:
    entries = session.scalars(
        select(DirectoryEntry).where(DirectoryEntry.active).order_by(DirectoryEntry.id)
    ).all()
    return Directory(policy, tuple(entries), {unit.code: unit for unit in units.all_active(session)})


def propose(
    session: Session,
    *,
    kind: str,
    category: str,
    place: str,
    text: str,
    accused_unit_id: int | None,
    policy: Policy,
) -> Proposal | None:
    """Whom one matter would go to; for many of them: `load` once."""
    asked = {"kind": kind, "category": category, "place": place, "text": text}
    return load(session, policy).propose(**asked, accused_unit_id=accused_unit_id)


# -- keeping it ------------------------------------------------------------------------------------


def everything(session: Session, viewer: Viewer) -> list[DirectoryEntry]:
    """What is in use first, by category. Raises NotAllowed."""
    demand(viewer, Action.MANAGE_CITY)
    order = DirectoryEntry.active.desc(), DirectoryEntry.category, DirectoryEntry.id
    return list(session.scalars(select(DirectoryEntry).order_by(*order)))


def write(
    session: Session,
    viewer: Viewer,
    form: DirectoryForm,
    policy: Policy,
    now: datetime,
    *,
    entry_id: int | None = None,
    version: int | None = None,
) -> DirectoryEntry:
    """Add an entry, or change the one that was read as `version`.

    Raises Refused, Conflict, NotVisible, NotAllowed.
    """
    demand(viewer, Action.MANAGE_CITY)
    _alone(session)
    entry = DirectoryEntry(version=0, active=True) if entry_id is None else _locked(session, entry_id)
    if version is not None and entry.version != version:
        raise Conflict(theirs=entry, yours=form)
    faults = faults_of(form, policy)
    if entry.active and any(form.when == form_of(other).when for other in _others(session, entry)):
        faults["entry"] = "entry_twice"
    if faults:
        raise Refused(faults)
    for name, value in asdict(form).items():
        setattr(entry, name, list(value) if name == "words" else value)
    session.add(entry)
    _touch(session, viewer, entry, "directory.changed" if entry_id else "directory.added", now)
    return entry


def switch(session: Session, viewer: Viewer, entry_id: int, on: bool, now: datetime) -> DirectoryEntry:
    """Put an entry out of use, or into use again. Raises Refused when another says the same, NotVisible."""
    demand(viewer, Action.MANAGE_CITY)
    _alone(session)
    entry = _locked(session, entry_id)
    when = form_of(entry).when
    if on and any(when == form_of(other).when for other in _others(session, entry)):
        raise Refused({"entry": "entry_twice"})
    entry.active = on
    _touch(session, viewer, entry, "directory.on" if on else "directory.off", now)
    return entry


def take_in(
    session: Session, viewer: Viewer, forms: list[DirectoryForm], policy: Policy, now: datetime
) -> tuple[int, int]:
    """Enter many: an entry for the same matters is changed, others are added; all of them or none.

    Returns how many were added, and changed. Raises Refused: the line's number, counted from 1 → the fault.
    """
    demand(viewer, Action.MANAGE_CITY)
    _alone(session)
    faults: dict[str, str] = {}
    known = {form_of(entry).when: entry for entry in _active(session)}
    seen = set()
    for line, form in enumerate(forms, 1):
        found = faults_of(form, policy) or ({"entry": "entry_twice"} if form.when in seen else {})
        seen.add(form.when)
        faults |= {f"{line}.{name}": code for name, code in found.items()}
    if faults:
        raise Refused(faults)
    added = changed = 0
    for form in forms:
        there = known.get(form.when)
        if there is not None and form_of(there) == form:
            continue
        write(session, viewer, form, policy, now, entry_id=there.id if there else None)
        added, changed = (added, changed + 1) if there else (added + 1, changed)
    return added, changed


def form_of(entry: DirectoryEntry) -> DirectoryForm:
    values = {name: getattr(entry, name) for name in DirectoryForm.__dataclass_fields__ if name != "words"}
    return DirectoryForm(words=tuple(entry.words), **values)


def faults_of(form: DirectoryForm, policy: Policy) -> dict[str, str]:
    """Field → code: required, unknown, too_long; `entry` where nothing says what it is for."""
    faults = {
        name: "too_long"
        for name in ("place", "note", "unit", "category")
        if len(getattr(form, name)) > LONGEST
    }
    if len(form.words) > MOST_WORDS or any(len(word) > LONGEST for word in form.words):
        faults["words"] = "too_long"
    known = {
        "category": {each.code for each in policy.categories},
        "kind": {each.code for each in policy.kinds},
        "unit": {each.code for each in policy.units},
        "choice": {code for each in policy.kinds for code in each.longer},
    }
    faults |= {name: "unknown" for name, codes in known.items() if getattr(form, name) not in ("", *codes)}
    if not form.unit:
        faults["unit"] = "required"
    if not any((form.category, form.kind, form.words, form.place)):
        faults["entry"] = "entry_for_nothing"
    return faults


def _fit(
    entry: DirectoryEntry, kind: str, path: list[str], place: str, text: str
) -> tuple[tuple[int, ...], tuple[Why, ...]] | None:
    """How much the entry says of a matter, and what; None when it is for others. `path`: itself first."""
    hits = [word for word in entry.words if fold(word) in text]
    if (entry.category and entry.category not in path) or (entry.kind and entry.kind != kind):
        return None
    if (entry.place and fold(entry.place) not in place) or (entry.words and not hits):
        return None
    depth = len(path) - path.index(entry.category) if entry.category else 0
    weight = depth, len(entry.place), sum(map(len, hits)), len(entry.kind) and 1, -entry.id
    grounds = {
        "category": entry.category,
        "kind": entry.kind,
        "place": entry.place,
        "words": "、".join(hits),
    }
    return weight, tuple(Why(code, value) for code, value in grounds.items() if value)


def _alone(session: Session) -> None:
    """Till the transaction ends; whoever else writes waits, and then sees what was written."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _active(session: Session) -> list[DirectoryEntry]:
    return list(session.scalars(select(DirectoryEntry).where(DirectoryEntry.active)))


def _others(session: Session, entry: DirectoryEntry) -> list[DirectoryEntry]:
    return [other for other in _active(session) if other is not entry]


def _locked(session: Session, entry_id: int) -> DirectoryEntry:
    entry = session.get(DirectoryEntry, entry_id, with_for_update=True)
    if entry is None:
        raise NotVisible(f"no directory entry {entry_id}")
    return entry


def _touch(session: Session, viewer: Viewer, entry: DirectoryEntry, act: str, now: datetime) -> None:
    entry.version += 1
    entry.changed_by, entry.changed_at = viewer.person_id, now
    session.flush()
    allowed = rule(viewer, Action.MANAGE_CITY)
    journal.append(session, viewer, act, "directory", entry.id, rule=allowed, unit=entry.unit)
