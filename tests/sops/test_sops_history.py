# SPDX-License-Identifier: Apache-2.0
"""Encrypted files compared with their past, where that has other names: repositories, and files of the real sops."""

import json
import re
from collections.abc import Callable

import pytest
from gitrepo import GitRepo
from planted import sealgate
from sopsmaker import SopsMaker, missing

from scanner.sops.history import former_names, once_clear, take_snapshot

pytestmark = pytest.mark.skipif(bool(missing("sops")), reason=missing("sops"))
SECRET = "hunter2-" + "Sup3r-Secret"
DOCUMENT = f"db:\n    user: admin\n    password: {SECRET}\nport: 5432\n".encode()


@pytest.fixture
def repo(git_repo: Callable[..., GitRepo]) -> GitRepo:
    return git_repo()


@pytest.fixture(scope="module")
def sealed(sops_maker: SopsMaker) -> bytes:
    return sops_maker.encrypt(DOCUMENT, "yaml")


def found(repo: GitRepo, *arguments: str) -> list[tuple[str, str, str]]:
    outcome = sealgate("sops", "check", "--report", "jsonl", *arguments, cwd=repo.path)
    return [(one["rule_id"], one["path"], one["confidence"]) for one in outcome.findings]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("a/secrets.enc.yaml", "a/secrets.yaml"),
        ("db-sops.json", "db.json"),
        ("enc.values.yaml", "values.yaml"),
        ("key.pem.enc", "key.pem"),
        (".env.sops", ".env"),
        ("db.yaml", "db.yaml.dec"),
        ("db.yaml", "db.dec.yaml"),
        ("db.yaml", "db.decrypted.yaml"),
        ("db.yaml", "db.yml"),
        ("apps/secrets/db.yaml", "apps/db.yaml"),
        ("secrets/db.enc.yaml", "db.yaml"),
    ],
)
def test_names_that_people_give_to_the_clear_text(now: str, before: str) -> None:
    assert before.encode() in former_names(now.encode())
    assert now.encode() not in former_names(now.encode())
    assert len(former_names(now.encode())) < 9


def test_the_clear_text_went_when_the_encrypted_file_came(repo: GitRepo, sealed: bytes) -> None:
    repo.commit("clear", files={"secrets.yaml": DOCUMENT})
    base = repo.id("HEAD")
    (repo.path / "secrets.yaml").unlink()
    repo.write("secrets.enc.yaml", sealed)
    repo.git("add", "-A")
    assert found(repo, "--staged") == [("sops-was-clear", "secrets.enc.yaml", "low")]
    repo.commit("sealed")
    assert found(repo) == [("sops-was-clear", "secrets.enc.yaml", "medium")]
    assert found(repo, "--range", f"{base}..HEAD") == [("sops-was-clear", "secrets.enc.yaml", "low")]


def test_a_file_that_still_stands_beside_it_is_another(repo: GitRepo, sealed: bytes) -> None:
    repo.commit("both", files={"app.yaml": b"db:\n    password: ${PASSWORD}\n    user: somebody\n", "app.enc.yaml": sealed})
    repo.commit("more", files={"app.yaml": b"db:\n    user: admin\n"})
    assert found(repo) == []


def test_the_binary_store_has_a_past_too(repo: GitRepo, sops_maker: SopsMaker) -> None:
    clear = f"user admin\npassword: {SECRET}\n".encode()
    repo.commit("clear", files={"key.bin": clear})
    repo.commit("sealed", files={"key.bin": sops_maker.encrypt(clear, "binary")})
    assert found(repo) == [("sops-was-clear", "key.bin", "high")]


def test_a_renamed_file_keeps_its_past(repo: GitRepo, sealed: bytes) -> None:
    repo.commit("sealed", files={"a.yaml": sealed})
    repo.git("mv", "a.yaml", "b.yaml")
    repo.write("b.yaml", re.sub(rb"port: .*\n", b"", sealed))
    repo.commit("edited by hand")
    repo.git("mv", "b.yaml", "c.yaml")
    repo.commit("renamed")
    assert found(repo) == [("sops-tampered", "c.yaml", "high")]
    repo.write("c.yaml", sealed)
    repo.commit("mended")
    assert found(repo) == []


def test_clear_in_the_range_and_encrypted_at_its_end_with_nothing_between(repo: GitRepo, sealed: bytes) -> None:
    repo.commit("begin", files={"a": b"1"})
    base = repo.id("HEAD")
    repo.commit("clear", files={"x.yaml": DOCUMENT})
    (repo.path / "x.yaml").unlink()
    repo.commit("gone")
    repo.commit("sealed", files={"x.yaml": sealed})
    assert found(repo, "--range", f"{base}..HEAD") == [("sops-was-clear", "x.yaml", "high")]


@pytest.mark.parametrize(
    ("clear", "is_found"),
    [
        ("stage: production", True),
        ("stage: REPLACE_ME", False),
        ("stage: ${STAGE}", False),
        ("token: " + SECRET, True),
        ("stage: production\nsops: {mac: x}", False),
        (f"token: {SECRET}\nsops: {{mac: x}}", True),
    ],
)
def test_placeholders_and_what_a_former_selector_left_are_no_secrets_of_the_past(clear: str, is_found: bool) -> None:
    encrypted = "ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]"
    now = take_snapshot(b"a.yaml", f"stage: {encrypted}\ntoken: {encrypted}\n".encode())
    version = take_snapshot(b"a.yaml", f"{clear}\n".encode())
    if "mac" in clear:
        version = version._replace(mac="x")
    assert bool(list(once_clear(now, version))) == is_found


def rules_of(recipients: str, path_regex: str = "^secrets/", **fields: object) -> str:
    return json.dumps({"creation_rules": [{"path_regex": path_regex, "age": recipients, **fields}]})


@pytest.mark.parametrize("way", ["taken away", "deleted", "renamed", "recipient", "selector", "mac", "below"])
def test_a_change_that_loosens_the_rules_it_is_judged_by_is_told(
    repo: GitRepo, sops_maker: SopsMaker, sealed: bytes, way: str
) -> None:
    own, other = (sops_maker.age(number).recipient for number in (0, 1))
    repo.commit("rules", files={".sops.yaml": rules_of(own), "secrets/app.yaml": sealed})
    base = repo.id("HEAD")
    place = "secrets/.sops.yaml" if way == "below" else ".sops.yaml"
    if way in ("deleted", "renamed"):
        (repo.path / ".sops.yaml").rename(repo.path / "old.txt")
    else:
        changed = {
            "taken away": rules_of(own, "^nothing/"),
            "recipient": rules_of(f"{own},{other}"),
            "selector": rules_of(own, encrypted_regex="^word$"),
            "mac": rules_of(own, mac_only_encrypted=True),
            "below": rules_of(other, ""),
        }
        repo.write(place, changed[way])
    repo.write("secrets/new.yaml", b"word: plain\n")
    repo.git("add", "-A")
    assert ("sops-config-doubt", place, "low") in found(repo, "--staged")
    repo.commit("loosened")
    assert ("sops-config-doubt", place, "low") in found(repo, "--range", f"{base}..HEAD")


def test_rules_that_only_grow_or_are_new_are_not_told(repo: GitRepo, sops_maker: SopsMaker, sealed: bytes) -> None:
    own = sops_maker.age().recipient
    repo.write(".sops.yaml", rules_of(own))
    repo.write("secrets/app.yaml", sealed)
    repo.git("add", "-A")
    assert found(repo, "--staged") == []
    repo.commit("rules")
    both = [{"path_regex": path, "age": own} for path in ("^more/", "^secrets/")]
    repo.write(".sops.yaml", json.dumps({"creation_rules": both}) + "\n# for two folders\n")
    repo.write("more/app.yaml", sealed)
    repo.git("add", "-A")
    assert found(repo, "--staged") == []
