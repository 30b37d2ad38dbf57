"""The check character of enterprise codes, against published codes and against every single slip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.uscc import ALPHABET, Fault, check_character, fault, normalise

# As the enterprises publish them themselves, and as the tests of other programs have them.
PUBLISHED = [
    "91110000600037341L",
    "91310110666007217T",
    "91330100799655058B",
    "914403001922038216",
    "9144030071526726XG",
    "91110000802100433B",
]

digits = st.text("0123456789", min_size=6, max_size=6)
two = st.text(ALPHABET, min_size=2, max_size=2)
nine = st.text(ALPHABET, min_size=9, max_size=9)
bodies = st.builds("{}{}{}".format, two, digits, nine)
codes = bodies.map(lambda body: body + check_character(body))


@pytest.mark.parametrize("code", PUBLISHED)
def test_a_published_code_is_right(code: str) -> None:
    assert fault(code) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("９１１１００００６０００３７３４１Ｌ", "91110000600037341L"),
        (" 91110000 600037341l ", "91110000600037341L"),
        ("91-110000-60003734-1-L", "91110000600037341L"),
    ],
)
def test_a_code_is_read_in_any_width_case_and_grouping(typed: str, meant: str) -> None:
    assert normalise(typed) == meant
    assert fault(normalise(typed)) is None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("9111000060003734", Fault("length", 0, "16")),
        ("", Fault("length", 0, "0")),
        ("9I110000600037341L", Fault("character", 2, "1")),
        ("911100006O0037341L", Fault("character", 10, "0")),
        ("9111000060003734企L", Fault("character", 17, "")),
        ("911A0000600037341L", Fault("region", 4, "")),
        ("91110000600037341M", Fault("check", 18, "L")),
        ("91350211M00013FA1N", Fault("check", 18, check_character("91350211M00013FA1"))),  # of a pilot region
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(code: str, told: Fault) -> None:
    assert fault(code) == told


@given(codes, st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_told(code: str, at: int, other: str) -> None:
    changed = code[:at] + other + code[at + 1 :]
    assert (fault(changed) is None) == (changed == code)


@given(codes, st.integers(0, 16))
def test_any_swap_of_unequal_neighbours_is_told(code: str, at: int) -> None:
    swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    assert (fault(swapped) is None) == (swapped == code)


@given(bodies)
def test_just_one_character_fits_a_body(body: str) -> None:
    assert [each for each in ALPHABET if fault(body + each) is None] == [check_character(body)]
