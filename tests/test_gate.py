# SPDX-License-Identifier: Apache-2.0
"""The whole pipe on real repositories and files: what is found, where it is said to be, what is said to be missing."""

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, Outcome, fill, github_token, private_key, sealgate, stripe_key

TOKEN = github_token()
KEY_LINE = f'key = "{AWS_KEY_ID}"\n'

Make = Callable[..., GitRepo]


def _scan(target: Path, *options: str) -> Outcome:
    return sealgate("scan", *options, "--report", "jsonl", cwd=target)


def _open(outcome: Outcome) -> list[tuple[str, int]]:
    """Return path and line of what is not silenced."""
    return [(f["path"], f["start_line"]) for f in outcome.findings if f["suppressed_by"] is None]


def _one(outcome: Outcome) -> dict[str, Any]:
    [finding] = outcome.findings
    return finding


# One finding a secret and path


def test_one_secret_in_many_versions_of_a_file_is_one_finding(git_repo: Make) -> None:
    repo = git_repo()
    first = repo.commit(files={"a.py": KEY_LINE})
    for number in range(3):
        repo.commit(files={"a.py": "\n" * (number + 1) + KEY_LINE})
    found = _one(_scan(repo.path))
    assert (found["occurrences"], found["start_line"], found["at_head"], found["first_commit"]) == (4, 4, True, first)
    assert (found["commit"], found["author"]) == (repo.id("HEAD"), "Ada <ada@example.org>")


def test_one_secret_twice_in_a_file_is_one_finding_at_its_first_place(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "\n" * 300 + KEY_LINE + "\n" * 300 + KEY_LINE})
    found = _one(_scan(repo.path))
    assert (found["occurrences"], found["start_line"]) == (2, 301)


def test_one_secret_at_two_paths_is_two_findings_with_one_fingerprint(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE, "b/c.py": KEY_LINE})
    found = _scan(repo.path).findings
    assert [f["path"] for f in found] == ["a.py", "b/c.py"]
    assert len({f["fingerprint"] for f in found}) == 1


def test_two_secrets_of_a_line_are_two_findings(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f'a = "{AWS_KEY_ID}"; b = "{stripe_key()}"\n'})
    found = _scan(repo.path).findings
    assert [f["rule_id"] for f in found] == ["aws-access-key-id", "stripe-secret-key"]
    assert len({f["fingerprint"] for f in found}) == 2


def test_a_secret_is_redacted_in_the_line_of_its_neighbour(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f'a = "{AWS_KEY_ID}"; b = "{stripe_key()}"\n'})
    excerpts = [f["excerpt"] for f in _scan(repo.path).findings]
    assert [secret in excerpt for excerpt in excerpts for secret in (AWS_KEY_ID, stripe_key())] == [False] * 4


def test_a_line_that_recurs_is_redacted_by_what_is_known_in_each_file(tmp_path: Path) -> None:
    """A rule that wants a word near the value finds it in one file only, on the very same line."""
    value = fill("{{hex:32}}")
    line = f'a = "{AWS_KEY_ID}"; b = "{value}"\n'
    rule = fill(
        "rules:\n- id: acme-key\n  name: Acme key\n  severity: high\n  confidence: high\n"
        "  pattern: '; b = \"(?P<secret>[0-9a-f]{32})\"'\n  near: acme corporation\n"
        "  help: Revoke it in the settings.\n  references: ['https://example.org']\n  positive: ['x']\n  negative: ['y']\n"
    )
    (tmp_path / "rules.yaml").write_text(rule)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "1.py").write_text(line)
    (tmp_path / "code" / "2.py").write_text("# acme corporation\n" + line)
    done = _scan(tmp_path / "code", "--rules", "../rules.yaml")
    by_path = {f["path"]: f["excerpt"] for f in done.findings if f["rule_id"] == "aws-access-key-id"}
    assert "acme-key" in [f["rule_id"] for f in done.findings]
    assert value not in by_path["2.py"]


# Fingerprints


def _fingerprints(folder: Path) -> set[str]:
    return {f["fingerprint"] for f in _scan(folder).findings}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(["", "x = 1", "# ключ", "\tpass"]), max_size=5),
    st.text(" \t", max_size=6),
    st.sampled_from(["a.py", "b/c.txt", "d e.cfg"]),
)
def test_a_fingerprint_outlives_moves_reindenting_and_renames(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], indent: str, name: str
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([*before, f'{indent}key = "{TOKEN}"']))
    there = tmp_path_factory.mktemp("plain")
    (there / "a.py").write_text(f'key = "{TOKEN}"')
    assert _fingerprints(folder) == _fingerprints(there)


def test_another_secret_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'key = "{TOKEN}"\n')
    first = _fingerprints(tmp_path)
    (tmp_path / "a.py").write_text(f'key = "{github_token(1)}"\n')
    assert first.isdisjoint(_fingerprints(tmp_path))


# History


def test_a_secret_only_in_a_merge_is_found(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={"b.py": "1\n"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"c.py": "1\n"})
    repo.git("merge", "-q", "--no-commit", "side")
    merge = repo.commit("evil merge", files={"a.py": KEY_LINE})
    assert repo.git("rev-list", "--parents", "-1", merge).count(" ") == 2
    assert (_one(_scan(repo.path))["commit"], _one(_scan(repo.path))["first_commit"]) == (merge, merge)
    ranged = _scan(repo.path, "--range", f"{merge}^1..{merge}")
    assert _open(ranged) == [("a.py", 1)]


def test_a_secret_that_a_merge_only_brings_over_belongs_to_its_own_commit(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n"})
    repo.git("checkout", "-q", "-b", "side")
    leak = repo.commit(files={"b.py": KEY_LINE})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"c.py": "1\n"})
    repo.git("merge", "-q", "-m", "merge", "side")
    assert _one(_scan(repo.path))["first_commit"] == leak


def test_a_deleted_file_is_found_and_not_at_head(git_repo: Make) -> None:
    repo = git_repo()
    leak = repo.commit(files={"a.py": KEY_LINE})
    repo.git("rm", "-q", "a.py")
    repo.commit("remove it")
    found = _one(_scan(repo.path))
    assert (found["at_head"], found["commit"], found["path"]) == (False, leak, "a.py")


def test_a_secret_taken_out_of_its_file_is_not_at_head(git_repo: Make) -> None:
    repo = git_repo()
    leak = repo.commit(files={"a.py": KEY_LINE})
    repo.commit(files={"a.py": "key = os.environ['KEY']\n"})
    assert [(f["at_head"], f["commit"]) for f in _scan(repo.path).findings] == [(False, leak)]


def test_a_renamed_file_is_found_at_both_names(git_repo: Make) -> None:
    repo = git_repo()
    first = repo.commit(files={"old.py": KEY_LINE})
    repo.git("mv", "old.py", "new.py")
    second = repo.commit("rename")
    found = [(f["path"], f["at_head"], f["commit"]) for f in _scan(repo.path).findings]
    assert found == [("new.py", True, second), ("old.py", False, first)]


def test_a_secret_on_another_branch_is_found_and_not_at_head(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={"b.py": KEY_LINE})
    repo.git("checkout", "-q", "main")
    assert [(f["path"], f["at_head"]) for f in _scan(repo.path).findings] == [("b.py", False)]


def test_a_secret_in_a_message_is_found(git_repo: Make) -> None:
    repo = git_repo()
    commit = repo.commit(f"deploy with {TOKEN}", files={"a.py": "1\n"})
    assert _one(_scan(repo.path))["path"] == f".git/commit/{commit}"


def test_what_is_on_disk_and_not_committed_is_found_too(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n", ".gitignore": "ignored.py\n"})
    repo.write("a.py", KEY_LINE)
    repo.write("untracked.py", f'x = "{stripe_key()}"\n')
    repo.write("ignored.py", f'x = "{TOKEN}"\n')
    assert [(f["path"], f["source"], f["commit"]) for f in _scan(repo.path).findings] == [
        ("a.py", "worktree", None),
        ("untracked.py", "worktree", None),
    ]
    assert _open(_scan(repo.path, "--worktree")) == [("a.py", 1), ("untracked.py", 1)]


def test_a_working_tree_alone_has_no_history(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE})
    repo.commit(files={"a.py": "1\n"})
    done = _scan(repo.path, "--worktree")
    assert (done.code, done.findings, done.summary["scanned"]["commits"]) == (0, [], 0)


def test_an_empty_repository_is_clean(git_repo: Make) -> None:
    repo = git_repo()
    assert [_scan(repo.path, *mode).code for mode in ([], ["--staged"], ["--worktree"])] == [0, 0, 0]


# Changes


def test_an_inherited_secret_is_not_reported_again_and_a_new_one_is(git_repo: Make) -> None:
    repo = git_repo()
    base = repo.commit(files={"a.py": KEY_LINE + "x = 1\n"})
    repo.write("a.py", KEY_LINE + "x = 2\n")
    repo.git("add", "-A")
    assert (_scan(repo.path, "--staged").code, _scan(repo.path, "--staged").findings) == (0, [])
    repo.commit("unrelated")
    assert _scan(repo.path, "--range", f"{base}..HEAD").findings == []
    repo.write("a.py", KEY_LINE + f'x = 2\ny = "{OTHER_AWS_KEY_ID}"\n')
    repo.git("add", "-A")
    assert _open(_scan(repo.path, "--staged")) == [("a.py", 3)]
    repo.commit("leak")
    assert _open(_scan(repo.path, "--range", f"{base}..HEAD")) == [("a.py", 3)]


def test_a_secret_that_moves_to_another_line_or_name_is_not_new(git_repo: Make) -> None:
    repo = git_repo()
    filler = "".join(f"line {n} of some text\n" for n in range(20))
    base = repo.commit(files={"a.py": KEY_LINE + filler})
    repo.git("mv", "a.py", "b.py")
    repo.write("b.py", filler + KEY_LINE)
    repo.git("add", "-A")
    assert _scan(repo.path, "--staged").findings == []
    repo.commit("move")
    assert _scan(repo.path, "--range", f"{base}..HEAD").findings == []


def test_staged_is_the_index_and_not_the_disk(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n", "b.py": "1\n"})
    repo.write("a.py", KEY_LINE)
    repo.git("add", "a.py")
    repo.write("a.py", "1\n")
    repo.write("b.py", f'x = "{TOKEN}"\n')
    found = _one(_scan(repo.path, "--staged"))
    assert (found["path"], found["source"]) == ("a.py", "index")


def test_a_range_has_what_came_and_went_within_it(git_repo: Make) -> None:
    repo = git_repo()
    base = repo.commit(files={"a.py": "1\n"})
    leak = repo.commit(files={"a.py": KEY_LINE})
    repo.commit(files={"a.py": "2\n"})
    done = _scan(repo.path, "--range", f"{base}..HEAD")
    assert [(f["commit"], f["at_head"]) for f in done.findings] == [(leak, False)]
    assert done.summary["scanned"]["commits"] == 2
    assert _scan(repo.path, "--range", "HEAD^..HEAD").findings == []


def test_an_unknown_revision_is_an_error(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "1\n"})
    for spec in ("nowhere..HEAD", "HEAD..nowhere", "--all..HEAD", f"{'a' * 40}..HEAD"):
        done = sealgate("scan", f"--range={spec}", cwd=repo.path)
        assert (done.code, done.err.count("\n"), "--range" in done.err) == (2, 1, True)


# What was not scanned


def test_a_missing_blob_makes_the_run_incomplete_and_the_rest_is_found(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"gone.py": "x = 1\n", "a.py": KEY_LINE})
    repo.loose(repo.id("HEAD:gone.py")).unlink()
    done = _scan(repo.path)
    assert (done.code, done.gaps, _open(done)) == (1, ["missing"], [("a.py", 1)])
    assert [gap["what"] for gap in done.summary["unscanned"]] == ["gone.py"]


def test_a_missing_blob_alone_is_three(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"gone.py": "x = 1\n"})
    repo.loose(repo.id("HEAD:gone.py")).unlink()
    assert _scan(repo.path).code == 3
    assert _scan(repo.path, "--allow-gap", "missing").code == 0


def test_a_corrupt_object_makes_the_run_incomplete(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"bad.py": "x = 1\n"})
    file = repo.loose(repo.id("HEAD:bad.py"))
    file.chmod(0o644)
    file.write_bytes(b"not zlib")
    done = _scan(repo.path)
    assert (done.code, done.summary["complete"]) == (3, False)


def test_a_shallow_clone_is_incomplete(git_repo: Make, tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE})
    repo.commit(files={"a.py": "1\n"})
    clone = git_repo("clone", "--depth=1", source=f"file://{repo.path}")
    done = _scan(clone.path)
    assert (done.code, done.gaps) == (3, ["shallow"])
    assert _scan(clone.path, "--allow-gap", "shallow").code == 0


def test_content_over_the_limit_is_named(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("x" * 5000)
    done = _scan(tmp_path, "--max-blob", "1k")
    assert (done.code, [(gap["kind"], gap["what"]) for gap in done.summary["unscanned"]]) == (3, [("oversize", "large.txt")])


def test_a_stream_over_the_limit_is_incomplete() -> None:
    assert sealgate("scan", "--stdin", "--max-blob", "1k", stdin=b"x" * 5000).code == 3


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_makes_the_run_incomplete(tmp_path: Path) -> None:
    (tmp_path / "closed.txt").write_text("x")
    (tmp_path / "closed.txt").chmod(0)
    done = _scan(tmp_path)
    assert (done.code, done.gaps) == (3, ["unreadable"])


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no file here that fails to be read, even for root")
def test_a_file_whose_content_cannot_be_read_makes_the_run_incomplete(tmp_path: Path) -> None:
    done = sealgate("scan", "/proc/self/mem", "--report", "jsonl", cwd=tmp_path)
    assert (done.code, done.gaps) == (3, ["unreadable"])


# Files


def test_a_directory_has_its_paths_from_its_root_whatever_they_are_called(tmp_path: Path) -> None:
    names = [b"plain.py", b"with space.py", b'quo"te.py', b"new\nline.py", b"b\xffd.py", "\u00fc\u4e2d.py".encode(), b"-dash.py", b".hidden/x.py", b"#.py"]
    for name in names:
        file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        file.parent.mkdir(exist_ok=True)
        file.write_text(KEY_LINE)
    done = _scan(tmp_path)
    assert sorted(f["path"] for f in done.findings) == sorted(name.decode("utf-8", "backslashreplace") for name in names)


def test_a_single_file_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text(KEY_LINE)
    assert [f["path"] for f in _scan(tmp_path, "deep/a.py").findings] == ["a.py"]


def test_a_link_is_not_followed_and_its_target_is_scanned_as_text(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(KEY_LINE)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("../outside.py")
    (tmp_path / "tree" / "telling").symlink_to(f"https://user:{TOKEN}@example.org")
    assert [(f["path"], f["rule_id"]) for f in _scan(tmp_path / "tree").findings] == [("telling", "github-pat-classic")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_encoding_is_found_where_it_stands(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(f"\u00fcber\r\nkey = {TOKEN}\r\n".encode(encoding))
    found = _one(_scan(tmp_path))
    assert (found["start_line"], found["start_column"], found["end_column"]) == (2, 7, 7 + len(TOKEN))
    assert [name.startswith(encoding) for name in found["decoded_from"]] == [True]


def test_a_file_of_two_encodings_hides_neither_of_its_secrets(tmp_path: Path) -> None:
    other = github_token(1)
    wide = ("x" * 50).encode("utf-16-le") + f" {TOKEN} ".encode() + f" {other} ".encode("utf-16-le")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe" + wide)
    done = _scan(tmp_path, "--show-secrets")
    assert sorted(f["secret"] for f in done.findings) == sorted([TOKEN, other])


def test_a_mark_in_a_file_of_another_encoding_counts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"key = {TOKEN}  # sealgate:allow\r\n".encode("utf-16"))
    assert _open(_scan(tmp_path)) == []


def test_a_secret_of_several_lines_has_both_its_ends(tmp_path: Path) -> None:
    key = private_key()
    (tmp_path / "a.pem").write_text("x\n" + key + "\n")
    found = _one(_scan(tmp_path))
    assert (found["start_line"], found["start_column"]) == (2, 1)
    assert (found["end_line"], found["end_column"]) == (1 + len(key.split("\n")), len(key.split("\n")[-1]) + 1)


# Triage


def test_a_mark_silences_its_own_line_only(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'a = "{AWS_KEY_ID}"  # sealgate:allow reason="an example"\nb = "{OTHER_AWS_KEY_ID}"\n')
    done = _scan(tmp_path)
    assert (done.code, _open(done)) == (1, [("a.py", 2)])
    assert [f["suppressed_by"] for f in done.findings if f["start_line"] == 1] == [{"kind": "inline", "reason": "an example"}]


def test_a_mark_does_not_silence_the_same_secret_on_another_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'a = "{TOKEN}"  # sealgate:allow\n' + "\n" * 300 + f'b = "{TOKEN}"\n')
    assert _scan(tmp_path).code == 1


def test_a_mark_that_was_taken_away_no_longer_counts(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE.rstrip() + "  # sealgate:allow\n"})
    assert _scan(repo.path).code == 0
    repo.commit(files={"a.py": KEY_LINE})
    assert _scan(repo.path).code == 1


def test_a_mark_that_was_added_later_speaks_for_the_older_versions(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE})
    repo.commit(files={"a.py": KEY_LINE.rstrip() + "  # sealgate:allow\n"})
    assert _scan(repo.path).code == 0


def test_an_expired_mark_opens_its_finding_again_with_a_notice(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'a = "{AWS_KEY_ID}"  # sealgate:allow until=2020-01-31\n')
    done = sealgate("scan", cwd=tmp_path)
    assert (done.code, "note: sealgate:allow in a.py expired on 2020-01-31: the finding is open again" in done.out) == (1, True)


@pytest.mark.parametrize("entry", ["rule: aws-*", "path: '*.py'", "path: src/", "{rule: aws-access-key-id, path: src/**}"])
def test_the_allowlist_of_the_configuration_silences(tmp_path: Path, entry: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(KEY_LINE)
    (tmp_path / ".sealgate.yaml").write_text(f"allow:\n- {entry}\n")
    done = _scan(tmp_path)
    assert (done.code, [f["suppressed_by"]["kind"] for f in done.findings]) == (0, ["allowlist"])


def test_an_unused_allowlist_entry_is_told_on_a_whole_scan_only(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={".sealgate.yaml": "allow:\n- path: nowhere/\n"})
    told = [".sealgate.yaml: allow[1] silences nothing" in sealgate("scan", *mode, cwd=repo.path).out for mode in ([], ["--worktree"], ["--staged"])]
    assert told == [True, False, False]


def test_a_scan_that_ran_out_of_time_does_not_tell_entries_unused(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={".sealgate.yaml": "allow:\n- path: nowhere/\n"})
    done = sealgate("scan", "--timeout", "0.000001", cwd=repo.path)
    assert (done.code, "silences nothing" in done.out) == (3, False)


# Rules for some paths


def test_a_rule_for_some_paths_counts_where_the_blob_stands_there(git_repo: Make) -> None:
    repo = git_repo()
    line = "DB_PASSWORD=" + fill("{{alnum:16}}") + "\n"
    repo.commit(files={"prod.env": line, "main.py": line})
    assert [(f["path"], f["rule_id"]) for f in _scan(repo.path).findings] == [("prod.env", "generic-password-bare")]


# Places of repositories


def test_a_bare_repository_and_a_linked_worktree_are_scanned(git_repo: Make, tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE})
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert [_open(_scan(folder)) for folder in (tmp_path / "linked", tmp_path / "bare.git")] == [[("a.py", 1)]] * 2


def test_a_broken_repository_is_not_taken_for_a_directory(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "x\n"})
    shutil.rmtree(repo.path / ".git" / "objects")
    done = sealgate("scan", cwd=repo.path)
    assert (done.code, done.err.count("\n"), "Traceback" in done.err) == (3, 1, False)


def test_each_hunk_of_a_file_in_a_diff_is_reported(tmp_path: Path) -> None:
    hunks = (f"@@ -1 +1,2 @@\n a = 1\n+k = {AWS_KEY_ID}\n", f"@@ -50 +51,2 @@\n b = 2\n+k = {OTHER_AWS_KEY_ID}\n")
    (tmp_path / "x.diff").write_text("--- a/x.py\n+++ b/x.py\n" + "".join(hunks))
    assert _open(_scan(tmp_path, "--diff", "x.diff")) == [("x.py", 2), ("x.py", 52)]


def test_what_an_encoded_run_holds_is_judged_by_each_path_anew(tmp_path: Path) -> None:
    npmrc = base64.b64encode(f"# settings\n//npm.test/:_password={fill('{{base64of:{alnum:19}x}}')}\n".encode()).decode()
    (tmp_path / "a.py").write_text(f"x = '{npmrc}'\n")
    (tmp_path / "b.yml").write_text(f"x: {npmrc}\n")
    found = {finding["path"]: finding["rule_id"] for finding in _scan(tmp_path).findings}
    assert found == {"a.py": "generic-password-bare", "b.yml": "npmrc-basic-auth"}
