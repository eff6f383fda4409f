"""The policy that is looked at."""

from dataclasses import dataclass
from datetime import date

from sidecar.config.document import Document, Loc
from sidecar.config.finding import Finding
from sidecar.config.running import Config
from sidecar.config.schema.policy_file import WrittenPolicy
from sidecar.routing.policy import Policy


@dataclass(frozen=True, slots=True)
class Subject:
    """A policy file that loads: as it is written, and as it runs."""

    document: Document
    written: WrittenPolicy
    config: Config
    today: date

    @property
    def policy(self) -> Policy:
        """What decides."""
        return self.config.policy

    def doubt(self, id_: str, loc: Loc, message: str) -> Finding:
        """About what stands there."""
        return self.document.finding(id_, loc, message)
