"""Files of a ticket: taken by what they are, sealed on the disk, seen by whoever sees the ticket."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, select

from cases.attachments import MOST_BYTES, MOST_FILES
from storage.tables import Attachment, Journal
from tests.web.site import Site

PNG = b"\x89PNG\r\n\x1a\n" + os.urandom(300_000)
PDF = b"%PDF-1.7\n" + b"letter " * 40


def zipped(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, name * 50)
    return made.getvalue()


DOCX = zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")
ODT = b"PK\3\4" + bytes(22) + b"\x08\0\0\0mimetypeapplication/vnd.oasis.opendocument.textPK\3\4"


@pytest.fixture(autouse=True)
def _none_left(site: Site) -> Iterator[None]:
    yield
    with site.database.session() as session:
        session.execute(delete(Attachment))


def send(
    site: Site, name: str, content: bytes, login: str = "liu", ticket: int = 0, json: bool = True
) -> httpx.Response:
    client = site.client(login)
    headers = {"Accept": "application/json"} if json else {}
    address = f"/tickets/{site.seed.tickets[ticket]}/attachments"
    return client.post(address, files={"file": (name, content, "application/octet-stream")}, headers=headers)


def rows(site: Site) -> list[Attachment]:
    with site.database.session() as session:
        return list(session.scalars(select(Attachment).order_by(Attachment.at)))


def stored(site: Site) -> list[Path]:
    return [file for file in (site.folder / "attachments").rglob("*") if file.is_file()]


def test_a_picture_is_kept_sealed_and_comes_back_as_a_download(site: Site) -> None:
    before = set(stored(site))
    assert send(site, "现场 照片.png", PNG).status_code == 303
    (row,) = rows(site)
    assert (row.name, row.media_type, row.size_bytes) == ("现场 照片.png", "image/png", len(PNG))
    (file,) = set(stored(site)) - before
    assert PNG[:64] not in file.read_bytes()
    answer = site.client("zhang").get(f"/attachments/{row.id}")
    assert answer.content == PNG
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E7%8E%B0")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    part = site.client("zhang").get(f"/attachments/{row.id}", headers={"Range": "bytes=200000-200099"})
    assert (part.status_code, part.content) == (206, PNG[200_000:200_100])


def test_the_tickets_page_lists_it_and_its_story_says_who_took_it_out(site: Site) -> None:
    send(site, "信.pdf", PDF)
    (row,) = rows(site)
    site.client("zhang").get(f"/attachments/{row.id}")
    with site.database.session() as session:
        acts = session.execute(
            select(Journal.act, Journal.actor_id, Journal.rule).where(
                Journal.detail["attachment"].astext == str(row.id)
            )
        ).all()
    assert [tuple(act) for act in acts] == [
        ("ticket.attached", site.seed.people["liu"], "agent/write_tickets/all"),
        ("ticket.attachment_read", site.seed.people["zhang"], "agent/see_tickets/all"),
    ]
    page = site.client("zhang").get(f"/tickets/{site.seed.tickets[0]}").text
    assert "信.pdf" in page and "下载附件" in page


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(50), "image/jpeg"),
        ("a.docx", DOCX, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.odt", ODT, "application/vnd.oasis.opendocument.text"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "application/x-ole-storage"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt " + bytes(40), "audio/wav"),
        ("a.txt", "您好，材料见附件。\r\n".encode() * 9000, "text/plain"),
        ("a.csv", "号码,时间\n".encode("gb18030") * 20, "text/plain"),
    ],
)
def test_what_tickets_take_is_told_by_its_content(site: Site, name: str, content: bytes, kind: str) -> None:
    assert send(site, name, content).status_code == 303
    (row,) = rows(site)
    assert row.media_type == kind


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", PNG, "attachments.name"),
        ("a.png", b"<html><script>alert(1)</script>", "attachments.name"),
        ("a.png", b"MZ\x90\0" + bytes(500), "attachments.broken"),
        ("a.exe", b"MZ\x90\0" + bytes(500), "attachments.kind"),
        ("a.html", b"<html></html>", "attachments.name"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "attachments.name"),
        ("a.zip", zipped("setup.exe"), "attachments.kind"),
        ("a.docx", zipped("setup.exe"), "attachments.broken"),
        ("a.txt", b"text, and then \0 bytes" * 40, "attachments.broken"),
        ("a.txt", b"text " * 40_000 + b"\0", "attachments.broken"),
        ("", b"nothing by name", "attachments.name"),
        ("a.txt", b"", "attachments.empty"),
        ("a.pdf", PDF + bytes(MOST_BYTES), "attachments.too_big"),
    ],
)
def test_what_is_refused_is_told_with_the_remedy_and_leaves_nothing(
    site: Site, name: str, content: bytes, code: str
) -> None:
    before = set(stored(site))
    error = send(site, name or "x", content).json()["error"]
    assert (error["code"], error["field"] or "file") == (code, "file")
    assert error["remedy"] and "{" not in error["remedy"]
    assert not rows(site)
    assert set(stored(site)) == before


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\Users\\li\\诉求.pdf", "诉求.pdf"),
        ("a\u202efdp.pdf", "afdp.pdf"),
        ("con.pdf", "_con.pdf"),
        ('<b>"x"</b>.pdf', "b_.pdf"),
        (f"{'长' * 300}.pdf", f"{'长' * 116}.pdf"),
    ],
)
def test_names_are_made_harmless(site: Site, sent: str, kept: str) -> None:
    assert send(site, sent, PDF).status_code == 303
    (row,) = rows(site)
    assert row.name == kept


def test_a_ticket_has_ten_at_most(site: Site) -> None:
    for number in range(MOST_FILES):
        assert send(site, f"{number}.pdf", PDF).status_code == 303
    assert send(site, "11.pdf", PDF).json()["error"]["code"] == "attachments.many"
    assert 'name="file"' not in site.client("liu").get(f"/tickets/{site.seed.tickets[0]}").text


def test_a_sealed_tickets_file_is_nobody_elses(site: Site) -> None:
    before = set(stored(site))
    assert send(site, "a.pdf", PDF, "zhang", ticket=2).status_code == 404
    assert set(stored(site)) == before
    assert send(site, "a.pdf", PDF, "sun", ticket=2).status_code == 303
    (row,) = rows(site)
    for login in ("zhang", "chen", "zhao"):
        answer = site.client(login).get(f"/attachments/{row.id}")
        assert answer.status_code == 404
        nothing = site.client(login).get("/attachments/1")
        assert answer.text.replace(str(row.id), "1") == nothing.text
    assert site.client("sun").get(f"/attachments/{row.id}").content == PDF


@pytest.mark.parametrize("login", ["zhao", "admin"])
def test_who_may_not_write_tickets_attaches_nothing(site: Site, login: str) -> None:
    assert send(site, "a.pdf", PDF, login).status_code == 403
    assert not rows(site)


def test_nobody_downloads_without_logging_in(site: Site) -> None:
    send(site, "a.pdf", PDF)
    (row,) = rows(site)
    assert httpx.get(f"{site.url}/attachments/{row.id}").status_code == 401


def test_a_form_that_breaks_off_or_is_none_stores_nothing(site: Site) -> None:
    before, client = set(stored(site)), site.client("liu")
    address = f"/tickets/{site.seed.tickets[0]}/attachments"
    half = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.7 and then'
    for kind, body in (
        ("multipart/form-data; boundary=b", half),
        ("multipart/form-data; boundary=b", b"nonsense"),
        ("multipart/form-data", half),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=b", half.replace(b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 5000)),
    ):
        answer = client.post(address, content=body, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500
    assert not rows(site)
    assert set(stored(site)) == before


def test_a_file_that_was_changed_on_the_disk_is_not_given_out(site: Site) -> None:
    before = set(stored(site))
    send(site, "a.pdf", PDF)
    (file,) = set(stored(site)) - before
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    (row,) = rows(site)
    answer = site.client("liu").get(f"/attachments/{row.id}")
    assert answer.status_code == 410
    assert str(row.id) in answer.text
