# SPDX-License-Identifier: Apache-2.0
"""Whether a found value is live in a real server's KV engines, and that it never gets there."""

import json
import secrets

import planted
import pytest
from connect import logged_in
from lab import Lab
from sample_result import make_result

from scanner.broker.live import live_secrets, mark_live
from scanner.errors import ConfigError, DeniedError
from scanner.model import Secret, Suppression


def check(lab: Lab, paths, **values):
    found = {name: Secret(value.encode()) for name, value in values.items()}
    return live_secrets(logged_in(lab), paths, found)


def test_a_value_is_found_at_its_path_and_field_in_both_versions(lab):
    values = {"one": lab.values["password"], "two": lab.values["v1"], "dead": lab.values["old"], "none": secrets.token_hex(12)}
    live = check(lab, ["secret/ci/app", "kv1/ci/app"], **values)
    assert live == {"one": "secret/ci/app#password", "two": "kv1/ci/app#user"}


def test_a_tree_is_searched(lab):
    live = check(lab, ["secret/ci/tree/**"], deep="three" + lab.values["user"], top="one" + lab.values["user"])
    assert live == {"deep": "secret/ci/tree/deep/three#key", "top": "secret/ci/tree/one#key"}


def test_a_value_at_several_places_has_them_all(lab):
    value = secrets.token_hex(12)
    for number in range(5):
        lab.bao.write(f"secret/data/ci/many/{number}", {"data": {"key": value}})
    live = check(lab, ["secret/ci/many/**"], it=value)
    assert live == {"it": "secret/ci/many/0#key, secret/ci/many/1#key, secret/ci/many/2#key and 2 more"}


def test_parts_count_both_ways_and_that_is_said(lab):
    inner, password = secrets.token_hex(12), secrets.token_hex(12)
    lab.bao.write("secret/data/ci/parts", {"data": {"config": json.dumps({"api": {"key": inner}}), "password": password}})
    url = f"postgresql://app:{password}@db.example/app"
    live = check(lab, ["secret/ci/parts"], leaf=inner, url=url)
    assert live == {"leaf": "secret/ci/parts#config (a part of it)", "url": "secret/ci/parts#password (within what was found)"}


def test_short_and_empty_values_prove_nothing(lab):
    lab.bao.write("secret/data/ci/short", {"data": {"a": "", "b": "admin", "n": 3}})
    assert check(lab, ["secret/ci/short"], empty="", url="https://root:admin@host.example/") == {}


@pytest.mark.parametrize(
    ("path", "error"),
    [("secret/prod/app", DeniedError), ("secret/ci/nosuch", ConfigError), ("transit/keys", ConfigError), ("ci/../prod/app", ConfigError)],
)
def test_what_cannot_be_compared_is_an_error(lab, path, error):
    value = secrets.token_hex(12)
    with pytest.raises(error) as raised:
        check(lab, [path], it=value)
    assert value not in str(raised.value)


def test_the_value_is_not_sent(lab):
    value = secrets.token_hex(12)
    before = lab.audit_log.stat().st_size
    hashed = lab.bao.write("sys/audit-hash/file", {"input": value})["hash"]
    after = lab.audit_log.stat().st_size
    check(lab, ["secret/ci/app", "secret/ci/tree/**"], it=value)
    log = lab.audit_log.read_bytes()
    assert hashed.encode() in log[before:after]
    assert hashed.encode() not in log[after:]


def test_live_findings_are_proven_and_open_whatever_was_accepted():
    result = make_result()
    accepted = result.findings[0]._replace(suppression=Suppression("baseline", "revoked"), confidence="low")
    result = result._replace(findings=(accepted, *result.findings[1:]))
    marked = mark_live(result, {accepted.fingerprint: "secret/ci/app#password"})
    first = marked.findings[0]
    assert first.confidence == "proven"
    assert first.suppression is None
    assert first.reason.endswith("Vault has it at secret/ci/app#password")
    others = [finding for finding in marked.findings if finding.fingerprint != accepted.fingerprint]
    assert others == [finding for finding in result.findings if finding.fingerprint != accepted.fingerprint]
    assert marked.exit_code == 1


def test_a_scan_says_which_of_its_findings_are_in_use(lab, git_repo):
    token = planted.github_token(3)
    lab.bao.write("secret/data/ci/tokens/github", {"data": {"token": token}})
    repo = git_repo()
    files = {"live.ini": f"github = {token}\n", "dead.ini": f"github = {planted.github_token(4)}\n"}
    repo.commit("tokens", files=files)
    held = logged_in(lab).token.secret.reveal().decode()
    environ = {"VAULT_ADDR": lab.address, "VAULT_TOKEN": held}
    options = ("scan", "--report", "jsonl", "--vault-check", "secret/ci/tokens/**", "--baseline", "accepted.jsonl")
    accepted = planted.sealgate("baseline", "create", "--reason", "old", "--baseline", "accepted.jsonl", cwd=repo.path)
    assert accepted.code == 0
    outcome = planted.sealgate(*options, cwd=repo.path, env=environ)
    found = {finding["path"]: finding for finding in outcome.findings}
    assert outcome.code == 1
    assert "secret/ci/tokens/github#token" in found["live.ini"]["reason"]
    assert found["live.ini"]["suppressed_by"] is None
    assert found["dead.ini"]["suppressed_by"]["kind"] == "baseline"
    assert token not in outcome.out + outcome.err
    assert held not in outcome.out + outcome.err
    assert planted.sealgate(*options, cwd=repo.path, env={"VAULT_ADDR": lab.address}).code == 2
