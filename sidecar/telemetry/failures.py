"""What the classifier's own errors say, in the log; now and then, for a broken one fails with every request."""

import logging
import time

from sidecar.routing.exchange import Exchange
from sidecar.routing.reason import Reason

_log = logging.getLogger("sidecar")

_PAUSE_SECONDS = 10.0


class FailureLog:
    """An ExchangeObserver that logs why a classifier failed, once in ten seconds, with how often it did since."""

    def __init__(self) -> None:
        self._failures = 0
        self._quiet_until = 0.0

    def observe(self, exchange: Exchange) -> None:
        """A line, if it is time for one."""
        if exchange.failure is None or exchange.result.reason is not Reason.CLASSIFIER_FAILED:
            return
        self._failures += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            _log.error(
                "the classifier failed (%d times since the last such line): %s", self._failures, exchange.failure
            )
            self._failures = 0
            self._quiet_until = now + _PAUSE_SECONDS
