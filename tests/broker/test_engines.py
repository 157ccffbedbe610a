# SPDX-License-Identifier: Apache-2.0
"""Every engine on a real OpenBao; those that it has not, by their documented answers from a fake."""

import base64
import shutil
import subprocess
import time

import pytest
from connect import at_fake, connect, logged_in, secret
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_identity,
)
from fakeserver import Answer, FakeServer
from lab import Lab

from scanner.broker.engines import ENGINES, OTHERS, kv
from scanner.broker.model import Lease, Mount
from scanner.broker.request import fill, group, parse_secret
from scanner.broker.vault import Vault
from scanner.errors import ConfigError, DeniedError


def _read(vault: Vault, text: str) -> Lease:
    """Read what a `--secret` asks for; `text` is without its target."""
    request = parse_secret(f"{text}=X")
    mount = vault.mount_of(request.path.removesuffix("/**"))
    engine = ENGINES.get(mount.type, OTHERS)
    needed = engine.needs(mount, request)
    assert needed
    may = vault.capabilities([path for path, _ in needed])
    for path, capability in needed:
        if capability not in may[path] and "root" not in may[path]:
            raise DeniedError(f"{path}: {capability} is not allowed")
    return engine.read(vault, mount, request)


def _revealed(lease: Lease) -> dict[str, str]:
    return {name: value.reveal().decode() for name, value in lease.values.items()}


def test_every_engine_of_the_table_has_its_test() -> None:
    assert set(ENGINES) == {"kv", "generic", "cubbyhole", "database", "rabbitmq", "redis", "pki", "ssh", "transit"}


# KV


def test_kv2_whole_secret_with_its_version(lab: Lab) -> None:
    lease = _read(logged_in(lab), "secret/ci/app")
    assert _revealed(lease) == {
        "user": lab.values["user"], "password": lab.values["password"], "json": '{"a":1}', "lines": "one\ntwo\n", "empty": "", "count": "3",
    }  # fmt: skip
    assert (lease.version, lease.engine, lease.lease_id, lease.ttl_seconds) == (2, "kv", None, 0)


@pytest.mark.parametrize("text", ["secret/ci/app#password@1", "secret/ci/app{version=1}"])
def test_kv2_given_version(lab: Lab, text: str) -> None:
    lease = _read(logged_in(lab), text)
    assert (_revealed(lease)["password"], lease.version) == (lab.values["old"], 1)


def test_kv2_version_that_never_was(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"nothing at secret/ci/app .*may never have been"):
        _read(logged_in(lab), "secret/ci/app#user@99")


def test_kv2_deleted_says_when(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"secret/ci/gone was deleted at \d{4}-\d\d-\d\dT"):
        _read(logged_in(lab), "secret/ci/gone#a")


def test_kv2_destroyed_is_said(lab: Lab) -> None:
    lab.bao.write("secret/data/ci/destroyed", {"data": {"a": "1"}})
    lab.bao.write("secret/destroy/ci/destroyed", {"versions": [1]})
    with pytest.raises(ConfigError, match="secret/ci/destroyed, version 1, was destroyed"):
        _read(logged_in(lab), "secret/ci/destroyed#a@1")


def test_kv2_not_there(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"nothing at secret/ci/nothing .mount secret/, engine kv"):
        _read(logged_in(lab), "secret/ci/nothing#a")


def test_kv2_written_with_the_part_that_the_api_adds(lab: Lab) -> None:
    vault = connect(lab)
    vault.login_token(secret(lab.root))
    with pytest.raises(ConfigError, match="without data/"):
        _read(vault, "secret/data/ci/app#user")


def test_kv2_final_slash(lab: Lab) -> None:
    assert _read(logged_in(lab), "/secret/ci/app/#user")


def test_kv2_values_that_are_no_text_are_json(lab: Lab) -> None:
    lab.bao.write(
        "secret/data/ci/kinds",
        {"data": {"n": None, "t": True, "f": 1.5, "l": [1, "ü"], "d": {"a": {"b": "c"}}, "big": 123456789012}},
    )
    assert _revealed(_read(logged_in(lab), "secret/ci/kinds")) == {
        "n": "null", "t": "true", "f": "1.5", "l": '[1,"ü"]', "d": '{"a":{"b":"c"}}', "big": "123456789012",
    }  # fmt: skip


def test_kv1_with_a_field_called_data(lab: Lab) -> None:
    lease = _read(logged_in(lab), "kv1/ci/app")
    assert (_revealed(lease), lease.version) == ({"user": lab.values["v1"], "data": "looks like version two"}, None)


def test_kv1_has_no_versions(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="keeps no versions"):
        _read(logged_in(lab), "kv1/ci/app#user@1")


def test_kv_tree(lab: Lab) -> None:
    lease = _read(logged_in(lab), "secret/ci/tree/**")
    user = lab.values["user"]
    assert _revealed(lease) == {"one/key": f"one{user}", "two/key": f"two{user}", "deep/three/key": f"three{user}"}
    variables, _ = fill([(parse_secret("secret/ci/tree/**=T"), lease)])
    assert set(variables) == {"T_ONE_KEY", "T_TWO_KEY", "T_DEEP_THREE_KEY"}


def test_kv1_tree(lab: Lab) -> None:
    lab.bao.write("kv1/ci/tree/deep/x", {"a": "1"})
    assert _revealed(_read(logged_in(lab), "kv1/ci/tree/**")) == {"deep/x/a": "1"}


def test_kv_tree_whose_names_collide(lab: Lab) -> None:
    lab.bao.write("secret/data/ci/clash/a/b", {"data": {"c": "1"}})
    lab.bao.write("secret/data/ci/clash/a", {"data": {"b_c": "2"}})
    lease = _read(logged_in(lab), "secret/ci/clash/**")
    with pytest.raises(ConfigError, match="would both be T_A_B_C"):
        fill([(parse_secret("secret/ci/clash/**=T"), lease)])


def test_kv_tree_limits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = logged_in(lab)
    monkeypatch.setattr(kv, "MAX_TREE_SECRETS", 2)
    with pytest.raises(ConfigError, match="more than 2 secrets"):
        _read(vault, "secret/ci/tree/**")
    monkeypatch.setattr(kv, "MAX_TREE_DEPTH", 0)
    with pytest.raises(ConfigError, match="folders deep"):
        _read(vault, "secret/ci/tree/**")


def test_kv_tree_that_is_empty(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="nothing at secret/ci/nothing"):
        _read(logged_in(lab), "secret/ci/nothing/**")


def test_kv_takes_no_options(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="has no option ttl"):
        _read(logged_in(lab), "secret/ci/app{ttl=1h}#user")


def test_cubbyhole(lab: Lab) -> None:
    vault = logged_in(lab)
    vault.write("cubbyhole/mine", {"a": "b"})
    assert _revealed(_read(vault, "cubbyhole/mine")) == {"a": "b"}


def test_a_mount_is_no_secret(lab: Lab) -> None:
    vault = connect(lab)
    vault.login_token(secret(lab.root))
    lab.bao.write("sys/mounts/deep/mount", {"type": "kv", "options": {"version": "1"}})
    with pytest.raises(ConfigError, match="is a mount and no secret"):
        _read(vault, "deep/mount#a")


# Credentials


def test_database_user_that_works_and_ends_with_the_token(lab: Lab) -> None:
    postgres = lab.postgres
    vault = logged_in(lab)
    lease = _read(vault, "database/creds/ci")
    values = _revealed(lease)
    assert (set(values), lease.ttl_seconds, lease.renewable, lease.engine) == ({"username", "password"}, 60, True, "database")
    assert postgres.connects(values["username"], values["password"])
    vault.revoke_self()
    end = time.monotonic() + 10
    while values["username"] in postgres.users() and time.monotonic() < end:
        time.sleep(0.1)
    assert values["username"] not in postgres.users()


def test_many_fields_are_one_request_and_one_lease(lab: Lab) -> None:
    postgres = lab.postgres
    vault = logged_in(lab)
    before = postgres.users()
    requests = [
        parse_secret(text) for text in ("database/creds/ci#username=U", "database/creds/ci#password=P", "database/creds/ci=DB")
    ]
    read = []
    for members in group(requests):
        lease = ENGINES["database"].read(vault, vault.mount_of(members[0].path), members[0])
        read += [(request, lease) for request in members]
    variables, _ = fill(read)
    assert len(postgres.users() - before) == 1
    assert postgres.connects(variables["U"].reveal().decode(), variables["P"].reveal().decode())
    assert variables["DB_USERNAME"] == variables["U"]
    vault.revoke_self()


def test_database_role_that_is_not_there(lab: Lab) -> None:
    lab.postgres  # noqa: B018  starts it
    with pytest.raises(ConfigError, match=r"reading database/creds/nothing .*no such role"):
        _read(logged_in(lab), "database/creds/nothing")


@pytest.mark.parametrize(
    "text", ["database/config/pg#x", "database/creds#x", "database/creds/ci{ttl=1h}#x", "database/creds/ci#x@2"]
)
def test_database_paths_that_are_no_credentials(fake: FakeServer, text: str) -> None:
    with pytest.raises(ConfigError):
        ENGINES["database"].read(at_fake(fake), Mount("database/", "database", None), parse_secret(f"{text}=X"))
    assert fake.seen == []


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
@pytest.mark.parametrize("path", ["creds/ci", "static-creds/ci"])
def test_other_credentials(fake: FakeServer, kind: str, path: str) -> None:
    document = {
        "lease_id": f"{kind}/creds/ci/abc",
        "lease_duration": 30,
        "renewable": True,
        "data": {"username": "u", "password": "p"},
    }
    fake.tell(Answer(200, document))
    lease = ENGINES[kind].read(at_fake(fake), Mount(f"{kind}/", kind, None), parse_secret(f"{kind}/{path}=X"))
    assert (_revealed(lease), lease.ttl_seconds, lease.lease_id.reveal()) == (
        document["data"],
        30,
        f"{kind}/creds/ci/abc".encode(),
    )
    assert [(seen.method, seen.path) for seen in fake.seen] == [("GET", f"/v1/{kind}/{path}")]


# PKI


def test_pki_certificate_key_and_chain(lab: Lab) -> None:
    lease = _read(logged_in(lab), "pki/issue/ci{common_name=a.example.test;ttl=10m;alt_names=b.example.test,c.example.test}")
    values = _revealed(lease)
    certificate = x509.load_pem_x509_certificate(values["certificate"].encode())
    key = load_pem_private_key(values["private_key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert set(names) == {"a.example.test", "b.example.test", "c.example.test"}
    chain = x509.load_pem_x509_certificates(values["ca_chain"].encode())
    certificate.verify_directly_issued_by(chain[0])
    assert x509.load_pem_x509_certificates(values["bundle"].encode()) == [certificate, *chain]
    assert x509.load_pem_x509_certificate(values["issuing_ca"].encode()) == chain[0]
    assert 500 < lease.ttl_seconds <= 600


def test_pki_refuses_what_the_role_does(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"reading pki/issue/ci .*refuses the request as invalid"):
        _read(logged_in(lab), "pki/issue/ci{common_name=evil.test}")


def test_pki_without_a_name(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="takes the option common_name"):
        _read(logged_in(lab), "pki/issue/ci")


def test_pki_certificate_that_is_there(lab: Lab) -> None:
    values = _revealed(_read(logged_in(lab), "pki/cert/ca"))
    assert x509.load_pem_x509_certificate(values["certificate"].encode())


# SSH


def test_ssh_makes_a_key_and_has_it_signed(lab: Lab) -> None:
    lease = _read(logged_in(lab), "ssh/sign/ci")
    values = _revealed(lease)
    certificate = load_ssh_public_identity(values["signed_key"].encode())
    key = load_ssh_private_key(values["private_key"].encode(), None)
    assert certificate.public_key() == key.public_key()
    assert certificate.valid_principals == [b"deploy"]
    assert values["public_key"].startswith("ssh-ed25519 ")
    assert _revealed(_read(logged_in(lab), "ssh/sign/ci"))["private_key"] != values["private_key"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_ssh_signs_a_key_that_is_there(lab: Lab, tmp_path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    lease = _read(logged_in(lab), f"ssh/sign/ci{{public_key=@{tmp_path / 'key.pub'};ttl=2m;valid_principals=deploy}}")
    assert "private_key" not in lease.values
    (tmp_path / "key-cert.pub").write_bytes(lease.values["signed_key"].reveal())
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", tmp_path / "key-cert.pub"], check=True, capture_output=True, text=True
    ).stdout
    assert "deploy" in shown


def test_ssh_issue(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"data": {"signed_key": "c", "private_key": "k", "private_key_type": "rsa"}}))
    lease = ENGINES["ssh"].read(at_fake(fake), Mount("ssh/", "ssh", None), parse_secret("ssh/issue/ci{key_type=rsa}=X"))
    assert (set(lease.values), fake.seen[0].body) == ({"signed_key", "private_key", "private_key_type"}, b'{"key_type": "rsa"}')


def test_ssh_other_principal(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="refuses the request"):
        _read(logged_in(lab), "ssh/sign/ci{valid_principals=root}")


# Transit


def test_transit_there_and_back(lab: Lab) -> None:
    vault = logged_in(lab)
    ciphertext = _revealed(_read(vault, "transit/encrypt/ci{plaintext=grüße = ☃}"))["ciphertext"]
    assert _revealed(_read(vault, f"transit/decrypt/ci{{ciphertext={ciphertext}}}#plaintext"))["plaintext"] == "grüße = ☃"


def test_transit_decrypts_bytes(lab: Lab) -> None:
    data = bytes(range(256))
    made = lab.bao.write("transit/encrypt/ci", {"plaintext": base64.b64encode(data).decode()})["data"]["ciphertext"]
    assert _read(logged_in(lab), f"transit/decrypt/ci{{ciphertext={made}}}").values["plaintext"].reveal() == data


def test_transit_signs(lab: Lab) -> None:
    signature = _revealed(_read(logged_in(lab), "transit/sign/ci-sign{input=text}"))["signature"]
    checked = lab.bao.write("transit/verify/ci-sign", {"input": base64.b64encode(b"text").decode(), "signature": signature})
    assert checked["data"]["valid"] is True


@pytest.mark.parametrize(
    ("text", "said"),
    [("transit/decrypt/ci{ciphertext=vault:v1:AAAA}", "refuses the request"), ("transit/decrypt/ci", "takes the option ciphertext"),
     ("transit/keys/ci", "no operation of transit's"), ("transit/decrypt", "no operation of transit's"), ("transit/sign/ci-sign{x=1}", "no option x")],
)  # fmt: skip
def test_transit_refusals(lab: Lab, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _read(logged_in(lab), text)


# Any other engine


def test_an_engine_that_nobody_here_knows(lab: Lab) -> None:
    lease = _read(logged_in(lab), "totp/code/ci")
    assert (len(_revealed(lease)["code"]), lease.engine) == (6, "totp")


@pytest.mark.parametrize(
    ("text", "method", "body"),
    [("aws/creds/ci", "GET", b""), ("aws/sts/ci{ttl=15m}", "POST", b'{"ttl": "15m"}'), ("gcp/roleset/ci/token{method=write}", "POST", b"{}"),
     ("azure/creds/ci{method=read}", "GET", b"")],
)  # fmt: skip
def test_engines_of_clouds(fake: FakeServer, text: str, method: str, body: bytes) -> None:
    fake.tell(
        Answer(
            200,
            {"lease_id": "aws/creds/ci/x", "lease_duration": 900, "renewable": False, "data": {"access_key": "a", "ttl": 900}},
        )
    )
    request = parse_secret(f"{text}=X")
    mount = Mount(request.path.partition("/")[0] + "/", "aws", None)
    assert OTHERS.needs(mount, request) == ((request.path, "update" if method == "POST" else "read"),)
    lease = OTHERS.read(at_fake(fake), mount, request)
    assert (_revealed(lease), lease.ttl_seconds, lease.renewable) == ({"access_key": "a", "ttl": "900"}, 900, False)
    assert [(seen.method, seen.path, seen.body) for seen in fake.seen] == [(method, f"/v1/{request.path}", body)]


@pytest.mark.parametrize("text", ["aws/creds/ci{method=delete}", "aws/creds/ci{method=read;ttl=1h}", "aws/creds/ci#x@1"])
def test_engines_of_clouds_refuse(fake: FakeServer, text: str) -> None:
    with pytest.raises(ConfigError):
        OTHERS.read(at_fake(fake), Mount("aws/", "aws", None), parse_secret(f"{text}=X"))
    assert fake.seen == []


def test_a_value_that_is_no_text_is_an_error_without_the_value(fake: FakeServer) -> None:
    fake.tell(Answer(200, b'{"data": {"a": "secret\\ud800"}}', {"Content-Type": "application/json"}))
    with pytest.raises(ConfigError, match="a value at aws/creds/ci is no text") as caught:
        OTHERS.read(at_fake(fake), Mount("aws/", "aws", None), parse_secret("aws/creds/ci=X"))
    assert "secret" not in str(caught.value)


def test_what_the_policy_forbids(lab: Lab) -> None:
    with pytest.raises(DeniedError):
        _read(logged_in(lab), "secret/prod/app#password")
