"""The demo city's directory and knowledge base (demo_knowledge.toml), written as their keepers would."""

import tomllib
from collections.abc import Container
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from cases import directory, knowledge
from cases.directory import DirectoryForm
from cases.knowledge import KnowledgeForm, State
from routing.policy import Policy
from storage.knowledge import KnowledgeEntry
from storage.viewer import Viewer


def lay_out(session: Session, policy: Policy, editor: Viewer, keeper: Viewer, now: datetime) -> None:
    """What is of another city, or for a unit that this one has not, is left out."""
    plan = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    city = _City(policy, now)
    for each in plan["directory"]:
        form = city.directed(each)
        if form is not None:
            directory.write(session, keeper, form, policy, now)
    used = []
    for each in plan["knowledge"]:
        if each.get("area", policy.area_code) == policy.area_code:
            used.append((_write(session, editor, city, each), each.get("used", 0)))
    for entry, times in used:
        entry.used = times


class _City:
    """What the plan's codes and names are in this city."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy = policy
        self.now = now
        self._today = now.astimezone(policy.zone).date()
        county = next((unit for unit in policy.units if unit.level == "county"), None)
        self._names = {
            "name": policy.name,
            "city": policy.city,
            "county": county.name if county else "",
            "county_code": county.code if county else "",
        }
        self._units = {unit.code for unit in policy.units}
        self._categories = {category.code for category in policy.categories}
        self._choices = {code for kind in policy.kinds for code in kind.longer}

    def directed(self, each: dict[str, Any]) -> DirectoryForm | None:
        unit = self._first(each["unit"], self._units)
        category = self._first(each.get("category", ""), self._categories)
        if not unit or ("category" in each and not category):
            return None
        return DirectoryForm(
            category=category,
            words=tuple(each.get("words", ())),
            place=self.said(each.get("place", "")),
            unit=unit,
            choice=self._first(each.get("choice", ""), self._choices),
            designated=each.get("designated", False),
            note=each.get("note", ""),
        )

    def known(self, each: dict[str, Any]) -> KnowledgeForm:
        days = each.get("days")
        return KnowledgeForm(
            title=self.said(each["title"]),
            body=self.said(each["body"]),
            category=self._first(each.get("category", ""), self._categories),
            unit=self._first(each.get("unit", ""), self._units),
            keywords=each.get("keywords", ""),
            valid_until=str(self._today + timedelta(days=days)) if days else each.get("until", ""),
        )

    def publish(self, session: Session, editor: Viewer, entry_id: int, version: int) -> None:
        knowledge.publish(session, editor, entry_id, version, self._today)

    def said(self, text: str) -> str:
        return text.format(**self._names)

    def _first(self, codes: str, known: Container[str]) -> str:
        return next((code for code in self.said(codes).split() if code in known), "")


def _write(session: Session, editor: Viewer, city: _City, each: dict[str, Any]) -> KnowledgeEntry:
    entry = knowledge.write(session, editor, city.known(each), city.policy, city.now)
    match each.get("state", State.PUBLISHED):
        case State.PUBLISHED:
            city.publish(session, editor, entry.id, entry.version)
        case State.WITHDRAWN:
            knowledge.withdraw(session, editor, entry.id)
    return entry
