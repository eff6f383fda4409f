"""A page as one HTML file that fetches nothing: its style and its pictures are in it."""

from collections.abc import Iterator, Sequence
from html import escape

from sidecar.reporting.page import Column, Kind, Page, Section, Table, Value, clean, write_value

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --line: #dde2e8; --ground: #fff; --card: #f5f7f9;
  --first: #2f6fdb; --second: #b6c3d4; --bad: #c2412d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #323b47; --ground: #12161c;
  --card: #1b2129; --first: #6ea1f7; --second: #4a586a; --bad: #f0806c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1rem 4rem; color: var(--ink); background: var(--ground);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .25rem; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 0; font-size: 1rem; }
p { margin: .25rem 0 0; max-width: 46rem; }
p, li { color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(9.5rem, 22%), 1fr)); gap: .75rem;
  margin: 1.5rem 0 0; }
.figures div { padding: .75rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.figures dt { font-size: .875rem; color: var(--soft); }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures dd + dd { font-size: .8125rem; font-weight: 400; color: var(--soft); }
.scroll { overflow-x: auto; margin: .75rem 0 0; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; text-align: left; vertical-align: bottom; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.long { min-width: 20rem; overflow-wrap: anywhere; }
th.n, td.n { text-align: right; white-space: nowrap; }
td svg { margin-left: .5rem; vertical-align: middle; }
.chart { display: block; width: 100%; height: auto; margin: .75rem 0 0; }
.legend { font-size: .8125rem; }
.first { fill: var(--first); } .second { fill: var(--second); } .bad { fill: var(--bad); }
text { fill: var(--soft); font: 11px system-ui, sans-serif; }
@media print { body { max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
""".strip()

# A file that was mailed on and opened anywhere runs nothing and asks nobody.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_BAR_WIDTH = 60
_BAR_HEIGHT = 8

_CHART_WIDTH = 960
_CHART_HEIGHT = 200
_CHART_BOTTOM = 24
_MOST_LABELS = 12

_LONG = 40


def render_html(page: Page) -> str:
    """The whole document."""
    body = "\n".join(_page(page))
    title = escape(clean(page.title))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _page(page: Page) -> Iterator[str]:
    yield f"<header><h1>{_text(page.title)}</h1><p>{_text(page.subtitle)}</p></header>"
    yield '<main>\n<dl class="figures">'
    for figure in page.figures:
        note = f"<dd>{_text(figure.note)}</dd>" if figure.note else ""
        value = _text(write_value(figure.value, figure.kind))
        yield f"<div><dt>{_text(figure.title)}</dt><dd>{value}</dd>{note}</div>"
    yield "</dl>"
    for section in page.sections:
        yield from _section(section)
    if page.notes:
        yield from ("<section><h2>Notes</h2>", *_notes(page.notes), "</section>")
    yield "</main>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{escape(section.key)}"><h2>{_text(section.title)}</h2><p>{_text(section.says)}</p>'
    for table in section.tables:
        if table.title:
            yield f"<h3>{_text(table.title)}</h3>"
        if table.is_over_time:
            yield from _chart(table)
        yield from _table(table)
    yield from _notes(section.notes)
    yield "</section>"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield f"<ul>{''.join(f'<li>{_text(note)}</li>' for note in notes)}</ul>"


def _table(table: Table) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f'<th scope="col"{_class(column)}>{_text(column.title)}</th>' for column in table.columns)
    yield "</tr></thead><tbody>"
    most = [_most(table, index) if column.has_bar else 0.0 for index, column in enumerate(table.columns)]
    for row in table.rows:
        cells = zip(row, table.columns, most, strict=True)
        yield f"<tr>{''.join(_cell(value, column, limit) for value, column, limit in cells)}</tr>"
    yield "</tbody></table></div>"


def _cell(value: Value, column: Column, most: float) -> str:
    written = write_value(value, column.kind)
    kind = ' class="long"' if column.kind is Kind.TEXT and len(written) > _LONG else _class(column)
    return f"<td{kind}>{_text(written)}{_bar(value, most) if column.has_bar else ''}</td>"


def _class(column: Column) -> str:
    return "" if column.kind is Kind.TEXT else ' class="n"'


def _most(table: Table, index: int) -> float:
    return max((abs(value) for row in table.rows if isinstance(value := row[index], int | float)), default=0.0)


def _bar(value: Value, most: float) -> str:
    """Beside a number that says the same."""
    share = abs(value) / most if isinstance(value, int | float) and most else 0.0
    kind = "bad" if isinstance(value, int | float) and value < 0 else "first"
    return (
        f'<svg width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" aria-hidden="true">'
        f'<rect class="{kind}" width="{share * _BAR_WIDTH:.1f}" height="{_BAR_HEIGHT}" rx="2"/></svg>'
    )


def _chart(table: Table) -> Iterator[str]:
    """The first two columns of USD, side by side; the table below has the numbers."""
    shown = [index for index, column in enumerate(table.columns) if column.kind is Kind.USD][:2]
    most = max((_most(table, index) for index in shown), default=0.0)
    if not most or not shown:
        return
    names = " and ".join(table.columns[index].title for index in shown)
    yield f'<svg class="chart" viewBox="0 0 {_CHART_WIDTH} {_CHART_HEIGHT}" role="img" aria-label="{escape(names)}">'
    room, every = _CHART_WIDTH / len(table.rows), max(1, -(-len(table.rows) // _MOST_LABELS))
    for at, row in enumerate(table.rows):
        width = room * 0.8 / len(shown)
        for place, index in enumerate(shown):
            value = row[index]
            height = (_CHART_HEIGHT - _CHART_BOTTOM) * (value / most if isinstance(value, int | float) else 0.0)
            top, left = _CHART_HEIGHT - _CHART_BOTTOM - height, at * room + room * 0.1 + place * width
            says = f"{table.columns[index].title}, {row[0]}: {write_value(value, Kind.USD)}"
            yield (
                f'<rect class="{("first", "second")[place]}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}"><title>{_text(says)}</title></rect>'
            )
        if at % every == 0:
            place_of_label = f'x="{(at + 0.5) * room:.1f}" y="{_CHART_HEIGHT - 6}" text-anchor="middle"'
            yield f"<text {place_of_label}>{_text(str(row[0]))}</text>"
    yield "</svg>"
    marks = (
        f'<svg width="10" height="10" aria-hidden="true"><rect class="{("first", "second")[place]}" width="10" '
        f'height="10" rx="2"/></svg> {_text(table.columns[index].title)}'
        for place, index in enumerate(shown)
    )
    yield f'<p class="legend">{" &nbsp; ".join(marks)}</p>'


def _text(text: str) -> str:
    return escape(clean(text))
