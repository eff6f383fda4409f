"""The certificate that the webhook serves with: read anew when its files change, kept when the new one is no good."""

import asyncio
import logging
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from sidecar.injection.signing import is_key_of

_log = logging.getLogger("sidecar")

# The kubelet itself takes up to two minutes to bring a Secret into a pod.
_SECONDS_BETWEEN_LOOKS = 1.0

_Signature = tuple[tuple[int, int, int] | None, ...]


class CertificateFileError(Exception):
    """The file that cannot be used, and what was expected of it."""


@dataclass(frozen=True, slots=True)
class _Pair:
    context: ssl.SSLContext
    begins: datetime
    ends: datetime

    def why_invalid(self, now: datetime) -> str | None:
        if now < self.begins:
            return f"it is valid only from {self.begins:%Y-%m-%dT%H:%MZ}"
        return f"it ended on {self.ends:%Y-%m-%dT%H:%MZ}" if now >= self.ends else None


class ServingCertificate:
    """Two files, followed through all symlinks: Kubernetes updates a Secret by swapping that of a folder."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """PEM files. Raises CertificateFileError; one that has ended is used, for what comes after it."""
        self._files = (certificate, key)
        self._seen = self._look()
        self._pair = self._load()
        self._asked = asyncio.Event()
        self.context = _build_context()
        """For a server: each connection gets the pair that is in use when it comes."""
        self.context.sni_callback = self._choose
        self.reloads = Counter(ok=0, failed=0)
        """By result."""
        self.fault: str | None = None
        """What is wrong with the files, while those read before are in use."""

    @property
    def ends(self) -> datetime:
        """When what is in use ends to be valid."""
        return self._pair.ends

    def why_unusable(self) -> str | None:
        """None as long as clients may accept it."""
        why = self._pair.why_invalid(datetime.now(UTC))
        return None if why is None else f"{self._files[0]}: {why}"

    def ask(self) -> None:
        """Read the files now, changed or not."""
        self._asked.set()

    async def follow(self) -> None:
        """Until it is cancelled."""
        before = self._seen
        while True:
            await self._wait()
            seen = await asyncio.to_thread(self._look)
            # A certificate that is still being written, or whose key is, is left alone.
            is_written = before == seen != self._seen
            before = seen
            if is_written or self._asked.is_set():
                self._asked.clear()
                self._seen = seen
                await self._reload()

    async def _reload(self) -> None:
        try:
            pair = await asyncio.to_thread(self._load_valid)
        except CertificateFileError as error:
            self.fault = str(error)
            self.reloads["failed"] += 1
            _log.error("certificate not reloaded, the one that ends on %s stays: %s", self.ends.date(), error)
        else:
            self._pair, self.fault = pair, None
            self.reloads["ok"] += 1
            _log.info("certificate reloaded, it ends on %s", pair.ends.date())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_SECONDS_BETWEEN_LOOKS):
                await self._asked.wait()
        except TimeoutError:
            return

    def _look(self) -> _Signature:
        return tuple(map(_signature, self._files))

    def _load_valid(self) -> _Pair:
        pair = self._load()
        why = pair.why_invalid(datetime.now(UTC))
        if why is not None:
            raise CertificateFileError(f"{self._files[0]}: {why}")
        return pair

    def _load(self) -> _Pair:
        certificate, key = self._files
        try:
            leaf = x509.load_pem_x509_certificates(_read(certificate))[0]
        except ValueError as error:
            raise CertificateFileError(f"{certificate}: expected a certificate as PEM: {error}") from error
        try:
            fits = is_key_of(_read(key), leaf)
        except ValueError as error:
            raise CertificateFileError(f"{key}: expected a private key as PEM: {error}") from error
        if not fits:
            raise CertificateFileError(f"{key}: expected the private key of {certificate}, this is another one's")
        context = _build_context()
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:  # they were swapped in between, or OpenSSL finds them too weak
            raise CertificateFileError(f"{certificate}: {error}") from error
        return _Pair(context, leaf.not_valid_before_utc, leaf.not_valid_after_utc)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Also called for clients that name no server."""
        connection.context = self._pair.context


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CertificateFileError(f"{file}: {error.strerror}") from error


def _build_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _signature(file: Path) -> tuple[int, int, int] | None:
    """None while it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
