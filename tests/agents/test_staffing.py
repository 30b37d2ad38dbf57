"""The administrator lets people in, moves them, sets passwords and lets them go, on record."""

import httpx
import pytest
from sqlalchemy import select

from cases import units
from routing.policy import load
from storage.staff import Person, Unit
from storage.tables import Journal
from tests.web.site import POLICY, Site

CLERK = {
    "login": "jingban",
    "name": "景班",
    "role": "unit_clerk",
    "unit": "power",
    "lines": "",
    "password": "long-enough",
}


@pytest.fixture
def admin(site: Site) -> httpx.Client:
    with site.database.session() as session:
        units.sync(session, load(POLICY).units)
    return site.client("admin")


def found(site: Site, login: str) -> Person:
    with site.database.session() as session:
        return session.scalars(select(Person).where(Person.login == login)).one()


def acts(site: Site, person_id: int) -> list[str]:
    mine = select(Journal.act).where(Journal.subject_kind == "person", Journal.subject_id == str(person_id))
    with site.database.session() as session:
        return list(session.scalars(mine.order_by(Journal.id)))


def unit_of(site: Site, person: Person) -> str:
    with site.database.session() as session:
        return session.get_one(Unit, person.unit_id).code


def test_she_lets_a_clerk_in_moves_her_and_lets_her_go(site: Site, admin: httpx.Client) -> None:
    answer = admin.post("/people/new", data=CLERK)
    assert answer.status_code == 303
    person = found(site, "jingban")
    page = f"/people/{person.id}"
    assert page in admin.get("/people").text and unit_of(site, person) == "power"
    moved = admin.post(f"{page}/place", data={"unit": "gas"})
    assert moved.status_code == 200 and "已调整" in moved.text
    assert unit_of(site, found(site, "jingban")) == "gas"
    before = found(site, "jingban").password_hash
    assert admin.post(f"{page}/password", data={"password": "another-one"}).status_code == 200
    assert found(site, "jingban").password_hash != before
    assert "已离岗" in admin.post(f"{page}/leave").text
    assert not found(site, "jingban").active
    told = ["person.created", "person.placed", "person.password_set", "person.left"]
    assert acts(site, person.id) == told


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"login": "liu"}, "已经有人用了"),
        ({"login": ""}, "请填写"),
        ({"password": "short"}, "至少 8 个字符"),
        ({"unit": ""}, "请填写"),
        ({"role": ""}, "请填写"),
        ({"role": "agent"}, "hotline people add"),
        ({"role": "leader", "lines": "000111"}, "不是公开号码"),
        ({"role": "secretary", "lines": ""}, "请填写"),
    ],
)
def test_what_will_not_do_comes_back_as_it_was_typed(
    site: Site, admin: httpx.Client, typed: dict[str, str], told: str
) -> None:
    answer = admin.post("/people/new", data=CLERK | {"login": "late", "name": "迟来"} | typed)
    assert answer.status_code == 422 and told in answer.text
    assert 'value="迟来"' in answer.text
    assert f'value="{CLERK["password"]}"' not in answer.text
    with site.database.session() as session:
        assert session.scalar(select(Person.id).where(Person.name == "迟来")) is None


def test_nobody_lets_herself_go_nor_who_has_a_phone_on_the_desk(site: Site, admin: httpx.Client) -> None:
    own = found(site, "admin")
    answer = admin.post(f"/people/{own.id}/leave")
    assert answer.status_code == 422 and "另一位管理员" in answer.text
    with site.database.session() as session:
        session.get_one(Person, found(site, "liu").id).phone = "hardware"
    answer = admin.post(f"/people/{found(site, 'liu').id}/leave")
    assert answer.status_code == 422 and "hotline people leave" in answer.text
    assert own.active and found(site, "liu").active


def test_it_is_the_administrators_alone(site: Site, admin: httpx.Client) -> None:
    client, person = site.client("liu"), found(site, "zhao")
    assert client.get("/people/new").status_code == 403
    assert client.post("/people/new", data=CLERK).status_code == 403
    for path in ("place", "password", "leave"):
        assert client.post(f"/people/{person.id}/{path}", data={"password": "another-one"}).status_code == 403
    assert admin.get("/people/999999").status_code == 404
