"""The directory as a table: the fields of an entry as they are typed, and spreadsheets of them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cases.directory import DirectoryForm
from cases.export import as_csv
from routing.policy import Policy
from storage.knowledge import DirectoryEntry
from web.faults import Refused
from web.messages import Catalogue

COLUMNS = ("category", "kind", "words", "place", "unit", "choice", "designated", "note")
MOST_LINES = 5000
_BETWEEN_WORDS = re.compile(r"[\s,，、;；]+")
_BOM = "\ufeff"  # by which Excel knows UTF-8
_NO = ("", "0", "否", "no")


def row_of(entry: DirectoryEntry) -> dict[str, Any]:
    """An entry by its columns, each as one would type it."""
    row = {name: getattr(entry, name) for name in COLUMNS}
    return row | {"words": "、".join(entry.words), "designated": "1" if entry.designated else ""}


def read(typed: Mapping[str, str]) -> DirectoryForm:
    """A form or a line of a table; words stand between commas or blanks."""
    texts = {name: typed.get(name, "").strip() for name in COLUMNS if name not in ("words", "designated")}
    words = dict.fromkeys(word for word in _BETWEEN_WORDS.split(typed.get("words", "")) if word)
    return DirectoryForm(
        **texts, words=tuple(words), designated=typed.get("designated", "").strip().lower() not in _NO
    )


def written(entries: Iterable[DirectoryEntry], t: Catalogue) -> str:
    """For a spreadsheet, as `forms_of` takes it in again; no cell is a formula."""
    out = io.StringIO()
    words = {name: t(f"directory.{name}") for name in COLUMNS}
    csv.writer(out).writerows(as_csv(map(row_of, entries), COLUMNS, words))
    return _BOM + out.getvalue()


def lines_of(content: bytes) -> list[list[str]]:
    """The cells of a CSV file, in UTF-8 or as Chinese Excel saves one. Raises Refused."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as why:
            raise Refused("directory.not_a_table", field="file") from why
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if any(line)]
    except csv.Error as why:
        raise Refused("directory.not_a_table", field="file") from why
    if len(lines) < 2:
        raise Refused("directory.not_a_table", field="file")
    if len(lines) > MOST_LINES:
        raise Refused("directory.too_many_lines", field="file", most=MOST_LINES)
    return lines


def forms_of(
    lines: list[list[str]], policy: Policy, catalogues: Iterable[Catalogue]
) -> Iterator[DirectoryForm]:
    """Each line under the headings, which may be in any language; a unit or category by code or by name."""
    headings = {t(f"directory.{name}"): name for name in COLUMNS for t in catalogues}
    heads = [headings.get(cell.strip(), cell.strip()) for cell in lines[0]]
    if "unit" not in heads or not set(heads) <= {*COLUMNS, ""}:
        raise Refused("directory.not_a_table", field="file")
    named = {
        "unit": {unit.name: unit.code for unit in policy.units},
        "category": {each.name.zh: each.code for each in policy.categories},
        "kind": {kind.name.zh: kind.code for kind in policy.kinds},
    }
    for line in lines[1:]:
        typed = {name: _bare(cell) for name, cell in zip(heads, line, strict=False) if name}
        for name, codes in named.items():
            typed[name] = codes.get(typed.get(name, ""), typed.get(name, ""))
        yield read(typed)


def _bare(cell: str) -> str:
    """A cell without the sign by which the export keeps it from being a formula."""
    return cell.strip().removeprefix("'")
