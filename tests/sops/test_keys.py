# SPDX-License-Identifier: Apache-2.0
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from samples import DOCUMENTS, Samples, wrap_for
from sopsmaker import SopsMaker, Store, missing

from scanner.errors import ConfigError
from scanner.sops.content import MapNode
from scanner.sops.keyed.keys import Keyring, NoKey, WrongKey
from scanner.sops.metadata import FileRecipient, Metadata, parse_metadata
from scanner.sops.recipient import Recipient
from scanner.sops.stores import read

needs_gpg = pytest.mark.skipif(bool(missing("gpg")), reason="gpg is not installed")
needs_bao = pytest.mark.skipif(bool(missing("bao")), reason="bao is not installed")


@pytest.fixture(scope="module")
def samples(sops_maker: SopsMaker) -> Samples:
    return Samples(sops_maker)


def metadata_of(data: bytes, store: Store = "yaml") -> Metadata:
    node = read(store, data).metadata[0]
    assert isinstance(node, MapNode)
    metadata, problems = parse_metadata(node, store)
    assert metadata is not None
    assert problems == []
    return metadata


def only(metadata: Metadata, *kinds: str) -> Metadata:
    """Return the metadata with recipients of these kinds only."""
    groups = tuple(tuple(entry for entry in group if entry.recipient.kind in kinds) for group in metadata.groups)
    return metadata._replace(groups=groups)


def rewrapped(metadata: Metadata, *wrapped: str) -> Metadata:
    """Return the metadata with other wrapped keys for the recipients of its one group."""
    group = tuple(entry._replace(wrapped=text) for entry, text in zip(metadata.groups[0], wrapped, strict=True))
    return metadata._replace(groups=(group,))


def add_recipient(metadata: Metadata, recipient: str, wrapped: str) -> Metadata:
    first = metadata.groups[0][0]
    return metadata._replace(groups=((*metadata.groups[0], first._replace(recipient=Recipient("age", recipient), wrapped=wrapped)),))


def bare(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return an environment without any key."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GNUPGHOME": str(tmp_path), **more}


# age


@pytest.mark.parametrize("store", ["yaml", "json", "dotenv", "ini", "binary"])
def test_an_age_identity_opens_the_files_of_every_store(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    assert Keyring(sample.maker.environ).data_key(metadata_of(sample.data, store)) == sample.data_key


def test_identities_are_found_where_sops_looks(samples: Samples, tmp_path: Path) -> None:
    sample = samples.get("yaml", "age")
    identity = sample.maker.age().identity
    # pyrage wants no line breaks; comments and empty lines stand in every file that age-keygen writes.
    text = f"# created: today\n\n{identity}\n"
    (tmp_path / "named.txt").write_text(text)
    print_it = tmp_path / "print.py"
    print_it.write_text(f"import os; print({identity!r} if os.environ['SOPS_AGE_RECIPIENT'] == {sample.maker.age().recipient!r} else '')")
    places: list[Mapping[str, str]] = [
        {"SOPS_AGE_KEY": f"{sample.maker.age(1).identity} {identity}"},
        {"SOPS_AGE_KEY_FILE": str(tmp_path / "named.txt")},
        {"SOPS_AGE_KEY_CMD": f"'{sys.executable}' {print_it}"},
    ]
    for place in places:
        assert Keyring(bare(tmp_path, **place)).data_key(metadata_of(sample.data)) == sample.data_key
    config = tmp_path / "config"
    (config / "sops" / "age").mkdir(parents=True)
    (config / "sops" / "age" / "keys.txt").write_text(text)
    environ = bare(tmp_path, XDG_CONFIG_HOME=str(config))
    assert Keyring(environ).data_key(metadata_of(sample.data)) == sample.data_key


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_ssh_key_opens_what_is_for_it(sops_maker: SopsMaker, tmp_path: Path, kind: str) -> None:
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh" / f"id_{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me@here", "-f", key], check=True)
    recipient = key.with_suffix(".pub").read_text().strip()
    data = sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(recipients={"age": [recipient]}))
    assert len(Keyring(bare(tmp_path)).data_key(metadata_of(data))) == 32
    moved = key.rename(tmp_path / "moved")
    assert len(Keyring(bare(tmp_path, SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(moved))).data_key(metadata_of(data))) == 32
    with pytest.raises(NoKey, match="no identity"):
        Keyring(bare(tmp_path)).data_key(metadata_of(data))


def test_without_a_key_the_reason_names_the_recipient_and_what_failed(samples: Samples, tmp_path: Path) -> None:
    sample = samples.get("yaml", "age")
    (tmp_path / "broken.txt").write_text("this is no identity\n")
    environ = bare(
        tmp_path,
        SOPS_AGE_KEY_FILE=str(tmp_path / "broken.txt"),
        SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(tmp_path / "absent"),
        SOPS_AGE_KEY_CMD="false",
    )
    with pytest.raises(NoKey) as caught:
        Keyring(environ).data_key(metadata_of(sample.data))
    assert sample.maker.age().recipient in caught.value.reason
    for part in ("SOPS_AGE_KEY_FILE holds", "SOPS_AGE_SSH_PRIVATE_KEY_FILE cannot be read", "SOPS_AGE_KEY_CMD failed"):
        assert part in caught.value.reason
    assert "this is no identity" not in caught.value.reason


@pytest.mark.parametrize("command", ["no-such-program-at-all", "'unclosed", ""])
def test_a_command_for_keys_that_cannot_run_gives_none(samples: Samples, tmp_path: Path, command: str) -> None:
    with pytest.raises(NoKey):
        Keyring(bare(tmp_path, SOPS_AGE_KEY_CMD=command)).data_key(metadata_of(samples.get("yaml", "age").data))


def test_a_data_key_for_somebody_else_is_noticed(samples: Samples, tmp_path: Path) -> None:
    sample = samples.get("yaml", "age")
    named, other = sample.maker.age(), sample.maker.age(1)
    forged = rewrapped(metadata_of(sample.data), wrap_for(sample.data_key, [other]))
    with pytest.raises(WrongKey, match="does not open with its key"):
        Keyring(bare(tmp_path, SOPS_AGE_KEY=named.identity)).data_key(forged)
    with pytest.raises(WrongKey, match="does not open with its key"):
        Keyring(bare(tmp_path, SOPS_AGE_KEY=f"{named.identity} {other.identity}")).data_key(forged)
    with pytest.raises(WrongKey, match="opens with another key"):
        Keyring(bare(tmp_path, SOPS_AGE_KEY=other.identity)).data_key(forged)


def test_a_forged_recipient_beside_one_that_works_is_noticed(samples: Samples) -> None:
    sample = samples.get("yaml", "age")
    maker, metadata = sample.maker, metadata_of(sample.data)
    second = maker.age(1)
    good = add_recipient(metadata, second.recipient, wrap_for(sample.data_key, [second]))
    assert Keyring(maker.environ).data_key(good) == sample.data_key
    with pytest.raises(WrongKey, match="different data keys"):
        Keyring(maker.environ).data_key(add_recipient(metadata, second.recipient, wrap_for(os.urandom(32), [second])))
    with pytest.raises(WrongKey, match="does not open"):
        Keyring(maker.environ).data_key(add_recipient(metadata, second.recipient, wrap_for(sample.data_key, [maker.age(2)])))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_what_is_no_data_key_is_noticed(samples: Samples, length: int) -> None:
    sample = samples.get("yaml", "age")
    forged = rewrapped(metadata_of(sample.data), wrap_for(os.urandom(length), [sample.maker.age()]))
    with pytest.raises(WrongKey, match="32 bytes"):
        Keyring(sample.maker.environ).data_key(forged)


@pytest.mark.parametrize("wrapped", ["", "junk", "-----BEGIN AGE ENCRYPTED FILE-----\n", "\ud800", "x" * 100_000])
def test_a_wrapped_key_that_is_none_at_all(samples: Samples, wrapped: str) -> None:
    sample = samples.get("yaml", "age")
    with pytest.raises(WrongKey):
        Keyring(sample.maker.environ).data_key(rewrapped(metadata_of(sample.data), wrapped))


# PGP


@needs_gpg
def test_gpg_opens_what_is_for_a_key_of_its_ring(samples: Samples, tmp_path: Path) -> None:
    sample = samples.get("yaml", "age and PGP")
    metadata = only(metadata_of(sample.data), "pgp")
    assert Keyring(sample.maker.environ).data_key(metadata) == sample.data_key
    with pytest.raises(NoKey, match=r"pgp: gpg does not open it with the key [0-9A-F]{40}"):
        Keyring(sample.maker.environ | {"GNUPGHOME": str(tmp_path)}).data_key(metadata)
    with pytest.raises(NoKey, match="not installed"):
        Keyring(sample.maker.environ | {"SOPS_GPG_EXEC": "no-such-gpg"}).data_key(metadata)


@needs_gpg
def test_a_pgp_message_that_is_not_encrypted_is_no_data_key(samples: Samples) -> None:
    sample = samples.get("yaml", "age and PGP")
    stored = sample.maker.gpg("--batch", "--armor", "--store", stdin=b"k" * 32).decode()
    assert sample.maker.gpg("--batch", "--decrypt", stdin=stored.encode()) == b"k" * 32
    with pytest.raises(NoKey):
        Keyring(sample.maker.environ).data_key(rewrapped(only(metadata_of(sample.data), "pgp"), stored))


@needs_gpg
def test_a_pgp_message_that_unpacks_without_end_is_cut(samples: Samples) -> None:
    sample = samples.get("yaml", "age and PGP")
    to = ("--recipient", sample.maker.pgp().fingerprint, "--trust-model", "always", "--compress-algo", "zlib")
    bomb = sample.maker.gpg("--batch", "--armor", *to, "--encrypt", stdin=bytes(50_000_000)).decode()
    assert len(bomb) < 200_000
    with pytest.raises((NoKey, WrongKey)):
        Keyring(sample.maker.environ).data_key(rewrapped(only(metadata_of(sample.data), "pgp"), bomb))


@needs_gpg
def test_a_program_is_asked_once_for_all_versions_of_a_file(samples: Samples, tmp_path: Path) -> None:
    sample = samples.get("yaml", "age and PGP")
    counting = tmp_path / "gpg"
    counting.write_text(f'#!/bin/sh\necho x >> {tmp_path}/calls\nexec {shutil.which("gpg")} "$@"\n')
    counting.chmod(0o700)
    keyring = Keyring(sample.maker.environ | {"SOPS_GPG_EXEC": str(counting)})
    for _ in range(3):
        assert keyring.data_key(only(metadata_of(sample.data), "pgp")) == sample.data_key
    assert (tmp_path / "calls").read_text() == "x\n"


# Vault and OpenBao


@pytest.fixture(scope="module")
def transit(sops_maker: SopsMaker) -> Metadata:
    """Return the metadata of a file for a transit key of a real server."""
    if reason := missing("bao"):
        pytest.skip(reason)
    recipients = {"hc_vault": [sops_maker.transit()], "age": [sops_maker.age().recipient]}
    return metadata_of(sops_maker.encrypt(DOCUMENTS["yaml"], "yaml", sops_maker.recipe(recipients=recipients)))


def test_a_transit_engine_opens_what_it_wrapped(transit: Metadata, sops_maker: SopsMaker, tmp_path: Path) -> None:
    known = Keyring(sops_maker.environ).data_key(only(transit, "age"))
    address, token = sops_maker.environ["VAULT_ADDR"], sops_maker.environ["VAULT_TOKEN"]
    wrapped = only(transit, "hc_vault")
    assert Keyring(bare(tmp_path, VAULT_ADDR=address + "/", VAULT_TOKEN=token)).data_key(wrapped) == known
    assert Keyring(bare(tmp_path, BAO_ADDR=address, BAO_TOKEN=token, VAULT_TOKEN="other")).data_key(wrapped) == known
    assert Keyring(bare(tmp_path, VAULT_TOKEN=token), vault_addresses=(address,)).data_key(wrapped) == known
    assert Keyring(bare(tmp_path, VAULT_TOKEN=token, SOPS_HC_VAULT_ALLOWLIST=f"http://x, {address}")).data_key(wrapped) == known
    (tmp_path / ".vault-token").write_text(token + "\n")
    assert Keyring(bare(tmp_path, VAULT_ADDR=address)).data_key(wrapped) == known


def test_a_token_that_the_server_refuses(transit: Metadata, sops_maker: SopsMaker, tmp_path: Path) -> None:
    address = sops_maker.environ["VAULT_ADDR"]
    with pytest.raises(NoKey, match=r"refuses it \(403\)"):
        Keyring(bare(tmp_path, VAULT_ADDR=address, VAULT_TOKEN="s.wrong")).data_key(only(transit, "hc_vault"))
    with pytest.raises(NoKey, match="no usable VAULT_TOKEN"):
        Keyring(bare(tmp_path, VAULT_ADDR=address)).data_key(only(transit, "hc_vault"))


class Listener(http.server.BaseHTTPRequestHandler):
    """Remembers who came with which token, and answers as told."""

    seen: list[tuple[str, str]]
    answer: tuple[int, dict[str, str], bytes]

    def do_POST(self) -> None:
        self.seen.append((self.path, self.headers.get("X-Vault-Token", "")))
        code, headers, body = self.answer
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[tuple[str, type[Listener]]]:
    class Mine(Listener):
        seen = []
        answer = (500, {}, b"")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Mine
        server.shutdown()
        thread.join()


def vault_metadata(metadata: Metadata, id_: str, wrapped: str = "vault:v1:" + "AAAA" * 20) -> Metadata:
    entry: FileRecipient = metadata.groups[0][0]._replace(recipient=Recipient("hc_vault", id_), wrapped=wrapped)
    return metadata._replace(groups=((entry,),))


def test_a_token_goes_to_no_server_that_only_the_file_names(samples: Samples, tmp_path: Path, listener: tuple[str, type[Listener]]) -> None:
    address, server = listener
    metadata = vault_metadata(metadata_of(samples.get("yaml", "age").data), f"{address}/v1/transit/keys/sops")
    for known in ({}, {"VAULT_ADDR": "http://127.0.0.1:1"}, {"BAO_ADDR": ""}, {"SOPS_HC_VAULT_ALLOWLIST": "all"}, {"VAULT_ADDR": f"{address}.evil.org"}):
        keyring = Keyring(bare(tmp_path, VAULT_TOKEN="s.token", **known))
        with pytest.raises(NoKey, match="so it gets no token"):
            keyring.data_key(metadata)
        assert not keyring.may_ask(metadata)
    for odd in ("@127.0.0.1", "/path", "?a", "#b"):
        with pytest.raises(NoKey):
            Keyring(bare(tmp_path, VAULT_TOKEN="s.token", VAULT_ADDR=address)).data_key(vault_metadata(metadata, f"{address}{odd}/v1/transit/keys/sops"))
    assert server.seen == []


@pytest.mark.parametrize("path", ["../sys/keys/x", "transit/keys/..", "a//b/keys/x", "transit/keys/x?y", "transit/keys/x%2e", "transit", ""])
def test_a_path_that_is_no_transit_key_is_not_asked(samples: Samples, tmp_path: Path, listener: tuple[str, type[Listener]], path: str) -> None:
    address, server = listener
    metadata = vault_metadata(metadata_of(samples.get("yaml", "age").data), f"{address}/v1/{path}")
    with pytest.raises(NoKey):
        Keyring(bare(tmp_path, VAULT_TOKEN="s.token", VAULT_ADDR=address)).data_key(metadata)
    assert server.seen == []


def test_a_redirect_is_not_followed(samples: Samples, tmp_path: Path, listener: tuple[str, type[Listener]]) -> None:
    address, server = listener
    server.answer = (307, {"Location": f"{address}/elsewhere"}, b"")
    metadata = vault_metadata(metadata_of(samples.get("yaml", "age").data), f"{address}/v1/a/b/keys/sops")
    with pytest.raises(NoKey, match=r"\(307\)"):
        Keyring(bare(tmp_path, VAULT_TOKEN="s.token", VAULT_ADDR=address, http_proxy="http://127.0.0.1:1")).data_key(metadata)
    assert server.seen == [("/v1/a/b/decrypt/sops", "s.token")]


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"data": null}', b'{"data": {"plaintext": 7}}', b'{"data": {"plaintext": "not base64"}}', b"[" * 60_000])
def test_an_answer_that_is_none_gives_no_key_and_is_not_quoted(samples: Samples, tmp_path: Path, listener: tuple[str, type[Listener]], body: bytes) -> None:
    address, server = listener
    server.answer = (200, {}, body)
    metadata = vault_metadata(metadata_of(samples.get("yaml", "age").data), f"{address}/v1/transit/keys/sops")
    with pytest.raises(NoKey, match="no answer that can be read") as caught:
        Keyring(bare(tmp_path, VAULT_TOKEN="s.token", VAULT_ADDR=address)).data_key(metadata)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_server_that_is_down_is_asked_once(samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = metadata_of(samples.get("yaml", "age").data)
    keyring = Keyring(bare(tmp_path, VAULT_TOKEN="s.token", VAULT_ADDR="http://127.0.0.1:1"))
    for number in range(2):
        with pytest.raises(NoKey, match="cannot be reached"):
            keyring.data_key(vault_metadata(metadata, f"http://127.0.0.1:1/v1/transit/keys/key{number}"))
        monkeypatch.setattr("scanner.sops.keyed.keys.open_vault", None)


# Other kinds, several groups


@pytest.mark.parametrize(("kind", "name"), [("kms", "AWS KMS"), ("gcp_kms", "GCP KMS"), ("azure_kv", "Azure"), ("hckms", "Huawei")])
def test_clouds_are_left_to_sops(samples: Samples, tmp_path: Path, kind: str, name: str) -> None:
    metadata = metadata_of(samples.get("yaml", "age").data)
    entry = metadata.groups[0][0]._replace(recipient=Recipient(kind, "some key"))  # type: ignore[arg-type]
    with pytest.raises(NoKey, match=name):
        Keyring(bare(tmp_path)).data_key(metadata._replace(groups=((entry,),)))
    # One that cannot be asked hinders nobody whose key is at hand.
    both = metadata._replace(groups=((entry, *metadata.groups[0]),))
    assert len(Keyring(samples.maker.environ).data_key(both)) == 32


def shared(maker: SopsMaker, threshold: int) -> Metadata:
    groups = [{"age": [maker.age(number).recipient]} for number in range(3)]
    return metadata_of(maker.encrypt(b"a: b\n", "yaml", maker.recipe(groups=groups, threshold=threshold)))


def test_as_many_groups_as_the_threshold_says_are_needed(sops_maker: SopsMaker, tmp_path: Path) -> None:
    metadata = shared(sops_maker, 2)
    found = set()
    for numbers in ([0, 1], [0, 2], [1, 2], [0, 1, 2]):
        identities = " ".join(sops_maker.age(number).identity for number in numbers)
        found.add(Keyring(bare(tmp_path, SOPS_AGE_KEY=identities)).data_key(metadata))
    assert len(found) == 1
    with pytest.raises(NoKey, match="1 of 2 key groups"):
        Keyring(bare(tmp_path, SOPS_AGE_KEY=sops_maker.age(1).identity)).data_key(metadata)


def test_shares_that_do_not_agree_are_noticed(sops_maker: SopsMaker) -> None:
    metadata = shared(sops_maker, 2)
    forged = metadata.groups[2][0]._replace(wrapped=wrap_for(os.urandom(32) + b"\x03", [sops_maker.age(2)]))
    with pytest.raises(WrongKey, match="do not agree"):
        Keyring(sops_maker.environ).data_key(metadata._replace(groups=(*metadata.groups[:2], (forged,))))
    with pytest.raises(WrongKey, match="no shares"):
        Keyring(sops_maker.environ).data_key(metadata._replace(groups=metadata.groups[:1] * 3))


def test_a_lowered_threshold_is_noticed(sops_maker: SopsMaker) -> None:
    metadata = shared(sops_maker, 3)
    assert len(Keyring(sops_maker.environ).data_key(metadata)) == 32
    with pytest.raises(WrongKey, match="threshold"):
        Keyring(sops_maker.environ).data_key(metadata._replace(threshold=2))


@needs_gpg
@needs_bao
def test_groups_of_different_kinds(sops_maker: SopsMaker) -> None:
    groups = [
        {"age": [sops_maker.age(5).recipient, sops_maker.age().recipient]},
        {"pgp": [sops_maker.pgp().fingerprint]},
        {"hc_vault": [sops_maker.transit()]},
    ]
    metadata = metadata_of(sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(groups=groups, threshold=3)))
    assert len(Keyring(sops_maker.environ).data_key(metadata)) == 32


def test_a_file_without_recipients_or_with_very_many(samples: Samples) -> None:
    metadata = metadata_of(samples.get("yaml", "age").data)
    for groups in ((), ((),), ((), ())):
        with pytest.raises(NoKey):
            Keyring(samples.maker.environ).data_key(metadata._replace(groups=groups))
    with pytest.raises(NoKey, match="recipients"):
        Keyring(samples.maker.environ).data_key(metadata._replace(groups=(metadata.groups[0] * 1000,)))


def test_a_missing_package_is_named_with_its_remedy(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(ConfigError, match="pyrage") as caught:
        Keyring(samples.maker.environ).data_key(metadata_of(samples.get("yaml", "age").data))
    assert "sealgate[sops]" in caught.value.hint
