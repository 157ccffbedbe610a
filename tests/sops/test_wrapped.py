# SPDX-License-Identifier: Apache-2.0
"""Wrapped data keys: what age and gpg make passes, and every change of what can be seen without a key is found."""

import base64
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sopsmaker import missing

from scanner.sops.recipient import Recipient
from scanner.sops.wrapping.age import parse_age_recipient
from scanner.sops.wrapping.armor import crc24, decode_base64, read_age_armor, read_pgp_armor
from scanner.sops.wrapping.pgp import read_message
from scanner.sops.wrapping.wrapped import public_key_ids, wrapped_faults

DATA_KEY = bytes(range(100, 132))
BEGIN, END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"


def faults(recipient: str, wrapped: str, kind: str = "age", **known) -> list[tuple[str, str]]:
    return [(fault.rule, fault.confidence) for fault in wrapped_faults(Recipient(kind, recipient), wrapped, **known)]


WRONG = [("sops-recipient-key", "high")]
HIDDEN = [("sops-hidden-recipient", "high")]


# --- age -------------------------------------------------------------------------------------------------------------


def unpadded(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def stanza(type_: bytes, arguments: tuple[bytes, ...], body: bytes) -> bytes:
    text = unpadded(body)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    if not lines or len(lines[-1]) == 64:
        lines.append(b"")
    return b"\n".join([b" ".join([b"->", type_, *map(unpadded, arguments)]), *lines]) + b"\n"


def age_file(*stanzas: bytes, payload: int = 64, mac: int = 32) -> bytes:
    return b"age-encryption.org/v1\n" + b"".join(stanzas) + b"--- " + unpadded(bytes(range(mac))) + b"\n" + bytes(range(200, 200 + 40)) + b"\0" * (payload - 40)


def armored(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join([BEGIN, *(text[start : start + 64] for start in range(0, len(text), 64)), END, ""])


def bech32(prefix: str, key: bytes) -> str:
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in key)
    values = [int(bits[start : start + 5].ljust(5, "0"), 2) for start in range(0, len(bits), 5)]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values + [0] * 6:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    values += [(check ^ 1) >> 5 * (5 - index) & 31 for index in range(6)]
    return prefix + "1" + "".join(alphabet[value] for value in values)


def ssh_key(type_: str, *fields: bytes) -> str:
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (type_.encode(), *fields))
    return f"{type_} {base64.b64encode(blob).decode()}"


def ssh_tag(recipient: str) -> bytes:
    return hashlib.sha256(base64.b64decode(recipient.split()[1])).digest()[:4]


KEY = bytes(range(32))
X25519 = bech32("age", KEY)
PLAIN = stanza(b"X25519", (KEY,), KEY)
ED25519 = ssh_key("ssh-ed25519", KEY)
RSA = ssh_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xc5" * 384)


@pytest.fixture(scope="module")
def by_age() -> tuple[str, str]:
    """Return a recipient, and what the program age wraps for it."""
    if reason := missing("age"):
        pytest.skip(reason)
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    return recipient, run_age(recipient)


def run_age(*recipients: str, data: bytes = DATA_KEY) -> str:
    named = [option for recipient in recipients for option in ("-r", recipient)]
    return subprocess.run(["age", "-a", *named], input=data, capture_output=True, check=True).stdout.decode()


def test_what_age_wraps_for_a_key_passes(by_age: tuple[str, str]) -> None:
    assert faults(*by_age) == []
    assert faults(by_age[0], by_age[1].replace("\n", "\r\n")) == []
    assert faults(by_age[0], by_age[1].rstrip("\n")) == []
    assert faults("", by_age[1]) == []


def test_a_share_is_one_byte_longer_than_a_data_key(by_age: tuple[str, str]) -> None:
    share = run_age(by_age[0], data=DATA_KEY + b"\1")
    assert faults(by_age[0], share, share=True) == []
    assert faults(by_age[0], share) == faults(*by_age, share=True) == WRONG


def test_a_second_key_is_a_hidden_recipient(by_age: tuple[str, str]) -> None:
    other = str(pyrage.x25519.Identity.generate().to_public())
    assert faults(by_age[0], run_age(by_age[0], other)) == HIDDEN
    assert faults(by_age[0], run_age(*[by_age[0]] * 9)) == HIDDEN


def test_grease_is_told_from_a_key_and_said_all_the_same() -> None:
    identity = pyrage.x25519.Identity.generate()
    assert faults(X25519, armored(age_file(PLAIN, stanza(b"x!-grease", (b"a",), b"b" * 70)))) == [("sops-hidden-recipient", "medium")]
    assert faults(X25519, armored(age_file(PLAIN, stanza(b"x!-grease", (), b"b"), PLAIN))) == HIDDEN
    by_rage = {rule for _ in range(20) for rule, _ in faults(str(identity.to_public()), pyrage.encrypt(DATA_KEY, [identity.to_public()], armored=True).decode())}
    assert by_rage <= {"sops-hidden-recipient"}


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys_are_compared_by_the_tag_in_their_stanza(kind: str, tmp_path: Path) -> None:
    if reason := missing("age", "ssh-keygen"):
        pytest.skip(reason)
    keys = []
    for name in ("one", "two"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "somebody@somewhere", "-f", tmp_path / name], check=True)
        keys.append((tmp_path / f"{name}.pub").read_text().strip())
    wrapped = run_age(keys[0])
    assert faults(keys[0], wrapped) == faults(keys[0].rpartition(" ")[0], wrapped) == []
    assert faults(keys[1], wrapped) == WRONG
    assert faults(X25519, wrapped) == WRONG
    assert faults(keys[0], armored(age_file(PLAIN))) == WRONG


@pytest.mark.parametrize(
    ("recipient", "written"),
    [
        (X25519, stanza(b"X25519", (KEY,), KEY)),
        (ED25519, stanza(b"ssh-ed25519", (ssh_tag(ED25519), KEY), KEY)),
        (RSA, stanza(b"ssh-rsa", (ssh_tag(RSA),), b"k" * 384)),
        (bech32("age1pq", b"q" * 1216), stanza(b"mlkem768x25519", (b"c" * 1120,), KEY)),
        (bech32("age1yubikey", b"\2" + KEY), stanza(b"piv-p256", (b"1234", b"\2" + KEY), KEY)),
        (bech32("age1se", b"\2" + KEY), stanza(b"something-of-its-own", (b"x",), b"")),
    ],
)
def test_each_kind_of_recipient_has_a_stanza_of_its_own(recipient: str, written: bytes) -> None:
    assert faults(recipient, armored(age_file(written))) == []
    others = (PLAIN, stanza(b"scrypt", (b"s" * 16,), KEY), stanza(b"ssh-ed25519", (b"1234", KEY), KEY), stanza(b"unheard-of", (), b""))
    assert [faults(recipient, armored(age_file(other))) for other in others if other.split()[1] != written.split()[1]].count(WRONG) >= 3


def test_a_tagged_recipient_is_compared_by_its_tag() -> None:
    point, sent = b"\2" + KEY, b"\4" + KEY + KEY
    import hmac

    tag = hmac.digest(b"age-encryption.org/p256tag", sent + hashlib.sha256(point).digest()[:4], "sha256")[:4]
    assert faults(bech32("age1tag", point), armored(age_file(stanza(b"p256tag", (tag, sent), KEY)))) == []
    assert faults(bech32("age1tag", b"\3" + KEY), armored(age_file(stanza(b"p256tag", (tag, sent), KEY)))) == WRONG


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(age_file(), id="no stanza"),
        pytest.param(age_file(stanza(b"X25519", (KEY[:31],), KEY)), id="short share"),
        pytest.param(age_file(stanza(b"X25519", (KEY, KEY), KEY)), id="second argument"),
        pytest.param(age_file(stanza(b"X25519", (), KEY)), id="no argument"),
        pytest.param(age_file(stanza(b"X25519", (KEY,), KEY + b"x")), id="long body"),
        pytest.param(age_file(stanza(b"X25519", (KEY,), b"")), id="no body"),
        pytest.param(age_file(stanza(b"X25519", (KEY,), KEY * 9)), id="body of many lines"),
        pytest.param(age_file(PLAIN, mac=31), id="short MAC"),
        pytest.param(age_file(PLAIN, payload=63), id="short payload"),
        pytest.param(age_file(PLAIN, payload=66), id="long payload"),
        pytest.param(age_file(PLAIN)[:-64] + b"some words that nobody encrypted, 64 of them in all for the test", id="clear payload"),
        pytest.param(age_file(PLAIN).replace(b"v1", b"v2", 1), id="version"),
        pytest.param(age_file(PLAIN).replace(b"-> X", b"->  X"), id="two spaces"),
        pytest.param(age_file(PLAIN).replace(b"-> X25519", b"->"), id="no type"),
        pytest.param(age_file(PLAIN).replace(b"--- ", b"---"), id="no space before the MAC"),
        pytest.param(age_file(PLAIN).replace(b"\n--- ", b"\na note\n--- "), id="a line more"),
        pytest.param(age_file(PLAIN).replace(b"\n", b"\r\n"), id="CRLF inside"),
        pytest.param(age_file(PLAIN)[:40], id="cut off in the header"),
        pytest.param(b"some text", id="something else"),
    ],
)
def test_what_is_not_one_wrapped_key_is_found(written: bytes) -> None:
    assert faults(X25519, armored(age_file(PLAIN))) == []
    assert faults(X25519, armored(written)) == WRONG


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "note\n"),
        ("", "\n"),
        ("", " "),
        (END + "\n", END + "\nnote"),
        (END + "\n", END + "\n" + BEGIN + "\n" + END),
        (BEGIN + "\n", BEGIN + "\nComment: note\n\n"),
        (BEGIN + "\n", BEGIN + "\n\n"),
        (BEGIN, BEGIN.lower()),
        ("\n" + END, "==\n" + END),
        ("\n" + END, " \n" + END),
        ("YWdl", "YWdl\n"),
        ("YWdl", "YWd "),
        ("YWdl", "YWd\u00e9"),
        ("YWdl", "YWd\udc80"),
    ],
)
def test_there_is_no_room_in_the_armor(old: str, new: str) -> None:
    wrapped = armored(age_file(PLAIN))
    assert old in wrapped
    assert faults(X25519, wrapped.replace(old, new, 1)) == WRONG


@pytest.mark.parametrize("wrapped", ["", "\n", BEGIN, BEGIN + "\n" + END, BEGIN + "\n" * 100_000 + END, "x" * 10_000_000, armored(b"\n" * 11_000), armored(b"-> a\n" * 2_000)])
def test_nothing_much_is_malformed_and_soon_seen(wrapped: str) -> None:
    began = time.process_time()
    assert faults(X25519, wrapped) == faults("0" * 40, wrapped, "pgp") == faults("k", wrapped, "kms") == WRONG
    assert time.process_time() - began < 3


def test_base64_has_one_form() -> None:
    wrapped = armored(age_file(PLAIN, payload=64))
    last = wrapped.splitlines()[-2]
    assert last.endswith("=")
    digit = last.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = alphabet[alphabet.index(digit) + 1]
    assert base64.b64decode(last) == base64.b64decode(last.replace(digit + "=", spare + "=", 1))
    assert faults(X25519, wrapped.replace(digit + "=", spare + "=", 1)) == WRONG


@pytest.mark.parametrize("recipient", [X25519, ED25519, RSA, bech32("age1pq", b"q" * 1216), bech32("age1tagpq", b"q" * 1249), bech32("age1yubikey", b"key"), ED25519 + " user@host"])
def test_public_keys_of_age_are_known_by_form_and_checksum(recipient: str) -> None:
    assert parse_age_recipient(recipient) is not None
    assert [parse_age_recipient(changed) for changed in (recipient[:-1] + "\x07", recipient + "\n", " " + recipient, recipient.upper(), recipient[4:])] == [None] * 5
    if not recipient.startswith("ssh"):
        assert parse_age_recipient(recipient[:-1] + ("q" if recipient[-1] != "q" else "p")) is None


@pytest.mark.parametrize(
    "text",
    ["", "age1", "age", "hunter2", bech32("age", KEY[:31]), bech32("age", KEY + b"x"), bech32("age1pq", KEY), bech32("bc", KEY), bech32("age1", KEY), "age1" + "q" * 10_000_000, "ssh-ed25519", "ssh-ed25519 AAAA", ssh_key("ssh-ed25519", KEY[:31]), ssh_key("ssh-ed25519", KEY, KEY), ssh_key("ssh-rsa", KEY), ED25519.replace("ssh-ed25519 ", "ssh-rsa "), ssh_key("ssh-dss", KEY), "ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff\0\0").decode()],
)  # fmt: skip
def test_what_is_no_public_key_is_none(text: str) -> None:
    assert parse_age_recipient(text) is None
    if text:
        assert faults(text, armored(age_file(PLAIN))) == WRONG


@given(st.data())
def test_changed_armor_of_age_never_raises_and_structure_counts(data: st.DataObject) -> None:
    whole = age_file(PLAIN)
    header = whole[: -64 - 44]  # the MAC and the payload may be anything of their lengths
    position = data.draw(st.integers(0, len(header) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != header[position]))
    changed = header[:position] + bytes([byte]) + whole[position + 1 :]
    found = faults(X25519, armored(changed))
    share, body = range(32, 75), range(76, 119)
    digit = bytes([byte]).isalnum() or byte in b"+/"
    # A digit for another is another ephemeral key or file key; the last digit of 43 has bits that must be zero.
    allowed = digit and (position in share or position in body)
    assert bool(found) or allowed


@given(st.binary(max_size=400), st.text(max_size=200))
@example(b"age-encryption.org/v1\n-> \n", "")
@example(b"age-encryption.org/v1\n" + b"-> a\n\n" * 99 + b"--- ", "")
def test_any_bytes_in_armor_are_judged_without_an_error(data: bytes, recipient: str) -> None:
    assert faults(X25519, armored(data))
    assert faults(recipient, armored(age_file(PLAIN))) or recipient == ""
    assert faults(X25519, recipient) == WRONG


# --- OpenPGP ---------------------------------------------------------------------------------------------------------


class Gpg:
    """A keyring of its own, in a short path for the agent's socket."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.environ = {"GNUPGHOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C"}

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--yes", "--trust-model", "always", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, env=self.environ, check=True).stdout

    def make(self, name: str, *algorithms: str) -> str:
        self.run("--quick-generate-key", name, algorithms[0], "cert,sign" if len(algorithms) > 1 else "default", "never")
        fingerprint = next(line.split(":")[9] for line in self.run("--list-keys", "--with-colons", name).decode().splitlines() if line.startswith("fpr"))
        for algorithm in algorithms[1:]:
            self.run("--quick-add-key", fingerprint, algorithm, "encr", "never")
        return fingerprint

    def wrap(self, *options: str, data: bytes = DATA_KEY) -> str:
        return self.run("-a", "--encrypt", "--no-encrypt-to", *options, stdin=data).decode().strip()


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    if reason := missing("gpg", "gpgconf"):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="g", ignore_cleanup_errors=True) as home:
        made = Gpg(home)
        yield made
        subprocess.run(["gpgconf", "--kill", "all"], env=made.environ, capture_output=True)


@pytest.fixture(scope="module")
def keys(gpg: Gpg) -> dict[str, str]:
    return {"rsa": gpg.make("rsa@example.org", "rsa2048", "rsa2048"), "curve": gpg.make("curve@example.org", "ed25519", "cv25519", "cv25519")}


def ids(gpg: Gpg, fingerprint: str) -> frozenset[str]:
    return public_key_ids(gpg.run("-a", "--export", fingerprint))[fingerprint]


def pgp(wrapped: str, key_ids: frozenset[str] | None = None) -> list[tuple[str, str]]:
    return faults("0" * 40, wrapped, "pgp", key_ids=key_ids)


@pytest.mark.parametrize("options", [(), ("-z", "0"), ("--cipher-algo", "AES256"), ("--cipher-algo", "3DES")])
@pytest.mark.parametrize("key", ["rsa", "curve"])
def test_what_gpg_wraps_for_a_key_passes(gpg: Gpg, keys: dict[str, str], key: str, options: tuple[str, ...]) -> None:
    wrapped = gpg.wrap("-r", keys[key], *options)
    assert pgp(wrapped) == pgp(wrapped, ids(gpg, keys[key])) == pgp(wrapped.replace("\n", "\r\n") + "\r\n") == []
    assert pgp(gpg.wrap("-r", keys[key], data=DATA_KEY + b"\1")) == []


def test_another_key_is_seen_where_the_public_key_is_known(gpg: Gpg, keys: dict[str, str]) -> None:
    wrapped = gpg.wrap("-r", keys["rsa"])
    assert pgp(wrapped, ids(gpg, keys["curve"])) == HIDDEN
    assert pgp(wrapped, frozenset()) == HIDDEN


def test_a_second_key_or_a_password_is_a_hidden_recipient(gpg: Gpg, keys: dict[str, str]) -> None:
    both = gpg.wrap("-r", keys["rsa"], "-r", keys["curve"])
    assert pgp(both) == pgp(both, ids(gpg, keys["rsa"])) == HIDDEN
    with_password = gpg.run("-a", "--encrypt", "-r", keys["rsa"], "--symmetric", "--passphrase", "words", "--s2k-count", "1024", stdin=DATA_KEY).decode()
    assert pgp(with_password) == HIDDEN
    only_password = gpg.run("-a", "--symmetric", "--passphrase", "words", "--s2k-count", "1024", stdin=DATA_KEY).decode()
    assert pgp(only_password) == HIDDEN + WRONG


def test_an_anonymous_message_is_said_only_to_who_keeps_public_keys(gpg: Gpg, keys: dict[str, str]) -> None:
    wrapped = gpg.wrap("--throw-keyids", "-r", keys["rsa"])
    assert pgp(wrapped) == []
    assert pgp(wrapped, ids(gpg, keys["rsa"])) == [("sops-hidden-recipient", "low")]


@pytest.mark.parametrize(
    ("header", "rules"),
    [
        ("Version: GnuPG v2", []),
        ("Version: GnuPG v1.4.11 (GNU/Linux)", []),
        ("Version: GnuPG/MacGPG2 v2.0.17 (Darwin)\nComment: GPGTools - https://gpgtools.org", []),
        ("Comment: a note", ["sops-hidden-text"]),
        ("Version: GnuPG v2\nHash: a note", ["sops-hidden-text"]),
        ("Version: GnuPG v2 (a note)", ["sops-hidden-text"]),
    ],
)
def test_headers_of_armor_are_those_that_gpg_wrote(gpg: Gpg, keys: dict[str, str], header: str, rules: list[str]) -> None:
    wrapped = gpg.wrap("-r", keys["rsa"]).replace("-----\n", f"-----\n{header}\n", 1)
    assert [rule for rule, _ in pgp(wrapped)] == rules


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "note\n" + text, id="before"),
        pytest.param(lambda text: text + "\nnote", id="behind"),
        pytest.param(lambda text: text + "\n" + text, id="twice"),
        pytest.param(lambda text: text.replace("\n\n", "\n", 1), id="no empty line"),
        pytest.param(lambda text: text.replace("\n=", "\n=A", 1), id="long checksum"),
        pytest.param(lambda text: text[:120] + ("A" if text[120] != "A" else "B") + text[121:], id="checksum wrong"),
        pytest.param(lambda text: text.replace("PGP MESSAGE", "PGP PUBLIC KEY BLOCK"), id="label"),
        pytest.param(lambda text: "\n".join(text.splitlines()[:5] + text.splitlines()[-1:]), id="cut off"),
        pytest.param(lambda text: text.replace("\n\n", "\n\n\n"), id="two empty lines"),
    ],
)
def test_there_is_no_room_in_the_armor_of_pgp(gpg: Gpg, keys: dict[str, str], change) -> None:
    wrapped = gpg.wrap("-r", keys["rsa"])
    assert pgp(wrapped) == []
    assert pgp(change(wrapped)) == WRONG


def in_armor(data: bytes, *, checksum: bool = True) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    end = ["=" + base64.b64encode(crc24(data).to_bytes(3, "big")).decode()] if checksum else []
    return "\n".join(["-----BEGIN PGP MESSAGE-----", "", *lines, *end, "-----END PGP MESSAGE-----"])


def packet(type_: int, body: bytes) -> bytes:
    return bytes([0xC0 | type_, 255]) + len(body).to_bytes(4, "big") + body


PKESK = b"\3" + b"\xaa" * 8 + b"\1" + b"\x08\0" + b"\x80" + b"\x11" * 255
PKESK_V6 = b"\6" + b"\x21\6" + b"\xbb" * 32 + b"\x19" + b"e" * 32 + b"\x28" + b"w" * 40
SEIPD = b"\1" + bytes(range(160, 251))


@pytest.mark.parametrize(
    ("data", "ids_found"),
    [
        (packet(1, PKESK) + packet(18, SEIPD), ("AA" * 8,)),
        # Go's openpgp counts whole octets whatever the first one is.
        (packet(1, PKESK.replace(b"\x80", b"\0", 1)) + packet(18, SEIPD), ("AA" * 8,)),
        (packet(1, PKESK) + packet(20, SEIPD), ("AA" * 8,)),
        (packet(1, PKESK_V6) + packet(18, b"\2" + SEIPD), ("BB" * 8,)),
        (packet(1, b"\6\0" + PKESK_V6[35:]) + packet(18, b"\2" + SEIPD), ("",)),
        (packet(1, b"\6\x15\4" + b"\xcc" * 12 + b"\xdd" * 8 + PKESK_V6[35:]) + packet(18, SEIPD), ("DD" * 8,)),
        (packet(1, PKESK) + bytes([0xC0 | 18, 0xE6]) + SEIPD[:64] + bytes([len(SEIPD) - 64]) + SEIPD[64:], ("AA" * 8,)),
        (b"\x85" + len(PKESK).to_bytes(2, "big") + PKESK + b"\xd2" + bytes([len(SEIPD)]) + SEIPD, ("AA" * 8,)),
        (packet(1, PKESK) + b"\xd2\xc0" + bytes([300 - 192]) + b"\1" + b"\xf0" * 299, ("AA" * 8,)),
    ],
)
def test_packets_of_every_length_and_version_are_read(data: bytes, ids_found: tuple[str, ...]) -> None:
    assert read_message(in_armor(data)).key_ids == read_message(in_armor(data, checksum=False)).key_ids == ids_found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packet(18, SEIPD) + packet(1, PKESK), id="order"),
        pytest.param(packet(1, PKESK), id="no data"),
        pytest.param(packet(1, PKESK) + packet(18, SEIPD) + packet(18, SEIPD), id="data twice"),
        pytest.param(packet(1, PKESK) + packet(11, b"b\0\0\0\0\0" + DATA_KEY * 3), id="literal data"),
        pytest.param(packet(1, PKESK) + packet(9, SEIPD), id="no integrity protection"),
        pytest.param(packet(10, b"PGP") + packet(1, PKESK) + packet(18, SEIPD), id="marker"),
        pytest.param(packet(1, PKESK) + packet(60, b"a note") + packet(18, SEIPD), id="private packet"),
        pytest.param(packet(1, PKESK) + packet(18, SEIPD * 9), id="too much data"),
        pytest.param(packet(1, PKESK) + packet(18, SEIPD[:40]), id="too little data"),
        pytest.param(packet(1, PKESK) + packet(18, b"\1some words that nobody has encrypted, as anybody can read them here"), id="clear"),
        pytest.param(packet(1, PKESK + b"a note") + packet(18, SEIPD), id="note behind the session key"),
        pytest.param(packet(1, PKESK[:-1]) + packet(18, SEIPD), id="session key cut off"),
        pytest.param(packet(1, PKESK[:9] + b"\x11" + PKESK[10:]) + packet(18, SEIPD), id="algorithm that only signs"),
        pytest.param(packet(1, PKESK[:10] + b"\x07\xff" + PKESK[12:]) + packet(18, SEIPD), id="length of a number"),
        pytest.param(packet(1, b"\2" + PKESK[1:]) + packet(18, SEIPD), id="version 2"),
        pytest.param(packet(1, b"\3") + packet(18, SEIPD), id="a byte"),
        pytest.param(packet(1, b"\6") + packet(18, SEIPD), id="a byte of version 6"),
        pytest.param(packet(1, b"\6\x99" + PKESK_V6[2:]) + packet(18, SEIPD), id="fingerprint beyond the end"),
        pytest.param(packet(1, b"") + packet(18, SEIPD), id="empty"),
        pytest.param(packet(1, PKESK) + b"\xd2\xff\xff\xff\xff\xff\1", id="huge length"),
        pytest.param(packet(1, PKESK) + b"\xd2\xfe\1", id="huge part"),
        pytest.param(packet(1, PKESK) + b"\xd2", id="no length"),
        pytest.param(packet(1, PKESK) + b"\xd2\xff\0", id="half a length"),
        pytest.param(packet(1, PKESK) + b"\xcb" * 2, id="rest"),
        pytest.param(packet(1, PKESK) + b"\xa7" + SEIPD, id="until the end"),
        pytest.param(packet(1, PKESK) + b"\xd2" + b"\xe0\1" * 5_000, id="many parts"),
        pytest.param(b"\0", id="no packet"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_not_one_message_for_one_key_is_found(data: bytes) -> None:
    assert pgp(in_armor(packet(1, PKESK) + packet(18, SEIPD))) == []
    assert pgp(in_armor(data)) == WRONG


@given(st.data())
def test_changed_messages_never_raise_and_structure_counts(data: st.DataObject) -> None:
    whole = packet(1, PKESK) + packet(18, SEIPD)
    position = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[position]))
    changed = whole[:position] + bytes([byte]) + whole[position + 1 :]
    start = len(packet(1, PKESK)) + 6  # of the data packet's body
    key_id, number, encrypted = range(7, 15), range(18, start - 6), range(start + 1, len(whole))
    # RSA has two algorithm ids (1, 2); the high bit of the number must stay; a data packet of another known type.
    free = position in (*key_id, *number, *encrypted) or (position == 15 and byte in {2, 8, 35, 36}) or (position == start - 6 and byte == 0xC0 | 20)
    free = free or (position == start and byte == 2)
    found = pgp(in_armor(changed))
    assert bool(found) or free
    assert pgp(in_armor(changed), frozenset({"AA" * 8})) or position not in key_id


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_without_an_error(data: bytes) -> None:
    assert pgp(in_armor(data))
    assert isinstance(public_key_ids(data), dict)
    assert isinstance(public_key_ids(b"\x99" + data), dict)


# --- public keys -----------------------------------------------------------------------------------------------------


def test_key_ids_of_public_keys_armored_binary_and_together(gpg: Gpg, keys: dict[str, str]) -> None:
    listed: dict[str, set[str]] = {}
    current = ""
    for line in gpg.run("--list-keys", "--with-colons").decode().splitlines():
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            current = fields[4] if fields[0] == "pub" else current
            listed.setdefault(current, set()).add(fields[4])
    expected = {fingerprint: frozenset(listed[fingerprint[-16:]]) for fingerprint in keys.values()}
    assert [len(found) for found in expected.values()] == [2, 3]
    blocks = b"".join(b"a note\n" + gpg.run("-a", "--export", fingerprint) for fingerprint in keys.values())
    for data in (gpg.run("--export"), gpg.run("-a", "--export"), blocks, blocks.replace(b"\n", b"\r\n"), blocks.replace(b"-----\n\n", b"-----\nComment: x\n\n")):
        assert public_key_ids(data) == expected


def test_a_newer_key_has_its_id_in_front() -> None:
    body = b"\6\0\0\0\0\x19" + b"\0\0\0\x20" + KEY
    digest = hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    assert public_key_ids(packet(6, body)) == {digest: frozenset({digest[:16]})}
    subkey = hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body[:-1] + b"x").hexdigest().upper()
    assert public_key_ids(packet(6, body) + packet(13, b"name") + packet(14, body[:-1] + b"x")) == {digest: frozenset({digest[:16], subkey[:16]})}


def test_what_is_no_public_key_has_no_ids(gpg: Gpg, keys: dict[str, str]) -> None:
    secret = gpg.run("-a", "--export-secret-keys", keys["curve"])
    message = gpg.wrap("-r", keys["rsa"]).encode()
    for data in (b"", b"text", secret, gpg.run("--export-secret-keys", keys["curve"]), message, b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"):
        assert public_key_ids(data) == {}


def test_hostile_key_files_are_read_in_no_time() -> None:
    began = time.process_time()
    for data in (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n" * 25_000,
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + b"-----END PGP PUBLIC KEY BLOCK-----\n") * 12_000,
        b"\x99\0\1\4" * 240_000,
        b"\xc6" + b"\xe0\4" * 490_000,
        b"\x99" * 5_000_000,
    ):
        public_key_ids(data)
    assert time.process_time() - began < 8


# --- cloud services ----------------------------------------------------------------------------------------------------


BLOB = bytes(range(120, 250))


@pytest.mark.parametrize(
    ("kind", "wrapped", "found"),
    [
        ("kms", base64.b64encode(BLOB).decode(), []),
        ("gcp_kms", base64.b64encode(BLOB).decode(), []),
        ("hckms", base64.b64encode(BLOB).decode(), []),
        ("azure_kv", base64.urlsafe_b64encode(BLOB).decode().rstrip("="), []),
        ("hc_vault", "vault:v1:" + base64.b64encode(BLOB).decode(), []),
        ("hc_vault", "vault:v12:" + base64.b64encode(BLOB).decode(), []),
        ("kms", "", WRONG),
        ("kms", "hunter2", WRONG),
        ("kms", base64.b64encode(BLOB[:31]).decode(), WRONG),
        ("kms", base64.b64encode(BLOB).decode() + "\n", WRONG),
        ("kms", base64.b64encode(BLOB).decode() + " note", WRONG),
        ("kms", base64.b64encode(b"these are words that are not encrypted at all").decode(), WRONG),
        ("kms", base64.b64encode(BLOB * 200).decode(), WRONG),
        ("hc_vault", base64.b64encode(BLOB).decode(), WRONG),
        ("hc_vault", "vault:v0:" + base64.b64encode(BLOB).decode(), WRONG),
        ("hc_vault", "vault:v1:", WRONG),
        ("azure_kv", "no base64!", WRONG),
    ],
)
def test_what_cloud_services_wrap_has_its_form(kind: str, wrapped: str, found: list[tuple[str, str]]) -> None:
    assert faults("anything", wrapped, kind) == found


# --- parts -----------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=300))
def test_armor_is_read_as_it_is_written(data: bytes) -> None:
    assert read_age_armor(armored(data)) == read_pgp_armor(in_armor(data)).data == data
    assert decode_base64(base64.b64encode(data).decode()) == data
