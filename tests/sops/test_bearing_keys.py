# SPDX-License-Identifier: Apache-2.0
"""Private keys and other people's ciphertext, made for each run by the programs that make them."""

import random
import shutil
import subprocess

import pytest

from scanner.sops.bearers.sealed import is_sealed
from scanner.sops.bearing import may_bear, secret_bearing

pyrage = pytest.importorskip("pyrage")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")

PEM = serialization.Encoding.PEM
PKCS8, TRADITIONAL, OPENSSH = (getattr(serialization.PrivateFormat, name) for name in ("PKCS8", "TraditionalOpenSSL", "OpenSSH"))
CLEAR = serialization.NoEncryption()
REAL = "hunter2-" + "Sup3r-Secret"
FILLER = random.Random(5).randbytes(400)


@pytest.fixture(scope="module")
def identity():
    return str(pyrage.x25519.Identity.generate())


@pytest.fixture(scope="module")
def recipient(identity):
    return pyrage.x25519.Identity.from_str(identity).to_public()


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)

    def run(*arguments, data=b""):
        command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    run("--quick-gen-key", "test@example.org", "ed25519", "sign", "never")
    fingerprint = next(line.split(":")[9] for line in run("--list-keys", "--with-colons").decode().splitlines() if line[:3] == "fpr")
    run("--quick-add-key", fingerprint, "cv25519", "encr", "never")
    yield run
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def rules(path, data):
    found = secret_bearing(path, data)
    assert may_bear(path, data) or not found
    return [(problem.rule, problem.confidence) for problem in found]


@pytest.mark.parametrize("path", [b"keys.txt", b"age.agekey", b"src/a.py", b"tests/a.go", b"secrets.yaml", b"README.md", b"noext"])
def test_an_age_identity_counts_wherever_it_stands(identity, path):
    data = f"# public key\nkey: {identity}\n".encode()
    assert rules(path, data) == [("sops-private-key", "high")]
    (problem,) = secret_bearing(path, data)
    assert data[problem.span.start : problem.span.end] == identity.encode()
    assert "git rm --cached {file}" in problem.remedy
    assert "rotate" in problem.remedy


def test_an_age_identity_inside_a_secret_is_a_private_key(identity):
    import base64

    data = f"kind: Secret\ndata:\n  age.agekey: {base64.b64encode(identity.encode()).decode()}\n".encode()
    assert rules(b"a.yaml", data) == [("sops-private-key", "high")]


def test_what_is_no_age_identity_does_not_count(identity, recipient):
    wrong = identity[:-1] + ("Q" if identity[-1] != "Q" else "P")
    repeated = "AGE-SECRET-KEY-1" + "GFPYYSJZ" * 7 + "GG"
    for text in (wrong, identity.lower(), identity[:40], repeated, str(recipient), "AGE-SECRET-KEY-1..."):
        assert rules(b"keys.txt", text.encode()) == []


def test_a_pgp_private_key_counts_wherever_it_stands(gpg):
    armored = gpg("--armor", "--export-secret-keys")
    indented = b"key: |\n" + b"".join(b"  " + line + b"\n" for line in armored.splitlines())
    escaped = b'{"key": "' + armored.replace(b"\n", b"\\n") + b'"}'
    for path, data in ((b"a.asc", armored), (b"main.go", armored), (b"a.yaml", indented), (b"a.json", escaped)):
        assert rules(path, data) == [("sops-private-key", "high")], path
    assert rules(b"secring.gpg", gpg("--export-secret-keys")) == [("sops-private-key", "high")]


def test_public_keys_messages_and_signatures_of_pgp_are_fine(gpg):
    public = gpg("--armor", "--export")
    signature = gpg("--armor", "--detach-sign", data=b"text")
    message = gpg("--armor", "--trust-model", "always", "-r", "test@example.org", "--encrypt", data=b"text" * 50)
    binary = gpg("--trust-model", "always", "-r", "test@example.org", "--encrypt", data=b"text" * 50)
    paths = (b".sops.pub.asc", b"a.sig", b"secrets.yaml", b"secrets.dec", b"secrets.gpg", b"pub.gpg")
    for path, data in zip(paths, (public, signature, message, message, binary, gpg("--export")), strict=True):
        assert rules(path, data) == []
    assert is_sealed(message)
    assert is_sealed(binary)
    assert not is_sealed(message + b"password: " + REAL.encode())
    assert not is_sealed(public)


def test_a_pgp_marker_without_a_key_does_not_count():
    begin, end = (f"-----{word} PGP PRIVATE KEY BLOCK-----" for word in ("BEGIN", "END"))
    for body in ("...", "A" * 64, ""):
        assert rules(b"a.asc", f"{begin}\n\n{body}\n{end}\n".encode()) == []


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL, OPENSSH])
def test_private_keys_in_their_files_and_in_settings(key, form):
    pem = key.private_bytes(PEM, form, CLEAR)
    assert rules(b"tls.key", pem) == [("sops-uncovered", "high")]
    assert rules(b".ssh/id_ecdsa", pem) == [("sops-uncovered", "high")]
    assert rules(b"tests/tls.key", pem) == [("sops-uncovered", "low")]
    assert rules(b"a.json", b'{"a": "' + pem.replace(b"\n", b"\\n") + b'"}') == [("sops-uncovered", "medium")]
    assert rules(b"main.go", pem) == []


def test_the_beginning_of_a_key_is_enough_in_its_own_file(key):
    head, body, *_ = key.private_bytes(PEM, PKCS8, CLEAR).decode().splitlines()
    data = "\n".join((head, body[:32], head.replace("BEGIN", "END"))).encode()
    assert rules(b"tls.key", data) == [("sops-uncovered", "medium")]
    assert rules(b"a.yaml", b"a: |\n  " + data.replace(b"\n", b"\n  ")) == []


def test_a_key_with_a_passphrase_is_believed_less(key):
    locked = serialization.BestAvailableEncryption(b"x" * 8)
    assert rules(b"tls.key", key.private_bytes(PEM, PKCS8, locked)) == [("sops-uncovered", "medium")]


def test_public_halves_and_imitations_are_fine(key):
    public = key.public_key()
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    ssh = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert rules(b"tls.pem", public.public_bytes(PEM, subject)) == []
    assert rules(b"id_ecdsa.pub", ssh) == []
    begin, end = (f"-----{word} RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
    for body in ("MIIEowIBAAKCAQEA...", "A" * 400, "<your key>"):
        assert rules(b"tls.key", f"{begin}\n{body}\n{end}\n".encode()) == []


def test_putty_keys():
    head = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: {}\nComment: a\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 00\n"
    assert rules(b"a.ppk", head.format("none").encode()) == [("sops-uncovered", "high")]
    assert rules(b"a.ppk", head.format("aes256-cbc").encode()) == [("sops-uncovered", "medium")]


def test_a_service_account_has_its_key_reported(key):
    import json

    pem = key.private_bytes(PEM, PKCS8, CLEAR).decode()
    data = json.dumps({"type": "service_account", "project_id": "p", "private_key": pem}).encode()
    (problem,) = secret_bearing(b"account.json", data)
    assert (problem.rule, problem.key, problem.confidence) == ("sops-uncovered", "private_key", "high")


def test_age_files_are_sealed_and_their_imitations_are_not(recipient):
    binary = pyrage.encrypt(b"text" * 50, [recipient])
    armored = pyrage.encrypt(b"text" * 50, [recipient], armored=True)
    for data in (binary, armored):
        assert is_sealed(data)
        assert rules(b"secrets.yaml.dec", data) == []
        assert rules(b"secrets.yaml", data) == []
    clear = f"\npassword: {REAL}\n".encode() * 4
    header = binary[: binary.index(b"\n--- ") + 49]
    for data in (armored + clear, header + clear, b"age-encryption.org/v1\n" + clear):
        assert not is_sealed(data)
    assert rules(b"secrets.yaml.dec", header + clear) == [("sops-decrypted-copy", "high")]


def test_git_crypt_and_ansible_vaults_are_sealed_and_their_imitations_are_not():
    assert is_sealed(b"\0GITCRYPT\0" + FILLER)
    assert not is_sealed(b"\0GITCRYPT\0" + f"password: {REAL}\n".encode() * 5)
    assert not is_sealed(b"\0GITCRYPT\0")
    lines = "\n".join(FILLER[i : i + 20].hex().encode().hex() for i in range(0, 200, 20))
    vault = f"$ANSIBLE_VAULT;1.2;AES256;prod\n{lines}\n".encode()
    assert is_sealed(vault)
    assert not is_sealed(vault + b"password: x\n")
    assert not is_sealed(b"$ANSIBLE_VAULT;1.1;AES256\n" + (REAL * 20).encode().hex().encode())
    assert rules(b"group_vars/all/vault.yml", vault) == []
    assert rules(b"vault.yml", b"$ANSIBLE_VAULT;1.1;AES256\n" + (REAL * 20).encode().hex().encode()) == [("sops-uncovered", "high")]


def test_short_text_and_text_in_other_letters_is_not_sealed_by_what_stands_before_it(recipient):
    clear = f"password: {REAL}\n".encode()
    header = pyrage.encrypt(b"text", [recipient])
    header = header[: header.index(b"\n--- ") + 49]
    for data in (b"\0GITCRYPT\0" + FILLER[:12] + clear, b"\0GITCRYPT\0" + clear, header + clear):
        assert not is_sealed(data)
    # Letters whose first byte in UTF-8 or Latin-1 is that of an OpenPGP packet.
    words = ("\u00d6l: 5 \u00fc\n", "\u049a\u04b1\u043f\u0438\u044f: ", "\u00c4")
    for data in ((word * 9 + REAL).encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le")):
        assert not is_sealed(data)
    assert not is_sealed("\u00d6l: 5 \u00fc\n".encode("latin-1") * 20)
    twice = (REAL * 9).encode().hex().encode().hex()
    assert not is_sealed(f"$ANSIBLE_VAULT;1.1;AES256\n{twice}\n".encode())


def test_a_cheap_look_at_a_program_is_cheap():
    import time

    data = (b"def f(x):\n    return {'kind': 'Secret', 'password': x}\n" * 2000)[: 64 * 1024]
    start = time.process_time()
    for _ in range(200):
        assert not may_bear(b"src/module.py", data)
    assert time.process_time() - start < 1
