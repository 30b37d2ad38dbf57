"""Names and numbers on the pages: masked for who needs no more, in full by an act that is on record."""

import re

import httpx
import pytest
from sqlalchemy import select

from cases.calls import Step, note_steps
from storage.tables import Journal, Ticket
from tests.web.site import Site

HERS = ("13812345678", "138 1234 5678", "+8613812345678", "王芳", "长虹精密机械厂")


def told(answer: httpx.Response) -> list[str]:
    """Which of the first caller's names and numbers an answer holds, in its body or headers."""
    said = answer.text + str(answer.headers)
    return [word for word in HERS if word in said]


def shown_on_record(site: Site) -> list[Journal]:
    with site.database.session() as session:
        acts = select(Journal).where(Journal.act == "personal.shown").order_by(Journal.id)
        return list(session.scalars(acts))


def test_a_colleague_sees_masks_on_call_and_ticket(site: Site) -> None:
    for login in ("zhang", "chen", "zhao", "sun"):
        client = site.client(login)
        for path in (f"/calls/{site.seed.calls[0]}", f"/tickets/{site.seed.tickets[0]}"):
            answer = client.get(path)
            assert answer.status_code == 200 and told(answer) == [], (login, path)
            assert "138****5678" in answer.text and "王**" in answer.text


def test_who_took_the_call_sees_it_in_full_and_is_offered_no_button(site: Site) -> None:
    client = site.client("liu")
    call, ticket = (
        client.get(f"/calls/{site.seed.calls[0]}").text,
        client.get(f"/tickets/{site.seed.tickets[0]}").text,
    )
    for page in (call, ticket):
        assert "138 1234 5678" in page and "王芳" in page and "/full" not in page


def test_every_list_is_masked_for_everybody(site: Site) -> None:
    for login in ("liu", "zhang", "zhao", "sun"):
        client = site.client(login)
        for path in ("/calls", "/tickets", "/recordings", "/desk", "/desk/day"):
            answer = client.get(path)
            assert answer.status_code in (200, 403)
            assert told(answer) == [], (login, path)


@pytest.mark.parametrize("kind", ["call", "ticket"])
def test_show_in_full_is_for_this_view_only_and_on_record(site: Site, kind: str) -> None:
    path = f"/calls/{site.seed.calls[0]}" if kind == "call" else f"/tickets/{site.seed.tickets[0]}"
    client = site.client("zhao")
    assert f'action="{path}/full"' in client.get(path).text
    shown = client.post(f"{path}/full")
    assert shown.status_code == 200 and "138 1234 5678" in shown.text and "王芳" in shown.text
    assert "no-store" in shown.headers["cache-control"]
    assert f'action="{path}/full"' not in shown.text
    assert told(client.get(path)) == []
    line = shown_on_record(site)[-1]
    assert (line.actor_id, line.subject_kind, line.rule) == (
        site.seed.people["zhao"],
        kind,
        "supervisor/show_personal/all",
    )


def test_asking_for_what_one_may_not_see_answers_as_for_what_never_was(site: Site) -> None:
    sealed = (f"/calls/{site.seed.calls[2]}/full", f"/tickets/{site.seed.tickets[2]}/full")
    before = len(shown_on_record(site))
    client = site.client("zhao")
    for path in sealed:
        assert client.post(path).status_code == 404
    client = site.client("admin")
    assert client.post(f"/calls/{site.seed.calls[0]}/full").status_code == 403
    assert len(shown_on_record(site)) == before


def test_saving_a_masked_form_keeps_what_it_hid(site: Site) -> None:
    number = site.seed.tickets[0]
    with site.database.session() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        ticket.contact_number, ticket.content = "+8613812345678", "王芳说请打 13812345678，问税收"
    client = site.client("zhang")
    form = client.get(f"/tickets/{number}/edit")
    assert told(form) == []
    fields = dict(re.findall(r'<(?:input|select)[^>]* name="(\w+)"[^>]* value="([^"]*)"', form.text))
    fields |= {"kind": "inquiry", "urgency": "urgent", "channel": "phone"}
    fields["title"] = "咨询小微企业所得税优惠"
    fields["content"] = "王**说请打 138****5678，问税收，很急"
    saved = client.post(f"/tickets/{number}", data=fields)
    assert saved.status_code == 303, saved.text
    with site.database.session() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        assert (ticket.caller_name, ticket.contact_number) == ("王芳", "+8613812345678")
        assert ticket.content == "王芳说请打 13812345678，问税收，很急"


def test_a_number_somebody_was_sent_to_is_masked_in_the_story(site: Site) -> None:
    with site.database.session() as session:
        call = site.seed.calls[0]
        at = session.scalars(select(Journal.at)).first()
        assert at is not None
        note_steps(session, call, [Step(at, "transfer", {"kind": "blind"}, None, "13912340000")], "cel")
    client = site.client("zhang")
    text = client.get(f"/calls/{call}").text
    assert "13912340000" not in text and "139****0000" in text


def test_the_desk_s_record_of_a_colleague_s_call_is_masked(site: Site) -> None:
    path = f"/desk/calls/{site.seed.calls[0]}"
    other = site.client("zhang")
    own = site.client("liu")
    assert told(other.get(path)) == []
    assert "138 1234 5678" in own.get(path).text
