"""The ways that cases go, and how many go each: of sixty that are over, and of a hundred open."""

from collections.abc import Callable, Mapping
from datetime import datetime

from bench.cases_city import ANGRY, NOBODY, Stage
from cases import answering, instructions, orders, passing, rulings, supervision
from storage.tables import Ticket
from storage.viewer import Role
from storage.work import SubOrder

Way = Callable[[Stage], object]


# -- over -------------------------------------------------------------------------------------------


def _at_once(stage: Stage) -> None:
    stage.saved(done=True, answer="可在电子税务局申报，年应纳税所得额三百万元以内的按规定减免。" * 2)


def _by_desk(stage: Stage) -> None:
    ticket = stage.saved()
    by, at = stage.who(Role.DISPATCHER), stage.later(0.2, 5)
    answering.answer_directly(stage.session, by, ticket.number, "政策自本月起施行，可在线办理。" * 3, at)


def _satisfied(stage: Stage, *codes: str) -> None:
    ticket, shares = stage.handled(*codes)
    stage.closed(ticket, shares[0])
    stage.audited(ticket)
    stage.visited(ticket)


def _two_units(stage: Stage) -> None:
    _satisfied(stage, "power", "emergency")


def _returned(stage: Stage) -> None:
    ticket = _objected(stage)
    _ruled(stage, ticket)
    (share,) = stage.sent(ticket, "housing")
    stage.taken(share)
    stage.replied(share)
    stage.closed(ticket, share)
    stage.audited(ticket)
    stage.visited(ticket)


def _extended(stage: Stage) -> None:
    share, ticket = _asks(stage)
    by, at = stage.who(Role.REVIEWER), stage.later(1, 10)
    rulings.rule_extension(stage.session, by, share.id, True, "同意。", stage.policy, at)
    stage.replied(share)
    stage.closed(ticket, share)
    stage.audited(ticket)
    stage.visited(ticket)


def _redone(stage: Stage) -> Ticket:
    ticket, shares = stage.handled()
    stage.closed(ticket, shares[0])
    stage.audited(ticket)
    stage.visited(ticket, ANGRY)
    stage.replied(shares[0])
    stage.closed(ticket, shares[0])
    stage.audited(ticket)
    stage.visited(ticket)
    return ticket


def _ill(stage: Stage) -> None:
    """The same, but for the caller's last word."""
    _redone(stage).satisfied = "dissatisfied"


def _nobody_there(stage: Stage) -> None:
    ticket, shares = stage.handled()
    stage.closed(ticket, shares[0])
    stage.audited(ticket)
    for _ in range(stage.policy.handling.visit_attempts):
        stage.visited(ticket, NOBODY)


def _refused(stage: Stage) -> None:
    ticket, by, at = stage.saved(), stage.who(Role.DISPATCHER), stage.later(0.2, 5)
    answering.refuse(stage.session, by, ticket.number, "litigation", "已进入诉讼程序。", stage.policy, at)


def _elsewhere(stage: Stage) -> None:
    ticket, by, at = stage.saved(), stage.who(Role.DISPATCHER), stage.later(0.2, 5)
    answering.transfer(stage.session, by, ticket.number, "personal", "", stage.policy, at)
    answering.note_receipt(stage.session, by, ticket.number, "12345-0817", stage.later(1, 5))


def _withdrawn(stage: Stage) -> None:
    ticket, at = stage.saved(), stage.later(0.2, 5)
    by = stage.city.agents[0]
    answering.withdraw(stage.session, by, ticket.number, "settled", "", stage.policy, at)


def _sealed(stage: Stage) -> None:
    ticket = stage.saved(kind="complaint", category="charges", sealed=True)
    (share,) = stage.sent(ticket, "discipline")
    stage.taken(share)
    stage.replied(share)
    stage.closed(ticket, share)
    stage.audited(ticket)
    stage.visited(ticket)


def _supervised(stage: Stage) -> None:
    ticket = _watched(stage)
    by = stage.who(Role.SUPERVISOR)
    share = _share(stage, ticket)
    stage.replied(share)
    supervision.end(stage.session, by, ticket.number, "已督促办结。", stage.later(1, 5))
    stage.closed(ticket, share)
    stage.audited(ticket)
    stage.visited(ticket)


# -- open -------------------------------------------------------------------------------------------


def _sent(stage: Stage) -> Ticket:
    ticket = stage.saved()
    stage.sent(ticket, stage.unit())
    return ticket


def _taken(stage: Stage) -> Ticket:
    ticket = stage.saved()
    (share,) = stage.sent(ticket, stage.unit())
    stage.taken(share)
    return ticket


def _objected(stage: Stage) -> Ticket:
    ticket = stage.saved()
    (share,) = stage.sent(ticket, "water_supply")
    who, at = stage.clerk(share), stage.later(1, 5)
    said = "out_of_remit", "非我单位职责。", "housing"
    orders.object_(stage.session, who, share.id, *said, stage.policy, at)
    return ticket


def _ruled(stage: Stage, ticket: Ticket) -> None:
    by, at = stage.who(Role.DISPATCHER), stage.later(0.5, 5)
    share = _share(stage, ticket)
    rulings.rule_objection(stage.session, by, share.id, True, "同意退回。", stage.policy, at)


def _came_back(stage: Stage) -> None:
    _ruled(stage, _objected(stage))


def _asks(stage: Stage) -> tuple[SubOrder, Ticket]:
    ticket = _taken(stage)
    share = _share(stage, ticket)
    who, at = stage.clerk(share), stage.later(1, 5)
    said = "complex", "需多部门会商。", ""
    orders.ask_extension(stage.session, who, share.id, *said, stage.policy, at)
    return share, ticket


def _urgent(stage: Stage) -> None:
    ticket = stage.saved(urgency="urgent")
    (share,) = stage.sent(ticket, "power", hours=(0.05, 0.2))
    stage.taken(share, (0.1, 0.5))
    who = stage.clerk(share)
    orders.note_progress(stage.session, who, share.id, "抢修人员已到现场。", stage.later(0.5, 2))


def _many(stage: Stage) -> None:
    ticket = stage.saved()
    for share in stage.sent(ticket, "housing", "emergency", "fire", "ecology"):
        stage.taken(share)


def _below(stage: Stage) -> None:
    ticket = stage.saved()
    (share,) = stage.sent(ticket, "fucheng")
    who, at = stage.clerk(share), stage.later(1, 3)
    passing.pass_down(stage.session, who, share.id, "fucheng_tax", "请核实。", at)


def _review(stage: Stage) -> Ticket:
    ticket, shares = stage.handled()
    stage.closed(ticket, shares[0])
    return ticket


def _visit(stage: Stage) -> None:
    stage.audited(_review(stage))


def _tried(stage: Stage) -> None:
    ticket = _review(stage)
    stage.audited(ticket)
    stage.visited(ticket, NOBODY)


def _again(stage: Stage) -> None:
    ticket = _review(stage)
    stage.audited(ticket)
    stage.visited(ticket, ANGRY)


def _watched(stage: Stage) -> Ticket:
    ticket = _taken(stage)
    by, at = stage.who(Role.SUPERVISOR), stage.later(1, 8)
    supervision.urge(stage.session, by, ticket.number, "请抓紧办理。", at)
    said = "hard", "三日内报办理方案。"
    supervision.supervise(stage.session, by, ticket.number, *said, stage.policy, stage.later(1, 4))
    return ticket


def _instructed(stage: Stage) -> None:
    ticket, by, leader = _watched(stage), stage.who(Role.SUPERVISOR), stage.who(Role.LEADER)
    at = stage.later(1, 4)
    told = instructions.report_up(
        stage.session, by, ticket.number, leader.person_id, "涉及停产，请阅示。", at
    )
    words, at = "请供电公司主要负责同志到现场办公。", stage.later(1, 4)
    instructions.instruct(stage.session, leader, ticket.number, words, stage.policy, at, report_id=told.id)


def _sealed_open(stage: Stage) -> None:
    ticket = stage.saved(kind="complaint", category="charges", sealed=True)
    (share,) = stage.sent(ticket, "discipline")
    stage.taken(share)


def _share(stage: Stage, ticket: Ticket) -> SubOrder:
    shares = stage.session.query(SubOrder).filter_by(ticket_id=ticket.id)
    return shares.order_by(SubOrder.sent_at.desc()).first()  # type: ignore[return-value]


OVER: Mapping[Way, int] = {
    _at_once: 24,
    _by_desk: 3,
    _satisfied: 19,
    _two_units: 2,
    _returned: 1,
    _extended: 2,
    _redone: 2,
    _ill: 1,
    _nobody_there: 1,
    _refused: 1,
    _elsewhere: 1,
    _withdrawn: 1,
    _sealed: 1,
    _supervised: 1,
}
FRESH: Mapping[Way, int] = {Stage.saved: 14, _sent: 14, _urgent: 2}
UNDER_WAY: Mapping[Way, int] = {
    _taken: 30,
    _objected: 2,
    _came_back: 2,
    _asks: 2,
    _many: 2,
    _below: 2,
    Stage.handled: 5,
    _review: 7,
    _visit: 7,
    _tried: 2,
    _again: 2,
    _watched: 2,
    _instructed: 2,
    _sealed_open: 2,
}
WATCHED: Mapping[Way, int] = {Stage.saved: 4, _sent: 8, _taken: 8}  # one deadline of the clock's each


def play(stage: Stage, ways: Mapping[Way, int], first: datetime, last: datetime) -> list[int]:
    """So many of each, begun between `first` and `last`; the ids of their tickets."""
    before = len(stage.made)
    for way, times in ways.items():
        for _ in range(times):
            with stage.case(first + (last - first) * stage.chance.random()):
                way(stage)
    return stage.made[before:]
