"""The administrator keeps the directory: tried before it is used, and taken in and out as a table."""

import csv
import io

import httpx
import pytest
from sqlalchemy import select

from cases import people, units
from cases.directory import form_of
from routing.policy import load
from storage.knowledge import DirectoryEntry
from storage.viewer import Role
from tests.web.site import PASSWORD, POLICY, Site

FORM = {"words": "停电、断电 跳闸", "unit": "power"}


@pytest.fixture(scope="module")
def admin(site: Site) -> httpx.Client:
    with site.database.session() as session:
        units.sync(session, load(POLICY).units)
        people.create_person(session, "clerk", "经办人小吴", Role.UNIT_CLERK, PASSWORD, unit="power")
    return site.client("admin")


@pytest.fixture(autouse=True)
def empty(site: Site) -> None:
    with site.database.session() as session:
        session.query(DirectoryEntry).delete()


def entries(site: Site) -> list[DirectoryEntry]:
    with site.database.session() as session:
        return list(session.scalars(select(DirectoryEntry).order_by(DirectoryEntry.id)))


def test_an_entry_is_written_listed_changed_and_switched_off(site: Site, admin: httpx.Client) -> None:
    assert admin.post("/city/directory", data=FORM).status_code == 303
    (entry,) = entries(site)
    assert (entry.words, entry.unit, entry.active) == (["停电", "断电", "跳闸"], "power", True)
    page = f"/city/directory/{entry.id}"
    text = admin.get("/city/directory").text
    for words in ("停电、断电、跳闸", "供电公司", "启用", "管理员"):
        assert words in text
    form = admin.get(page).text
    assert 'value="停电、断电、跳闸"' in form
    changed = {
        **FORM,
        "place": "高新区",
        "designated": "1",
        "choice": "complex",
        "version": str(entry.version),
    }
    assert admin.post(page, data=changed).status_code == 303
    assert admin.post(f"{page}/switch", data={"on": "false"}).status_code == 303
    (entry,) = entries(site)
    assert (entry.place, entry.designated, entry.choice, entry.active) == ("高新区", True, "complex", False)
    assert "停用" in admin.get("/city/directory").text


def test_what_it_would_propose_is_tried_and_told_with_its_reason(site: Site, admin: httpx.Client) -> None:
    admin.post("/city/directory", data=FORM)
    tried = {"text": "厂里又停電了", "kind": "help", "place": "涪城区"}
    text = admin.post("/city/directory/try", data=tried).text
    assert "供电公司" in text and "提到“停电”" in text and "厂里又停電了" in text
    text = admin.post("/city/directory/try", data={**tried, "accused_unit": "power"}).text
    assert "涪城区" in text and "提到“停电”" not in text
    text = admin.post("/city/directory/try", data={"text": "别的事", "kind": "help"}).text
    assert "目录里没有合适的单位" in text
    assert len(entries(site)) == 1


def test_faults_name_their_fields_and_everything_typed_stays(site: Site, admin: httpx.Client) -> None:
    answer = admin.post("/city/directory", data={"note": "只在这里写过", "unit": ""})
    assert answer.status_code == 422
    for words in ('href="#f-unit"', "请填写这一项", "请至少填一个条件", 'value="只在这里写过"'):
        assert words in answer.text
    admin.post("/city/directory", data=FORM)
    answer = admin.post("/city/directory", data={**FORM, "unit": "gas"})
    assert answer.status_code == 422 and "已有一条条件相同的在用" in answer.text
    assert len(entries(site)) == 1


def test_two_who_change_one_entry_see_what_is_stored_and_lose_nothing(
    site: Site, admin: httpx.Client
) -> None:
    admin.post("/city/directory", data=FORM)
    (entry,) = entries(site)
    page, old = f"/city/directory/{entry.id}", str(entry.version)
    admin.post(page, data={**FORM, "note": "先写的", "version": old})
    clash = admin.post(page, data={**FORM, "note": "后写的", "version": old})
    assert clash.status_code == 409
    assert "刚刚有人改过这一条" in clash.text and "先写的" in clash.text and 'value="后写的"' in clash.text


def test_one_that_would_be_there_twice_is_not_switched_on(site: Site, admin: httpx.Client) -> None:
    admin.post("/city/directory", data=FORM)
    (first,) = entries(site)
    admin.post(f"/city/directory/{first.id}/switch", data={"on": "false"})
    admin.post("/city/directory", data=FORM)
    answer = admin.post(f"/city/directory/{first.id}/switch", data={"on": "true"})
    assert answer.status_code == 409 and "条件相同" in answer.text
    assert [each.active for each in entries(site)] == [False, True]


def test_the_list_is_narrowed_by_any_word_of_an_entry(admin: httpx.Client) -> None:
    admin.post("/city/directory", data=FORM)
    admin.post("/city/directory", data={"place": "北川", "unit": "beichuan", "category": "power_supply"})
    for typed, count in (("断电", 1), ("供電公司", 1), ("北川", 1), ("供电", 2), ("水管", 0)):
        assert admin.get("/city/directory", params={"q": typed}).text.count("data-row") == count, typed


def test_the_table_comes_back_as_it_went_out_and_holds_no_formula(site: Site, admin: httpx.Client) -> None:
    admin.post("/city/directory", data={**FORM, "note": "=HYPERLINK(1)", "category": "power_supply"})
    admin.post("/city/directory", data={"place": "@高新区", "unit": "hightech", "designated": "1"})
    answer = admin.get("/city/directory/export")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][:3] == ["分类", "诉求类型", "字词"] and len(rows) == 3
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    before = [form_of(each) for each in entries(site)]
    file = {"file": ("a.csv", answer.content, "text/csv")}
    assert "新增 0 条，修改 0 条" in admin.post("/city/directory/import", files=file).text
    with site.database.session() as session:
        session.query(DirectoryEntry).delete()
    assert "新增 2 条" in admin.post("/city/directory/import", files=file).text
    assert sorted(map(str, before)) == sorted(str(form_of(each)) for each in entries(site))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_by_hand_may_name_units_and_categories_as_people_do(
    site: Site, admin: httpx.Client, encoding: str
) -> None:
    table = "承办单位,字词,分类,备注\n供电公司,停电、跳闸,供电,\n市市场监管局,,证照办理,窗口0816\n".encode(
        encoding
    )
    answer = admin.post("/city/directory/import", files={"file": ("a.csv", table, "text/csv")})
    assert "新增 2 条" in answer.text
    assert [(each.unit, each.category) for each in entries(site)] == [
        ("power", "power_supply"),
        ("market_supervision", "permits"),
    ]


def test_a_table_with_faults_tells_each_line_and_leaves_all_as_it_was(
    site: Site, admin: httpx.Client
) -> None:
    table = "承办单位,字词\n没有的单位,停电\n供电公司,\n供电公司,跳闸\n".encode()
    answer = admin.post("/city/directory/import", files={"file": ("a.csv", table, "text/csv")})
    assert answer.status_code == 422
    for words in ("一条也没有导入", "第 1 行承办单位", "没有这个选项", "第 2 行", "请至少填一个条件"):
        assert words in answer.text
    assert entries(site) == []


@pytest.mark.parametrize(
    "odd",
    [b"", b"\xff\xfe\x00", "标题\n一行".encode(), b"PK\x03\x04" * 9, b'"a\n', "承办单位,乱\nx,y".encode()],
)
def test_what_is_no_table_is_told_so(admin: httpx.Client, odd: bytes) -> None:
    answer = admin.post("/city/directory/import", files={"file": ("a.csv", odd, "text/csv")})
    assert answer.status_code == 422 and "读不懂这个文件" in answer.text


def test_the_units_page_shows_levels_and_who_has_no_account(admin: httpx.Client) -> None:
    text = admin.get("/city/units").text
    for words in (
        "供电公司",
        "经办人小吴",
        "县（市、区）、园区",
        "涪城区税务局",
        "下属单位",
        "没有经办人账号",
    ):
        assert words in text
    assert admin.get("/city").headers["location"] == "/city/directory"


@pytest.mark.parametrize("login", ["liu", "chen", "zhao", "sun"])
def test_nobody_else_keeps_it(site: Site, admin: httpx.Client, login: str) -> None:
    admin.post("/city/directory", data=FORM)
    (entry,), client = entries(site), site.client(login)
    for path in ("", "/directory", "/directory/new", "/directory/export", f"/directory/{entry.id}", "/units"):
        assert client.get(f"/city{path}").status_code == 403
    for path in ("", "/try", "/import", f"/{entry.id}", f"/{entry.id}/switch"):
        assert client.post(f"/city/directory{path}", data=FORM | {"on": "false"}).status_code == 403
    assert entries(site)[0].version == 1
