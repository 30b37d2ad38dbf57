"""How a case ends, on its page: what is refused is told with its reason, and every word typed stays."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx
import pytest
from sqlalchemy.orm import Session

from cases.states import TICKET, Event, State
from routing.policy import load
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import Staff
from tests.cases.office import FORM, REPLY, Office, office_of
from tests.web.site import POLICY, Site

WORD = "这句话不能丢"


@dataclass(frozen=True)
class Form:
    """A form of the page: who sends it where; `word`: the field whose text must come back."""

    login: str
    path: str
    word: str = ""
    data: Mapping[str, str] = field(default_factory=dict)

    def send(self, site: Site, number: str, version: int) -> httpx.Response:
        typed = {**self.data, "version": str(version), **({self.word: WORD} if self.word else {})}
        return browser(site, self.login).post(f"/tickets/{number}/{self.path}", data=typed)


_BROWSERS: dict[tuple[str, str], httpx.Client] = {}


def browser(site: Site, login: str) -> httpx.Client:
    """Logged in once."""
    if (site.url, login) not in _BROWSERS:
        _BROWSERS[site.url, login] = site.client(login)
        _BROWSERS[site.url, login].timeout = httpx.Timeout(60)  # other tests keep the machine busy
    return _BROWSERS[site.url, login]


_CONTENT = {"reached": "yes", "true": "yes", "contacted": "yes", "solved": "yes"}
FORMS: Mapping[Event, Form] = {
    Event.DISPATCH: Form("dispatcher", "dispatch", "note", {"unit": "gas", "way": "web"}),
    Event.FINISH: Form("liu", "answer", "answer"),
    Event.REFUSE: Form("dispatcher", "refusal", "words", {"ground": "litigation"}),
    Event.TRANSFER: Form("dispatcher", "transfer", "words", {"ground": "outside_scope"}),
    Event.WITHDRAW: Form("liu", "withdrawal", "words", {"ground": "by_caller"}),
    Event.MERGE: Form("dispatcher", "merge", "lead"),
    Event.SPLIT: Form("dispatcher", "split"),
    Event.CLOSE: Form("clerk", "closing", "account", {"public_reply": "答复", "solved": "yes"}),
    Event.SEND_BACK: Form("reviewer", "closing/audit", "remark", {"verdict": "send_back"}),
    Event.APPROVE: Form("reviewer", "closing/audit", "remark", {"verdict": "approve"}),
    Event.RELEASE: Form("reviewer", "closing/audit", "remark", {"verdict": "approve"}),
    Event.SATISFY: Form("visitor", "visit", "words", {**_CONTENT, "satisfied": "satisfied"}),
    Event.GIVE_UP: Form("visitor", "visit", "words", {"reached": "no"}),
    Event.DISSATISFY: Form("visitor", "visit", "words", {**_CONTENT, "satisfied": "dissatisfied"}),
    Event.REOPEN: Form("liu", "reopening", "why"),
}


@pytest.fixture(scope="module")
def office(site: Site) -> Office:
    with site.database.session() as session:
        hers = {login: Viewer(site.seed.people[login], role, login) for login, role in _ROLES.items()}
        liu, sun = hers["liu"], hers["sun"]
        return office_of(session, Staff(liu, liu, liu, liu, sun, liu), load(POLICY))


_ROLES = {"liu": Role.AGENT, "sun": Role.DISCIPLINE}


@contextmanager
def stored(site: Site, number: str) -> Iterator[tuple[Session, Ticket]]:
    with site.database.session() as session:
        yield session, session.query(Ticket).filter_by(number=number).one()


def made(site: Site, office: Office, state: State) -> tuple[str, int]:
    with site.database.session() as session:
        ticket = office.into(session, state)
        return ticket.number, ticket.version


@pytest.mark.parametrize("state", State)
def test_what_has_no_place_in_a_state_is_told_with_its_reason_and_what_was_typed(
    site: Site, office: Office, state: State
) -> None:
    number, version = made(site, office, state)
    gone = state is State.MERGED or state is State.WITHDRAWN  # its unit does not see it
    for event, form in FORMS.items():
        if event in TICKET[state] or (form.login == "clerk" and (gone or not _had_units(state))):
            continue
        answer = form.send(site, number, version)
        assert answer.status_code == 409, (event, answer.text)
        assert _reason(state) in answer.text, event
        assert not form.word or WORD in answer.text, event
    with stored(site, number) as (_, ticket):
        assert (ticket.state, ticket.version) == (state, version)


def test_every_event_of_the_table_has_its_form_on_the_page() -> None:
    assert set(Event) - set(FORMS) == {Event.RECALL}  # of a share: the test below


@pytest.mark.parametrize("state", [State.REVIEW, State.VISIT, State.DONE, State.MERGED, State.WITHDRAWN])
def test_a_recall_that_comes_too_late_is_told_so_and_keeps_its_reason(
    site: Site, office: Office, state: State
) -> None:
    with site.database.session() as session:
        ticket = office.into(session, State.HANDLING)
        if state in (State.REVIEW, State.VISIT, State.DONE):
            office.replied(session, ticket)
        order = session.query(SubOrder).filter_by(ticket_id=ticket.id).one()
        ticket.state, number, order_id, version = state, ticket.number, order.id, order.version
    data = {"reason": WORD, "version": str(version)}
    answer = browser(site, "dispatcher").post(f"/tickets/{number}/shares/{order_id}/recall", data=data)
    assert answer.status_code == 409
    assert _reason(state) in answer.text and WORD in answer.text


def _had_units(state: State) -> bool:
    return state in (State.HANDLING, State.REVIEW, State.VISIT, State.DONE)


def _reason(state: State) -> str:
    return {
        State.ACCEPTED: "还在待分派",
        State.HANDLING: "正在办理",
        State.REVIEW: "正在等结案审核",
        State.VISIT: "正在等回访",
        State.DONE: "已经办结",
        State.REFUSED: "已经不予受理",
        State.TRANSFERRED: "已经转出",
        State.MERGED: "已经并入别的工单",
        State.WITHDRAWN: "已经撤销",
    }[state]


@pytest.mark.parametrize(("event", "state"), [(e, s) for s in State for e in FORMS if e in TICKET[s]])
def test_a_form_filled_in_over_an_older_version_is_told_so_and_keeps_its_words(
    site: Site, office: Office, event: Event, state: State
) -> None:
    number, version = made(site, office, state)
    answer = FORMS[event].send(site, number, version - 1 or 999)
    assert answer.status_code == 409
    assert "已被别人办过一步" in answer.text
    assert not FORMS[event].word or WORD in answer.text


@pytest.mark.parametrize(
    ("event", "state", "left_out", "told"),
    [
        (Event.FINISH, State.ACCEPTED, "answer", ""),
        (Event.REFUSE, State.ACCEPTED, "ground", WORD),
        (Event.TRANSFER, State.ACCEPTED, "ground", WORD),
        (Event.WITHDRAW, State.ACCEPTED, "ground", WORD),
        (Event.MERGE, State.ACCEPTED, "", WORD),
        (Event.SEND_BACK, State.REVIEW, "remark", ""),
        (Event.DISSATISFY, State.VISIT, "satisfied", WORD),
        (Event.REOPEN, State.DONE, "why", ""),
    ],
)
def test_what_will_not_do_is_told_beside_its_field_and_all_else_stays(
    site: Site, office: Office, event: Event, state: State, left_out: str, told: str
) -> None:
    number, version = made(site, office, state)
    form = FORMS[event]
    data = {name: value for name, value in form.data.items() if name != left_out}
    word = "" if form.word == left_out else form.word
    answer = replace(form, data=data, word=word).send(site, number, version)
    assert answer.status_code == 422
    ((field, named),) = re.findall(r'<a href="#(f-[^"]+)" hx-boost="false">([^<：]+)：', answer.text)
    (label,) = re.findall(rf'(?:<label for="{field}">|id="{field}"[^>]*><legend>)([^<]+)', answer.text)
    assert named == label
    assert re.search(r'class="field[^"]* wrong"', answer.text)
    assert told in answer.text


def test_the_closing_form_is_filled_with_the_units_reply_and_read_side_by_side(
    site: Site, office: Office
) -> None:
    with site.database.session() as session:
        number = office.into(session, State.HANDLING).number
    assert "还在等回复：供电公司" in browser(site, "clerk").get(f"/tickets/{number}").text
    with stored(site, number) as (session, ticket):
        office.replied(session, ticket)
        version = ticket.version
    text = browser(site, "clerk").get(f"/tickets/{number}").text
    assert f'name="version" value="{version}"' in text
    assert REPLY.account in text
    data = {**_as_typed(), "version": str(version), "account": "改过的内部情况"}
    assert browser(site, "clerk").post(f"/tickets/{number}/closing", data=data).status_code == 303
    seen = browser(site, "reviewer").get(f"/tickets/{number}").text
    assert "改过的内部情况" in seen
    assert REPLY.public_reply in seen
    assert number in browser(site, "reviewer").get("/review").text


def _as_typed() -> dict[str, str]:
    names = ("account", "public_reply", "finding", "solved", "contacted_how", "contacted_at")
    return {name: getattr(REPLY, name) for name in names}


def test_the_visitors_page_has_what_is_read_out_and_a_button_for_the_phone(
    site: Site, office: Office
) -> None:
    number, version = made(site, office, State.VISIT)
    visitor = browser(site, "visitor")
    assert number in visitor.get("/visits").text
    text = visitor.get(f"/tickets/{number}").text
    assert REPLY.public_reply in text
    assert "data-dial" in text
    data = {"reached": "no", "version": str(version)}
    assert visitor.post(f"/tickets/{number}/visit", data=data).status_code == 303
    assert number in visitor.get("/visits?list=later").text + visitor.get("/visits").text
    assert "未接通" in visitor.get(f"/tickets/{number}").text


def test_a_page_of_visits_that_is_none_is_not_found(site: Site, office: Office) -> None:
    assert office.visitor
    assert browser(site, "visitor").get("/visits?list=nowhere").status_code == 404


def test_a_merged_ticket_and_its_lead_lead_to_each_other_and_may_be_split(site: Site, office: Office) -> None:
    with site.database.session() as session:
        lead, again = office.saved(session), office.saved(session)
        numbers = lead.number, again.number
    client = browser(site, "dispatcher")
    page = client.get(f"/tickets/{numbers[1]}").text
    assert "可能重复的工单" in page
    assert numbers[0] in page
    typed = {"lead": numbers[0], "version": "1"}
    assert client.post(f"/tickets/{numbers[1]}/merge", data=typed).status_code == 303
    assert f"/tickets/{numbers[1]}" in client.get(f"/tickets/{numbers[0]}").text
    page = client.get(f"/tickets/{numbers[1]}").text
    assert f"/tickets/{numbers[0]}" in page
    assert "拆分出来" in page
    assert client.post(f"/tickets/{numbers[1]}/split", data={"version": "2"}).status_code == 303
    assert "待分派" in client.get(f"/tickets/{numbers[1]}").text


def test_nothing_of_a_sealed_lead_is_told_to_who_is_not_named_for_it(site: Site, office: Office) -> None:
    with site.database.session() as session:
        sealed = office.saved(session, replace(FORM, sealed=True, title="举报某局长"))
        ticket = office.saved(session)
        number, hidden = ticket.number, sealed.number
    client = browser(site, "dispatcher")
    told = client.post(f"/tickets/{number}/merge", data={"lead": hidden, "version": "1"})
    never = client.post(f"/tickets/{number}/merge", data={"lead": "260101999999", "version": "1"})
    assert told.status_code == never.status_code == 422
    assert told.text.replace(hidden, "") == never.text.replace("260101999999", "")
    assert "举报某局长" not in told.text


def test_texts_of_a_case_are_masked_like_the_ticket_itself(site: Site, office: Office) -> None:
    with site.database.session() as session:
        ticket = office.into(session, State.DONE)
        number = ticket.number
    data = {"why": "李强 13812345678 来电不服", "version": "99"}
    with stored(site, number) as (_, stored_ticket):
        data["version"] = str(stored_ticket.version)
    client = browser(site, "liu")
    assert client.post(f"/tickets/{number}/reopening", data=data).status_code == 303
    answer = {"answer": "已答复李强 13812345678。", "version": str(int(data["version"]) + 1)}
    assert client.post(f"/tickets/{number}/answer", data=answer).status_code == 303
    masked = browser(site, "visitor").get(f"/tickets/{number}").text
    assert "138****5678" in masked
    assert "13812345678" not in masked.replace(" ", "")
