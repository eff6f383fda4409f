"""A page as Markdown."""

import re
from collections.abc import Iterator

from sidecar.reporting.page import Kind, Page, Section, Table, clean, write_value

# What would be markup; an underscore within a word is none.
_MARKUP = re.compile(r"[\\`*\[\]|~]")


def render_markdown(page: Page) -> str:
    """GitHub's flavour."""
    return "\n".join(_page(page)) + "\n"


def _page(page: Page) -> Iterator[str]:
    yield from (f"# {escape(page.title)}", "", escape(page.subtitle), "")
    if page.figures:
        yield from ("| | | |", "|---|--:|---|")
    for figure in page.figures:
        value = escape(write_value(figure.value, figure.kind))
        yield f"| {escape(figure.title)} | **{value}** | {escape(figure.note)} |"
    for section in page.sections:
        yield from _section(section)
    if page.notes:
        yield from ("", "## Notes", "")
        yield from (f"- {escape(note)}" for note in page.notes)


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {escape(section.title)}", "", escape(section.says))
    for table in section.tables:
        if table.title:
            yield from ("", f"### {escape(table.title)}")
        yield ""
        yield from _table(table)
    if section.notes:
        yield ""
        yield from (f"- {escape(note)}" for note in section.notes)


def _table(table: Table) -> Iterator[str]:
    yield _row(column.title for column in table.columns)
    yield f"|{'|'.join('---' if column.kind is Kind.TEXT else '--:' for column in table.columns)}|"
    for row in table.rows:
        yield _row(write_value(value, column.kind) for value, column in zip(row, table.columns, strict=True))


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"


def escape(text: str) -> str:
    """Text that means itself."""
    plain = clean(text).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(lambda mark: f"\\{mark[0]}", plain)
