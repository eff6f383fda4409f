"""`sidecar report`, put together."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sidecar.processors import available_processors
from sidecar.reporting.contents import as_json, compose
from sidecar.reporting.html import render_html
from sidecar.reporting.labels import Written, write_labels
from sidecar.reporting.lines import Entries, Read, read_entries
from sidecar.reporting.markdown import render_markdown
from sidecar.reporting.page import Page, clean
from sidecar.reporting.store import Store, open_store
from sidecar.streams.progress import with_progress
from sidecar.streams.source import open_source

_HTML_ENDINGS = (".html", ".htm")
_MOST_OTHERS = 5


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Of which logs, as what, and where to."""

    logs: tuple[Path, ...]
    """JSON Lines, perhaps compressed; `-` for standard input."""
    out: Path | None = None
    """None: standard output."""
    labels: Path | None = None
    """Where to write labelled prompts."""
    is_markdown: bool = False
    is_json: bool = False


def run_report(options: ReportOptions) -> int:
    """Raises InputError and OSError."""
    read = Read()
    with open_store(available_processors()) as store:
        store.fill(_read_all(options.logs, read))
        page = compose(store, read)
        written = _write_labels(store, options.labels)
    _write(_render(page, options), options.out)
    if written is not None:
        _say(written)
    return 0


def _read_all(logs: tuple[Path, ...], read: Read) -> Iterator[Entries]:
    terminal = sys.stderr if sys.stderr.isatty() else None
    for log in logs:
        with open_source(log) as source:
            yield from with_progress(
                read_entries(source, read),
                terminal,
                unit="lines",
                size=lambda chunk: len(chunk[0]) + len(chunk[1]),
                share=source.share_read,
            )


def _render(page: Page, options: ReportOptions) -> bytes:
    if options.is_json:
        return msgspec.json.format(msgspec.json.encode(as_json(page))) + b"\n"
    if not options.is_markdown and options.out is not None and options.out.suffix.lower() in _HTML_ENDINGS:
        return render_html(page).encode()
    return render_markdown(page).encode()


def _write(content: bytes, out: Path | None) -> None:
    if out is not None:
        out.write_bytes(content)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def _write_labels(store: Store, out: Path | None) -> Written | None:
    if out is None:
        return None
    with out.open("wb") as file:
        return write_labels(store, file)


def _say(written: Written) -> None:
    says = f"{written.intents} intents and {written.tiers} tiers written"
    if written.others:
        named = ", ".join(f"{clean(label)} ({times})" for label, times in written.others.most_common(_MOST_OTHERS))
        says += f"; left out, as no intent or tier: {named}"
    sys.stderr.write(f"sidecar: {says}\n")
