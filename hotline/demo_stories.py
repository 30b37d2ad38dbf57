"""The demo city's cases, from the first word to the last: demo_stories.toml, played by the acts themselves.

A step says when, by whom, which act, and what the act needs; when it is its turn says hotline/demo_past.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import (
    answering,
    charging,
    closing,
    dispatch,
    instructions,
    joining,
    orders,
    passing,
    rulings,
    sealed,
    supervision,
    tickets,
    units,
    unsealing,
    visits,
)
from cases.dispatch import Share
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.logins import viewer_of
from cases.order_reply import Reply
from cases.visits import VisitForm
from routing.policy import Policy
from storage.staff import Person
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder

_CONTENT = {"true": "yes", "contacted": "yes", "solved": "yes", "satisfied": "satisfied"}

log = structlog.get_logger(__name__)

Step = Mapping[str, Any]


@dataclass(slots=True)
class Story:
    """One case. `number` and `agent` are known once it is written down; `stopped`: an act was refused."""

    title: str
    kind: str
    call_id: str | None = None
    number: str = ""
    agent: Viewer | None = None
    lead: str = ""  # the unit that leads it
    stopped: bool = False
    shares: dict[int | None, SubOrder] = field(default_factory=dict)  # its units' newest, by the unit's id


class Acts:
    """The acts by the names that a plan calls them; each takes the story, the step and the moment."""

    def __init__(self, session: Session, policy: Policy, stories: Mapping[str, Story]) -> None:
        self._session, self._policy, self._stories = session, policy, stories
        self._county = next((unit.code for unit in policy.units if unit.level == "county"), "")
        self._viewers: dict[str, Viewer] = {}
        self._units = {unit.code: unit.id for unit in units.all_active(session)}
        clerks = select(Person.unit_id, Person.login).where(Person.role == Role.UNIT_CLERK)
        self._clerks = {row.unit_id: row.login for row in session.execute(clerks)}

    def do(self, story: Story, step: Step, at: datetime) -> None:
        """One step. What the city's rules refuse ends the story there: a city of its own may be stricter."""
        if story.stopped or not story.number:
            return
        try:
            with self._session.begin_nested():
                getattr(self, f"_{step['act']}")(story, step, at)
        except (Refused, NotAllowed, NotVisible, Conflict) as why:
            story.stopped = True
            log.warning(
                "demo_story_stopped", story=story.title, act=step["act"], at=step["at"], why=repr(why)
            )

    # -- sorting and sending

    def _send(self, story: Story, step: Step, at: datetime) -> None:
        codes = [self._code(each) for each in step["to"]]
        first = "assist" if step.get("assist") else "lead"
        shares = [
            Share(code, "assist" if index else first, step.get("words", ""), self._way(code, step))
            for index, code in enumerate(codes)
        ]
        choice = step.get("choice", "")
        longer = self._policy.kind(story.kind).longer
        story.lead = story.lead if first == "assist" else codes[0]
        story.shares.clear()
        dispatch.send(
            self._session,
            self._who(story, step),
            story.number,
            shares,
            self._policy,
            at,
            choice=choice if choice in longer else "",
            designated=step.get("designated", False),
        )

    def _told(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        charging.note_told(self._session, self._who(story, step), share.id, step["words"], "", at)

    def _recall(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        dispatch.recall(self._session, self._who(story, step), share.id, step["words"], self._policy, at)

    def _refuse(self, story: Story, step: Step, at: datetime) -> None:
        self._end(answering.refuse, story, step, at)

    def _transfer(self, story: Story, step: Step, at: datetime) -> None:
        self._end(answering.transfer, story, step, at)

    def _withdraw(self, story: Story, step: Step, at: datetime) -> None:
        self._end(answering.withdraw, story, step, at)

    def _end(self, act: Callable[..., Ticket], story: Story, step: Step, at: datetime) -> None:
        who, words = self._who(story, step), step["words"]
        act(self._session, who, story.number, step["ground"], words, self._policy, at)

    def _receipt(self, story: Story, step: Step, at: datetime) -> None:
        answering.note_receipt(self._session, self._who(story, step), story.number, step["words"], at)

    def _answer(self, story: Story, step: Step, at: datetime) -> None:
        answering.answer_directly(self._session, self._who(story, step), story.number, step["words"], at)

    def _reopen(self, story: Story, step: Step, at: datetime) -> None:
        who = self._who(story, step)
        answering.reopen(self._session, who, story.number, step["words"], self._policy, at)

    def _merge(self, story: Story, step: Step, at: datetime) -> None:
        lead = self._stories[step["into"]].number
        joining.merge(self._session, self._who(story, step), story.number, lead, self._policy, at)

    # -- the units

    def _take(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        orders.take(self._session, self._hers(story, step, share), share.id, at)

    def _progress(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        orders.note_progress(self._session, self._hers(story, step, share), share.id, step["words"], at)

    def _pass_down(self, story: Story, step: Step, at: datetime) -> None:
        share, below = self._share(story, step), self._code(step["to"])
        who = self._hers(story, step, share)
        passing.pass_down(self._session, who, share.id, below, step["words"], at)

    def _object(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        orders.object_(
            self._session,
            self._hers(story, step, share),
            share.id,
            step["ground"],
            step["words"],
            self._code(step.get("better", "")),
            self._policy,
            at,
        )

    def _extend(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        known = [each.code for each in self._policy.handling.extensions]
        choice = next((each for each in step["choice"].split() if each in known), "")
        orders.ask_extension(
            self._session,
            self._hers(story, step, share),
            share.id,
            choice,
            step["words"],
            step.get("law", ""),
            self._policy,
            at,
        )

    def _rule(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        rule = rulings.rule_objection if step["on"] == "objection" else rulings.rule_extension
        who, remark = self._who(story, step), step.get("words", "")
        rule(self._session, who, share.id, step["granted"], remark, self._policy, at)

    def _reply(self, story: Story, step: Step, at: datetime) -> None:
        share = self._share(story, step)
        who, form = self._hers(story, step, share), self._form(step, at)
        orders.reply(self._session, who, share.id, form, self._policy, at)

    # -- closing and after

    def _close(self, story: Story, step: Step, at: datetime) -> None:
        """The form begins as the leading unit's reply."""
        share = self._share(story, step)
        said = {name: getattr(share, name) for name in ("account", "public_reply", "finding", "solved")}
        said |= {"why_unsolved": share.why_unsolved, "contacted_how": share.contacted_how}
        contacted = share.contacted_at.isoformat() if share.contacted_at else ""
        form = Reply(**said, contacted_at=contacted)
        closing.submit(self._session, self._hers(story, step, share), story.number, form, self._policy, at)

    def _audit(self, story: Story, step: Step, at: datetime) -> None:
        verdict = "approve" if step["granted"] else "send_back"
        who, remark = self._who(story, step), step.get("words", "")
        closing.audit(self._session, who, story.number, verdict, remark, self._policy, at)

    def _visit(self, story: Story, step: Step, at: datetime) -> None:
        words = step.get("words", "")
        form = VisitForm(reached="no", words=words)
        if step.get("reached", True):
            told = {name: step.get(name, usual) for name, usual in _CONTENT.items()}
            form = VisitForm(reached="yes", words=words, **told)
        visits.record(self._session, self._who(story, step), story.number, form, self._policy, at)

    # -- supervision and leaders

    def _urge(self, story: Story, step: Step, at: datetime) -> None:
        supervision.urge(self._session, self._who(story, step), story.number, step.get("words", ""), at)

    def _supervise(self, story: Story, step: Step, at: datetime) -> None:
        who, ground = self._who(story, step), step["ground"]
        supervision.supervise(self._session, who, story.number, ground, step["words"], self._policy, at)

    def _supervised(self, story: Story, step: Step, at: datetime) -> None:
        supervision.end(self._session, self._who(story, step), story.number, step["words"], at)

    def _report(self, story: Story, step: Step, at: datetime) -> None:
        leader = self._viewer(step["leader"]).person_id
        who = self._who(story, step)
        instructions.report_up(self._session, who, story.number, leader, step["words"], at)

    def _instruct(self, story: Story, step: Step, at: datetime) -> None:
        leader = self._viewer(step.get("leader", step["who"])).person_id
        before_him = select(Instruction.id).join(Ticket, Ticket.id == Instruction.ticket_id)
        before_him = before_him.where(Ticket.number == story.number, Instruction.leader_id == leader)
        report = self._session.scalar(before_him.where(Instruction.given_at.is_(None)).limit(1))
        instructions.instruct(
            self._session,
            self._who(story, step),
            story.number,
            step["words"],
            self._policy,
            at,
            leader_id=leader,
            report_id=report or 0,
            unit_code=self._code(step.get("to", "")),
        )

    def _fulfil(self, story: Story, step: Step, at: datetime) -> None:
        given = select(Instruction.id).join(Ticket, Ticket.id == Instruction.ticket_id)
        given = given.where(Ticket.number == story.number, Instruction.given_at.is_not(None))
        found = self._session.scalars(given.order_by(Instruction.id)).first()
        who = self._who(story, step)
        instructions.fulfil(self._session, who, story.number, found or 0, step["words"], at)

    # -- what is sealed

    def _read(self, story: Story, step: Step, _at: datetime) -> None:
        tickets.open_ticket(self._session, self._who(story, step), story.number)

    def _hand_over(self, story: Story, step: Step, _at: datetime) -> None:
        sealed.hand_over(self._session, self._who(story, step), "ticket", story.number)

    def _unseal(self, story: Story, step: Step, at: datetime) -> None:
        unsealing.ask(self._session, self._who(story, step), story.number, step["words"], at)

    # -- who, and which share

    def _who(self, story: Story, step: Step) -> Viewer:
        """ "agent": whoever wrote the ticket."""
        if step["who"] == "agent":
            assert story.agent is not None
            return story.agent
        return self._viewer(step["who"])

    def _viewer(self, login: str) -> Viewer:
        if login not in self._viewers:
            person = self._session.scalars(select(Person).where(Person.login == login)).one()
            self._viewers[login] = viewer_of(self._session, person)
        return self._viewers[login]

    def _hers(self, story: Story, step: Step, share: SubOrder) -> Viewer:
        """Who acts for a unit: its own clerk, else the dispatcher; of what is sealed who is said."""
        if "who" in step:
            return self._who(story, step)
        return self._viewer(self._clerks.get(share.unit_id, Role.DISPATCHER))

    def _share(self, story: Story, step: Step) -> SubOrder:
        """Of the unit that is said, else the leading one's."""
        unit_id = self._units.get(self._code(step.get("of", "")) or story.lead)
        if unit_id in story.shares:
            return story.shares[unit_id]
        mine = select(SubOrder).join(Ticket, Ticket.id == SubOrder.ticket_id)
        mine = mine.where(Ticket.number == story.number, SubOrder.unit_id == unit_id)
        newest = self._session.scalars(mine.order_by(SubOrder.sent_at.desc()).limit(1)).first()
        if newest is None:
            raise NotVisible("no such share")
        story.shares[unit_id] = newest
        return newest

    def _code(self, said: str) -> str:
        return said.format(county=self._county)

    def _way(self, code: str, step: Step) -> str:
        """How a unit learns of it: by the screen, where somebody there has an account."""
        return "web" if self._units.get(code) in self._clerks else str(step.get("way", "phone"))

    def _form(self, step: Step, at: datetime) -> Reply:
        contacted = (at - timedelta(minutes=10)).replace(second=0, microsecond=0)
        how = step.get("contacted", "phone")
        return Reply(
            account=step["account"],
            public_reply=step.get("words", ""),
            finding=step.get("finding", "true"),
            solved=step.get("solved", "yes"),
            why_unsolved=step.get("why", ""),
            contacted_how=how,
            contacted_at="" if how == "none" else contacted.isoformat(),
        )
