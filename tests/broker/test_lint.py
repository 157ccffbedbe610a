# SPDX-License-Identifier: Apache-2.0
"""What is wrong with roles and policies: each check on a role that has it and on one that has not; then a real server."""

import inspect
import json
import re

import pytest

from scanner import cli
from scanner.broker.lint import collect
from scanner.broker.lint import policy as policy_checks
from scanner.broker.lint import role as role_checks
from scanner.broker.lint.acl import Grant, PolicyError, parse_policy
from scanner.broker.lint.policy import check_policy, check_together
from scanner.broker.lint.problems import RULES
from scanner.broker.lint.role import check_role

GOOD = {
    "role_type": "jwt", "user_claim": "repository", "bound_audiences": ["https://vault.example.test"], "bound_claims_type": "string",
    "bound_claims": {"repository": "octo-org/app", "repository_id": "74", "repository_owner_id": "65", "ref": "refs/heads/main"},
    "token_ttl": 600, "token_max_ttl": 1800, "token_bound_cidrs": ["10.0.0.0/8"], "token_policies": ["ci"], "token_type": "default",
    "token_no_default_policy": False, "token_period": 0, "token_explicit_max_ttl": 0,
}  # fmt: skip
HOUR = 3600


def told(role, grants=()):
    return sorted(problem.rule for problem in check_role(role, grants, HOUR))


def grants(text):
    return parse_policy(text)


def claims(**changes):
    return GOOD | {"bound_claims": {name: value for name, value in (GOOD["bound_claims"] | changes).items() if value is not None}}


def glob(name, value):
    return GOOD | {"bound_claims_type": "glob", "bound_claims": GOOD["bound_claims"] | {name: value}}


def test_a_good_role_has_nothing_wrong():
    assert told(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"bound_audiences": []}, ["role-no-audience"]),
        ({"bound_audiences": None}, ["role-no-audience"]),
        ({"bound_claims": {}}, ["role-unbound"]),
        ({"bound_claims": None}, ["role-unbound"]),
        ({"bound_claims": None, "bound_subject": "repo:octo-org/app:ref:refs/heads/main"}, []),
        ({"bound_claims": None, "bound_subject": "repo:octo-org/app:pull_request"}, ["role-any-ref"]),
        ({"user_claim": "jti"}, ["role-user-per-run"]),
        ({"user_claim": "run_id"}, ["role-user-per-run"]),
        ({"user_claim": "project_path"}, []),
        ({"token_type": "batch"}, ["role-batch-token"]),
        ({"token_type": "service"}, []),
        ({"token_no_default_policy": True}, ["role-no-revoke"]),
        ({"token_type": "batch", "token_no_default_policy": True}, ["role-batch-token"]),
        ({"token_ttl": 86400, "token_max_ttl": 0}, ["role-long-ttl"]),
        ({"token_ttl": "24h", "token_max_ttl": "0"}, ["role-long-ttl"]),
        ({"token_ttl": 86400, "token_max_ttl": 0, "token_explicit_max_ttl": 900}, []),
        ({"token_ttl": 86400, "token_max_ttl": 900}, []),
        ({"token_ttl": 0, "token_max_ttl": 0}, ["role-long-ttl"]),
        ({"token_period": 600}, ["role-long-ttl"]),
        ({"token_period": 600, "token_explicit_max_ttl": 1800}, []),
        ({"token_bound_cidrs": []}, ["role-no-cidr"]),
        ({"token_policies": ["root"]}, ["role-root-policy"]),
        ({"expiration_leeway": 86400}, ["role-leeway"]),
        ({"clock_skew_leeway": 60}, []),
        ({"role_type": "oidc", "bound_claims": None, "bound_audiences": None}, []),
    ],
)  # fmt: skip
def test_one_change_makes_one_problem(changes, rules):
    assert told(GOOD | changes) == rules


@pytest.mark.parametrize(
    ("role", "rules"),
    [
        (claims(repository_id=None, repository_owner_id=None), ["role-name-without-id"]),
        (claims(repository_id=None), []),
        (claims(ref=None), ["role-any-ref"]),
        (claims(ref=None, environment="production"), []),
        (claims(ref=None, sub="repo:octo-org/app:environment:production"), []),
        (GOOD | {"bound_claims": {"team": "infra"}}, []),
        (GOOD | {"bound_claims": {"project_path": "group/app", "ref_protected": "true"}}, ["role-name-without-id"]),
        (GOOD | {"bound_claims": {"project_path": "group/app", "project_id": "7", "ref_protected": "true"}}, []),
        (claims(repository=["octo-org/*"]), ["role-glob-literal"]),
        (claims(sub="repo:octo-org/*"), ["role-glob-literal"]),
    ],
)
def test_claims_are_judged_by_what_they_say(role, rules):
    assert told(role) == rules


@pytest.mark.parametrize(
    ("name", "value", "rules"),
    [
        ("sub", "*", ["role-glob-anything"]), ("sub", "repo:*", ["role-glob-anything"]), ("sub", "repo:octo*", ["role-glob-anything"]),
        ("sub", "repo:*/app:ref:refs/heads/main", ["role-glob-anything"]), ("repository", "*", ["role-glob-anything"]),
        ("repository", "octo*", ["role-glob-anything"]), ("repository", "*/app", ["role-glob-anything"]),
        ("repository_owner", "octo-*", ["role-glob-anything"]), ("environment", "*", ["role-glob-anything"]),
        ("job_workflow_ref", "*", ["role-glob-anything"]),
        ("sub", "repo:octo-org/*", ["role-glob-sub"]), ("sub", "repo:octo-org/*:ref:refs/heads/main", ["role-glob-sub"]),
        ("sub", "project_path:group/*:ref_type:branch:ref:main", ["role-glob-sub"]),
        ("repository", "octo-org/*-app", ["role-glob-sub"]),
        ("repository", "octo-org/*", []), ("ref", "refs/heads/release/*", []), ("sub", "repo:octo-org/app:ref:refs/heads/main", []),
        ("job_workflow_ref", "octo-org/shared/.github/workflows/deploy.yml@*", []),
    ],
)  # fmt: skip
def test_globs_are_judged_by_what_stands_before_their_star(name, value, rules):
    assert told(glob(name, value)) == rules


def test_who_may_revoke_himself_by_another_policy_needs_no_default_one():
    own = grants('path "auth/token/revoke-self" { capabilities = ["update"] }')
    assert told(GOOD | {"token_no_default_policy": True}, own) == []


def test_a_batch_token_with_leases_is_said_with_their_path():
    (problem,) = check_role(GOOD | {"token_type": "batch"}, grants('path "database/creds/ci" { capabilities = ["read"] }'), HOUR)
    assert "database/creds/ci" in problem.reason


KUBERNETES = {"bound_service_account_names": ["runner"], "bound_service_account_namespaces": ["ci"], "audience": "vault",
              "token_ttl": 600, "token_bound_cidrs": ["10.0.0.0/8"]}  # fmt: skip
APP_ROLE = {"bind_secret_id": True, "secret_id_ttl": 600, "secret_id_num_uses": 1, "token_ttl": 600, "token_bound_cidrs": ["10.0.0.1"]}


@pytest.mark.parametrize(
    ("role", "rules"),
    [
        (KUBERNETES, []),
        (KUBERNETES | {"bound_service_account_names": ["*"], "bound_service_account_namespaces": ["*"]}, ["role-unbound"]),
        (KUBERNETES | {"bound_service_account_names": ["*"]}, ["role-glob-anything"]),
        (KUBERNETES | {"bound_service_account_namespaces": ["*"]}, ["role-glob-anything"]),
        (KUBERNETES | {"audience": ""}, ["role-no-audience"]),
        (APP_ROLE, []),
        (APP_ROLE | {"secret_id_ttl": 0, "secret_id_num_uses": 0}, ["role-secret-id"]),
        (APP_ROLE | {"bind_secret_id": False, "token_bound_cidrs": []}, ["role-no-cidr", "role-unbound"]),
    ],
)
def test_roles_of_other_methods(role, rules):
    assert told(role) == rules


# Policies


@pytest.mark.parametrize(
    ("path", "capabilities", "rules"),
    [
        ("*", ["read"], ["policy-everything"]), ("+/*", ["read"], ["policy-everything"]), ("+", ["read"], ["policy-everything"]),
        ("*", ["deny"], []), ("secret/data/ci/*", ["read"], []), ("secret/data/ci/app", ["read"], []),
        ("secret/*", ["read"], ["policy-whole-mount"]), ("secret/data/*", ["read"], ["policy-whole-mount"]),
        ("secret/data/+/*", ["read"], ["policy-whole-mount"]), ("secret/metadata/*", ["list"], ["policy-whole-mount"]),
        ("secret*", ["read"], ["policy-whole-mount"]), ("+/data/*", ["read"], ["policy-whole-mount"]),
        ("database/creds/ci", ["read"], []), ("cubbyhole/*", ["read"], []),
        ("sys/leases/revoke", ["update"], ["policy-revokes-others"]), ("sys/leases/*", ["update"], ["policy-revokes-others"]),
        ("auth/token/revoke-accessor", ["update"], ["policy-revokes-others"]), ("auth/token/revoke-self", ["update"], []),
        ("sys/policies/acl/*", ["create", "update"], ["policy-admin"]), ("auth/*", ["update"], ["policy-admin"]),
        ("sys/policies/acl/*", ["read"], []), ("auth/+/role/*", ["update"], ["policy-admin"]), ("auth/token/create", ["update"], ["policy-admin"]),
        ("secret/data/ci/app", ["read", "sudo"], ["policy-sudo"]),
    ],
)  # fmt: skip
def test_each_path_of_a_policy_is_judged(path, capabilities, rules):
    assert sorted(problem.rule for problem in check_policy([Grant(path, frozenset(capabilities))])) == rules


def test_a_policy_is_compared_with_what_is_used():
    policy = grants("""
        path "secret/data/ci/*" { capabilities = ["read"] }
        path "secret/data/other/app" { capabilities = ["read"] }
        path "secret/data/ci/app" { capabilities = ["read"] }
        path "auth/token/lookup-self" { capabilities = ["read"] }
    """)
    used = collect.used_paths(["secret/ci/app#password=DB_PASSWORD"])
    found = {(problem.rule, problem.shown) for problem in check_policy(policy, used)}
    assert found == {("policy-wider", "secret/data/ci/*"), ("policy-unused", "secret/data/other/app")}


def test_a_tree_in_use_needs_its_glob():
    policy = grants('path "secret/data/ci/*" { capabilities = ["read"] } path "secret/metadata/ci/*" { capabilities = ["list"] }')
    assert list(check_policy(policy, collect.used_paths(["secret/ci/**"]))) == []


READS = grants('path "secret/data/ci/*" { capabilities = ["read"] }')
OWN = grants('path "secret/data/ci/{{identity.entity.aliases.auth_jwt_1.metadata.repository}}/*" { capabilities = ["read"] }')


@pytest.mark.parametrize(
    ("role", "policy", "rules"),
    [
        (GOOD, READS, []),
        (claims(repository=None, repository_id=None), READS, ["role-shared"]),
        (claims(repository_id=["74", "75"], repository=None), READS, ["role-shared"]),
        (claims(repository=None, repository_id=None) | {"claim_mappings": {"repository": "repository"}}, OWN, []),
        (claims(repository=None, repository_id=None), OWN, ["policy-template"]),
        (GOOD | {"token_policies": ["repo-{{ .environment }}"], "token_policies_template_claims": True}, (), ["role-template-claim"]),
        (GOOD | {"token_policies": ["repo-{{ .repository_id }}"], "token_policies_template_claims": True}, (), []),
    ],
)
def test_role_and_policy_together(role, policy, rules):
    assert sorted(problem.rule for problem in check_together(role, "ci", policy)) == rules


# The language of policies


def test_policies_are_read_in_all_their_forms():
    text = r"""
    # a comment
    path "/secret/data/a" { capabilities = ["read", "list",] } // another
    path "secret/data/b" {
      policy = "write" /* the old
                          word */
      allowed_parameters = { "x" = ["1", 2, true]  "y" = [] }
      min_wrapping_ttl = "1s"
    }
    path "odd \"quotes\"" { capabilities = [] }
    name = "ci"
    """
    first, second, third = parse_policy(text)
    assert first == Grant("secret/data/a", frozenset({"read", "list"}))
    assert second.capabilities == {"create", "read", "update", "delete", "list"}
    assert third.path == 'odd "quotes"'
    same = {"path": {"secret/data/a": {"capabilities": ["read", "list"]}, "secret/data/b": {"policy": "read"}}}
    assert parse_policy(json.dumps(same))[0] == first
    assert parse_policy("") == ()
    assert len(parse_policy('path "a" { capabilities = ["read"] } path "a" { capabilities = ["list"] }')) == 2


@pytest.mark.parametrize(
    "text",
    ['path "a" {', 'path "a" { capabilities = [ }', 'path "a', "}", "path = 1", 'path "a" { capabilities = "read" }', "{", '{"path": [1]}',
     "a { " * 100, "x = " + "[" * 100_000, 'path "a" "b"', "= 1"],
)  # fmt: skip
def test_what_is_no_policy_is_said_and_nothing_worse(text):
    with pytest.raises(PolicyError):
        parse_policy(text)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("secret/*", "secret/a/b", True), ("secret/*", "secret", False), ("secret/+/b", "secret/a/b", True),
        ("secret/+/b", "secret/a/c/b", False), ("secret/a*", "secret/abc", True), ("secret/a", "secret/ab", False),
        ("+/data/*", "kv/data/x", True), ("a.c", "abc", False), ("secret/{{identity.entity.id}}/x", "secret/any/x", True),
    ],
)  # fmt: skip
def test_paths_are_matched_as_the_server_does(pattern, path, matches):
    assert Grant(pattern, frozenset({"read"})).matches(path) is matches


# Files, the server, reports


def lint(*arguments):
    return cli.main(["broker", "lint", *map(str, arguments)])


def test_files_are_linted_and_the_setting_is_pointed_at(tmp_path, capsys):
    role = GOOD | {"user_claim": "jti"}
    (tmp_path / "ci.json").write_text(json.dumps({"data": role}, indent=2))
    (tmp_path / "ci.hcl").write_text('\npath "secret/*" {\n  capabilities = ["read"]\n}\n')
    assert lint("--role-file", tmp_path / "ci.json", "--policy-file", tmp_path / "ci.hcl", "--report", "jsonl") == 1
    *findings, summary = map(json.loads, capsys.readouterr().out.splitlines())
    by_rule = {finding["rule_id"]: finding for finding in findings}
    assert set(by_rule) == {"role-user-per-run", "policy-whole-mount"}
    line = (tmp_path / "ci.json").read_text().splitlines()[by_rule["role-user-per-run"]["start_line"] - 1]
    assert line.strip() == '"user_claim": "jti",'
    assert by_rule["policy-whole-mount"]["start_line"] == 2
    assert {finding["family"] for finding in findings} == {"broker"}
    assert summary["summary"]["complete"] is True


def test_a_good_role_is_clean_and_a_policy_that_is_missing_is_said(tmp_path, capsys):
    (tmp_path / "ci.json").write_text(json.dumps({"ci": GOOD, "other": GOOD}))
    assert lint("--role-file", tmp_path / "ci.json") == 0
    assert "policies not given and not checked: ci" in capsys.readouterr().out


def test_what_is_no_policy_makes_the_run_incomplete(tmp_path, capsys):
    (tmp_path / "ci.hcl").write_text("path {{{")
    assert lint("--policy-file", tmp_path / "ci.hcl") == 3
    assert "not understood as a policy" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON"])
def test_what_is_no_role_is_refused(tmp_path, text):
    (tmp_path / "ci.json").write_text(text)
    assert lint("--role-file", tmp_path / "ci.json") == 2


@pytest.mark.parametrize("report", ["text", "json", "jsonl", "sarif"])
def test_every_report_takes_the_findings_of_a_real_server(lab, monkeypatch, capsys, report):
    for name, value in lab.environ(VAULT_TOKEN=lab.root).items():
        monkeypatch.setenv(name, value)
    assert lint("--report", report) == 1
    shown = capsys.readouterr()
    assert "policy-everything" in shown.out or "Policy for everything" in shown.out
    assert lab.root not in shown.out + shown.err


def test_a_real_servers_roles_have_the_problems_they_were_made_with(lab, monkeypatch, capsys):
    for name, value in lab.environ(VAULT_TOKEN=lab.root).items():
        monkeypatch.setenv(name, value)
    assert lint("--report", "jsonl") == 1
    found = {}
    for line in capsys.readouterr().out.splitlines()[:-1]:
        finding = json.loads(line)
        found.setdefault(finding["path"].rpartition("/")[2], set()).add(finding["rule_id"])
    expected = {
        "ci-open": "role-unbound", "ci-glob": "role-glob-sub", "ci-noglob": "role-glob-literal", "ci-batch": "role-batch-token",
        "ci-nodefault": "role-no-revoke", "ci-per-run": "role-user-per-run", "ci-noaud": "role-no-audience",
        "ci-template": "role-template-claim", "ci-wide": "role-long-ttl", "wide": "policy-everything", "revoke": "policy-revokes-others",
    }  # fmt: skip
    assert {name: rule for name, rule in expected.items() if rule not in found[name]} == {}
    assert found["ci"] <= {"role-no-cidr", "role-name-without-id"}
    assert found["ci-cidr"] & {"role-no-cidr"} == set()


def test_roles_of_kubernetes_and_approle_are_read(lab, monkeypatch, capsys):
    for name, value in lab.environ(VAULT_TOKEN=lab.root).items():
        monkeypatch.setenv(name, value)
    assert lint("--mount", "kubernetes", "--mount", "approle", "--report", "jsonl") == 1
    rules = {json.loads(line)["rule_id"] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert "role-secret-id" in rules
    assert "role-unbound" not in rules


def test_what_a_token_may_not_read_makes_the_run_incomplete(lab, monkeypatch, capsys):
    policy = 'path "auth/jwt/role/ci" { capabilities = ["read"] }'
    lab.bao.write("sys/policies/acl/lint-some", {"policy": policy}, method="PUT")
    token = lab.bao.write("auth/token/create", {"policies": ["lint-some"], "ttl": "5m"})["auth"]["client_token"]
    for name, value in lab.environ(VAULT_TOKEN=token).items():
        monkeypatch.setenv(name, value)
    assert lint("--role", "ci") == 3
    assert "sys/policies/acl/ci: the token may not read it" in capsys.readouterr().out
    assert lint() == 4
    assert lint("--role", "nosuchrole") == 3


def test_an_accepted_finding_is_suppressed_by_the_baseline(tmp_path, capsys):
    (tmp_path / "ci.json").write_text(json.dumps(GOOD | {"user_claim": "jti"}))
    assert lint("--role-file", tmp_path / "ci.json", "--report", "jsonl") == 1
    finding = json.loads(capsys.readouterr().out.splitlines()[0])
    entry = {"fingerprint": finding["fingerprint"], "rule_id": finding["rule_id"], "path": finding["path"], "reason": "known"}
    (tmp_path / "baseline").write_text(json.dumps(entry | {"owner": "", "expires": ""}) + "\n")
    assert lint("--role-file", tmp_path / "ci.json", "--baseline", tmp_path / "baseline") == 0


def test_every_rule_has_its_text_and_every_check_its_rule():
    checks = "".join(inspect.getsource(module) for module in (role_checks, policy_checks))
    assert set(re.findall('"((?:role|policy)-[a-z-]+)"', checks)) == set(RULES)
    for rule in RULES.values():
        assert rule.help
        assert rule.references
        assert rule.family == "broker"
