"""What a fault calls its field is the field's own label, read off the page, so that the two cannot differ."""

import re

from web.messages import Catalogue

_LABEL = re.compile(
    r'<label for="(?P<by_label>f-[^"]+)">(?P<of_label>[^<]+)'
    r'|<input type="checkbox" id="(?P<by_check>f-[^"]+)"[^>]*><span>(?P<of_check>[^<]+)'
    r'|<fieldset[^>]* id="(?P<by_group>f-[^"]+)"[^>]*><legend>(?P<of_group>[^<]+)'
)
_FAULT = re.compile(r'<a href="#(?P<id>f-[^"]+)" data-fault-of[^>]*>(?P<said>[^<]*)</a>')


def name_fields(html: str, t: Catalogue) -> str:
    """The page with each fault of its boxes (ui.faults) beginning with its field's label and leading there.

    A fault whose field has no place on the page stays a sentence that leads nowhere.
    """
    if "data-fault-of" not in html:
        return html
    labels = {}
    for found in _LABEL.finditer(html):
        field, label = (each for each in found.groups() if each is not None)
        labels[field] = label.strip()

    def named(fault: re.Match[str]) -> str:
        field, said = fault["id"], fault["said"]
        if field in labels:
            said = t("ui.fault_of", field=labels[field], fault=said)
        return f'<a href="#{field}" hx-boost="false">{said}</a>' if f'id="{field}"' in html else said

    return _FAULT.sub(named, html)
