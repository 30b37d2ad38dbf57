"""The State Council's notice is read in its own words and as a table."""

from datetime import date

import chinese_calendar
import pytest

from routing.holidays import Bad, Listed, read

NOTICE_2026 = """国务院办公厅关于2026年部分节假日安排的通知
国办发明电〔2025〕7号
各省、自治区、直辖市人民政府，国务院各部委、各直属机构：
经国务院批准，现将2026年元旦、春节、清明节、劳动节、端午节、中秋节和国庆节放假调休日期的具体安排通知如下。
一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。
二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
四、劳动节：5月1日（周五）至5日（周二）放假调休，共5天。5月9日（周六）上班。
五、端午节：6月19日（周五）至21日（周日）放假，共3天。
六、中秋节：9月25日（周五）至27日（周日）放假，共3天。
七、国庆节：10月1日（周四）至7日（周三）放假调休，共7天。9月20日（周日）、10月10日（周六）上班。
节假日期间，各地区、各部门要妥善安排好值班和安全、保卫等工作。
"""


def test_the_notice_of_2026_says_what_the_library_knows_of_that_year() -> None:
    days, bad = read(NOTICE_2026)
    known = {
        (day, works)
        for listed, works in ((chinese_calendar.holidays, False), (chinese_calendar.workdays, True))
        for day in listed
        if day.year == 2026 and works != (day.weekday() < 5)
    }
    assert not bad
    assert {(each.day, each.works) for each in days if each.differs} == known
    assert {each.name for each in days if each.day.month == 2} == {"春节"}


def test_a_holiday_over_the_turn_of_the_year_is_read() -> None:
    days, bad = read("一、元旦：2022年12月31日（周六）至2023年1月2日（周一）放假调休，共3天。")
    assert not bad
    assert [each.day for each in days] == [date(2022, 12, 31), date(2023, 1, 1), date(2023, 1, 2)]


@pytest.mark.parametrize(
    "table",
    [
        "2027-01-01~2027-01-02,休,元旦\n2027-01-30,班,春节",
        "日期,班休,名称\n2027/1/1 至 2027/1/2\t放假\t元旦\n\n2027年1月30日，上班，春节",
        '\ufeff2027-01-01,off,元旦\r\n2027-01-02,0,元旦\r\n"2027-01-30",works,春节\r\n',
    ],
)
def test_a_table_is_read_however_it_is_written(table: str) -> None:
    new_year = [Listed(date(2027, 1, day), False, "元旦") for day in (1, 2)]
    assert read(table) == ([*new_year, Listed(date(2027, 1, 30), True, "春节")], [])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2027-02-30,休,春节", "no_date"),
        ("2027-1x-01,休,春节", "no_date"),
        ("2027-01-01~2027,休,元旦", "no_date"),
        ("2027-01-01,假,元旦", "no_word"),
        ("2027-01-01", "no_word"),
        ("2027-02-01~2027-01-01,休,元旦", "span"),
        ("2027-01-01~2027-02-01,休,元旦", "span"),
        ("一、元旦：1月1日放假1天。", "no_date"),
        ("一、元旦：2027年13月1日放假1天。", "no_date"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(line: str, fault: str) -> None:
    days, bad = read(f"2027-05-01,休,劳动节\n{line}")
    assert [(each.line, each.text, each.fault) for each in bad] == [(2, line, fault)]
    assert days == [Listed(date(2027, 5, 1), False, "劳动节")]


def test_a_day_that_is_told_both_ways_is_told() -> None:
    assert read("2027-05-01,休,劳动节\n2027-05-01,班,劳动节")[1] == [Bad(2, "2027-05-01,班,劳动节", "twice")]


def test_other_words_are_passed_over() -> None:
    assert read("各省、自治区、直辖市人民政府，国务院各部委：\n\n国务院办公厅") == ([], [])
