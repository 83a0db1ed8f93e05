"""Certificates for one run, by an authority that only the tests' clients trust."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


class Files:
    """The files of a certificate for `names` and the loopback address, of its key, and of the authority."""

    def __init__(self, folder, names):
        self.chain, self.key, self.root = (folder / name for name in ["fullchain.pem", "privkey.pem", "root.pem"])
        authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("authority of the tests", authority, "authority of the tests", authority, [], is_authority=True)
        names = [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        chain = _certificate("desk of the tests", key, "authority of the tests", authority, names, is_authority=False)
        self.root.write_bytes(root.public_bytes(PEM))
        self.chain.write_bytes(chain.public_bytes(PEM))
        self.key.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def _certificate(subject, key, issuer, issuer_key, names, is_authority):
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
