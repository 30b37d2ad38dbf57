"""Text is folded to one script and width, and found by any two of its neighbouring characters."""

from hypothesis import given
from hypothesis import strategies as st

from routing.bigrams import asked, bigrams, fold

CHINESE = st.text(st.sampled_from("收费減免营业執照乾坤乾净後臺Ａb9 ，。\n㎡ﬁ"), max_size=30)


def test_traditional_script_full_width_and_capitals_are_one_with_plain() -> None:
    assert fold("營業執照ＡＢc１") == "营业执照abc1"


def test_a_character_is_folded_alike_whatever_stands_beside_it() -> None:
    assert fold("乾坤") + fold("乾淨") == "".join(map(fold, "乾坤乾淨"))


def test_every_two_neighbours_stand_once_and_the_last_stands_alone() -> None:
    assert bigrams("乱收费，收费") == ["乱收", "收费", "费"]
    assert asked("乱收费，收费") == ["乱收", "收费"]
    assert asked("费") == ["费"]
    assert asked("，。!") == []


@given(CHINESE)
def test_what_is_asked_of_a_text_s_own_part_is_in_the_text(text: str) -> None:
    known = bigrams(text)
    for place in range(len(text) - 1):
        for gram in asked(text[place : place + 2]):
            assert gram in known if len(gram) == 2 else any(each.startswith(gram) for each in known)
