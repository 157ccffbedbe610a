# SPDX-License-Identifier: Apache-2.0
"""What an audit log tells: of a real server's log, and of made ones for what takes a day to happen."""

import gzip
import json
import secrets
from datetime import UTC, datetime

import pytest

from scanner import cli
from scanner.broker.audit import count, log, usual
from scanner.broker.audit.count import Audit, Options, parse_network
from scanner.broker.audit.log import LogReader
from scanner.errors import ConfigError, SourceError

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DAY = 86400.0


def recorded(lab, tmp_path, act):
    """Return a file with what the server wrote while `act` was running."""
    before = lab.audit_log.stat().st_size
    act()
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(lab.audit_log.read_bytes()[before:])
    return path


def audit_of(files, options=None):
    audit, reader = Audit(options or Options()), LogReader([str(file) for file in files])
    for entry in reader.entries():
        audit.add(entry)
    audit.finish()
    return audit, reader


def told(audit):
    return {(alert.kind, alert.who, alert.what) for alert in audit.alerts()}


def entry(at, path="secret/data/ci/app", role="ci", operation="read", address="10.0.0.1", **more):
    """Return a response as a device writes it."""
    hashed = more.pop("token", "t1")
    auth = {
        "client_token": f"hmac-sha256:{hashed}", "accessor": f"hmac-sha256:a-{hashed}", "display_name": f"jwt-{role}",
        "policies": ["ci"], "metadata": {"role": role}, "entity_id": f"entity-{role}", "policy_results": {"allowed": True},
    }  # fmt: skip
    auth |= more.pop("auth", {})
    request = {"id": "x", "operation": operation, "namespace": {"id": "root"}, "path": path, "remote_address": address}
    request |= more.pop("request", {})
    time = datetime.fromtimestamp(START + at, UTC).isoformat().replace("+00:00", "Z")
    return {"time": time, "type": "response", "auth": auth, "request": request, "response": {}, **more}


def login(at, token, ttl=600, **more):
    issued = {"client_token": f"hmac-sha256:{token}", "accessor": f"hmac-sha256:a-{token}", "token_ttl": ttl}
    return entry(at, "auth/jwt/login", operation="update", token=token, response={"auth": issued}, **more)


def write(path, entries):
    path.write_text("".join(json.dumps(one) + "\n" for one in entries))
    return path


# A real server's log


def test_a_real_log_says_who_read_what(lab, tmp_path):
    def act():
        auth = lab.login()
        token = auth["client_token"]
        for path in ("secret/data/ci/app", "secret/data/ci/app", "kv1/ci/app", "secret/data/prod/app"):
            lab.bao.request("GET", path, token=token)
        lab.bao.request("LIST", "secret/metadata/ci", token=token)
        lab.bao.request("POST", "auth/token/revoke-self", token=token)

    audit, reader = audit_of([recorded(lab, tmp_path, act)])
    actor = audit.actors["ci"]
    assert {path: dict(access.times) for path, access in actor.paths.items()} == {
        "secret/data/ci/app": {"read": 2}, "kv1/ci/app": {"read": 1}, "secret/data/prod/app": {"read": 1},
        "secret/metadata/ci/": {"list": 1},
    }  # fmt: skip
    assert actor.paths["secret/data/prod/app"].denied == 1
    assert (actor.lives.issued, actor.lives.revoked, actor.lives.alive) == (1, 1, 0)
    assert set(actor.addresses) == {"127.0.0.1"}
    assert len(actor.entities) == 1
    assert told(audit) == {("denied", "ci", "read secret/data/prod/app")}
    assert reader.damage.count == 0
    assert reader.requests == reader.responses == 7


def test_a_real_log_tells_failed_logins_foreign_tokens_and_namespaces(lab, tmp_path):
    def act():
        lab.bao.request("POST", "auth/jwt/login", {"role": "ci", "jwt": lab.issuer.mint(aud="nobody")}, token="")
        lab.bao.request("GET", "secret/data/ci/app", token="s." + secrets.token_hex(12))
        token = lab.login(namespace="team-a")["client_token"]
        lab.bao.request("GET", "secret/data/ci/app", token=token, namespace="team-a")

    audit, _ = audit_of([recorded(lab, tmp_path, act)])
    assert ("denied", "(failed login at auth/jwt/login)", "update auth/jwt/login") in told(audit)
    assert ("denied", "(no valid token)", "read secret/data/ci/app") in told(audit)
    assert list(audit.actors["team-a/ci"].paths) == ["team-a/secret/data/ci/app"]
    assert audit.actors["team-a/ci"].lives.alive == 1


@pytest.mark.parametrize("how", ["self", "accessor", "token"])
def test_a_real_log_tells_every_way_to_revoke(lab, tmp_path, how):
    def act():
        auth = lab.login()
        if how == "self":
            lab.bao.request("POST", "auth/token/revoke-self", token=auth["client_token"])
        elif how == "accessor":
            lab.bao.write("auth/token/revoke-accessor", {"accessor": auth["accessor"]})
        else:
            lab.bao.write("auth/token/revoke", {"token": auth["client_token"]})

    audit, _ = audit_of([recorded(lab, tmp_path, act)])
    assert (audit.actors["ci"].lives.revoked, audit.actors["ci"].lives.alive) == (1, 0)


def test_a_value_is_found_in_a_real_log_by_the_servers_own_hash(lab, tmp_path, monkeypatch, capsys):
    def act():
        lab.bao.request("GET", "secret/data/ci/app", token=lab.login()["client_token"])
        lab.bao.request("GET", "kv1/ci/app", token=lab.login()["client_token"])

    path = recorded(lab, tmp_path, act)
    for name, value in lab.environ(VAULT_TOKEN=lab.root).items():
        monkeypatch.setenv(name, value)
    for value, found in ((lab.values["password"], True), (secrets.token_urlsafe(18), False)):
        (tmp_path / "value").write_text(value + "\n")
        with open(tmp_path / "value") as stream:
            monkeypatch.setattr("sys.stdin", stream)
            code = cli.main(["broker", "audit", str(path), "--value-stdin", "--device", "file"])
        shown = capsys.readouterr()
        assert code == (1 if found else 0), shown
        assert value not in shown.out + shown.err
        assert ("served as data.password" in shown.out) is found
        assert path.read_text().count(value) == 0


def test_a_device_that_is_not_there_is_said(lab, tmp_path, monkeypatch, capsys):
    for name, value in lab.environ(VAULT_TOKEN=lab.root).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "value").write_text("some value\n")
    with open(tmp_path / "value") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert cli.main(["broker", "audit", str(lab.audit_log), "--value-stdin", "--device", "nosuch"]) in (2, 4)
    assert "some value" not in capsys.readouterr().err


# What is out of the ordinary


def test_a_new_path_is_unusual_after_what_was_learnt(tmp_path):
    entries = [entry(at * 3600, f"secret/data/ci/{at % 3}") for at in range(48)]
    entries += [entry(3 * DAY, "secret/data/ci/1"), entry(3 * DAY, "secret/data/prod/db"), entry(3 * DAY + 1, "secret/data/prod/db")]
    audit, _ = audit_of([write(tmp_path / "log", entries)], Options(learn_seconds=2 * DAY))
    (alert,) = audit.alerts()
    assert (alert.kind, alert.who, alert.what, alert.count) == ("unusual", "ci", "secret/data/prod/db", 2)


def test_a_role_that_nothing_is_known_of_is_unusual(tmp_path):
    entries = [entry(0), entry(2 * DAY, role="other")]
    audit, _ = audit_of([write(tmp_path / "log", entries)], Options(learn_seconds=DAY))
    assert told(audit) == {("unusual", "other", "secret/data/ci/app")}


def test_a_baseline_is_written_and_read_again(tmp_path, capsys):
    first = write(tmp_path / "first", [entry(0), entry(1, "secret/data/no", auth={"policy_results": {"allowed": False}})])
    assert cli.main(["broker", "audit", str(first), "--write-baseline", str(tmp_path / "usual.json")]) == 0
    assert usual.load_usual(str(tmp_path / "usual.json")) == {"ci": ["secret/data/ci/app"]}
    again = write(tmp_path / "again", [entry(DAY), entry(DAY, "secret/data/ci/new")])
    capsys.readouterr()
    assert cli.main(["broker", "audit", str(again), "--baseline", str(tmp_path / "usual.json"), "--format", "json"]) == 1
    (alert,) = json.loads(capsys.readouterr().out)["alerts"]
    assert (alert["kind"], alert["what"]) == ("unusual", "secret/data/ci/new")


def test_a_star_at_the_end_of_a_usual_path_stands_for_all_below(tmp_path):
    file = write(tmp_path / "log", [entry(0, "pki/cert/1"), entry(0, "pki/cert/2"), entry(0, "pki/roles/x")])
    audit, _ = audit_of([file], Options(usual={"ci": ["pki/cert/*"]}))
    assert told(audit) == {("unusual", "ci", "pki/roles/x")}


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "usual": {}}', '{"version": 1, "usual": {"ci": "x"}}', "nonsense"])
def test_what_is_no_baseline_is_refused(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ConfigError, match="no baseline"):
        usual.load_usual(str(tmp_path / "file"))


def test_a_burst_is_measured_by_the_roles_own_median(tmp_path):
    slow = [entry(minute * 60) for minute in range(100)]
    busy = [entry(minute * 60, role="busy") for minute in range(100) for _ in range(40)]
    burst = [entry(100 * 60 + at / 10) for at in range(50)]
    alike = [entry(101 * 60 + at / 10, role="busy") for at in range(50)]
    audit, _ = audit_of([write(tmp_path / "log", sorted(slow + busy + burst + alike, key=lambda one: one["time"]))])
    (alert,) = audit.alerts()
    assert (alert.kind, alert.who, alert.count, alert.first) == ("burst", "ci", 50, START + 6000)


def test_a_role_without_a_history_has_no_bursts(tmp_path):
    audit, _ = audit_of([write(tmp_path / "log", [entry(at / 100) for at in range(1000)])])
    assert audit.alerts() == []


@pytest.mark.parametrize(
    ("address", "expected"), [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("2001:db8::1", True), ("odd", False)]
)
def test_addresses_are_compared_with_those_expected(tmp_path, address, expected):
    networks = (parse_network("10.0.0.0/8"), parse_network("2001:db8::/32"))
    audit, _ = audit_of([write(tmp_path / "log", [entry(0, address=address)])], Options(networks=networks))
    assert told(audit) == (set() if expected else {("address", "ci", address)})


def test_tokens_that_are_left_to_expire_are_told_from_those_revoked_and_alive(tmp_path):
    entries = [
        login(0, "gone"), login(1, "ended"), login(2, "renewed", ttl=100), login(3, "alive", ttl=10**6),
        entry(50, "auth/token/renew-self", operation="update", token="renewed",
              response={"auth": {"client_token": "hmac-sha256:renewed", "token_ttl": 10**6}}),
        entry(60, "auth/token/revoke-self", operation="update", token="ended"),
        entry(5000),
    ]  # fmt: skip
    audit, _ = audit_of([write(tmp_path / "log", entries)])
    lives = audit.actors["ci"].lives
    assert (lives.issued, lives.revoked, lives.expired, lives.alive) == (4, 1, 1, 2)
    assert told(audit) == {("unrevoked", "ci", "tokens")}


def test_a_device_that_hashes_nothing_is_an_alarm_and_none_of_its_tokens_is_shown(tmp_path, capsys):
    token = "s." + secrets.token_hex(12)
    file = write(tmp_path / "log", [entry(0, auth={"client_token": token, "accessor": token + "a"})])
    assert cli.main(["broker", "audit", str(file), "--by", "accessor", "--format", "json"]) == 1
    shown = capsys.readouterr().out
    assert {alert["kind"] for alert in json.loads(shown)["alerts"]} == {"raw"}
    assert token not in shown


@pytest.mark.parametrize(("by", "names"), [("role", {"ci"}), ("entity", {"one", "two"}), ("accessor", {"hmac-sha256:a-t1"})])
def test_accesses_are_counted_by_role_entity_or_accessor(tmp_path, by, names):
    entries = [entry(0, auth={"entity_id": "one"}), entry(1, auth={"entity_id": "two"})]
    audit, _ = audit_of([write(tmp_path / "log", entries)], Options(by=by))
    assert set(audit.actors) == names


# Damage, size, files


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"time": "2026-11-01T00:00:00Z", "type": "resp', "no entry"), (b"\0\0\0\0", "no entry"), (b"[]", "no entry"), (b"{}", "no entry"),
        (b'{"time": 5, "type": "response", "request": {}}', "no entry"), (b"[" * 100_000, "no entry"), (b"<xml/>", "no entry"),
        (b'{"time": "2026-11-01T00:00:00Z", "type": "response", "request": {"path": 7, "operation": "read"}}', "no entry"),
        (b'{"time": "2026-11-01T00:00:00Z", "type": "odd", "request": {}}', "no entry"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_counted_named_and_never_passed_over(tmp_path, capsys, line, reason):
    good = json.dumps(entry(0)).encode()
    (tmp_path / "log").write_bytes(b"\n".join([good, line, good, b""]))
    assert cli.main(["broker", "audit", str(tmp_path / "log")]) == 3
    shown = capsys.readouterr().out
    assert f"log:2: {reason}" in shown
    assert "INCOMPLETE: 1 line not read" in shown
    assert "read 2" in shown


def test_a_last_line_that_is_cut_off_is_damage(tmp_path):
    whole = json.dumps(entry(0)).encode() + b"\n"
    for end in (1, 10, len(whole) // 2, len(whole) - 2):
        (tmp_path / "log").write_bytes(whole + whole[:end])
        audit, reader = audit_of([tmp_path / "log"])
        assert (audit.entries, reader.damage.count) == (1, 1)
        assert reader.damage.first[0].endswith("log:2: cut off")


def test_an_endless_line_costs_no_memory_and_the_next_one_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_MAX_LINE", 4096)
    good = json.dumps(entry(0)).encode() + b"\n"
    (tmp_path / "log").write_bytes(good + b"x" * 100_000 + b"\n" + good)
    audit, reader = audit_of([tmp_path / "log"])
    assert (audit.entries, reader.damage.count) == (2, 1)


def test_findings_outrank_damage(tmp_path):
    (tmp_path / "log").write_text(json.dumps(entry(0)) + "\nbroken\n")
    assert cli.main(["broker", "audit", str(tmp_path / "log"), "--expect-cidr", "192.0.2.0/24"]) == 1
    assert cli.main(["broker", "audit", str(tmp_path / "log"), "--expect-cidr", "192.0.2.0/24", "--fail-on", "never"]) == 3


def test_gzip_and_rotated_files_are_one_log(tmp_path):
    with gzip.open(tmp_path / "old.gz", "wt") as stream:
        stream.write(json.dumps(login(0, "one")) + "\n")
    new = write(tmp_path / "new", [entry(60, "auth/token/revoke-self", operation="update", token="one")])
    audit, _ = audit_of([tmp_path / "old.gz", new])
    assert (audit.actors["ci"].lives.issued, audit.actors["ci"].lives.revoked) == (1, 1)


def test_a_compressed_file_that_breaks_off_is_damage(tmp_path):
    data = gzip.compress("".join(json.dumps(entry(at)) + "\n" for at in range(2000)).encode())
    (tmp_path / "log.gz").write_bytes(data[: len(data) // 2])
    audit, reader = audit_of([tmp_path / "log.gz"])
    assert 0 < audit.entries < 2000
    assert reader.damage.count >= 1


def test_a_word_before_each_line_is_no_damage(tmp_path):
    (tmp_path / "log").write_text(f"@cee: {json.dumps(entry(0))}\n")
    audit, reader = audit_of([tmp_path / "log"])
    assert (audit.entries, reader.damage.count) == (1, 0)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="nosuch"):
        audit_of([tmp_path / "nosuch"])


def test_what_is_too_much_for_the_memory_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(count, "_MAX_ROWS", 5)
    file = write(tmp_path / "log", [entry(at, f"secret/data/{at}") for at in range(20)])
    assert cli.main(["broker", "audit", str(file)]) == 3
    assert "not counted: 15 paths" in capsys.readouterr().out


def test_tokens_that_end_leave_nothing_in_memory(tmp_path):
    entries = [one for at in range(500) for one in (login(at * 10, f"t{at}", ttl=60), entry(at * 10 + 1, token=f"t{at}"))]
    entries += [entry(100_000)]
    audit, _ = audit_of([write(tmp_path / "log", entries)])
    assert audit.actors["ci"].lives.expired == 500
    tokens = audit._tokens
    assert [*tokens._tokens, *tokens._by_accessor, *tokens._expiries] == []


def test_hostile_names_cannot_command_the_log_that_shows_them(tmp_path, capsys):
    file = write(tmp_path / "log", [entry(0, "::error::x\n::add-mask::y\x1b[2J", role="\n##vso[task]z", operation="\nread")])
    cli.main(["broker", "audit", str(file), "--expect-cidr", "192.0.2.0/24"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert not any(line.lstrip().startswith(("::", "##")) for line in shown.splitlines())


@pytest.mark.parametrize("arguments", [["--learn", "week"], ["--expect-cidr", "10.0.0.0/40"], ["--baseline", "/nonexistent"]])
def test_wrong_options_are_said(tmp_path, arguments):
    assert cli.main(["broker", "audit", str(write(tmp_path / "log", [])), *arguments]) == 2
