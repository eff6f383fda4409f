"""The record log: takes records from the event loop; its thread writes them, and may wait, fail and start anew."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from sidecar.config.running import RecordFile, RecordsConfig
from sidecar.records.entry import Entry
from sidecar.records.file import FileWriter
from sidecar.records.stdout import StreamWriter
from sidecar.records.writer import NoWriter, RecordWriter, WriteError
from sidecar.routing.feedback import Feedback
from sidecar.routing.request_record import RequestRecord

_log = logging.getLogger("sidecar")

# Some seconds of a busy server; with records of 5 kB, 20 MB.
_ROOM = 4_096

_BATCH = 256

_SECONDS_BETWEEN_COMPLAINTS = 60.0

# A reader of stdout that has stopped reading keeps nobody from leaving.
_PATIENCE_SECONDS = 5.0

_STDOUT = 1


class RecordLog:
    """A RecordObserver; what it cannot write it counts. Neither blocks nor raises, but for `close`."""

    def __init__(
        self,
        settings: RecordsConfig,
        environment: Mapping[str, str],
        *,
        room: int = _ROOM,
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """`environment`: the `OTEL_*` variables. `room`: how many records may wait. `patience_seconds`: how long
        `close` waits for those that do.
        """
        self._environment = environment
        self._room = room
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._settings = settings
        self._waiting: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._written = 0
        self._dropped = 0
        self._last_complaint: float | None = None
        # A daemon: it may be in the middle of a write that never ends.
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    @property
    def written(self) -> int:
        """Records and feedback that were written, so far; with `none`, all of them."""
        return self._written

    @property
    def dropped(self) -> int:
        """Those that were not, because there was no room or the writer failed."""
        return self._dropped

    def observe_record(self, record: RequestRecord) -> None:
        """It is encoded and written later."""
        self._put(record)

    def write_feedback(self, feedback: Feedback) -> None:
        """A line of its own, `{"feedback": {…}}`."""
        self._put(feedback)

    def use(self, settings: RecordsConfig) -> None:
        """From now on write there; what waits goes there, too."""
        with self._changed:
            self._settings = settings

    def close(self) -> None:
        """Write what waits, for some seconds at the most; what then still waits is dropped."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(self._patience_seconds)
        with self._changed:
            self._dropped += len(self._waiting)
            self._waiting.clear()

    def _put(self, entry: Entry) -> None:
        with self._changed:
            if self._is_closing or len(self._waiting) >= self._room:
                self._dropped += 1
                return
            self._waiting.append(entry)
            self._changed.notify()

    def _run(self) -> None:
        used: RecordsConfig | None = None
        writer: RecordWriter | None = None
        while True:
            batch, settings = self._take()
            if writer is not None and (settings != used or not batch):
                writer.close()
                writer = None
            if not batch:
                return
            used = settings
            writer = self._write(writer, settings, batch)

    def _take(self) -> tuple[list[Entry], RecordsConfig]:
        """No entries at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))], self._settings

    def _write(self, writer: RecordWriter | None, settings: RecordsConfig, batch: list[Entry]) -> RecordWriter | None:
        """The writer; None if there is none to be had."""
        written = 0
        try:
            writer = writer or self._build(settings)
            written = writer.write(batch)
        except Exception as error:  # noqa: BLE001 - a record is never worth more than the collector
            if isinstance(error, WriteError):
                written = error.written
            self._complain(error)
        with self._changed:
            self._written += written
            self._dropped += len(batch) - written
        return writer

    def _complain(self, error: Exception) -> None:
        now = self._clock()
        if self._last_complaint is None or now - self._last_complaint >= _SECONDS_BETWEEN_COMPLAINTS:
            self._last_complaint = now
            _log.warning("records are being dropped: %s", error)

    def _build(self, settings: RecordsConfig) -> RecordWriter:
        if isinstance(settings.to, RecordFile):
            return FileWriter(settings.to)
        if settings.to == "stdout":
            return StreamWriter(_STDOUT)
        if settings.to == "otlp":
            from sidecar.records.otlp import OtlpWriter  # the SDK's logs, for those who use them

            return OtlpWriter(self._environment)
        return NoWriter()
