# SPDX-License-Identifier: Apache-2.0
"""Creation rules that are valid and do not do what they seem to."""

import time

import pytest

from scanner.sops.creation.expression import compile_expression
from scanner.sops.creation.lint import lint
from scanner.sops.creation.policy import load_policy
from scanner.sops.creation.samples import is_path, samples

AGE = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
PGP = "85D77543B3D624B63CEA9E6DBC17301B491B3F21"
PATHS = [b"README.md", b"secrets/db.yaml", b"secrets/prod/tls.key", b"apps/web/values.yaml", b"apps/web/secrets.enc.yaml", b".sops.yaml"]


def rules(*written, age=AGE):
    return "creation_rules:\n" + "".join(f"- {{age: {age}, {one}}}\n" for one in written)


def found(text, paths=PATHS, path=b".sops.yaml", **others):
    policies = {name: load_policy(config.encode(), name) for name, config in {path: text, **others.get("beside", {})}.items()}
    own = [(name, problem) for name, policy in policies.items() for problem in policy.problems]
    return [(where, problem.rule, problem.confidence, problem.key) for where, problem in [*own, *lint(policies, paths)]]


@pytest.mark.parametrize(
    "text",
    [
        rules("path_regex: ^secrets/"),
        rules("path_regex: ^secrets/prod/", "path_regex: ^secrets/", "path_regex: .*"),
        rules(r"path_regex: \.enc\.yaml$", r"path_regex: .*.yaml, encrypted_regex: ^(data|stringData)$"),
        rules("path_regex: nowhere/yet/", "path_regex: '^(dev|stage)/[^/]+[.]json$'", "shamir_threshold: 0"),
        rules(r"path_regex: '^[[:alpha:]]+/(?i:secret)\pL*\.yaml\z'"),
        rules(r"path_regex: '\.(ya?ml|json)$'", "path_regex: secrets/.*"),
        rules("path_regex: '[a-z]{2}/secrets/'", "path_regex: '[a-z]+/secrets/'", "path_regex: secrets"),
        f"keys:\n  - &a {AGE}\n  - &p {PGP}\n" + "creation_rules:\n- {path_regex: ^secrets/, key_groups: [{age: [*a], pgp: [*p]}]}\n",
        "destination_rules: [{s3_bucket: b, path_regex: a}]\nstores: {yaml: {indent: 2}}\n" + rules("path_regex: a"),
    ],
)
def test_ordinary_configurations_yield_nothing(text):
    assert not found(text)


SHADOWED = (b".sops.yaml", "sops-config-doubt", "medium", "creation rule 2: shadowed")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"path_regex: \.yaml$, encrypted_regex: ^data$", r"path_regex: ^secrets/.*\.yaml$"),
        ("encrypted_regex: a", "path_regex: ^secrets/"),
        ("encrypted_regex: a", r"path_regex: '\x{1F511}'"),
        ("path_regex: .*, encrypted_regex: a", "mac_only_encrypted: true"),
        ("path_regex: secrets, encrypted_regex: a", "path_regex: ^apps/secrets-.*/x"),
        ("path_regex: secrets, encrypted_regex: a", "path_regex: secrets, encrypted_regex: b"),
        (f"path_regex: ^secrets/, pgp: {PGP}", r"path_regex: '^secrets/prod/[0-9]{3}-\pL+\.(yaml|json)$'"),
        (r"path_regex: '^(dev|prod)/[^/]+\.env$', encrypted_regex: a", r"path_regex: ^prod/\w+\.env$"),
    ],
)
def test_a_rule_that_another_hides_is_told(first, second):
    assert found(rules(first, second)) == [SHADOWED]
    assert found(rules(first, second), paths=[]) == [SHADOWED]


def test_a_hidden_rule_that_says_the_same_is_merely_doubted():
    assert [confidence for _, _, confidence, _ in found(rules("path_regex: secrets", "path_regex: ^secrets/"))] == ["low"]


def test_several_rules_together_hide_one():
    (problem,) = lint({b".sops.yaml": load_policy(rules("path_regex: ^a, encrypted_regex: x", "path_regex: ^b", "path_regex: '^[ab]/'").encode(), b".sops.yaml")}, [])
    assert "creation rule 1 and 2" in problem[1].reason or "creation rule 2 and 1" in problem[1].reason


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"^secrets/[^/]+\.yaml$", r"^secrets/.*\.yaml$"),
        (r"\.yaml$", "^secrets/"),
        ("^[a-z]+/", r"^\w+/"),
        ("^secrets/.", "^secrets"),
        ("^a{1,3}/", "^a+/"),
        ("(?i)^secrets$", "(?i)^secrets?$"),
    ],
)
def test_a_rule_with_a_path_of_its_own_is_not_hidden(first, second):
    assert not found(rules(f"path_regex: '{first}', encrypted_regex: a", f"path_regex: '{second}'"), paths=[])


def test_a_rule_whose_files_all_go_to_a_wider_one_is_doubted():
    text = rules(r"path_regex: \.(yaml|key)$, encrypted_regex: a", "path_regex: ^secrets/")
    assert found(text) == [(b".sops.yaml", "sops-config-doubt", "low", "creation rule 2: shadowed")]
    assert not found(text, paths=[*PATHS, b"secrets/x.json"])


@pytest.mark.parametrize("pattern", [r"^\./secrets/", "^/secrets/", r"^/home/me/repo/secrets/.*\.yaml$", r"^\.\./secrets/", r"^secrets//.*", r"^secrets/.*\n"])
def test_an_expression_that_matches_no_path_at_all_is_told(pattern):
    assert found(rules(f"path_regex: '{pattern}'"), paths=[]) == [(b".sops.yaml", "sops-config-doubt", "high", "creation rule 1: path_regex")]


def test_a_slash_before_what_stands_at_the_top_is_told():
    assert found(rules("path_regex: /secrets/")) == [(b".sops.yaml", "sops-config-doubt", "medium", "creation rule 1: path_regex")]
    assert not found(rules("path_regex: /secrets/"), paths=[*PATHS, b"apps/secrets/x"])


def test_paths_from_the_root_in_a_configuration_further_down_are_told():
    path = b"team/.sops.yaml"
    assert found(rules("path_regex: ^team/secrets/"), [b"team/secrets/a"], path) == [(path, "sops-config-doubt", "medium", "creation rule 1: path_regex")]
    assert not found(rules("path_regex: ^secrets/"), [b"team/secrets/a"], path)


def test_backslashes_are_doubted():
    assert [confidence for _, _, confidence, _ in found(rules(r"path_regex: 'secrets\\'"))] == ["low"]


def test_nothing_is_said_of_rules_behind_one_that_does_not_compile():
    assert found(rules("path_regex: (?=a)", "path_regex: .*", "path_regex: ^secrets/")) == [
        (b".sops.yaml", "sops-config", "high", "creation rule 1: path_regex")
    ]


def test_a_configuration_below_another_is_doubted():
    text = rules("path_regex: ^secrets/")
    both = found(text, PATHS, b"team/x/.sops.yaml", beside={b".sops.yaml": text})
    assert both == [(b"team/x/.sops.yaml", "sops-config-doubt", "low", "above")]
    assert not found(text, PATHS, b"a/.sops.yaml", beside={b"b/.sops.yaml": text})


def test_a_name_that_sops_does_not_read_is_told():
    text = rules("path_regex: ^secrets/")
    assert found(text, [*PATHS, b"team/.sops.yml"]) == [(b"team/.sops.yml", "sops-config", "medium", "name")]
    assert found(text, [*PATHS, b".sops.yml"]) == [(b".sops.yml", "sops-config-doubt", "low", "name")]
    assert found(text, [b".sops.yml"], b"team/.sops.yaml") == [(b".sops.yml", "sops-config", "medium", "name")]


def test_every_problem_says_what_to_do():
    texts = ["", rules("path_regex: (?=a)"), rules("encrypted_regex: x", "path_regex: ^/a"), rules("encypted_regex: a"), "a: [", rules("path_regex: /secrets/")]
    policies = [load_policy(text.encode(), b"a/.sops.yaml") for text in texts]
    problems = [problem for policy in policies for problem in (*policy.problems, *(linted for _, linted in lint({policy.path: policy}, [b"a/secrets/x"])))]
    assert len(problems) >= 5
    assert all(problem.remedy and problem.reason and problem.key for problem in problems)


@pytest.mark.parametrize(
    "pattern", [r"^secrets/.*\.yaml$", r"[^/]+\.enc\.(ya?ml|json)\z", r"\Qa.b\E+[[:upper:]]{2}", "(?i:prod|dev)/(?P<name>[a-z]+)", r"a{2,3}?\d\s", "[]x^]y|^$"]
)
def test_samples_match_and_differ(pattern):
    texts = samples(pattern)
    assert len(texts) == len(set(texts)) > 5
    assert all(map(compile_expression(pattern), texts))
    assert texts == samples(pattern)


@pytest.mark.parametrize("pattern", ["(" * 500 + "a" + ")" * 500, "((((()*)*)*)*)*", "(((a{10}){10}){10})", ".{1000}", "(?=a)", r"\x{10FFFF}", "[z", ""])
def test_what_cannot_be_sampled_gives_no_samples_and_ends(pattern):
    assert not samples(pattern)


def test_what_a_path_is():
    assert is_path(b"a/b.yaml")
    assert not any(map(is_path, (b"/a", b"./a", b"../a", b"a//b", b"a/", b"a/./b", b"a\n", b"")))


def test_many_rules_and_paths_end_soon():
    text = rules(*(f"path_regex: '^folder{number}/(a|b)+x*$'" for number in range(900)))
    started = time.process_time()
    found(text, [b"folder%d/name%d" % (number % 50, number) for number in range(10_000)])
    assert time.process_time() - started < 10
