# SPDX-License-Identifier: Apache-2.0
"""What silences a finding: a mark on its line, the allowlist, the baseline; and what none of them may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import github_token

from scanner.model import Finding, Location, Provenance, RuleInfo, Secret, Suppression
from scanner.triage import Allow, BaselineEntry, Mark, Triage, find_mark, fingerprint

TODAY = "2026-05-17"
RULE = RuleInfo("github-pat-classic", "GitHub token", "critical", "secret", "Revoke it.")
PRINT = fingerprint("secret", b"value")
OTHER_PRINT = fingerprint("secret", b"other value")


def _finding(path: bytes = b"src/app.py", print_: str = PRINT, rule: RuleInfo = RULE) -> Finding:
    here = Provenance("worktree")
    return Finding(rule, "high", "", path, Location(1, 1, 1, 6), print_, Secret(b"value"), "v****", "", None, here, here)


def _mark(line: str) -> Mark | None:
    data = line.encode()
    start = data.index(b"VALUE")
    return find_mark(data, start, start + 5)


@pytest.mark.parametrize(
    "name",
    [
        "gitleaks:allow", "betterleaks:allow", "trufflehog:ignore", "kingfisher:ignore", "kingfisher:allow", "ggignore", "ggshield:ignore",
        "pragma: allowlist secret", "pragma: whitelist secret", "pragma:allowlist secret", "PRAGMA: ALLOWLIST SECRET",
    ],
)  # fmt: skip
def test_the_marks_of_other_tools_count(name: str) -> None:
    assert [_mark(f"a\nkey = VALUE  {comment} {name}\nb") for comment in ("#", "//", "--", "<!--")] == [Mark(name)] * 4


@pytest.mark.parametrize(
    ("comment", "mark"),
    [
        ("# sealgate:allow", Mark("sealgate:allow")),
        ("# SealGate:Allow", Mark("sealgate:allow")),
        ("# sealgate:allow reason=docs", Mark("sealgate:allow", "docs")),
        ('# sealgate:allow reason="an example"', Mark("sealgate:allow", "an example")),
        ("# sealgate:allow reason='an example'", Mark("sealgate:allow", "an example")),
        ("# sealgate:allow until=2030-01-31", Mark("sealgate:allow", "", "2030-01-31")),
        ("# sealgate:allow rule=aws-access-key", Mark("sealgate:allow", "", "", "aws-access-key")),
        (
            '# sealgate:allow rule=x until=2030-01-31 reason="für Tests"',
            Mark("sealgate:allow", "für Tests", "2030-01-31", "x"),
        ),
        ('/* sealgate:allow\treason="x" */', Mark("sealgate:allow", "x")),
        ("# sealgate:allow because it is an example", Mark("sealgate:allow")),
        ("/* sealgate:allow until=2030-01-31*/", Mark("sealgate:allow", "", "2030-01-31")),
        ("<!-- sealgate:allow rule=aws-access-key-->", Mark("sealgate:allow", "", "", "aws-access-key")),
        ("# nothing of the kind", None),
        ("# sealgate: allow", None),
        ("# allow ignore whitelist", None),
    ],
)
def test_our_own_mark_has_a_reason_a_last_day_and_a_rule(comment: str, mark: Mark | None) -> None:
    assert _mark(f"key = VALUE  {comment}\n") == mark


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mark_speaks_of_its_own_line_only(end: str) -> None:
    lines = ["# gitleaks:allow", "key = VALUE", "# gitleaks:allow"]
    assert (_mark(end.join(lines)), _mark(end.join([*lines[1:], lines[0]]))) == (None, None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mark_for_the_next_line_speaks_of_that_line_only(end: str) -> None:
    pragma = "# pragma: allowlist nextline secret"
    assert _mark(end.join([pragma, "key = VALUE"])) == Mark("pragma: allowlist nextline secret")
    assert _mark(end.join([pragma, "x", "key = VALUE"])) is None
    assert _mark(end.join([f"key = VALUE {pragma}", "x"])) is None


def test_a_value_of_several_lines_may_be_marked_on_its_first_or_last() -> None:
    data = b"VAL # gitleaks:allow\nmiddle\nUE"
    assert find_mark(data, 0, len(data)) == Mark("gitleaks:allow")
    data = b"VAL\nmiddle\nUE # gitleaks:allow"
    assert find_mark(data, 0, data.index(b"UE") + 2) == Mark("gitleaks:allow")
    data = b"VAL\nmiddle # gitleaks:allow\nUE"
    assert find_mark(data, 0, len(data)) is None


def test_a_value_at_the_very_beginning_or_end_is_looked_at_without_an_error() -> None:
    assert [find_mark(data, 0, len(data)) for data in (b"x", b"\nx"[1:], b"x\n")] == [None] * 3


def _decide(finding: Finding, *marks: Mark, allows: tuple[Allow, ...] = (), baseline: tuple[BaselineEntry, ...] = ()) -> Suppression | None:
    return Triage(TODAY, allows, baseline).decide(finding, marks)


def test_without_a_reason_to_be_silent_a_finding_is_open() -> None:
    assert _decide(_finding()) is None


def test_a_mark_silences_with_its_reason() -> None:
    assert _decide(_finding(), Mark("sealgate:allow", "docs")) == Suppression("inline", "docs")
    assert _decide(_finding(), Mark("gitleaks:allow")) == Suppression("inline", "gitleaks:allow")


@pytest.mark.parametrize(("until", "open_"), [("2026-05-16", True), ("2026-05-17", False), ("2026-05-18", False)])
def test_the_last_day_of_a_mark_entry_or_baseline_is_still_silent(until: str, open_: bool) -> None:
    triage = Triage(TODAY)
    decided = [
        triage.decide(_finding(), [Mark("sealgate:allow", until=until)]),
        _decide(_finding(), allows=(Allow("allow[1]", rules=("*",), until=until),)),
        _decide(_finding(), baseline=(BaselineEntry(PRINT, "x", "y", expires=until),)),
    ]
    assert [suppression is None for suppression in decided] == [open_] * 3
    assert triage.notices(whole=False) == (
        [f"sealgate:allow in src/app.py expired on {until}: the finding is open again"] if open_ else []
    )


@pytest.mark.parametrize("until", ["tomorrow", "31.12.2030", "2030/01/31", "2030-13-01", "2030-02-30", "never", "9"])
def test_a_last_day_that_is_no_date_silences_nothing_and_is_told(until: str) -> None:
    triage = Triage(TODAY)
    assert triage.decide(_finding(), [Mark("sealgate:allow", until=until)]) is None
    assert triage.notices(whole=False) == ["sealgate:allow in src/app.py: its last day is not a date, YYYY-MM-DD"]


@pytest.mark.parametrize(
    "comment",
    [
        "# sealgate:allow reason=an example until=2020-01-01",
        "# sealgate:allow, until=2020-01-01",
        "# sealgate:allow      until=2020-01-01",
        '# sealgate:allow reason="' + "x" * 300 + '" until=2020-01-01',
        '# sealgate:allow until="2020-01-01',
        "# sealgate:allow owner=me until=2020-01-01",
        "# sealgate:allow until: 2020-01-01",
    ],
)
def test_a_last_day_that_is_written_in_an_odd_way_is_not_lost(comment: str) -> None:
    mark = _mark(f"key = VALUE  {comment}")
    assert mark is not None
    assert Triage(TODAY).decide(_finding(), [mark]) is None


def test_a_mark_for_another_rule_silences_nothing() -> None:
    assert _decide(_finding(), Mark("sealgate:allow", rule="aws-access-key")) is None
    assert _decide(_finding(), Mark("sealgate:allow", rule=RULE.id)) == Suppression("inline", "sealgate:allow")


def test_every_line_that_a_secret_stands_on_needs_a_mark_that_holds() -> None:
    held, expired = Mark("gitleaks:allow"), Mark("sealgate:allow", until="2020-01-01")
    assert _decide(_finding(), held) == Suppression("inline", "gitleaks:allow")
    assert _decide(_finding(), expired, held) is None


@pytest.mark.parametrize(
    ("allow", "silent"),
    [
        (Allow("a", rules=("github-pat-classic",)), True),
        (Allow("a", rules=("github-*",)), True),
        (Allow("a", rules=("gitlab-*",)), False),
        (Allow("a", paths=("src/**",)), True),
        (Allow("a", paths=("*.py",)), True),
        (Allow("a", paths=("lib/**", "docs/**")), False),
        (Allow("a", fingerprints=(OTHER_PRINT, PRINT)), True),
        (Allow("a", fingerprints=(OTHER_PRINT,)), False),
        (Allow("a", rules=("github-*",), paths=("docs/**",)), False),
        (Allow("a", rules=("gitlab-*",), paths=("src/**",)), False),
        (Allow("a", rules=("github-*",), paths=("src/**",), fingerprints=(PRINT,)), True),
        (Allow("a", rules=("github-*",), paths=("src/**",), fingerprints=(OTHER_PRINT,)), False),
    ],
)
def test_an_allowlist_entry_silences_what_fits_all_of_its_conditions(allow: Allow, silent: bool) -> None:
    assert (_decide(_finding(), allows=(allow,)) is not None) == silent


def test_an_allowlist_entry_gives_its_reason_or_its_place() -> None:
    allows = Allow("allow[1]", rules=("*",), reason="examples"), Allow("allow[1]", rules=("*",))
    assert [_decide(_finding(), allows=(allow,)) for allow in allows] == [
        Suppression("allowlist", "examples"),
        Suppression("allowlist", "allow[1]"),
    ]


def test_a_baseline_entry_silences_its_secret_wherever_it_stands() -> None:
    entry = BaselineEntry(PRINT, "another-rule", "moved/from/here.py", "accepted")
    assert _decide(_finding(), baseline=(entry,)) == Suppression("baseline", "accepted")
    assert _decide(_finding(b"elsewhere"), baseline=(entry._replace(reason=""),)) == Suppression("baseline", "accepted in the baseline")


def test_a_baseline_entry_never_silences_another_secret() -> None:
    assert _decide(_finding(print_=OTHER_PRINT), baseline=(BaselineEntry(PRINT, RULE.id, "src/app.py"),)) is None


def test_a_baseline_entry_with_a_glob_holds_for_its_paths_only() -> None:
    entry = BaselineEntry(PRINT, RULE.id, "tests/**")
    assert _decide(_finding(b"tests/deep/a.py"), baseline=(entry,)) is not None
    assert _decide(_finding(b"src/app.py"), baseline=(entry,)) is None


def test_two_baseline_entries_for_one_secret_each_speak_of_their_paths() -> None:
    entries = BaselineEntry(PRINT, RULE.id, "tests/**", "a"), BaselineEntry(PRINT, RULE.id, "docs/**", "b")
    paths = (b"tests/x", b"docs/x", b"src/x")
    assert [_decide(_finding(path), baseline=entries) for path in paths] == [
        Suppression("baseline", "a"),
        Suppression("baseline", "b"),
        None,
    ]


def test_unused_entries_are_told_only_where_everything_was_seen() -> None:
    allows = Allow("allow[1]", rules=("github-*",)), Allow("allow[2]", rules=("gitlab-*",))
    baseline = BaselineEntry(PRINT, "r", "a.py"), BaselineEntry(OTHER_PRINT, "r", "b.py")
    triage = Triage(TODAY, allows, baseline)
    triage.decide(_finding(), [])
    assert triage.notices(whole=False) == []
    assert triage.notices(whole=True) == [
        "allow[2] silences nothing any more: remove it",
        f"baseline entry {PRINT[:12]} (a.py) is no longer found: remove it",
        f"baseline entry {OTHER_PRINT[:12]} (b.py) is no longer found: remove it",
    ]


def test_an_expired_entry_is_in_use_and_told_once() -> None:
    allow = Allow("allow[1]", rules=("*",), until="2020-01-01")
    triage = Triage(TODAY, (allow,))
    assert [triage.decide(_finding(path), []) for path in (b"a", b"b")] == [None, None]
    assert triage.notices(whole=True) == ["allow[1] expired on 2020-01-01: the finding is open again"]
    assert triage.used() == frozenset({allow})


def test_an_expired_entry_gives_way_to_one_that_holds() -> None:
    allows = Allow("a", rules=("*",), until="2020-01-01"), Allow("b", rules=("*",))
    assert _decide(_finding(), allows=allows) == Suppression("allowlist", "b")


def test_a_fingerprint_depends_on_value_and_family_alone() -> None:
    token = github_token().encode()
    values = [fingerprint("secret", token), fingerprint("sops", token), fingerprint("secret", github_token(1).encode())]
    assert len(set(values)) == 3
    assert fingerprint("secret", b"value") == "0b170d03f52accb6ef0a3d8571f6d06e"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_fingerprint_tells_values_apart_and_is_hex(one: bytes, other: bytes) -> None:
    assert (fingerprint("secret", one) == fingerprint("secret", other)) == (one == other)
    assert len(bytes.fromhex(fingerprint("secret", one))) == 16


@given(st.binary(max_size=120), st.integers(0, 120), st.integers(0, 120))
def test_a_mark_is_looked_for_in_any_bytes_without_an_error(data: bytes, first: int, second: int) -> None:
    start, end = sorted((min(first, len(data)), min(second, len(data))))
    assert find_mark(data, start, end) is None


@pytest.mark.parametrize(
    ("allow", "covers"),
    [
        (Allow("a", values=("^se",)), True),
        (Allow("a", values=("x", "cre")), True),
        (Allow("a", values=("CRE",)), False),
        (Allow("a", values=("(?i:CRE)",)), True),
        (Allow("a", lines=("# fixture$",)), True),
        (Allow("a", lines=("^nothing",)), False),
        (Allow("a", values=("^se",), lines=("nothing",)), False),
        (Allow("a", commits=("c" * 40,)), True),
        (Allow("a", commits=("d" * 40,)), False),
        (Allow("a", families=("secret",), paths=("src/**",)), True),
        (Allow("a", families=("sops",), paths=("src/**",)), False),
    ],
)
def test_an_entry_looks_at_value_line_commit_and_family(allow: Allow, covers: bool) -> None:
    first = Provenance("commit", commit="c" * 40)
    finding = _finding()._replace(secret=Secret(b"secret"), line=Secret(b"key = secret # fixture"), first=first)
    assert allow.covers(finding) is covers


def test_what_looks_inside_a_value_fits_nothing_where_there_is_none() -> None:
    assert not Allow("a", values=("secret",)).covers(_finding()._replace(secret=Secret(b"")))
