"""Every word on a page is in the catalogues, in both languages."""

import re
from pathlib import Path

import pytest

from web.marks import MARKS
from web.messages import Catalogue, CatalogueError, preferred

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("web", "agents", "reports")
FOLDERS = [CHECKOUT / room / "messages" for room in ROOMS]
ZH, EN = Catalogue("zh", FOLDERS), Catalogue("en", FOLDERS)
USE = re.compile(r"""\bt\(\s*["']([a-z0-9_.]+)["']\s*([~),+])""")
BUILT = re.compile(r"""\bt\(\s*["']([a-z0-9_.]+\.?[a-z_]*)["']\s*~""")
REFUSED = re.compile(r"""Refused\(\s*f?["']([a-z_.{}]+)["']""")


def sources() -> list[Path]:
    kinds = ("*.html", "*.py")
    return [file for room in ROOMS for kind in kinds for file in (CHECKOUT / room).rglob(kind)]


def test_both_languages_say_the_same_things() -> None:
    assert set(ZH.texts) == set(EN.texts)


def test_both_languages_fill_in_the_same_values() -> None:
    names = [
        {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in catalogue.texts.items()}
        for catalogue in (ZH, EN)
    ]
    assert names[0] == names[1]


def test_every_key_that_a_page_uses_exists() -> None:
    missing = [
        f"{file.relative_to(CHECKOUT)}: {key}"
        for file in sources()
        for key, after in USE.findall(file.read_text())
        if after != "~" and not ZH.has(key)
    ]
    assert not missing


def test_every_family_of_keys_that_a_page_builds_exists() -> None:
    missing = [
        f"{file.relative_to(CHECKOUT)}: {start}…"
        for file in sources()
        for start in BUILT.findall(file.read_text())
        if not any(key.startswith(start) for key in ZH.texts)
    ]
    assert not missing


def test_every_refusal_has_a_title_and_a_remedy() -> None:
    keys = {
        key
        for file in sources()
        for key in REFUSED.findall(file.read_text())
        if "." in key and "{" not in key
    }
    assert keys
    assert not [key for key in keys if not (ZH.has(f"{key}.title") and ZH.has(f"{key}.remedy"))]


def test_every_state_has_a_word_and_a_shape() -> None:
    icons = (CHECKOUT / "web" / "static" / "icons.svg").read_text()
    for group, codes in MARKS.items():
        for code, mark in codes.items():
            assert ZH.has(f"state.{group}.{code}"), (group, code)
            assert f'id="mark-{mark.shape}"' in icons, (group, code)


def test_states_of_one_group_differ_by_more_than_colour() -> None:
    for group, codes in MARKS.items():
        words = [ZH(f"state.{group}.{code}") for code in codes]
        assert len(set(words)) == len(words), group


def test_a_missing_key_shows_itself_rather_than_an_error_page() -> None:
    assert ZH("no.such.key") == "no.such.key"


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zh.toml").write_text('a = "x"')
    (tmp_path / "more.zh.toml").write_text('a = "y"')
    with pytest.raises(CatalogueError):
        Catalogue("zh", [tmp_path])


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr-FR,en;q=0.5", "en"),
        ("fr", "zh"),
        ("", "zh"),
    ],
)
def test_the_browser_may_choose_before_anybody_logs_in(header: str, language: str) -> None:
    assert preferred(header) == language
