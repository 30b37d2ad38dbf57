"""Each row is a form that a trunk in China was seen to deliver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.numbers import normalise

MIANYANG, NANNING = "0816", "0771"


@pytest.mark.parametrize(
    "raw",
    [
        "13812345678",
        "013812345678",
        "008613812345678",
        "8613812345678",
        "+8613812345678",
        "+86 138-1234-5678",
        "１３８１２３４５６７８",
        "1795113812345678",
        "17951013812345678",
        "1259313812345678",
        "tel:+8613812345678",
        "sip:13812345678@10.0.0.1",
        "13812345678;phone-context=+86",
        " (138) 1234 5678 ",
    ],
)
def test_every_form_of_a_mobile_is_one_number(raw: str) -> None:
    number = normalise(raw, MIANYANG)
    assert (number.raw, number.number, number.kind) == (raw, "+8613812345678", "mobile")
    assert number.display == "138 1234 5678"


@pytest.mark.parametrize(
    ("raw", "area_code", "number", "kind"),
    [
        ("962299", MIANYANG, "962299", "short"),
        ("12345", MIANYANG, "12345", "short"),
        ("110", MIANYANG, "110", "short"),
        ("10086", MIANYANG, "10086", "short"),
        ("95588", MIANYANG, "95588", "short"),
        ("12580", MIANYANG, "12580", "short"),
        ("+86962299", MIANYANG, "962299", "short"),
        ("+8612345", MIANYANG, "12345", "short"),
        ("0816962299", MIANYANG, "962299", "short"),
        ("081612345", MIANYANG, "12345", "short"),
        ("0816962299", NANNING, "0816962299", "short"),
        ("0771-12345", NANNING, "12345", "short"),
        ("0771-12345", MIANYANG, "077112345", "short"),
        ("08162223344", NANNING, "+868162223344", "fixed"),
        ("0816-2223344", MIANYANG, "+868162223344", "fixed"),
        ("+868162223344", MIANYANG, "+868162223344", "fixed"),
        ("868162223344", MIANYANG, "+868162223344", "fixed"),
        ("2223344", MIANYANG, "+868162223344", "fixed"),
        ("2223344", NANNING, "+867712223344", "fixed"),
        ("01062223344", MIANYANG, "+861062223344", "fixed"),
        ("+861062223344", MIANYANG, "+861062223344", "fixed"),
        ("1795108162223344", MIANYANG, "+868162223344", "fixed"),
        ("10655012345678", MIANYANG, "10655012345678", "service"),
        ("106812345678", MIANYANG, "106812345678", "service"),
        ("4008123456", MIANYANG, "4008123456", "service"),
        ("+14155552671", MIANYANG, "+14155552671", "foreign"),
        ("0014155552671", MIANYANG, "+14155552671", "foreign"),
        ("+85221234567", MIANYANG, "+85221234567", "foreign"),
        ("+1999", MIANYANG, None, "unknown"),
        ("guest", MIANYANG, None, "unknown"),
        ("1", MIANYANG, None, "unknown"),
        ("9999999999999999999999", MIANYANG, None, "unknown"),
    ],
)
def test_the_other_forms(raw: str, area_code: str, number: str | None, kind: str) -> None:
    read = normalise(raw, area_code)
    assert (read.number, read.kind) == (number, kind)
    assert read.raw == raw


@pytest.mark.parametrize("raw", ["", "anonymous", "Anonymous", "  ", "unavailable", "restricted"])
def test_no_number_is_withheld(raw: str) -> None:
    read = normalise(raw, MIANYANG)
    assert (read.number, read.kind, read.display) == (None, "withheld", "")


def test_a_withheld_call_keeps_nothing_of_the_asserted_number() -> None:
    read = normalise("13812345678", MIANYANG, withheld=True)
    assert (read.raw, read.number, read.kind, read.display) == ("", None, "withheld", "")


_dialled = st.one_of(st.text(max_size=40), st.from_regex(r"\A(\+|00|0|86|17951)?[0-9]{1,16}\Z"))


@given(_dialled, st.sampled_from([MIANYANG, NANNING, "010"]))
def test_anything_at_all_is_read_without_a_crash_and_reading_again_changes_nothing(
    raw: str, area: str
) -> None:
    once = normalise(raw, area)
    assert once.raw == raw
    if once.number is not None:
        again = normalise(once.number, area)
        assert (again.number, again.kind, again.display) == (once.number, once.kind, once.display)


@given(
    st.from_regex(r"\A1[3-9][0-9]{9}\Z"), st.sampled_from(["", "0", "86", "+86", "0086", "17951", "179510"])
)
def test_every_mobile_in_every_dress_is_the_same(plain: str, dress: str) -> None:
    assert normalise(dress + plain, MIANYANG).number == "+86" + plain


@given(st.from_regex(r"\A[0-9+a-z]{0,20}\Z"))
def test_a_kind_with_a_number_has_one_and_the_others_have_none(raw: str) -> None:
    read = normalise(raw, NANNING)
    assert (read.number is None) == (read.kind in {"withheld", "unknown"})
