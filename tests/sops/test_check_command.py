# SPDX-License-Identifier: Apache-2.0
"""`sealgate sops check`, and SOPS in `sealgate scan`: real repositories with files of the real sops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, Outcome, sealgate
from sopsmaker import Recipe, SopsMaker

SECRET = "hunter2-" + "Sup3r-Secret"
DOCUMENT = f"db:\n    user: admin\n    password: {SECRET}\nport: 5432\n".encode()


class Work(NamedTuple):
    """A repository with one rule for `secrets/`, and what is needed to put files there."""

    repo: GitRepo
    maker: SopsMaker
    recipe: Recipe
    sealed: bytes

    def check(self, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
        return sealgate("sops", "check", "--report", "jsonl", *arguments, cwd=self.repo.path, env=env)

    def rules(self, *arguments: str) -> list[tuple[str, str]]:
        return sorted((finding["rule_id"], finding["path"]) for finding in self.check(*arguments).findings)


@pytest.fixture(scope="module")
def sealed(sops_maker: SopsMaker) -> bytes:
    return sops_maker.encrypt(DOCUMENT, "yaml")


@pytest.fixture
def work(git_repo: Callable[..., GitRepo], sops_maker: SopsMaker, sealed: bytes) -> Work:
    repo = git_repo()
    recipe = sops_maker.recipe()
    repo.commit("rules", files={".sops.yaml": recipe.config("^secrets/"), "secrets/app.yaml": sealed})
    return Work(repo, sops_maker, recipe, sealed)


def _spoilt(data: bytes) -> bytes:
    """Return the file with a value in clear text."""
    lines = data.split(b"\n")
    place = next(index for index, line in enumerate(lines) if b"password:" in line)
    lines[place] = b"    password: " + SECRET.encode()
    return b"\n".join(lines)


def test_a_sealed_repository_is_clean(work: Work) -> None:
    outcome = work.check()
    assert (outcome.code, outcome.findings, outcome.summary["complete"]) == (0, [], True)
    assert outcome.summary["scanned"]["blobs"] == 2


def test_a_clear_value_fails_with_its_place_and_remedy(work: Work) -> None:
    work.repo.commit("oops", files={"secrets/app.yaml": _spoilt(work.sealed)})
    outcome = work.check()
    assert outcome.code == 1
    by_rule = {finding["rule_id"]: finding for finding in outcome.findings}
    finding = by_rule["sops-clear-value"]
    assert (finding["path"], finding["start_line"], finding["family"]) == ("secrets/app.yaml", 3, "sops")
    assert "db.password" in finding["reason"]
    assert "sops edit secrets/app.yaml" in finding["remedy"]
    assert SECRET not in outcome.out + outcome.err
    # The MAC is that of the version before: told without any key.
    assert "sops-tampered" in by_rule


def test_a_fingerprint_stays_when_lines_move(work: Work) -> None:
    work.repo.commit("oops", files={"secrets/app.yaml": _spoilt(work.sealed)})
    first = {f["rule_id"]: f["fingerprint"] for f in work.check().findings}
    moved = _spoilt(work.sealed).replace(b"db:\n", b"db:\n\n\n", 1)
    work.repo.commit("moved", files={"secrets/app.yaml": moved})
    assert {f["rule_id"]: f["fingerprint"] for f in work.check().findings} == first


def test_what_is_staged_counts_not_what_is_on_disk(work: Work) -> None:
    work.repo.write("secrets/new.yaml", DOCUMENT)
    work.repo.git("add", "-A")
    work.repo.write("secrets/new.yaml", work.sealed)
    assert work.rules("--staged") == [("sops-plain", "secrets/new.yaml")]
    work.repo.git("add", "-A")
    work.repo.write("secrets/new.yaml", DOCUMENT)
    assert work.rules("--staged") == []


def test_the_rules_that_are_staged_count(work: Work) -> None:
    work.repo.write("more/plain.yaml", DOCUMENT)
    work.repo.write(".sops.yaml", work.recipe.config("^(secrets|more)/"))
    work.repo.git("add", "-A")
    work.repo.write(".sops.yaml", work.recipe.config("^nowhere/"))
    assert work.rules("--staged") == [("sops-plain", "more/plain.yaml")]


def test_encrypting_a_file_is_not_stopped_and_asks_for_rotation(work: Work) -> None:
    work.repo.commit("clear", files={"secrets/late.yaml": DOCUMENT})
    work.repo.write("secrets/late.yaml", work.sealed)
    work.repo.git("add", "-A")
    outcome = work.check("--staged")
    assert outcome.code == 0
    assert [(f["rule_id"], f["confidence"]) for f in outcome.findings] == [("sops-was-clear", "low")]
    work.repo.commit("sealed")
    outcome = work.check()
    assert outcome.code == 1
    (finding,) = outcome.findings
    assert finding["rule_id"] == "sops-was-clear"
    assert finding["commit"] == work.repo.id("HEAD~1")
    assert work.repo.id("HEAD~1") in finding["reason"]
    assert "rotate" in finding["remedy"]


def test_a_range_sees_what_its_commits_brought_and_took_away(work: Work) -> None:
    base = work.repo.id("HEAD")
    work.repo.commit("clear", files={"secrets/late.yaml": DOCUMENT, "secrets/gone.yaml": DOCUMENT})
    (work.repo.path / "secrets/gone.yaml").unlink()
    work.repo.commit("sealed", files={"secrets/late.yaml": work.sealed})
    outcome = work.check("--range", f"{base}..HEAD")
    found = {(f["rule_id"], f["path"], f["confidence"]) for f in outcome.findings}
    assert found == {("sops-was-clear", "secrets/late.yaml", "high"), ("sops-plain", "secrets/gone.yaml", "high")}


def test_a_revision_is_checked_by_its_own_rules(work: Work) -> None:
    work.repo.commit("clear", files={"secrets/plain.yaml": DOCUMENT})
    work.repo.commit("no rules any more", files={".sops.yaml": work.recipe.config("^nowhere/")})
    assert ("sops-plain", "secrets/plain.yaml") in work.rules("--rev", "HEAD~1")
    assert ("sops-plain", "secrets/plain.yaml") not in work.rules("--rev", "HEAD")
    outcome = work.check("--rev", "nowhere")
    assert outcome.code == 2
    assert "nowhere" in outcome.err


def test_paths_limit_the_check(work: Work) -> None:
    work.repo.commit("clear", files={"secrets/a/plain.yaml": DOCUMENT, "secrets/b/plain.yaml": DOCUMENT})
    assert work.rules("secrets/a") == [("sops-plain", "secrets/a/plain.yaml")]
    assert work.rules("secrets/app.yaml") == []
    assert [path for _, path in work.rules(".")] == ["secrets/a/plain.yaml", "secrets/b/plain.yaml"]


def test_the_working_tree_counts_where_it_differs(work: Work) -> None:
    work.repo.write("secrets/app.yaml", DOCUMENT)
    work.repo.write("secrets/untracked.yaml", DOCUMENT)
    outcome = work.check()
    assert {(f["rule_id"], f["path"], f["source"]) for f in outcome.findings} == {
        ("sops-plain", "secrets/app.yaml", "worktree"),
        ("sops-plain", "secrets/untracked.yaml", "worktree"),
    }


def test_without_a_repository_rules_are_looked_for_upwards(tmp_path: Path, sops_maker: SopsMaker, sealed: bytes) -> None:
    (tmp_path / ".sops.yaml").write_text(sops_maker.recipe().config("^deep/secrets/"))
    folder = tmp_path / "deep/secrets"
    folder.mkdir(parents=True)
    (folder / "good.yaml").write_bytes(sealed)
    (folder / "bad.yaml").write_bytes(DOCUMENT)
    outcome = sealgate("sops", "check", "--report", "jsonl", str(folder))
    assert [(f["rule_id"], f["path"]) for f in outcome.findings] == [("sops-plain", "bad.yaml")]
    outcome = sealgate("sops", "check", "--report", "jsonl", str(folder / "bad.yaml"))
    assert [(f["rule_id"], f["path"]) for f in outcome.findings] == [("sops-plain", "bad.yaml")]


def test_the_nearest_rules_count(work: Work, sops_maker: SopsMaker) -> None:
    other = sops_maker.recipe(recipients={"age": [sops_maker.age(1).recipient]})
    files: dict[str, str | bytes] = {"team/.sops.yaml": other.config("^secrets/"), "team/secrets/app.yaml": work.sealed}
    work.repo.commit("a team of its own", files=files)
    found = work.rules()
    assert ("sops-recipients", "team/secrets/app.yaml") in found
    assert ("sops-recipients", "secrets/app.yaml") not in found


def test_a_merge_that_mixes_two_edits_is_told_without_a_key(work: Work) -> None:
    other = work.maker.set(work.sealed, "yaml", '["port"]', "1")
    mine = work.maker.set(work.sealed, "yaml", '["db"]["user"]', '"root"')
    work.repo.git("checkout", "-q", "-b", "side")
    work.repo.commit("side", files={"secrets/app.yaml": other})
    work.repo.git("checkout", "-q", "main")
    work.repo.commit("mine", files={"secrets/app.yaml": mine})
    # What git makes of it where both sides changed other lines, with the metadata of one side.
    port = next(line for line in other.split(b"\n") if line.startswith(b"port:"))
    lines = [port if line.startswith(b"port:") else line for line in mine.split(b"\n")]
    work.repo.git("merge", "-q", "--no-commit", "-s", "ours", "side")
    work.repo.write("secrets/app.yaml", b"\n".join(lines))
    work.repo.git("add", "-A")
    assert work.rules("--staged") == [("sops-tampered", "secrets/app.yaml")]
    work.repo.commit("merged")
    assert ("sops-tampered", "secrets/app.yaml") in work.rules()
    work.repo.commit("back to one side", files={"secrets/app.yaml": mine})
    assert work.rules() == []


def test_who_was_removed_still_knows_the_data_key_until_it_is_rotated(work: Work, sops_maker: SopsMaker) -> None:
    two = sops_maker.recipe(recipients={"age": [sops_maker.age(0).recipient, sops_maker.age(1).recipient]})
    for_two = sops_maker.encrypt(DOCUMENT, "yaml", two)
    work.repo.commit("two", files={"secrets/app.yaml": for_two})
    for_one = sops_maker.updatekeys(for_two, "yaml", work.recipe)
    work.repo.commit("one", files={"secrets/app.yaml": for_one})
    outcome = work.check()
    assert [f["rule_id"] for f in outcome.findings] == ["sops-not-rotated"]
    assert sops_maker.age(1).recipient in outcome.findings[0]["reason"]
    work.repo.commit("rotated", files={"secrets/app.yaml": sops_maker.rotate(for_one, "yaml")})
    assert work.rules() == []


def test_the_mac_needs_a_key_and_its_absence_is_a_gap(work: Work) -> None:
    keys = {"SOPS_AGE_KEY_FILE": work.maker.environ["SOPS_AGE_KEY_FILE"]}
    assert work.check("--mac", env=keys).code == 0
    outcome = work.check("--mac", env={"SOPS_AGE_KEY_FILE": "/dev/null"})
    assert (outcome.code, outcome.gaps) == (3, ["key"])
    assert work.check("--mac", "--allow-gap", "key", env={"SOPS_AGE_KEY_FILE": "/dev/null"}).code == 0
    lines = work.sealed.split(b"\n")
    user = next(index for index, line in enumerate(lines) if b"user:" in line)
    password = next(index for index, line in enumerate(lines) if b"password:" in line)
    values = [lines[index].partition(b": ")[2] for index in (user, password)]
    lines[user], lines[password] = b"    user: " + values[1], b"    password: " + values[0]
    work.repo.commit("swapped", files={"secrets/swapped.yaml": b"\n".join(lines)})
    assert work.check().code == 0
    assert [f["rule_id"] for f in work.check("--mac", env=keys).findings] == ["sops-mac"]


def test_public_keys_of_the_tree_tell_hidden_recipients_of_pgp(work: Work, sops_maker: SopsMaker) -> None:
    mine, other = sops_maker.pgp(0), sops_maker.pgp(1)
    recipe = sops_maker.recipe(recipients={"pgp": [mine.fingerprint]})
    sealed = sops_maker.encrypt(DOCUMENT, "yaml", recipe)
    exported = sops_maker.gpg("--armor", "--export", mine.fingerprint)
    files: dict[str, str | bytes] = {".sops.yaml": recipe.config("^secrets/"), "secrets/app.yaml": sealed, "keys/me.asc": exported}
    work.repo.commit("pgp", files=files)
    assert ("sops-hidden-recipient", "secrets/app.yaml") not in work.rules()
    theirs = sops_maker.encrypt(DOCUMENT, "yaml", sops_maker.recipe(recipients={"pgp": [other.fingerprint]}))
    forged = theirs.replace(other.fingerprint.encode(), mine.fingerprint.encode())
    work.repo.commit("forged", files={"secrets/app.yaml": forged})
    assert ("sops-hidden-recipient", "secrets/app.yaml") in work.rules()


def test_a_file_that_kustomize_makes_a_secret_of_is_one(work: Work) -> None:
    kustomization = "secretGenerator:\n  - name: app\n    files:\n      - files/motto.txt\n"
    files: dict[str, str | bytes] = {"k/kustomization.yaml": kustomization, "k/files/motto.txt": f"{SECRET}\n"}
    work.repo.commit("generated", files=files)
    assert ("sops-uncovered", "k/files/motto.txt") in work.rules()


def test_a_link_within_the_tree_is_no_file_in_clear_text(work: Work) -> None:
    (work.repo.path / "secrets/current.yaml").symlink_to("app.yaml")
    (work.repo.path / "secrets/out.yaml").symlink_to("../../elsewhere.yaml")
    work.repo.commit("links")
    assert work.rules() == [("sops-link", "secrets/out.yaml")]
    assert work.rules("--staged") == []


def test_a_broken_configuration_is_told_by_whatever_it_governs(work: Work) -> None:
    work.repo.commit("broken", files={".sops.yaml": work.recipe.config("^secrets/(?!public)")})
    work.repo.write("secrets/new.yaml", work.sealed)
    work.repo.git("add", "-A")
    outcome = work.check("--staged")
    assert outcome.code == 1
    assert ("sops-config", ".sops.yaml") in {(f["rule_id"], f["path"]) for f in outcome.findings}


def test_one_bad_file_does_not_hide_the_others(work: Work) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    files: dict[str, str | bytes] = {
        "secrets/bomb.yaml": bomb,
        "secrets/deep.yaml": "a: " + "[" * 3000 + "]" * 3000,
        "secrets/nul.yaml": b"a: \0b\n",
        "secrets/noise.bin": bytes(range(256)) * 4,
        "secrets/z.yaml": DOCUMENT,
    }
    work.repo.commit("hostile", files=files)
    assert {path for _, path in work.rules()} == set(files)


def test_what_is_accepted_is_counted_and_silent(work: Work) -> None:
    work.repo.commit("clear", files={"secrets/plain.yaml": DOCUMENT})
    settings = {"allow": [{"rule": "sops-plain", "path": "secrets/plain.yaml", "reason": "a test"}]}
    work.repo.write(".sealgate.yaml", json.dumps(settings))
    outcome = work.check()
    assert (outcome.code, [f["suppressed_by"]["kind"] for f in outcome.findings]) == (0, ["allowlist"])
    work.repo.write(".sealgate.yaml", json.dumps({"disable": ["sops-plain"]}))
    assert work.rules() == []


def test_a_scan_checks_both_families_and_takes_no_ciphertext_for_a_secret(work: Work) -> None:
    outcome = sealgate("scan", "--report", "jsonl", cwd=work.repo.path)
    assert (outcome.code, outcome.findings) == (0, [])
    work.repo.commit("both", files={"secrets/plain.yaml": DOCUMENT, "notes.ini": f"aws_access_key_id = {AWS_KEY_ID}\n"})
    outcome = sealgate("scan", "--report", "jsonl", cwd=work.repo.path)
    families = {(f["family"], f["path"]) for f in outcome.findings}
    assert {("sops", "secrets/plain.yaml"), ("secret", "notes.ini")} <= families
    for only, family in (("sops", "sops"), ("secrets", "secret")):
        outcome = sealgate("scan", "--only", only, "--report", "jsonl", cwd=work.repo.path)
        assert {f["family"] for f in outcome.findings} == {family}


def test_a_value_that_the_detector_reports_is_not_reported_twice(work: Work) -> None:
    work.repo.commit("key", files={".env": f"AWS_ACCESS_KEY_ID={AWS_KEY_ID}\n"})
    outcome = sealgate("scan", "--report", "jsonl", cwd=work.repo.path)
    assert [(f["family"], f["path"]) for f in outcome.findings] == [("secret", ".env")]
    assert [rule for rule, _ in work.rules()] == ["sops-uncovered"]


def test_the_hook_of_its_own_stops_a_commit(work: Work) -> None:
    work.repo.write("secrets/new.yaml", DOCUMENT)
    work.repo.git("add", "-A")
    outcome = sealgate("hook", "pre-commit", "--only=sops", "--report", "jsonl", "--", "secrets/new.yaml", cwd=work.repo.path)
    assert (outcome.code, [f["rule_id"] for f in outcome.findings]) == (1, ["sops-plain"])


def test_the_text_report_has_the_command_that_mends(work: Work) -> None:
    work.repo.commit("clear", files={"secrets/a file.yaml": DOCUMENT})
    outcome = sealgate("sops", "check", cwd=work.repo.path)
    assert "sops encrypt -i 'secrets/a file.yaml'" in outcome.out
    assert "1 SOPS violation in 1 place" in outcome.out
    assert SECRET not in outcome.out


def test_a_shallow_clone_says_how_far_it_was_compared(work: Work, git_repo: Callable[..., GitRepo]) -> None:
    work.repo.commit("more", files={"notes.txt": "x"})
    shallow = git_repo("shallow", "--depth=1", source=f"file://{work.repo.path}")
    outcome = sealgate("sops", "check", cwd=shallow.path)
    assert outcome.code == 0
    assert "shallow" in outcome.out
    assert "shallow" not in sealgate("sops", "check", cwd=work.repo.path).out


def test_a_file_of_many_violations_says_how_many_are_not_listed(work: Work) -> None:
    notes = b"".join(b"    note%d: plain\n" % number for number in range(1500))
    work.repo.commit("notes", files={"secrets/app.yaml": work.sealed.replace(b"sops:\n", b"sops:\n" + notes, 1)})
    outcome = work.check()
    assert outcome.code == 1
    assert len(outcome.findings) == 1001
    assert sum("500 more" in finding["reason"] or "499 more" in finding["reason"] for finding in outcome.findings) == 1
