# SPDX-License-Identifier: Apache-2.0
"""A policy lets in what is written, and nothing that resembles it."""

import pytest

from scanner.broker.policy import Policy, load_policy, parse_policy
from scanner.errors import ConfigError
from scanner.platforms import PLATFORMS
from scanner.platforms.vocabulary import Claims

JOB = Claims(
    platform="github", issuer="https://token.actions.githubusercontent.com", subject="repo:octo-org/octo-repo:ref:refs/heads/main",
    repository="octo-org/octo-repo", repository_id="74", owner="octo-org", owner_id="65", ref="refs/heads/main", ref_type="branch",
    protected=True, environment="prod", event="push", from_fork=False, workflow="octo-org/octo-repo/.github/workflows/d.yml@refs/heads/main",
    actor="octocat", actor_id="12", runner="hosted", raw={"aud": "https://vault.example.test", "groups": ["a", "b"], "flag": True, "count": 3},
)  # fmt: skip
ENTRY = {"role": "deploy", "platform": "github", "repository_id": 74}


def policy(*entries, **more):
    return parse_policy({"allow": [dict(entry) for entry in entries], **more}, "f")


def decide(job=JOB, role="deploy", **conditions):
    return policy({**ENTRY, **conditions}).decide(job, role)


def test_an_entry_that_holds():
    decision = decide(name="main", ref="refs/heads/main")
    assert decision == (True, "main", (), False)


def test_nothing_is_allowed_by_nothing():
    assert not Policy(()).decide(JOB, "deploy").allowed
    assert not policy().decide(JOB, "deploy").allowed
    assert decide(role="other").reasons == ("no entry gives the role other, only deploy",)


@pytest.mark.parametrize(
    ("conditions", "name"),
    [
        ({"repository_id": "75"}, "repository_id"), ({"repository": "octo-org/octo"}, "repository"), ({"repository": "Octo-Org/octo-repo"}, "repository"),
        ({"owner_id": "6"}, "owner_id"), ({"ref": "refs/heads/mai"}, "ref"), ({"ref": ["refs/heads/a", "refs/tags/main"]}, "ref"),
        ({"protected": False}, "protected"), ({"environment": "production"}, "environment"), ({"event": ["pull_request", "schedule"]}, "event"),
        ({"workflow": {"pattern": "d.yml"}}, "workflow"), ({"actor": "octo"}, "actor"), ({"runner": "self-hosted"}, "runner"),
        ({"platform": "gitlab"}, "platform"), ({"issuer": "https://gitlab.com"}, "issuer"), ({"audience": "https://vault.example.test/"}, "audience"),
        ({"claims": {"groups": "c"}}, "claims.groups"), ({"claims": {"flag": "True"}}, "claims.flag"), ({"job_workflow": {"pattern": ".*"}}, "job_workflow"),
        ({"interactive": False}, "interactive"), ({"claims": {"none": {"pattern": ".*"}}}, "claims.none"),
    ],
)  # fmt: skip
def test_a_condition_that_does_not_hold_is_named(conditions, name):
    decision = decide(**conditions)
    assert not decision.allowed
    assert [reason.split(" is ")[0] for reason in decision.reasons] == [f"allow[1]: {name}"]


@pytest.mark.parametrize(
    "conditions",
    [
        {"ref": ["refs/heads/x", {"pattern": "refs/heads/m.*"}]}, {"protected": True}, {"audience": "https://vault.example.test"},
        {"claims": {"groups": "b", "flag": "true", "count": 3}}, {"platform": ["gitlab", "github"]},
        {"workflow": {"pattern": r"octo-org/octo-repo/\.github/workflows/[^/@]+@refs/heads/main"}}, {"owner": "octo-org", "actor_id": 12},
    ],
)  # fmt: skip
def test_a_condition_that_holds(conditions):
    assert decide(**conditions).allowed


def test_roles_are_compared_as_vault_does():
    assert decide(role="Deploy").allowed
    assert policy({**ENTRY, "role": "DEPLOY"}).decide(JOB, "deploy").allowed
    assert policy({**ENTRY, "role": {"pattern": "dep.*"}}).decide(JOB, "Deploy").allowed
    assert not policy({**ENTRY, "role": {"pattern": "dep"}}).decide(JOB, "deploy").allowed


# An alternative without a group once meant "begins with a, or ends with b".
@pytest.mark.parametrize("repository", ["octo-org/a", "octo-org/b"])
def test_an_alternative_is_matched_whole(repository):
    entry = {**ENTRY, "repository": {"pattern": "octo-org/a|octo-org/b"}}
    assert policy(entry).decide(JOB._replace(repository=repository), "deploy").allowed
    for other in (repository + "-evil", "evil/" + repository, repository + "\n", "x" + repository, ""):
        assert not policy(entry).decide(JOB._replace(repository=other), "deploy").allowed


@pytest.mark.parametrize("ref", ["refs/heads/main", {"pattern": "refs/heads/main"}, {"pattern": "refs/heads/main$"}, {"pattern": "^refs/heads/main$"}])
def test_a_final_newline_is_another_value(ref):
    assert decide(ref=ref).allowed
    assert not decide(JOB._replace(ref="refs/heads/main\n"), ref=ref).allowed


def test_recycled_names_do_not_have_the_ids():
    entry = {**ENTRY, "repository": "octo-org/octo-repo", "owner_id": 65}
    again = JOB._replace(repository_id="9901", owner_id="7702")
    assert policy(entry).decide(JOB, "deploy").allowed
    assert policy(entry).decide(again, "deploy").reasons == (
        "allow[1]: repository_id is 9901, wanted 74",
        "allow[1]: owner_id is 7702, wanted 65",
    )
    named = policy({"role": "deploy", "platform": "github", "repository": "octo-org/octo-repo"})
    assert named.decide(again, "deploy").allowed
    assert "add repository_id" in named.remarks()[0]
    assert policy(entry).remarks() == ()


@pytest.mark.parametrize(
    ("forks", "expected"),
    [
        (None, {False: True, None: False, True: False}),
        ("refuse", {False: True, None: False, True: False}),
        ("unknown", {False: True, None: True, True: False}),
        ("allow", {False: True, None: True, True: True}),
    ],
)
def test_forks(forks, expected):
    conditions = {"forks": forks} if forks else {}
    for from_fork, allowed in expected.items():
        assert decide(JOB._replace(from_fork=from_fork), **conditions).allowed is allowed


def test_a_fork_in_a_gitlab_merge_request():
    claims = {"iss": "https://gitlab.com", "project_id": "9", "job_project_id": "20", "pipeline_source": "merge_request_event", "ref_protected": "true"}
    job = PLATFORMS["gitlab"].vocabulary(claims)
    decision = policy({"role": "deploy", "platform": "gitlab", "repository_id": ["9", "20"]}).decide(job, "deploy")
    assert decision.reasons == ("allow[1]: from_fork is true, wanted false",)


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
def test_a_pull_request_at_github_may_be_a_forks(event):
    job = JOB._replace(from_fork=PLATFORMS["github"].vocabulary({"event_name": event}).from_fork)
    assert not decide(job).allowed
    assert decide(job, forks="unknown").allowed


def test_every_absent_claim_fails():
    blank = Claims("github", JOB.issuer, raw={})
    values = {name: getattr(JOB, name) for name in Claims._fields if isinstance(getattr(JOB, name), str) and name not in ("platform", "issuer")}
    for name, value in values.items():
        assert decide(**{name: value}).allowed
        job = blank._replace(repository_id="74", from_fork=False) if name != "repository_id" else blank._replace(from_fork=False)
        assert decide(job, **{name: value}).reasons == (f"allow[1]: {name} is absent, wanted {value}",)
        assert not decide(job, **{name: {"pattern": ".*"}} if name != "repository_id" else {name: {"pattern": "7.|x*"}}).allowed
    assert not decide(JOB._replace(protected=None), protected=True).allowed
    assert not decide(JOB._replace(protected=None), protected=False).allowed


def test_somebody_with_a_shell_in_the_job():
    job = JOB._replace(interactive=True)
    assert decide(job).reasons == ("allow[1]: interactive is true, wanted false",)
    assert decide(job, interactive=True).allowed


def test_a_value_without_end_matches_no_pattern():
    assert not decide(JOB._replace(actor="a" * 2000), actor={"pattern": "a*"}).allowed


def test_one_of_several_entries_is_enough():
    entries = [{**ENTRY, "name": "a", "ref": "refs/heads/x"}, {**ENTRY, "name": "b"}]
    assert policy(*entries).decide(JOB, "deploy").entry == "b"
    assert len(policy(entries[0], {**entries[0], "name": "c"}).decide(JOB, "deploy").reasons) == 2


def test_audit_reports_and_lets_pass():
    decision = policy({**ENTRY, "ref": "refs/heads/x"}, audit=True).decide(JOB, "deploy")
    assert decision == (True, "", ("allow[1]: ref is refs/heads/main, wanted refs/heads/x",), True)
    assert policy(ENTRY, audit=True).decide(JOB, "deploy") == (True, "allow[1]", (), False)


def test_values_are_made_safe_before_they_are_shown():
    (reason,) = decide(JOB._replace(ref="refs/heads/\x1b[2J\n::error::x"), ref="refs/heads/main").reasons
    assert reason.isprintable()


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"repositry_id": 1}, "unknown key 'repositry_id'.*did you mean 'repository_id'"), ({"from_fork": True}, "write forks"),
        ({"forks": "yes"}, "forks: must be one of refuse, unknown, allow"), ({"forks": True}, "forks: must be one of"),
        ({"protected": "true"}, "protected: must be true or false"), ({"ref": "main"}, "write refs/heads/main"), ({"ref": True}, "must be text"),
        ({"ref": "refs/heads/*"}, r"a \* stands for itself"), ({"ref": []}, "lets in nobody"), ({"ref": ""}, "must be text"), ({"ref": None}, "must be text"),
        ({"ref": {"pattern": "("}}, "no regular expression"), ({"ref": {"pattern": ""}}, "must be a regular expression"),
        ({"ref": {"patern": "x"}}, "did you mean 'pattern'"), ({"ref": {"glob": "x"}}, "unknown key 'glob'"), ({"platform": "githb"}, "did you mean 'github'"),
        ({"claims": ["a"]}, "must be a mapping"), ({"claims": {1: "a"}}, "must be a mapping"),
    ],
)  # fmt: skip
def test_entries_that_are_wrong(entry, text):
    with pytest.raises(ConfigError, match=rf"^f\.allow\[1\].*{text}"):
        policy({**ENTRY, **entry})


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"role": "x", "platform": "github"}, "would allow everybody"), ({"role": "x", "platform": "github", "ref": "refs/heads/main"}, "would allow everybody"),
        ({"role": "x", "platform": "github", "repository": {"pattern": ".*"}}, "would allow everybody"),
        ({"role": "x", "platform": "github", "repository": ["a/b", {"pattern": r"[\s\S]+"}]}, "would allow everybody"),
        ({"role": "x", "platform": "github", "owner": {"pattern": "acme|.*"}}, "would allow everybody"),
        ({"role": "x", "platform": "github", "repository_id": {"pattern": "[0-9]+"}}, "would allow everybody"),
        ({"role": "x", "platform": "github", "subject": {"pattern": "repo:.*:ref:.*"}}, "would allow everybody"),
        ({"role": "x", "platform": "github", "repository": {"pattern": "[^/]+/[^/]+"}}, "would allow everybody"),
        ({"role": "x", "repository_id": 1}, "one platform only"), ({"platform": "github", "repository_id": 1}, "which role it gives is not said"),
        ({"role": "x", "platform": "circleci", "repository_id": "p", "forks": "unknown"}, "add repository"), ("text", "an entry is a mapping"),
    ],
)  # fmt: skip
def test_entries_that_would_let_in_too_many(entry, text):
    with pytest.raises(ConfigError, match=text):
        parse_policy({"allow": [entry]}, "f")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "a policy is a mapping"), ({"alow": []}, "did you mean 'allow'"), ({"allow": {}}, "must be a list"), ({"audit": "yes"}, "audit: must be"),
        ({"algorithms": ["HS256"]}, "no algorithm to trust"), ({"algorithms": [5]}, "must be a list of texts"), ({"audience": 5}, "audience: must be text"),
        ({"issuers": ["http://x.example.test"]}, "plain http"), ({"issuers": {"https://x.example.test": "gitlb"}}, "did you mean 'gitlab'"),
        ({"issuers": 5}, "must be a list"), ({"issuers": {5: ""}}, "an issuer is an address"),
        ({"allow": [{**ENTRY, "name": "a"}, {**ENTRY, "name": "a"}]}, "two entries are called 'a'"),
    ],
)  # fmt: skip
def test_policies_that_are_wrong(document, text):
    with pytest.raises(ConfigError, match=text):
        parse_policy(document, "f")


def test_issuers_with_and_without_their_platform():
    assert policy(issuers=["https://a.example.test"]).issuers == {"https://a.example.test": ""}
    assert policy(issuers={"https://a.example.test": "gitlab", "https://b.example.test": None}).issuers == {
        "https://a.example.test": "gitlab",
        "https://b.example.test": "",
    }


def test_a_policy_in_a_file_or_in_a_configuration(tmp_path):
    alone = "allow:\n- {role: deploy, platform: github, repository_id: 74}\n"
    for text in (alone, "fail_on: low\nbroker:\n  sets: {a: b}\n" + "".join(f"  {line}\n" for line in alone.splitlines())):
        (tmp_path / "p.yaml").write_text(text)
        assert load_policy(str(tmp_path / "p.yaml")).decide(JOB, "deploy").allowed
    with pytest.raises(ConfigError, match="cannot read the policy"):
        load_policy(str(tmp_path / "none.yaml"))
    (tmp_path / "p.yaml").write_text("")
    with pytest.raises(ConfigError, match="a policy is a mapping"):
        load_policy(str(tmp_path / "p.yaml"))
