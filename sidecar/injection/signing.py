"""The webhook's own certificates: issued by a CA that then has no key any more, and looked through for faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_TIME = timedelta(days=3650)
_TIME = timedelta(days=365)

RENEW_BEFORE = timedelta(days=30)
"""The end of a certificate: enough weekly runs of a CronJob may fail before it matters."""

# A node whose clock is behind has to accept it, too.
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A serving certificate, its private key, and the CA that signed it; each as PEM."""

    certificate: bytes
    key: bytes
    ca: bytes


def issue(names: Sequence[str], now: datetime) -> KeyPair:
    """A new CA and a certificate for these DNS names.

    The CA's key is thrown away: whoever gets into the Secret can sign nothing that the API server would trust, and a
    renewal brings a CA of its own.
    """
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {names[0]}"[:64])])
    ca_key_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key(), now, _CA_TIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(ca_key_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        _certificate(subject, ca_name, key.public_key(), now, _TIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    encoded_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(_to_pem(certificate), encoded_key, _to_pem(ca))


def why_renew(pair: KeyPair, names: Sequence[str], now: datetime) -> str | None:
    """What is wrong with it, or None if it will do for those names for a while."""
    try:
        chain, cas = (x509.load_pem_x509_certificates(pem) for pem in (pair.certificate, pair.ca))
        is_its_key = is_key_of(pair.key, chain[0])
    except ValueError:
        return "it cannot be read"
    if not is_its_key:
        return "the key is not the certificate's"
    issuers = [ca for ca in (*chain[1:], *cas) if _is_issued_by(chain[0], ca)]
    if not issuers:
        return "its CA did not sign it"
    if missing := sorted(set(names) - set(_dns_names(chain[0]))):
        return f"it is not for {missing[0]}"
    ends = min(certificate.not_valid_after_utc for certificate in (chain[0], *issuers))
    return f"it ends on {ends:%Y-%m-%d}" if ends - now < RENEW_BEFORE else None


def valid_certificates(bundle: bytes, now: datetime) -> list[bytes]:
    """Those of a PEM bundle that have not ended, each as PEM; none if it cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return []
    return [_to_pem(certificate) for certificate in found if certificate.not_valid_after_utc > now]


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, time: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + time)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def is_key_of(key: bytes, certificate: x509.Certificate) -> bool:
    """Raises ValueError for what is no private key, or needs a password."""
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except TypeError as error:
        raise ValueError("the private key has a password") from error
    return loaded.public_key() == certificate.public_key()


def _is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)
