"""A visit from another PC: one browser in a network of its own, which trusts our authority and nobody else.

The visit itself is another_pc.py; here stands what it must have found.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from hotline.settings import CHECKOUT
from tests.real.another_pc import HERE, NAME, own_network
from tests.real.spine import CALLER_HZ

pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        own_network(sys.executable, "-m", "tests.real.another_pc", "visit"),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n(it needs root, or user namespaces that are allowed)"
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def test_a_pc_that_does_not_know_our_authority_is_warned(found: dict[str, Any]) -> None:
    assert "ERR_CERT_AUTHORITY_INVALID" in found["stranger"]


def test_it_gets_the_authority_from_the_desk_as_the_command_told_it(found: dict[str, Any]) -> None:
    assert found["authority_as_told"]


def test_who_types_http_is_sent_to_https(found: dict[str, Any]) -> None:
    status, place = found["redirect"]
    assert status == 307
    assert place.startswith(f"https://{HERE}:")
    assert place.endswith("/hotline-ca.crt")


def test_the_desk_is_announced_by_its_name_and_there_the_page_may_use_the_microphone(
    found: dict[str, Any],
) -> None:
    assert found["announced"]
    assert found["secure_context"]


def test_the_phone_registers_over_tls_by_the_name_that_was_typed(found: dict[str, Any]) -> None:
    assert found["sockets"] == [f"wss://{NAME}:8089/ws"]
    assert found["browser_errors"] == []


def test_the_log_in_travels_under_tls_only(found: dict[str, Any]) -> None:
    kept = {name: secure for name, secure in found["cookies"].items() if "hotline" in name}
    assert kept and all(name.startswith("__Host-") and secure for name, secure in kept.items())


def test_caller_and_agent_hear_each_other(found: dict[str, Any]) -> None:
    assert found["talk"]["agent_hears"]["hz"] == pytest.approx(CALLER_HZ, abs=8)
    assert found["talk"]["caller_hears_db"] > -45


def test_a_renewed_certificate_is_taken_up_in_the_middle_of_the_call(found: dict[str, Any]) -> None:
    assert found["one_certificate"]
    assert found["same_socket"]
    assert found["talk_after_renewal"]["agent_hears"]["hz"] == pytest.approx(CALLER_HZ, abs=8)


def test_only_desk_phones_and_sip_can_be_reached_from_there(found: dict[str, Any]) -> None:
    reached = {name for name, is_open in found["reaches"].items() if is_open}
    assert reached == {"desk", "phones", "sip"}


def test_the_check_finds_the_microphone_in_order(found: dict[str, Any]) -> None:
    looks = [one for one in found["check"] if one["subject"] == "microphone"]
    assert len(looks) == 4
    assert [one["told"] for one in looks if not one["ok"]] == []


def test_a_lab_check_whose_sound_is_blocked_says_so_and_what_to_open(found: dict[str, Any]) -> None:
    told = {one["subject"]: one for one in found["without_udp"]}
    assert told["desk"]["ok"]
    assert not told["agent"]["ok"]
    assert told["agent"]["told"] == "the caller did not hear the agent; the agent did not hear the caller"
    assert told["agent"]["remedy"].startswith("let UDP pass to ports ")
