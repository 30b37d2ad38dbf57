"""What a page says of a case, a request or a call is true of that very thing, and told to those it is for."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import select, update

from cases import dialling
from cases.calls import end_call
from cases.orders import object_
from cases.states import State
from storage.staff import Person, Unit
from storage.tables import Call, Journal
from storage.work import SubOrder, UnitRequest
from tests.agents.test_endings import browser, made, office, stored
from tests.cases.office import OTHER_UNIT, REPLY, UNIT, Office
from tests.web.site import Site, ring

__all__ = ["office"]
NOW = datetime.now(UTC)


def part(text: str, name: str) -> str:
    """The part of a ticket's page with this anchor, '' when it is not there."""
    found = re.search(rf'<section[^>]*id="{name}".*?</section>', text, re.DOTALL)
    return found[0] if found else ""


def page(site: Site, login: str, number: str) -> str:
    return unescape(browser(site, login).get(f"/tickets/{number}").text)


# -- to whom it was sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.REVIEW, State.VISIT, State.DONE])
def test_who_had_the_case_is_told_after_it_was_closed(site: Site, office: Office, state: State) -> None:
    number, _ = made(site, office, state)
    shown = part(page(site, "dispatcher", number), "dispatch")
    assert "供电公司" in shown and "还没有派给任何单位" not in shown
    assert "收回" not in shown  # a case in this state has nothing to take back


def test_of_a_case_that_no_unit_had_and_none_can_have_nothing_is_said_of_units(
    site: Site, office: Office
) -> None:
    number, _ = made(site, office, State.REFUSED)
    assert "还没有派给任何单位" not in page(site, "dispatcher", number)
    number, _ = made(site, office, State.ACCEPTED)
    assert "还没有派给任何单位" in part(page(site, "dispatcher", number), "dispatch")


def test_what_was_typed_to_take_a_share_back_stays_when_the_case_has_moved_on(
    site: Site, office: Office
) -> None:
    number, _ = made(site, office, State.REVIEW)
    with stored(site, number) as (session, ticket):
        share = session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id)).one()
    answer = browser(site, "dispatcher").post(
        f"/tickets/{number}/shares/{share.id}/recall",
        data={"reason": "这句话不能丢", "version": str(share.version)},
    )
    assert answer.status_code == 409 and "这句话不能丢" in answer.text


def test_a_unit_that_assists_is_not_shown_the_account_that_the_leading_one_closed_with(
    site: Site, office: Office
) -> None:
    number, _ = made(site, office, State.HANDLING)
    with stored(site, number) as (session, ticket):
        office.sent(session, ticket, OTHER_UNIT, "assist")
        office.replied(session, ticket)
        office.submitted(session, ticket)
        session.execute(update(SubOrder).values(account="本单位的话"))
        theirs = select(SubOrder.id).where(SubOrder.ticket_id == ticket.id, SubOrder.part == "lead")
        lead = session.scalars(theirs).one()
    for login, sees in (("clerk", True), ("dispatcher", True), ("other-clerk", False)):
        shown = part(page(site, login, number), "closing")
        assert REPLY.public_reply in shown
        assert (REPLY.account in shown) is sees, login
        assert (f"/orders/{lead}/print" in page(site, login, number)) is sees, login


def test_the_reviewers_row_says_which_units_had_the_case(site: Site, office: Office) -> None:
    number, _ = made(site, office, State.REVIEW)
    text = browser(site, "reviewer").get("/review").text
    row = next(each for each in text.split("<tr>") if number in each)
    assert "供电公司" in row and '<th scope="col">承办单位</th>' in text


# -- until when -------------------------------------------------------------------------------------


def test_a_request_is_marked_by_when_it_should_be_ruled_on_and_not_by_the_shares_own_deadline(
    site: Site, office: Office
) -> None:
    number, _ = made(site, office, State.HANDLING)
    decides = {"discipline": "sun", "dispatcher": "dispatcher", "reviewer": "reviewer"}
    login = decides[office.policy.decides("objection")]
    with stored(site, number) as (session, ticket):
        (share,) = session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id))
        share.sent_at, share.due_at = NOW, NOW + timedelta(days=30)
        session.flush()
        ground = office.policy.handling.objection_grounds[0].code
        asked = object_(session, office.clerk, share.id, ground, "不是我们", "", office.policy, NOW)
        asked.asked_at = NOW - timedelta(days=20)
        assert asked.asked_at < NOW
    row = part_of_ruling(browser(site, login), number)
    assert "已超" in row.split("<dl")[0]
    with stored(site, number) as (session, ticket):
        request = session.scalars(select(UnitRequest).order_by(UnitRequest.id.desc()).limit(1)).one()
        request.asked_at = NOW
        session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id)).one().due_at = (
            NOW - timedelta(1)
        )
    assert "已超" not in part_of_ruling(browser(site, login), number).split("<dl")[0]


def part_of_ruling(client: httpx.Client, number: str) -> str:
    sections = client.get("/rulings").text.split('<section class="part ruling">')
    return next(each for each in sections if number in each)


def test_a_past_day_says_that_it_is_counted_by_the_records_as_they_are_now(
    site: Site, office: Office
) -> None:
    client = browser(site, "dispatcher")
    words = "按现在的记录统计"
    yesterday = (NOW - timedelta(days=2)).date().isoformat()
    assert words in client.get("/day", params={"date": yesterday}).text
    assert words not in client.get("/day").text


# -- the journal and the robot ----------------------------------------------------------------------


def test_the_journal_has_a_word_for_all_that_its_details_name(site: Site, office: Office) -> None:
    for state in State:
        made(site, office, state)
    with site.database.session() as session:
        keys = {key for detail in session.scalars(select(Journal.detail)) for key in detail}
    assert {"was", "orders", "second_step"} <= keys
    for t in site.app.state.renderer.catalogues.values():
        assert not [key for key in keys if not t.has(f"journal.word.{key}")]


# -- a unit's telephone -----------------------------------------------------------------------------


def test_a_units_telephone_is_kept_by_the_administrator_and_stands_in_the_form_that_charges_it(
    site: Site, office: Office
) -> None:
    admin = browser(site, "admin")
    wrong = admin.post(f"/city/units/{UNIT}/phone", data={"phone": "打不通"})
    assert wrong.status_code == 422 and 'value="打不通"' in wrong.text and "认不出这个号码" in wrong.text
    assert admin.post(f"/city/units/{UNIT}/phone", data={"phone": "2345678"}).status_code == 303
    assert 'value="0816-2345678"' in admin.get("/city/units").text
    number, _ = made(site, office, State.HANDLING)
    with stored(site, number) as (session, ticket):
        session.execute(update(SubOrder).where(SubOrder.ticket_id == ticket.id).values(way="phone"))
        noted = session.scalars(select(Journal).where(Journal.act == "unit.phone_set")).one()
        assert noted.detail == {"unit": UNIT}  # by whom and whose, never the number
        assert session.scalars(select(Unit.phone).where(Unit.code == UNIT)).one() == "0816-2345678"
    assert re.search(
        r'name="to"[^>]*value="0816-2345678"', part(page(site, "dispatcher", number), "dispatch")
    )
    assert browser(site, "dispatcher").post(f"/city/units/{UNIT}/phone", data={}).status_code == 403


# -- calling back -----------------------------------------------------------------------------------


def test_who_was_missed_is_called_back_from_the_list_and_it_says_who_did(site: Site, office: Office) -> None:
    missed, liu = site.seed.calls[3], browser(site, "liu")
    button = f'data-dial-back="{missed}"'
    assert button in liu.get("/calls").text and button in liu.get(f"/calls/{missed}").text
    assert button not in browser(site, "zhao").get("/calls").text  # she may call nobody
    target = liu.post(f"/calls/{missed}/dial").json()
    with site.database.session() as session:
        endpoint = session.get_one(Person, site.seed.people["liu"]).endpoint
        token = target["target"].removeprefix("out")
        placed = dialling.begin(session, token, endpoint or "", "7.1", office.policy, datetime.now(UTC))
        assert placed is not None and (placed.number, placed.call_id) == ("13700002222", target["call_id"])
    meanwhile = browser(site, "zhang").post(f"/calls/{missed}/dial")
    assert meanwhile.status_code == 409 and "正在有人回拨" in meanwhile.text
    with site.database.session() as session:
        end_call(session, placed.call_id, datetime.now(UTC))
    text = liu.get("/calls").text
    assert "刘晓燕 已回拨" in text and button in text  # not reached: it may be tried again
    with site.database.session() as session:
        session.execute(update(Call).where(Call.id == placed.call_id).values(outcome="answered"))
    assert button not in liu.get("/calls").text
    assert missed in liu.get(f"/calls/{placed.call_id}").text


def test_who_was_missed_and_got_through_later_needs_no_call_back(site: Site, office: Office) -> None:
    agent, policy = site.seed.people["liu"], office.policy
    first, again, withheld, unheard, hidden = (NOW - timedelta(minutes=each) for each in (19, 17, 15, 13, 11))
    with site.database.session() as session:
        missed = [ring(session, policy, "13700003333", "", first, None)]
        later = ring(session, policy, "13700003333", "", again, agent)
        missed.append(ring(session, policy, "13700003333", "", unheard, None))  # and was missed once more
        missed.append(ring(session, policy, "13700004444", "", unheard, None))
        ring(session, policy, "13700004444", "complaint", hidden, agent)  # sealed
        missed += [
            ring(session, policy, number, "", withheld, None) for number in ("anonymous", "13700005555")
        ]
        ring(session, policy, "anonymous", "", hidden, agent)
    text = browser(site, "zhang").get("/calls").text
    button = [f'data-dial-back="{each}"' in text for each in missed]
    assert button == [False, True, True, False, True]  # nobody can call back who withholds her number
    assert text.count(f'<a href="/calls/{later}">') == 1 and "再次来电，已接听" in text
    assert f'data-dial-back="{missed[0]}"' not in browser(site, "zhang").get(f"/calls/{missed[0]}").text


def test_a_call_that_was_answered_is_not_called_back(site: Site, office: Office) -> None:
    answer = browser(site, "liu").post(f"/calls/{site.seed.calls[0]}/dial")
    assert answer.status_code == 409 and "无需回拨" in answer.text
    assert browser(site, "zhang").post(f"/calls/{site.seed.calls[2]}/dial").status_code == 404  # sealed


def test_a_ticket_s_page_calls_its_contact_for_those_who_call_out(site: Site, office: Office) -> None:
    number, _ = made(site, office, State.HANDLING)
    button = f'data-dial="{number}"'
    assert button in page(site, "liu", number)
    assert button not in page(site, "reviewer", number)
    with stored(site, number) as (_, ticket):
        ticket.contact_number = ""
    assert button not in page(site, "liu", number)
