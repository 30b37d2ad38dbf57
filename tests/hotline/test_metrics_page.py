"""The page of figures of a running hotline, the dashboard drawn from it, and the document that lists them."""

import json
import re
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hotline.settings import CHECKOUT
from tests.hotline.city import City, Running, wait_for

pytestmark = pytest.mark.real

REFERENCE = CHECKOUT / "docs/reference"
NAME = re.compile(r"\b(?:hotline|process)_[a-z0-9_]+")
# Told only once there is something to tell: a certificate, a lost link, a call.
AT_TIMES = {"hotline_certificate_days_left", "hotline_ami_faults_total", "hotline_agi_dialogues_total"}
AT_TIMES |= {"hotline_agi_live"}


@pytest.fixture(scope="module")
def told(city_up: tuple[City, Running]) -> set[str]:
    """Every name on the page, of families and of samples, after a look at the menu."""
    city, _ = city_up
    address = f"http://127.0.0.1:{city.ports['WEB_PORT']}"

    def page() -> str:
        with urllib.request.urlopen(f"{address}/readyz") as ready:
            assert json.load(ready)["ready"]
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            return str(answer.read().decode())

    def is_whole() -> bool:
        """A role writes its first figures before it is at work: with its link up it has all of them."""
        text = page()
        up = [f'hotline_role_up{{role="{role}"}} 1.0' in text for role in ("ivr", "desk", "clock")]
        linked = re.findall(r'^hotline_ami_logins_total{.*role="(\w+)"', text, re.MULTILINE)
        return all(up) and set(linked) == {"desk", "clock"}

    wait_for(is_whole, "the figures of every role")
    families = list(text_string_to_metric_families(page()))
    return {sample.name for family in families for sample in family.samples} | {
        family.name for family in families
    }


def test_every_name_on_the_dashboard_is_told(told: set[str]) -> None:
    dashboard = json.loads((REFERENCE / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in NAME.findall(query)}
    assert len(asked) > 20
    assert asked - told - AT_TIMES == set()


def test_every_figure_is_in_the_reference_and_the_reference_lists_nothing_else(told: set[str]) -> None:
    rows = re.findall(r"^\| `(hotline_\w+)`", (REFERENCE / "metrics.md").read_text(), re.MULTILINE)
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told if name.startswith("hotline_")}
    counters = {name for name in ours if {f"{name}_total"} & (ours | AT_TIMES)}  # families of counters
    assert set(rows) - AT_TIMES == ours - counters - AT_TIMES


def test_nothing_on_the_page_goes_by_kind_line_queue_or_person(city_up: tuple[City, Running]) -> None:
    city, _ = city_up
    with urllib.request.urlopen(f"http://127.0.0.1:{city.ports['WEB_PORT']}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
        labels = {label for family in families for sample in family.samples for label in sample.labels}
    assert labels <= {
        "role", "name", "outcome", "origin", "stage", "state", "script", "end", "link", "fault", "sweep",
        "le",
        "generation", "implementation", "major", "minor", "patchlevel", "version",
    }  # fmt: skip
