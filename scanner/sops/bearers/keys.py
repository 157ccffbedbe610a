# SPDX-License-Identifier: Apache-2.0
"""Private keys: of age and OpenPGP (what SOPS itself decrypts with) anywhere, of other kinds in files made for them.

A key counts if it can be one: an age identity by its checksum (BIP 173), armor by what its base64 holds (a DER
sequence, `openssh-key-v1`, an OpenPGP secret key packet). A marker in a program, a test or a text does not.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from scanner.bech32 import is_valid
from scanner.model import Confidence, Secret
from scanner.sops.bearers.file import REMOVE, File
from scanner.sops.rules import Problem

_AGE: Final = re.compile(r"(AGE-SECRET-KEY-(?:PQ-)?)1([02-9AC-HJ-NP-Z]{50,200})(?![A-Z0-9])")
# Of 32 characters a random key of 58 lacks more than half once in a billion.
_MIN_VARIETY: Final = 16
# Lines may be indented, quoted, or joined by \n as in JSON and dotenv.
_BODY: Final = r"(?P<body>(?:[A-Za-z0-9+/=\s\"',]|\\[nr]){1,100000})"
_HEADERS: Final = r"(?:(?:\s|\\[nr])*[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,200}){0,4}"
_PEM: Final = re.compile(rf"-----BEGIN (?P<kind>(?:[A-Z]{{2,10}} )?)PRIVATE KEY-----(?P<headers>{_HEADERS}){_BODY}-----END")
_PGP: Final = re.compile(
    rf"-----BEGIN PGP PRIVATE KEY BLOCK-----{_HEADERS}{_BODY}(?:=[A-Za-z0-9+/]{{4}}(?:\s|\\[nr])*)?-----END"
)
_PUTTY: Final = re.compile(
    r"\s{0,9}PuTTY-User-Key-File-[23]: [^\n]{1,100}\nEncryption: (?P<cipher>[^\r\n]{1,40})[^\0]{1,20000}?\nPrivate-Lines: "
)
_KEY_FILE: Final = re.compile(
    r"\.(?:pem|key|ppk|priv|private|pk8|asc|gpg|pgp|rsa|dsa|ecdsa|ed25519)(?:\.\w{1,5})?$|^id_(?:rsa|dsa|ecdsa|ed25519)"
)
_SETTINGS: Final = re.compile(
    r"\.(?:ya?ml|json|env|envrc|ini|conf|cfg|cnf|toml|properties|xml|tfvars|tfstate|txt|ovpn|config"
    r"|hcl|plist|bak|old|backup|orig|save)$"
)
OPENPGP_NAME: Final = (".gpg", ".pgp", ".key", ".asc", ".secret", ".bin", ".kbx")
_KEY_BYTES: Final = 32
# In a file made for a key, the beginning of one is enough.
_CUT_BYTES: Final = 16


def sops_keys(file: File) -> Iterator[Problem]:
    """Yield the private keys of age and OpenPGP in a file, whatever it is."""
    yield from _age(file)
    if "PGP PRIVATE KEY" in file.text:
        yield from _openpgp(file)
    if _is_secret_packet(file.data[:16]) and file.name.endswith(OPENPGP_NAME):
        yield _sops_key(file, "PGP private key", file.text, (0, len(file.text)))


def private_keys(file: File) -> Iterator[Problem]:
    """Yield the private keys of TLS and SSH in a key file, settings or prose."""
    if "PRIVATE KEY" in file.text:
        yield from _pem(file)
    if "PuTTY-User-Key-File-" in file.text:
        yield from _putty(file)


def key_in(text: str, problem: Problem) -> Problem:
    """Return the problem as one of a private key of SOPS, if that is what the value is."""
    is_age = any(map(_is_age_identity, _AGE.finditer(text)))
    if is_age or any(_holds_secret_packet(found["body"]) for found in _PGP.finditer(text)):
        return problem._replace(rule="sops-private-key", reason="private key that decrypts SOPS files", remedy=REMOVE)
    return problem


def _is_age_identity(found: re.Match[str]) -> bool:
    """Whether a match of an identity's form has the checksum of one, and is not made of a few characters as in tests."""
    return len(set(found[2])) >= _MIN_VARIETY and is_valid(found[0].encode("ascii"))


def _age(file: File) -> Iterator[Problem]:
    for found in _AGE.finditer(file.text):
        if _is_age_identity(found):
            yield _sops_key(file, "age identity", found[0], found.span())


def _openpgp(file: File) -> Iterator[Problem]:
    for found in _PGP.finditer(file.text):
        if _holds_secret_packet(found["body"]):
            yield _sops_key(file, "PGP private key", found[0], found.span())


def _sops_key(file: File, what: str, text: str, where: tuple[int, int]) -> Problem:
    reason = f"{what}: whoever reads the repository can decrypt with it"
    remedy = f"{REMOVE}: make a new key, then sops rotate -i what was encrypted for it"
    secret = Secret(text.encode("utf-8", "surrogatepass"))
    return Problem("sops-private-key", reason, file.span(*where), what, secret, "high", remedy)


def _pem(file: File) -> Iterator[Problem]:
    is_key_file = bool(_KEY_FILE.search(file.name)) or file.text.lstrip().startswith("-----BEGIN ")
    if not is_key_file and not _is_settings(file):
        return
    for found in _PEM.finditer(file.text):
        body = _decode(found["body"])
        if len(body) < (_CUT_BYTES if is_key_file else _KEY_BYTES) or len(set(body)) < _CUT_BYTES // 2:
            continue
        if body[0] != 0x30 and not body.startswith(b"openssh-key-v1\0"):
            continue
        encrypted = _is_encrypted(found["kind"], found["headers"], body)
        reason = "private key protected by a passphrase only" if encrypted else "private key in clear text"
        certain = is_key_file and not encrypted and len(body) >= _KEY_BYTES
        confidence: Confidence = "high" if certain else "medium"
        problem = file.problem("private key", found[0], found.span(), reason, confidence)
        # Every test suite of a program that speaks TLS has one; what is public cannot be told from what is not.
        yield problem._replace(confidence="low") if file.is_fixture else problem


def _is_settings(file: File) -> bool:
    return _SETTINGS.search(file.name) is not None or file.name.startswith(".env") or file.is_prose


def _is_encrypted(kind: str, headers: str, body: bytes) -> bool:
    if kind.startswith("ENCRYPTED") or "ENCRYPTED" in headers:
        return True
    # openssh PROTOCOL.key: the name of the cipher stands behind the magic and its length
    return body.startswith(b"openssh-key-v1\0") and body[15:23] != b"\0\0\0\4none"


def _putty(file: File) -> Iterator[Problem]:
    found = _PUTTY.match(file.text)
    if found:
        encrypted = found["cipher"].strip() != "none"
        reason = "PuTTY private key protected by a passphrase only" if encrypted else "PuTTY private key in clear text"
        yield file.problem("private key", file.text, (0, len(file.text)), reason, "medium" if encrypted else "high")


def _decode(body: str) -> bytes:
    compact = re.sub(r"\\[nr]|[\s\"',]", "", body)
    compact = compact[: len(compact) - len(compact) % 4]
    try:
        return binascii.a2b_base64(compact)
    except ValueError:
        return b""


def _holds_secret_packet(body: str) -> bool:
    return _is_secret_packet(_decode(body[:400]))


def _is_secret_packet(data: bytes) -> bool:
    """Whether this begins with a secret key packet, type 5 of RFC 9580 section 4.3, of a known version."""
    if len(data) < 8:
        return False
    if data[0] in (0x94, 0x95, 0x96):
        version = data[{0x94: 2, 0x95: 3, 0x96: 5}[data[0]]]
    elif data[0] == 0xC5:
        version = data[2 if data[1] < 192 else 3 if data[1] < 224 else 6]
    else:
        return False
    return version in (3, 4, 5, 6)
