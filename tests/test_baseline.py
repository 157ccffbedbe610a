# SPDX-License-Identifier: Apache-2.0
"""The baseline: its file, and the commands that make, renew and look over it, on real repositories."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, github_token, process, sealgate, stripe_key

from scanner.baseline import dump_baseline, parse_baseline
from scanner.errors import ConfigError
from scanner.triage import BaselineEntry

NAME = ".sealgate-baseline.jsonl"
ENTRY = BaselineEntry("0" * 31 + "1", "github-pat-classic", "src/a.py", "known", "me", "2030-01-31")


def test_a_baseline_comes_back_as_it_was_written() -> None:
    entries = (ENTRY, ENTRY._replace(fingerprint="f" * 32, path="x\n\u00fc", reason="", owner="", expires=""))
    assert parse_baseline(dump_baseline(entries).encode(), "b") == entries


def test_a_baseline_is_sorted_and_has_each_entry_once() -> None:
    entries = [ENTRY._replace(fingerprint=digit * 32) for digit in "3121"]
    lines = dump_baseline(entries).splitlines()
    assert [json.loads(line)["fingerprint"][0] for line in lines] == ["1", "2", "3"]


def test_an_entry_has_the_documented_keys_and_nothing_that_changes_by_itself() -> None:
    assert list(json.loads(dump_baseline([ENTRY]))) == ["fingerprint", "rule_id", "path", "reason", "owner", "expires"]


def test_blank_lines_and_carriage_returns_are_no_obstacle() -> None:
    data = b"\n" + dump_baseline([ENTRY]).replace("\n", "\r\n").encode() + b"\n  \n"
    assert parse_baseline(data, "b") == (ENTRY,)


def _line(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (ENTRY._asdict() | changes).items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "b:2: not a JSON object"),
        (b"<<<<<<< HEAD", "b:2: not a JSON object"),
        (b"\xff", "b:2: not a JSON object"),
        (b"[" * 100_000, "b:2: not a JSON object"),
        (b'{"fingerprint": ' + b"9" * 5000 + b"}", "b:2: "),
        (b"[]", "b:2: a baseline entry is an object of texts"),
        (_line(path=5), "b:2: a baseline entry is an object of texts"),
        (_line(fingerprint=None), "b:2: 'fingerprint' is missing"),
        (_line(rule_id=None), "b:2: 'rule_id' is missing"),
        (_line(path=None), "b:2: 'path' is missing"),
        (_line(fingerprint="x"), "b:2: the fingerprint must be 32 hex digits (copy it from a report)"),
        (_line(fingerprint="A" * 32), "b:2: the fingerprint must be 32 hex digits"),
        (_line(resaon="x"), "b:2: unknown key 'resaon' (did you mean 'reason'?)"),
        (_line(expires="soon"), "b:2: expires must be a date, YYYY-MM-DD"),
        (_line(expires="2030-02-30"), "b:2: expires must be a date, YYYY-MM-DD"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(line: bytes, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_baseline(dump_baseline([ENTRY]).encode() + line + b"\n", "b")
    assert str(caught.value).startswith(complaint)


@pytest.fixture
def repo(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """Return a repository with two secrets, one of them at two paths."""
    repo = git_repo()
    repo.commit(files={"a.py": f'key = "{AWS_KEY_ID}"\n', "b.py": f'x = "{github_token()}"\n', "c/b.py": f'x = "{github_token()}"\n'})
    return repo


def _entries(repo: GitRepo, name: str = NAME) -> list[dict[str, str]]:
    return [json.loads(line) for line in (repo.path / name).read_text().splitlines()]


def _create(repo: GitRepo, *options: str) -> None:
    assert sealgate("baseline", "create", *options, cwd=repo.path).code == 0


def test_create_accepts_each_secret_once_and_the_scan_is_clean_then(repo: GitRepo) -> None:
    before = sealgate("scan", cwd=repo.path)
    done = sealgate("baseline", "create", "--reason", "old keys", "--owner", "ops", "--expires", "2999-01-31", cwd=repo.path)
    after = sealgate("scan", "--report", "jsonl", cwd=repo.path)
    assert (before.code, done.code, after.code) == (1, 0, 0)
    assert done.out == f"./{NAME}: 2 accepted findings\n"
    assert sorted((e["rule_id"], e["path"], e["reason"], e["owner"], e["expires"]) for e in _entries(repo)) == [
        ("aws-access-key-id", "a.py", "old keys", "ops", "2999-01-31"),
        ("github-pat-classic", "b.py", "old keys", "ops", "2999-01-31"),
    ]
    assert [f["suppressed_by"] for f in after.findings] == [{"kind": "baseline", "reason": "old keys"}] * 3


def test_a_baseline_holds_no_secret_no_line_and_no_time(repo: GitRepo) -> None:
    _create(repo)
    text = (repo.path / NAME).read_text()
    assert [secret in text for secret in (AWS_KEY_ID, github_token(), AWS_KEY_ID[4:12])] == [False] * 3
    assert {len(entry) for entry in _entries(repo)} == {6}


def test_create_gives_the_same_bytes_each_time(repo: GitRepo) -> None:
    _create(repo)
    first = (repo.path / NAME).read_bytes()
    _create(repo, "--force")
    assert (repo.path / NAME).read_bytes() == first


def test_create_does_not_replace_what_is_there_without_force(repo: GitRepo) -> None:
    (repo.path / NAME).write_text("mine")
    done = sealgate("baseline", "create", cwd=repo.path)
    assert (done.code, (repo.path / NAME).read_text()) == (2, "mine")
    assert "there is a baseline already" in done.err


def test_a_secret_that_is_marked_already_needs_no_entry(repo: GitRepo) -> None:
    repo.commit(files={"a.py": f'key = "{AWS_KEY_ID}"  # sealgate:allow\n'})
    _create(repo)
    assert [entry["rule_id"] for entry in _entries(repo)] == ["github-pat-classic"]


def test_an_entry_silences_a_moved_secret_and_not_a_new_one_on_its_line(repo: GitRepo) -> None:
    _create(repo)
    repo.git("mv", "a.py", "moved.py")
    repo.commit(files={"moved.py": f'\n\n  key = "{AWS_KEY_ID}"; other = "{stripe_key()}"\n'})
    found = sealgate("scan", "--report", "jsonl", cwd=repo.path)
    assert found.code == 1
    assert [f["rule_id"] for f in found.findings if f["suppressed_by"] is None] == ["stripe-secret-key"]


def test_update_adds_drops_and_keeps(repo: GitRepo) -> None:
    _create(repo, "--reason", "first")
    repo.commit(files={"new.py": f'key = "{stripe_key()}"\n'})
    gone = ENTRY._replace(expires="")
    with (repo.path / NAME).open("a") as stream:
        stream.write(dump_baseline([gone]))
    done = sealgate("baseline", "update", "--reason", "second", cwd=repo.path)
    assert (done.code, done.out) == (0, f"./{NAME}: 1 added, 2 kept, 1 dropped\n")
    assert sorted((e["rule_id"], e["reason"]) for e in _entries(repo)) == [
        ("aws-access-key-id", "first"),
        ("github-pat-classic", "first"),
        ("stripe-secret-key", "second"),
    ]
    assert sealgate("scan", cwd=repo.path).code == 0


def test_update_keeps_what_is_no_longer_found_where_asked(repo: GitRepo) -> None:
    (repo.path / NAME).write_text(dump_baseline([ENTRY]))
    assert sealgate("baseline", "update", "--keep-unused", cwd=repo.path).code == 0
    assert [e["rule_id"] for e in _entries(repo) if e["fingerprint"] == ENTRY.fingerprint] == [ENTRY.rule_id]


def test_an_incomplete_update_drops_nothing_and_says_what_was_not_scanned(repo: GitRepo) -> None:
    (repo.path / NAME).write_text(dump_baseline([ENTRY]))
    repo.commit(files={"large.bin": "x" * 5000})
    done = sealgate("baseline", "update", "--max-blob", "1k", cwd=repo.path)
    assert (done.code, "not scanned: oversize" in done.out) == (3, True)
    assert ENTRY.fingerprint in [entry["fingerprint"] for entry in _entries(repo)]


def test_an_incomplete_create_accepts_what_it_saw_and_exits_so(repo: GitRepo) -> None:
    repo.commit(files={"large.bin": "x" * 5000})
    done = sealgate("baseline", "create", "--max-blob", "1k", cwd=repo.path)
    assert (done.code, len(_entries(repo))) == (3, 2)


def test_update_without_a_baseline_is_an_error(repo: GitRepo) -> None:
    done = sealgate("baseline", "update", cwd=repo.path)
    assert (done.code, (repo.path / NAME).exists()) == (2, False)
    assert done.err == f"sealgate: there is no baseline ./{NAME} ('sealgate baseline create' makes one)\n"


def test_audit_tells_the_state_of_each_entry(repo: GitRepo) -> None:
    _create(repo, "--reason", "known", "--owner", "ops")
    entries = parse_baseline((repo.path / NAME).read_bytes(), NAME)
    odd = [entries[0]._replace(reason="", expires="2020-01-31"), entries[1], ENTRY]
    (repo.path / NAME).write_text(dump_baseline(odd))
    done = sealgate("baseline", "audit", cwd=repo.path)
    states = {line[:12]: line[14:].partition("  ")[0] for line in done.out.splitlines()[:-1]}
    assert states == {
        entries[0].fingerprint[:12]: "in use, expired 2020-01-31, no reason",
        entries[1].fingerprint[:12]: "in use",
        ENTRY.fingerprint[:12]: "unused",
    }
    assert (done.code, done.out.splitlines()[-1]) == (1, "3 in the baseline, 2 to look at")


def test_an_audit_with_nothing_to_look_at_is_clean(repo: GitRepo) -> None:
    _create(repo, "--reason", "known")
    assert sealgate("baseline", "audit", cwd=repo.path).code == 0


def test_an_audit_without_a_baseline_is_an_error(repo: GitRepo) -> None:
    assert sealgate("baseline", "audit", cwd=repo.path).err.startswith("sealgate: there is no baseline")


def test_an_expired_entry_fails_the_gate_again_with_a_notice(repo: GitRepo) -> None:
    _create(repo, "--expires", "2020-01-31")
    done = sealgate("scan", cwd=repo.path)
    assert (done.code, "expired on 2020-01-31: the finding is open again" in done.out) == (1, True)


def test_an_unused_entry_is_told_on_a_whole_scan_and_not_on_a_part(repo: GitRepo) -> None:
    (repo.path / NAME).write_text(dump_baseline([ENTRY]))
    told = [f"baseline entry {ENTRY.fingerprint[:12]}" in sealgate("scan", *mode, cwd=repo.path).out for mode in ([], ["--worktree"], ["--staged"])]
    assert told == [True, False, False]


def test_create_renews_a_named_baseline(repo: GitRepo, tmp_path: Path) -> None:
    file = tmp_path / "accepted.jsonl"
    assert sealgate("baseline", "create", "--baseline", file, cwd=repo.path).code == 0
    assert not (repo.path / NAME).exists()
    assert sealgate("scan", "--baseline", file, cwd=repo.path).code == 0
    assert sealgate("baseline", "update", "--baseline", file, cwd=repo.path).code == 0


def test_create_writes_the_baseline_that_the_configuration_names(repo: GitRepo) -> None:
    repo.write(".sealgate.yaml", "baseline: accepted.jsonl\n")
    assert sealgate("baseline", "create", cwd=repo.path).code == 0
    assert ((repo.path / "accepted.jsonl").exists(), (repo.path / NAME).exists()) == (True, False)
    assert sealgate("scan", cwd=repo.path).code == 0


def test_a_bare_repository_has_no_place_for_a_baseline_but_a_named_one(repo: GitRepo, tmp_path: Path) -> None:
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    done = sealgate("baseline", "create", "bare.git", cwd=tmp_path)
    assert (done.code, (tmp_path / "bare.git" / NAME).exists()) == (2, False)
    assert sealgate("baseline", "create", "bare.git", "--baseline", "b.jsonl", cwd=tmp_path).code == 0
    assert sealgate("scan", "bare.git", "--baseline", "b.jsonl", cwd=tmp_path).code == 0


def test_a_baseline_beside_a_single_file_silences_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'key = "{AWS_KEY_ID}"\n')
    assert sealgate("baseline", "create", tmp_path / "a.py", cwd=tmp_path).code == 0
    assert sealgate("scan", tmp_path / "a.py", cwd=tmp_path).code == 0


def test_a_named_baseline_that_is_not_there_is_an_error(repo: GitRepo) -> None:
    for command in (["scan"], ["baseline", "update"], ["baseline", "audit"]):
        done = sealgate(*command, "--baseline", "nowhere.jsonl", cwd=repo.path)
        assert (done.code, done.err) == (2, "sealgate: cannot read the baseline nowhere.jsonl: No such file or directory (check --baseline)\n")


@pytest.mark.parametrize("date", ["soon", "2030-1-1", "2030-02-30"])
def test_an_expiry_that_is_no_date_is_an_error(repo: GitRepo, date: str) -> None:
    for command in ("create", "update"):
        assert "--expires must be a date" in sealgate("baseline", command, "--expires", date, cwd=repo.path).err


def test_a_baseline_of_very_many_entries_is_read_whole(repo: GitRepo) -> None:
    _create(repo)
    filler = [ENTRY._replace(fingerprint=f"{n:032x}", reason="x" * 200) for n in range(16_000)]
    with (repo.path / NAME).open("a") as stream:
        stream.write(dump_baseline(filler))
    entries = sorted((repo.path / NAME).read_text().splitlines())
    (repo.path / NAME).write_text("\n".join(entries) + "\n")
    assert sealgate("scan", "--quiet", cwd=repo.path).code == 0


def test_entries_that_two_branches_add_merge_without_conflict(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={f"{n}.py": f'x = "{github_token(n)}"\n' for n in range(40)})
    _create(repo)
    repo.commit("baseline")
    entries = [entry["fingerprint"] for entry in _entries(repo)]

    def with_gap(low: int, high: int) -> str:
        seeds = range(100, 400)
        from scanner.triage import fingerprint

        return next(t for t in map(github_token, seeds) if entries[low] < fingerprint("secret", t.encode()) < entries[high])

    for branch, token in (("one", with_gap(2, 12)), ("two", with_gap(25, 38))):
        repo.git("checkout", "-q", "-b", branch, "main")
        repo.commit(files={f"{branch}.py": f'x = "{token}"\n'})
        assert sealgate("baseline", "update", cwd=repo.path).code == 0
        repo.commit(f"accept on {branch}")
    repo.git("merge", "-q", "-m", "merge", "one")
    fingerprints = [entry["fingerprint"] for entry in _entries(repo)]
    assert (len(fingerprints), fingerprints) == (42, sorted(fingerprints))
    assert sealgate("scan", cwd=repo.path).code == 0


def test_a_second_secret_beside_an_accepted_one_is_still_found(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f'a = "{AWS_KEY_ID}"\n'})
    _create(repo)
    repo.commit(files={"a.py": f'a = "{AWS_KEY_ID}"; b = "{OTHER_AWS_KEY_ID}"\n'})
    assert sealgate("scan", cwd=repo.path).code == 1


def test_a_folder_with_a_name_that_is_not_utf8_gets_its_baseline(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    (folder / "a.py").write_text(f'key = "{AWS_KEY_ID}"\n')
    done = process("baseline", "create", folder, cwd=tmp_path, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert (done.code, (folder / NAME).exists()) == (0, True)
