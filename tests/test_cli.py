# SPDX-License-Identifier: Apache-2.0
"""The command line: what can be asked, how it is answered, and with which exit code."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, ROOT, fill, github_token, process, sealgate, stripe_key

from scanner import __version__
from scanner.cli import COMMANDS
from scanner.errors import EXIT_CODES, ConfigError, ReportError, SealgateError, SourceError
from scanner.model import GAP_KINDS, Confidence, Gap, ScanResult, Stats
from scanner.reports import REPORTS

KEYS = [
    "rule_id", "family", "severity", "confidence", "path", "start_line", "start_column", "end_line", "end_column", "fingerprint", "redacted",
    "reason", "blob", "commit", "author", "date", "at_head", "occurrences", "decoded_from", "suppressed_by",
]  # fmt: skip
SUMMARY_KEYS = ["complete", "scanned", "unscanned", "counts", "seconds", "ruleset", "version"]


@pytest.fixture
def leaky(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """Return a repository with one secret in it."""
    repo = git_repo()
    repo.commit(files={"app.py": f'\nkey = "{AWS_KEY_ID}"\n'})
    return repo


def test_the_table_of_exit_codes_is_the_documented_one() -> None:
    assert list(EXIT_CODES) == [0, 1, 2, 3, 4, 5, 70, 130]
    assert [error.exit_code for error in (ConfigError, SourceError, ReportError, SealgateError)] == [2, 3, 2, 70]


def test_the_help_page_has_every_command_and_the_table_of_exit_codes() -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        page = sealgate(*arguments)
        codes = dict(re.findall(r"^  (\d+) +(.*)$", page.out, re.MULTILINE))
        assert (page.code, codes) == (0, {str(code): meaning for code, meaning in EXIT_CODES.items()})
        (imports,) = re.findall(r"^  import TOOL  .*$", page.out, re.MULTILINE)
        tools = [name.removeprefix("import ") for name in COMMANDS if name.startswith("import ")]
        assert [tool for tool in tools if tool not in imports] == []
        assert [name for name in COMMANDS if f"\n  {name} " not in page.out and not name.startswith("import ")] == []


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="no README beside the package")
def test_the_readme_has_the_table_of_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(str(code), meaning) for code, meaning in EXIT_CODES.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str) -> None:
    page = sealgate(*name.split(), "--help")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith(f"usage: sealgate {name} ")


@pytest.mark.parametrize("words", ["scan", "sops check", "broker"])
def test_help_can_be_asked_for_by_a_command_too(words: str) -> None:
    asked = sealgate("help", *words.split())
    assert asked == sealgate(*words.split(), "--help")
    assert asked.out.startswith(f"usage: sealgate {words} ")


@pytest.mark.parametrize("group", ["rules", "baseline", "hook"])
def test_a_group_of_commands_lists_its_own(group: str) -> None:
    page = sealgate(group)
    own = [name for name in COMMANDS if name.startswith(group)]
    assert (page.code, re.findall(r"^  (\S+ \S+) ", page.out, re.MULTILINE)) == (0, own)


@pytest.mark.parametrize("argument", ["--version", "-V", "version"])
def test_the_version_is_told(argument: str) -> None:
    assert sealgate(argument) == (0, f"sealgate {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["scna"], "there is no command 'scna' (did you mean 'scan'?)"),
        (["frobnicate"], "there is no command 'frobnicate' (see 'sealgate --help')"),
        (["rules", "lst"], "there is no command 'rules lst' (did you mean 'rules list'?)"),
        (["--staged"], "a command comes before --staged (see 'sealgate --help')"),
        (["scan", "--stagde"], "unknown option --stagde (did you mean '--staged'?)"),
        (["scan", "--fail-onn=low"], "unknown option --fail-onn (did you mean '--fail-on'?)"),
        (["scan", "--zzzzzz"], "unknown option --zzzzzz (see 'sealgate scan --help')"),
        (["scan", "--stag"], "unknown option --stag (did you mean '--staged'?)"),
        (["scan", "--staged", "--worktree"], "argument --worktree: not allowed with argument --staged (see 'sealgate scan --help')"),
        (["scan", "--range"], "argument --range: expected one argument (see 'sealgate scan --help')"),
        (["scan", "a", "b"], "unrecognized arguments: b (see 'sealgate scan --help')"),
        (["scan", "--report", "jsno"], "there is no report format 'jsno' (did you mean 'json'?)"),
        (["scan", "--report", "zzz"], f"there is no report format 'zzz' (formats: {', '.join(REPORTS)})"),
        (["scan", "--report", "json="], "--report json=: the file's name is missing (write FORMAT=FILE, or FORMAT for standard output)"),
        (["scan", "--report", "json", "--report", "text"], "two reports cannot go to one place (give each --report a file of its own)"),
        (["scan", "--report", "json=x", "--report", "text=x"], "two reports cannot go to one place (give each --report a file of its own)"),
        (["scan", "--fail-on", "hihg"], "--fail-on: unknown level 'hihg' (one of proven, high, medium, low, never)"),
        (["scan", "--allow-gap", "shalow"], "--allow-gap: there is no kind of gap 'shalow' (did you mean 'shallow'?)"),
        (["scan", "--only", "everything"], "argument --only: invalid choice: 'everything' (choose from"),
        (["scan", "--name", "x"], "--name goes with --stdin (it names what comes on standard input)"),
        (["scan", "--stdin", "x"], "--stdin and --diff take no TARGET (leave it out)"),
        (["scan", "nowhere"], "there is no nowhere (give a repository, a directory or a file)"),
        (["scan", "--staged"], ". is not a git repository (--staged needs one)"),
        (["scan", "--range", "A..B"], ". is not a git repository (--range needs one)"),
        (["scan", "--staged", "file"], "file is not a repository (--staged needs one)"),
        (["scan", "--diff", "nowhere"], "cannot read the diff nowhere: No such file or directory (check --diff)"),
        (["scan", "--rules", "nowhere.yaml"], "cannot read rules from nowhere.yaml: No such file or directory (check --rules)"),
        (["scan", "--config", "nowhere.yaml"], "cannot read the configuration nowhere.yaml: No such file or directory (check --config)"),
        (["rules", "show", "github-pat-clasic"], "there is no rule 'github-pat-clasic' (did you mean 'github-pat-classic'?)"),
        (["rules", "show"], "the following arguments are required: ID (see 'sealgate rules show --help')"),
        (["scan", "\x1b[31m"], r"there is no \x1b[31m (give a repository, a directory or a file)"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_that_names_the_thing_and_the_remedy(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    (tmp_path / "file").write_text("x")
    done = sealgate(*arguments, cwd=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"sealgate: {complaint}")


def test_clean_and_complete_is_zero(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": "print('hello')\n"})
    done = sealgate("scan", cwd=repo.path)
    assert (done.code, done.err) == (0, "")


def test_a_finding_is_one(leaky: GitRepo) -> None:
    assert sealgate("scan", cwd=leaky.path).code == 1


def test_something_not_scanned_is_three_and_the_reason_is_told(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"large.txt": "x" * 5000})
    done = sealgate("scan", "--max-blob", "1k", cwd=repo.path)
    assert (done.code, "oversize" in done.out or "size limit" in done.out) == (3, True)
    machine = sealgate("scan", "--max-blob", "1k", "--report", "jsonl", cwd=repo.path)
    assert (machine.code, machine.summary["complete"], set(machine.gaps)) == (3, False, {"oversize"})


def test_a_finding_outranks_what_was_not_scanned(leaky: GitRepo) -> None:
    leaky.commit(files={"large.txt": "x" * 5000})
    done = sealgate("scan", "--max-blob", "1k", "--report", "jsonl", cwd=leaky.path)
    assert (done.code, done.summary["complete"]) == (1, False)


def test_a_gap_may_be_allowed_by_name_and_is_still_reported(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"large.txt": "x" * 5000})
    options = ["scan", "--max-blob", "1k", "--report", "jsonl", "--allow-gap"]
    right, wrong = sealgate(*options, "oversize", cwd=repo.path), sealgate(*options, "shallow", cwd=repo.path)
    assert (right.code, right.summary["complete"], set(right.gaps)) == (0, True, {"oversize"})
    assert [gap["allowed"] for gap in right.summary["unscanned"]] == [True] * len(right.gaps)
    assert wrong.code == 3


def _result(*confidences: Confidence, fail_on: str, gaps: tuple[Gap, ...] = ()) -> ScanResult:
    from scanner.model import Finding, Location, Provenance, RuleInfo, Secret

    here = Provenance("file")
    rule = RuleInfo("x", "X", "low", "secret", "Help.")
    findings = tuple(
        Finding(rule, confidence, "", b"", Location(1, 1, 1, 2), "0" * 32, Secret(b"x"), "", "", None, here, here) for confidence in confidences
    )
    return ScanResult(".", findings, gaps, frozenset(), Stats(0, 0, 0, 0, 0.0), (), "", fail_on)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["low", "medium", "high", "proven", "never"])
def test_a_level_fails_at_itself_and_above(level: str) -> None:
    order = ["low", "medium", "high", "proven"]
    codes = [_result(confidence, fail_on=level).exit_code for confidence in order]  # type: ignore[arg-type]
    assert codes == [int(level != "never" and order.index(c) >= order.index(level)) for c in order]


@pytest.mark.parametrize("kind", GAP_KINDS)
def test_each_kind_of_gap_says_whether_it_makes_a_run_incomplete(kind: str) -> None:
    gap = Gap(kind, "x", "y")
    result = _result(fail_on="medium", gaps=(gap,))
    assert result.exit_code == (3 if kind not in ("submodule", "special", "archive") else 0)
    assert result._replace(allowed_gaps=frozenset({kind})).exit_code == 0
    assert _result("high", fail_on="medium", gaps=(gap,)).exit_code == 1


@pytest.mark.parametrize(("level", "code"), [("low", 1), ("medium", 0), ("never", 0)])
def test_fail_on_decides_for_a_doubtful_finding(tmp_path: Path, level: str, code: int) -> None:
    (tmp_path / "a.txt").write_text("x = ghp_" + fill("{{alnum:36}}") + "\n")
    done = sealgate("scan", "--fail-on", level, "--report", "jsonl", tmp_path)
    assert (done.code, [f["confidence"] for f in done.findings]) == (code, ["low"])


def test_fail_on_never_still_tells_that_something_was_not_scanned(leaky: GitRepo) -> None:
    leaky.commit(files={"large.txt": "x" * 5000})
    assert sealgate("scan", "--fail-on", "never", "--max-blob", "1k", cwd=leaky.path).code == 3


def test_a_time_limit_makes_a_run_incomplete(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("nothing here\n" * 200)
    done = sealgate("scan", "--timeout", "0.000001", "--report", "jsonl", tmp_path)
    assert (done.code, done.gaps, done.summary["scanned"]["files"] < 50) == (3, ["timeout"], True)
    assert sealgate("scan", "--timeout", "1h", tmp_path).code == 0


def test_json_lines_have_the_documented_keys_in_their_order(leaky: GitRepo) -> None:
    done = sealgate("scan", "--report", "jsonl", cwd=leaky.path)
    [finding] = done.findings
    assert list(finding)[: len(KEYS)] == KEYS
    assert list(done.summary) == SUMMARY_KEYS
    assert list(done.summary["scanned"]) == ["blobs", "bytes", "files", "commits"]
    assert done.summary["version"] == __version__


def test_an_entry_of_what_was_not_scanned_has_its_documented_keys(leaky: GitRepo) -> None:
    leaky.commit(files={"large.txt": "x" * 5000})
    gaps = sealgate("scan", "--max-blob", "1k", "--report", "jsonl", cwd=leaky.path).summary["unscanned"]
    assert {tuple(gap) for gap in gaps} == {("kind", "what", "reason", "count", "allowed")}


def test_json_is_the_same_in_one_document(leaky: GitRepo) -> None:
    lines, document = (sealgate("scan", "--report", name, cwd=leaky.path) for name in ("jsonl", "json"))
    whole = json.loads(document.out)
    assert whole["findings"] == lines.findings
    assert list(whole["summary"]) == SUMMARY_KEYS


def test_without_a_text_report_the_verdict_goes_to_standard_error(leaky: GitRepo) -> None:
    done = sealgate("scan", "--report", "jsonl", cwd=leaky.path)
    assert done.err == "sealgate: 1 secret in 1 place, 1 fails the gate\n"
    assert sealgate("scan", "--report", "jsonl", "--quiet", cwd=leaky.path).err == ""


def test_several_reports_are_written_at_once(leaky: GitRepo, tmp_path: Path) -> None:
    reports = [option for name in REPORTS for option in ("--report", f"{name}={tmp_path / name}")]
    assert sealgate("scan", *reports, cwd=leaky.path).code == 1
    assert [name for name in REPORTS if "aws-access-key-id" not in (tmp_path / name).read_text().replace("&#45;", "-") and name != "text"] == []
    assert (tmp_path / "text").read_text() != ""


def test_a_report_that_cannot_be_written_fails_the_run_and_loses_no_other(leaky: GitRepo, tmp_path: Path) -> None:
    lost = tmp_path / "nowhere" / "x.json"
    done = sealgate("scan", "--report", f"json={lost}", "--report", f"jsonl={tmp_path / 'y'}", "--report", "text", cwd=leaky.path)
    assert done.code == 2
    assert json.loads((tmp_path / "y").read_text().splitlines()[-1])["summary"]["complete"]
    assert done.out != ""
    assert done.err == (
        f"sealgate: {lost}: the report cannot be written: No such file or directory "
        "(check that its directory exists, may be written to and is not full)\n"
    )


def test_a_report_that_cannot_be_written_leaves_the_old_one(leaky: GitRepo, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    done = sealgate("scan", "--report", f"json={tmp_path / 'directory'}", cwd=leaky.path)
    assert (done.code, list((tmp_path / "directory").iterdir())) == (2, [])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".sealgate")] == []


def test_a_full_disk_fails_the_run(leaky: GitRepo) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = sealgate("scan", "--report", "json=/dev/full", cwd=leaky.path)
    assert (done.code, "No space left on device" in done.err) == (2, True)


def test_rules_are_listed_shown_linted_and_tested() -> None:
    listed = sealgate("rules", "list")
    names = [line.split()[0] for line in listed.out.splitlines()[:-1]]
    as_json = json.loads(sealgate("rules", "list", "--format", "json").out)
    assert (listed.code, sorted(names)) == (0, sorted(rule["id"] for rule in as_json))
    assert listed.out.splitlines()[-1] == f"{len(names)} rules"
    shown = sealgate("rules", "show", "github-pat-classic")
    assert (shown.code, shown.out.splitlines()[0].split()) == (0, ["id:", "github-pat-classic"])
    assert [sealgate("rules", command).code for command in ("lint", "test")] == [0, 0]
    proofs = sealgate("rules", "list", "--proofs")
    assert "crc32-base62" in [line.split()[0] for line in proofs.out.splitlines()]


PACK = """rules:
  - id: acme-token
    name: Acme token
    severity: high
    confidence: high
    pattern: '\\b(?P<secret>acme_[0-9a-z]{12})\\b'
    help: Revoke the token in the settings of Acme.
    references: ['https://example.org']
    positive: ['«acme_{{base36:12}}»']
    negative: ['acme_']
"""


def test_rules_of_ones_own_find_and_are_linted_and_tested(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(PACK)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "x.py").write_text("t = '" + fill("acme_{{base36:12}}") + "'\n")
    done = sealgate("scan", "--rules", tmp_path / "acme.yaml", "--report", "jsonl", tmp_path / "code")
    assert [f["rule_id"] for f in done.findings] == ["acme-token"]
    assert [sealgate("rules", name, "--rules", tmp_path / "acme.yaml").code for name in ("lint", "test", "list")] == [0, 0, 0]
    bad = PACK.replace("'«acme_{{base36:12}}»'", "'«acme_»'").replace("settings of Acme.", "settings")
    (tmp_path / "acme.yaml").write_text(bad)
    tested, linted = (sealgate("rules", name, "--rules", tmp_path / "acme.yaml") for name in ("test", "lint"))
    assert (tested.code, "rule acme-token: positive vector 1 is not found" in tested.out) == (1, True)
    assert (linted.code, "rule acme-token: the help says" in linted.out) == (1, True)


def test_a_bad_rule_pack_names_file_line_and_rule(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(PACK.replace("severity", "sevrity"))
    for command in (["scan"], ["rules", "list"], ["rules", "lint"], ["rules", "test"]):
        done = sealgate(*command, "--rules", "acme.yaml", cwd=tmp_path)
        assert (done.code, done.err) == (2, "sealgate: acme.yaml:2: rule acme-token: unknown key 'sevrity' (did you mean 'severity'?)\n")


def test_a_rule_that_is_defined_again_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(PACK.replace("acme-token", "github-pat-classic"))
    assert "rule github-pat-classic is defined twice" in sealgate("scan", "--rules", tmp_path / "acme.yaml", cwd=tmp_path).err


def test_paths_in_a_repositorys_configuration_begin_at_its_root(leaky: GitRepo, tmp_path: Path) -> None:
    leaky.commit(files={".sealgate.yaml": "rules: [acme.yaml]\n", "acme.yaml": PACK, "x.py": fill("t = 'acme_{{base36:12}}'\n")})
    done = sealgate("scan", "--report", "jsonl", leaky.path, cwd=tmp_path)
    assert sorted(f["rule_id"] for f in done.findings) == ["acme-token", "aws-access-key-id"]


def test_a_disabled_rule_is_silent(leaky: GitRepo) -> None:
    leaky.write(".sealgate.yaml", "disable: [aws-access-key-id]\n")
    assert sealgate("scan", cwd=leaky.path).code == 0
    leaky.write(".sealgate.yaml", "disable: [aws-acess-key-id]\n")
    done = sealgate("scan", cwd=leaky.path)
    assert (done.code, done.err) == (2, "sealgate: there is no rule 'aws-acess-key-id' to disable (did you mean 'aws-access-key-id'?)\n")


def test_show_secrets_is_the_only_way_to_the_value(leaky: GitRepo) -> None:
    for name in REPORTS:
        assert AWS_KEY_ID not in sealgate("scan", "--report", name, "--verbose", cwd=leaky.path).out
    done = sealgate("scan", "--report", "jsonl", "--show-secrets", cwd=leaky.path)
    assert [f["secret"] for f in done.findings] == [AWS_KEY_ID]


def test_quiet_says_nothing_where_there_is_nothing_to_say(leaky: GitRepo, git_repo: Callable[..., GitRepo]) -> None:
    clean = git_repo("clean")
    clean.commit(files={"a": "b\n"})
    assert sealgate("scan", "--quiet", cwd=clean.path) == (0, "", "")
    assert sealgate("scan", "--quiet", cwd=leaky.path).out != ""


def test_standard_input_has_the_path_that_it_is_given() -> None:
    text = f'x\npassword = "{stripe_key()}"\n'.encode()  # sealgate:allow reason="the value is made at run time"
    named = sealgate("scan", "--stdin", "--name", "conf/app.ini", "--report", "jsonl", stdin=text)
    plain = sealgate("scan", "--stdin", "--report", "jsonl", stdin=text)
    assert [(f["path"], f["start_line"], f["source"]) for f in named.findings] == [("conf/app.ini", 2, "stdin")]
    assert [f["path"] for f in plain.findings] == ["stdin"]


def test_the_name_of_standard_input_decides_on_rules_for_some_files() -> None:
    text = b"DB_PASSWORD=" + fill("{{alnum:16}}").encode() + b"\n"
    codes = [sealgate("scan", "--stdin", "--name", name, stdin=text).code for name in ("prod.env", "main.py")]
    assert codes == [1, 0]


def test_a_diff_is_scanned_for_what_it_adds(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f"one\ntwo\nold = '{AWS_KEY_ID}'\nfour\nfive\n"})
    repo.write("a.py", f"one\ntwo\nold = '{AWS_KEY_ID}'\nfour\nnew = '{OTHER_AWS_KEY_ID}'\nfive\n")
    diff = repo.git("diff").encode()
    done = sealgate("scan", "--diff", "-", "--report", "jsonl", cwd=repo.path, stdin=diff)
    assert [(f["path"], f["start_line"], f["start_column"], f["source"]) for f in done.findings] == [("a.py", 5, 8, "diff")]
    (repo.path / "x.diff").write_bytes(diff)
    assert process("scan", "--diff", "x.diff", cwd=repo.path).code == 1


def test_a_diff_that_takes_a_secret_away_is_clean(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f"one\nold = '{AWS_KEY_ID}'\nthree\n"})
    repo.write("a.py", "one\nthree\n")
    assert sealgate("scan", "--diff", "-", cwd=repo.path, stdin=repo.git("diff").encode()).code == 0


def test_what_is_no_diff_is_an_error() -> None:
    done = sealgate("scan", "--diff", "-", stdin=b"hello\nworld\n")
    assert (done.code, done.err) == (2, "sealgate: what was given to --diff is not a unified diff (make it with git diff or diff -u)\n")


def test_an_empty_diff_and_an_empty_stream_are_clean() -> None:
    assert [sealgate("scan", *mode).code for mode in (["--diff", "-"], ["--stdin"])] == [0, 0]


def test_the_module_runs_as_a_program(leaky: GitRepo) -> None:
    done = process("scan", "--report", "jsonl", cwd=leaky.path)
    assert (done.code, [f["path"] for f in done.findings]) == (1, ["app.py"])
    assert process("--version", cwd=leaky.path) == (0, f"sealgate {__version__}\n", "")


def test_a_run_gives_the_same_report_each_time(leaky: GitRepo) -> None:
    leaky.commit(files={f"{n}.py": f"x = '{github_token(n)}'\n" for n in range(10)})
    runs = [sealgate("scan", "--report", "jsonl", cwd=leaky.path).findings for _ in range(2)]
    assert (len(runs[0]), runs[1]) == (11, runs[0])


_OWN_RULE = """rules:
  - id: my-token
    name: My token
    severity: high
    confidence: high
    pattern: '{pattern}'
    help: Revoke it where it was made.
    references: [https://example.org/tokens]
    positive: ['mytok=«{{{{alnum:30}}}}»']
    negative: ['mytok=']
"""


def test_an_open_ended_rule_of_a_users_own_finds_and_is_complained_of(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(_OWN_RULE.format(pattern=r".*mytok=(?P<secret>\w+)"))
    value = fill("{{alnum:30}}")
    (tmp_path / "a.txt").write_text(f"x mytok={value}\n")
    found = sealgate("scan", "a.txt", "--rules", "own.yaml", "--report", "jsonl", cwd=tmp_path)
    assert [f["rule_id"] for f in found.findings] == ["my-token"]
    lint = sealgate("rules", "lint", "--rules", "own.yaml", cwd=tmp_path)
    assert (lint.code, "my-token: the pattern is not bounded" in lint.out) == (1, True)


def test_a_rule_that_cannot_be_looked_for_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(_OWN_RULE.format(pattern="(?P<secret>[0-9a-f]{32})"))
    failed = sealgate("scan", ".", "--rules", "own.yaml", cwd=tmp_path)
    assert (failed.code, failed.err.count("own.yaml:2: rule my-token: no literal")) == (2, 1)
