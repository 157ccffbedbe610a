# SPDX-License-Identifier: Apache-2.0
"""Each platform with a recorded environment and claim set: values made up, shapes as documented."""

import json
import os
import stat

import pytest
from fakeserver import Answer, FakeServer
from issuer import Issuer

from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.platforms import PLATFORMS, request
from scanner.platforms.choose import Given, choose, scrub_names
from scanner.platforms.vocabulary import NAMES, TRUTHS, Claims
from scanner.transport import Deadline, Transport

UUID = "5b7d3c1e-0f7a-4f52-9a3d-1c2b3d4e5f60"

# By platform: environment, issuers that it shows, claims, and these in the vocabulary (what is not named is None).
RECORDED = {
    "github": (
        {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "octo-org/octo-repo"},
        ("https://token.actions.githubusercontent.com",),
        {
            "iss": "https://token.actions.githubusercontent.com", "aud": "https://github.com/octo-org", "actor": "octocat", "actor_id": "12",
            "sub": "repo:octo-org@65/octo-repo@74:environment:prod", "repository": "octo-org/octo-repo", "repository_id": "74",
            "repository_owner": "octo-org", "repository_owner_id": "65", "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
            "environment": "prod", "event_name": "push", "workflow": "deploy", "runner_environment": "github-hosted", "head_ref": "",
            "workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
            "job_workflow_ref": "octo-org/shared/.github/workflows/deploy.yml@refs/tags/v1",
        },
        {
            "subject": "repo:octo-org@65/octo-repo@74:environment:prod", "repository": "octo-org/octo-repo", "repository_id": "74",
            "owner": "octo-org", "owner_id": "65", "ref": "refs/heads/main", "ref_type": "branch", "protected": True, "environment": "prod",
            "event": "push", "from_fork": False, "workflow": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
            "job_workflow": "octo-org/shared/.github/workflows/deploy.yml@refs/tags/v1", "actor": "octocat", "actor_id": "12", "runner": "hosted",
        },
    ),
    "gitlab": (
        {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example.test", "CI_PROJECT_PATH": "group/sub/app"},
        ("https://gitlab.example.test",),
        {
            "iss": "https://gitlab.example.test", "aud": "https://vault.example.test", "namespace_id": "72", "namespace_path": "group/sub",
            "sub": "project_path:group/sub/app:ref_type:tag:ref:v1", "project_id": "20", "project_path": "group/sub/app", "user_id": "1",
            "user_login": "sample", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "v1", "ref_type": "tag",
            "ref_path": "refs/tags/v1", "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted", "environment": "prod",
            "job_project_id": "20", "job_project_path": "group/sub/app", "ci_config_ref_uri": "gitlab.example.test/group/sub/app//.gitlab-ci.yml@refs/tags/v1",
        },
        {
            "subject": "project_path:group/sub/app:ref_type:tag:ref:v1", "repository": "group/sub/app", "repository_id": "20", "owner": "group/sub",
            "owner_id": "72", "ref": "refs/tags/v1", "ref_type": "tag", "protected": True, "environment": "prod", "event": "push",
            "from_fork": False, "workflow": "gitlab.example.test/group/sub/app//.gitlab-ci.yml@refs/tags/v1", "actor": "sample", "actor_id": "1",
            "runner": "self-hosted",
        },
    ),
    "circleci": (
        {"CIRCLECI": "true", "CIRCLE_ORGANIZATION_ID": UUID},
        (f"https://oidc.circleci.com/org/{UUID}",),
        {
            "iss": f"https://oidc.circleci.com/org/{UUID}", "aud": UUID, "sub": f"org/{UUID}/project/p-1/user/u-1/vcs-origin/github.com/o/r/vcs-ref/refs/heads/main",
            "oidc.circleci.com/project-id": "p-1", "oidc.circleci.com/vcs-origin": "github.com/o/r", "oidc.circleci.com/vcs-ref": "refs/heads/main",
            "oidc.circleci.com/context-ids": ["c-1"], "oidc.circleci.com/ssh-rerun": False, "oidc.circleci.com/pipeline-definition-id": "d-1",
        },
        {
            "subject": f"org/{UUID}/project/p-1/user/u-1/vcs-origin/github.com/o/r/vcs-ref/refs/heads/main", "repository": "github.com/o/r",
            "repository_id": "p-1", "owner_id": UUID, "ref": "refs/heads/main", "ref_type": "branch", "workflow": "d-1", "actor_id": "u-1",
            "interactive": False,
        },
    ),
    "buildkite": (
        {"BUILDKITE": "true", "BUILDKITE_JOB_ID": UUID},
        ("https://agent.buildkite.com",),
        {
            "iss": "https://agent.buildkite.com", "aud": "https://buildkite.com/acme", "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:e:step:",
            "organization_slug": "acme", "pipeline_slug": "app", "build_number": 1, "build_branch": "main", "build_tag": None, "step_key": None,
            "job_id": UUID, "build_source": "webhook", "runner_environment": "self-hosted", "organization_id": "o-1", "pipeline_id": "p-1",
        },
        {
            "subject": "organization:acme:pipeline:app:ref:refs/heads/main:commit:e:step:", "repository": "acme/app", "repository_id": "p-1",
            "owner": "acme", "owner_id": "o-1", "ref": "refs/heads/main", "ref_type": "branch", "event": "webhook", "runner": "self-hosted",
        },
    ),
    "bitbucket": (
        {"BITBUCKET_BUILD_NUMBER": "7", "BITBUCKET_WORKSPACE": "acme"},
        ("https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",),
        {
            "iss": "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", "aud": f"ari:cloud:bitbucket::workspace/{UUID}",
            "sub": "{r-1}:{s-1}", "repositoryUuid": "{r-1}", "workspaceUuid": "{w-1}", "stepUuid": "{s-1}", "pipelineUuid": "{p-1}",
            "branchName": "main", "deploymentEnvironmentUuid": "{e-1}", "accountUuid": "{a-1}",
        },
        {
            "subject": "{r-1}:{s-1}", "repository_id": "{r-1}", "owner_id": "{w-1}", "ref": "refs/heads/main", "ref_type": "branch",
            "environment": "{e-1}", "from_fork": False, "actor_id": "{a-1}",
        },
    ),
    "azure": (
        {"TF_BUILD": "True", "SYSTEM_COLLECTIONID": UUID.upper()},
        (f"https://vstoken.dev.azure.com/{UUID}",),
        {
            "iss": f"https://vstoken.dev.azure.com/{UUID}", "aud": "api://AzureADTokenExchange", "sub": "p://acme/project/app", "org_id": UUID,
            "prj_id": "p-1", "def_id": "4", "rpo_id": "r-1", "rpo_uri": "https://dev.azure.com/acme/project/_git/app", "rpo_ver": "e" * 40,
            "rpo_ref": "refs/heads/main", "run_id": "9",
        },
        {
            "subject": "p://acme/project/app", "repository": "https://dev.azure.com/acme/project/_git/app", "repository_id": "r-1", "owner": "acme",
            "owner_id": UUID, "ref": "refs/heads/main", "ref_type": "branch", "from_fork": False, "workflow": "4",
        },
    ),
    "kubernetes": (
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        (),
        {
            "iss": "https://kubernetes.default.svc.cluster.local", "aud": ["https://vault.example.test"], "sub": "system:serviceaccount:ci:runner",
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "runner", "uid": UUID}, "pod": {"name": "runner-1", "uid": "x"}},
        },
        {"subject": "system:serviceaccount:ci:runner", "owner": "ci", "actor": "runner", "actor_id": UUID},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def fake():
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def deadline():
    return Deadline(10)


@pytest.fixture
def transport(deadline):
    return Transport(deadline)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(request.ask, "__kwdefaults__", {**request.ask.__kwdefaults__, "pauses": (0.0, 0.0, 0.0)})


def test_every_platform_is_recorded():
    assert list(RECORDED) == list(PLATFORMS)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_environment_is_detected_and_its_claims_translated(name):
    environ, issuers, claims, expected = RECORDED[name]
    platform = choose(environ)
    assert platform is PLATFORMS[name]
    assert platform.issuers(environ) == issuers
    wanted = Claims(platform=name, issuer=claims["iss"], raw=claims, **expected)
    assert platform.vocabulary(claims)._asdict() == wanted._asdict()
    assert platform.issued(claims["iss"]) == (name != "gitlab")


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("junk", [None, [], {}, 1.5, True, "", {"kubernetes.io": 1}])
def test_claims_of_other_types_are_absent_and_break_nothing(name, junk):
    claims = {key: junk for key in RECORDED[name][2] if key != "iss"} | {"iss": junk}
    found = PLATFORMS[name].vocabulary(claims)
    for field in NAMES[2:]:
        value = getattr(found, field)
        assert value is None or (field in TRUTHS and isinstance(value, bool)), field


def test_no_environment_no_platform():
    with pytest.raises(ConfigError, match="no job of a platform"):
        choose({"PATH": "/bin"})


def test_two_platforms_are_one_too_many():
    with pytest.raises(ConfigError, match="github and buildkite at once"):
        choose({"GITHUB_ACTIONS": "true", "BUILDKITE": "true"})
    assert choose({"GITHUB_ACTIONS": "true", "BUILDKITE": "true"}, platform="buildkite").NAME == "buildkite"


def test_a_runner_in_a_pod_is_the_runners_platform():
    assert choose({"GITLAB_CI": "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}).NAME == "gitlab"


def test_an_unknown_platform_is_named():
    with pytest.raises(ConfigError, match="no platform 'jenkins'"):
        choose({}, platform="jenkins")


# -- GitHub


def github(url, issuer, **more):
    return {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": issuer.request_token, **more}


@pytest.mark.parametrize("query", ["?api-version=2.0", ""])
def test_github_asks_for_an_audience_that_needs_escaping(issuer, transport, deadline, query):
    environ = github(f"{issuer.url}/token{query}", issuer)
    token = PLATFORMS["github"].identity_token(environ, "https://vault.example.test/?a=1&b=2", transport, deadline)
    from scanner.broker.identity import peek

    assert peek(token).claims["aud"] == "https://vault.example.test/?a=1&b=2"


def test_github_without_the_permission_says_how_to_give_it(transport, deadline):
    with pytest.raises(ConfigError, match="id-token: write"):
        PLATFORMS["github"].identity_token({"GITHUB_ACTIONS": "true"}, "x", transport, deadline)


def test_github_refusing_is_no_outage(issuer, transport, deadline):
    environ = github(f"{issuer.url}/token", issuer, ACTIONS_ID_TOKEN_REQUEST_TOKEN="stale")
    with pytest.raises(DeniedError, match="refuses the job an identity token .401.") as caught:
        PLATFORMS["github"].identity_token(environ, "x", transport, deadline)
    assert "stale" not in str(caught.value)


def test_github_is_asked_again_after_an_outage(fake, issuer, transport, deadline):
    fake.tell(Answer(503), Answer(502), Answer(200, {"count": 1, "value": issuer.mint()}))
    token = PLATFORMS["github"].identity_token(github(fake.url + "/t?v=1", issuer), "a b", transport, deadline)
    assert token.reveal().count(b".") == 2
    assert [seen.path for seen in fake.seen] == ["/t?v=1&audience=a%20b"] * 3


@pytest.mark.parametrize("answer", [Answer(200, {"value": ""}), Answer(200, {"value": 5}), Answer(200, [1]), Answer(200, {"value": "a.b"}), Answer(500), Answer(200, b"<html>")])
def test_github_answering_nonsense_is_an_outage(fake, issuer, transport, deadline, answer):
    fake.tell(answer)
    with pytest.raises(UnavailableError):
        PLATFORMS["github"].identity_token(github(fake.url, issuer), "x", transport, deadline)


def test_a_redirect_does_not_get_the_bearer_token(fake, issuer, transport, deadline):
    fake.tell(Answer(307, headers={"Location": issuer.url + "/token"}))
    before = issuer.hits["/token"]
    with pytest.raises(UnavailableError, match="redirects"):
        PLATFORMS["github"].identity_token(github(fake.url, issuer), "x", transport, deadline)
    assert issuer.hits["/token"] == before


def test_a_redirect_on_the_same_server_is_none_of_a_platforms_either(fake, issuer, transport, deadline):
    fake.tell(Answer(307, headers={"Location": fake.url + "/other"}), Answer(200, {"value": issuer.mint()}))
    with pytest.raises(UnavailableError, match="redirects"):
        PLATFORMS["github"].identity_token(github(fake.url, issuer), "x", transport, deadline)


@pytest.mark.parametrize(
    ("server", "issuer_of_it"),
    [
        ("https://github.com/", "https://token.actions.githubusercontent.com"),
        ("https://octo.ghe.com", "https://token.actions.octo.ghe.com"),
        ("https://git.example.test", "https://git.example.test/_services/token"),
    ],
)
def test_github_servers_have_issuers_of_their_own(server, issuer_of_it):
    assert PLATFORMS["github"].issuers({"GITHUB_SERVER_URL": server}) == (issuer_of_it,)


def test_githubs_issuers_are_known_by_their_address():
    known = PLATFORMS["github"].issued
    assert known("https://token.actions.githubusercontent.com/octo-enterprise")
    assert known("https://token.actions.octo.ghe.com")
    assert not known("https://token.actions.githubusercontent.com.example.test")
    assert not known("https://token.actions.octo.ghe.com.example.test")


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "workflow_run", "issue_comment", "merge_group", "", None])
def test_github_does_not_say_of_these_events_that_no_fork_is_behind_them(event):
    assert PLATFORMS["github"].vocabulary({"event_name": event}).from_fork is None


def test_github_masks_what_the_runner_unescapes():
    assert PLATFORMS["github"].mask("a%b\r\nc") == "::add-mask::a%25b%0D%0Ac"
    assert PLATFORMS["github"].mask("") == ""


# -- GitLab


def gitlab(**variables):
    return {"GITLAB_CI": "true", **variables}


def test_gitlab_takes_our_own_variable_first(issuer, transport, deadline):
    ours, other = issuer.mint(), issuer.mint()
    environ = gitlab(VAULT_ID_TOKEN=other, SEALGATE_ID_TOKEN=ours + "\n", AWS_ID_TOKEN=other)
    assert PLATFORMS["gitlab"].identity_token(environ, "", transport, deadline).reveal() == ours.encode()


def test_gitlab_takes_the_only_one_there_is(issuer, transport, deadline):
    token = issuer.mint()
    environ = gitlab(DEPLOY_ID_TOKEN=token, OTHER_ID_TOKEN="none")
    assert PLATFORMS["gitlab"].identity_token(environ, "", transport, deadline).reveal() == token.encode()


def test_gitlab_with_two_tokens_wants_one_named(issuer, transport, deadline):
    environ = gitlab(A_ID_TOKEN=issuer.mint(), B_ID_TOKEN=issuer.mint())
    with pytest.raises(ConfigError, match="A_ID_TOKEN, B_ID_TOKEN.*--token-env") as caught:
        PLATFORMS["gitlab"].identity_token(environ, "", transport, deadline)
    assert environ["A_ID_TOKEN"] not in str(caught.value)
    given = choose(environ, token_env="B_ID_TOKEN")
    assert given.identity_token(environ, "", transport, deadline).reveal().decode() == environ["B_ID_TOKEN"]
    assert given.vocabulary({"iss": "x"}).platform == "gitlab"


def test_gitlab_without_a_token_says_what_to_write(transport, deadline):
    with pytest.raises(ConfigError, match="id_tokens: SEALGATE_ID_TOKEN: {aud: https://v.example.test}"):
        PLATFORMS["gitlab"].identity_token(gitlab(), "https://v.example.test", transport, deadline)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"project_id": "9", "job_project_id": "20", "pipeline_source": "merge_request_event"}, True),
        ({"project_id": "20", "job_project_id": "20", "pipeline_source": "merge_request_event"}, False),
        ({"project_id": 20, "job_project_id": "20"}, False),
        ({"project_id": "20", "pipeline_source": "merge_request_event"}, None),
        ({"project_id": "20", "pipeline_source": "parent_pipeline"}, None),
        ({"project_id": "20", "pipeline_source": "push"}, False),
        ({}, None),
    ],
)
def test_gitlab_forks(claims, expected):
    assert PLATFORMS["gitlab"].vocabulary(claims).from_fork is expected


@pytest.mark.parametrize(
    ("claims", "ref", "kind"),
    [
        ({"ref": "main", "ref_type": "branch"}, "refs/heads/main", "branch"),
        ({"ref": "v1", "ref_type": "tag"}, "refs/tags/v1", "tag"),
        ({"ref": "topic", "ref_type": "branch", "pipeline_source": "merge_request_event"}, None, None),
        ({"ref_path": "refs/merge-requests/1/head", "ref": "topic", "ref_type": "branch"}, "refs/merge-requests/1/head", "merge_request"),
        ({"ref": "main"}, None, None),
    ],
)
def test_gitlab_refs_in_full(claims, ref, kind):
    found = PLATFORMS["gitlab"].vocabulary(claims)
    assert (found.ref, found.ref_type) == (ref, kind)


# -- programs


def program(tmp_path, name, script):
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_circleci_makes_a_token_for_the_audience(tmp_path, issuer, transport, deadline):
    (tmp_path / "token").write_text(issuer.mint())
    environ = program(tmp_path, "circleci", f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/token; echo')
    token = PLATFORMS["circleci"].identity_token({**environ, "CIRCLE_OIDC_TOKEN_V2": "x"}, 'a"b', transport, deadline)
    assert token.reveal().decode() == (tmp_path / "token").read_text()
    assert (tmp_path / "asked").read_text() == "run oidc get --claims " + json.dumps({"aud": 'a"b'}) + "\n"


def test_circleci_takes_the_newer_variable(issuer, transport, deadline):
    environ = {"CIRCLE_OIDC_TOKEN": issuer.mint(), "CIRCLE_OIDC_TOKEN_V2": issuer.mint(), "CIRCLE_ORGANIZATION_ID": UUID}
    for audience in ("", UUID):
        token = PLATFORMS["circleci"].identity_token(environ, audience, transport, deadline)
        assert token.reveal().decode() == environ["CIRCLE_OIDC_TOKEN_V2"]


@pytest.mark.parametrize(("ref", "expected"), [("refs/heads/pull/12", True), ("refs/pull/12/head", True), ("refs/heads/main", None), (None, None)])
def test_circleci_forks(ref, expected):
    assert PLATFORMS["circleci"].vocabulary({"oidc.circleci.com/vcs-ref": ref}).from_fork is expected


def test_buildkites_agent_is_asked_for_ids(tmp_path, issuer, transport, deadline):
    (tmp_path / "token").write_text(issuer.mint())
    environ = program(tmp_path, "buildkite-agent", f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/token')
    PLATFORMS["buildkite"].identity_token(environ, "aud", transport, deadline)
    assert (tmp_path / "asked").read_text() == "oidc request-token --claim organization_id,pipeline_id --audience aud\n"


def test_a_branch_of_a_fork_at_buildkite():
    assert PLATFORMS["buildkite"].vocabulary({"build_branch": "somebody:main"}).from_fork is True
    assert PLATFORMS["buildkite"].vocabulary({"build_branch": "main", "build_tag": "v1"}).ref == "refs/tags/v1"


@pytest.mark.parametrize(
    ("script", "error", "text"),
    [
        ("cat {}; exit 3", DeniedError, "ended with 3"),
        ("echo hello; cat {}", DeniedError, "no identity token"),
        ("exec sleep 30", UnavailableError, "in time"),
    ],
)
def test_what_a_program_says_is_kept_out_of_errors(tmp_path, issuer, script, error, text):
    (tmp_path / "token").write_text(issuer.mint())
    environ = program(tmp_path, "buildkite-agent", script.format(tmp_path / "token"))
    deadline = Deadline(1)
    with pytest.raises(error, match=text) as caught:
        PLATFORMS["buildkite"].identity_token(environ, "aud", Transport(deadline), deadline)
    assert (tmp_path / "token").read_text() not in str(caught.value)


def test_a_program_that_is_not_there(transport, deadline):
    with pytest.raises(ConfigError, match="buildkite-agent is not on PATH"):
        PLATFORMS["buildkite"].identity_token({"PATH": "/nowhere"}, "aud", transport, deadline)


# -- Bitbucket, Azure, Kubernetes, given tokens


def test_bitbucket(issuer, transport, deadline):
    token = issuer.mint()
    found = PLATFORMS["bitbucket"].identity_token({"BITBUCKET_STEP_OIDC_TOKEN": token}, "", transport, deadline)
    assert found.reveal().decode() == token
    with pytest.raises(ConfigError, match="oidc: true"):
        PLATFORMS["bitbucket"].identity_token({}, "", transport, deadline)


def test_azure_posts_and_names_the_connection(fake, issuer, transport, deadline):
    fake.tell(Answer(200, {"oidcToken": issuer.mint()}))
    environ = {"SYSTEM_OIDCREQUESTURI": fake.url + "/oidctoken", "SYSTEM_ACCESSTOKEN": "t", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": UUID}
    PLATFORMS["azure"].identity_token(environ, "ignored", transport, deadline)
    (seen,) = fake.seen
    assert (seen.method, seen.path) == ("POST", f"/oidctoken?api-version=7.1&serviceConnectionId={UUID}")
    assert (seen.headers["authorization"], seen.headers["x-tfs-fedauthredirect"]) == ("Bearer t", "Suppress")


def test_azure_says_that_the_token_has_to_be_mapped(transport, deadline):
    with pytest.raises(ConfigError, match="SYSTEM_ACCESSTOKEN"):
        PLATFORMS["azure"].identity_token({"SYSTEM_OIDCREQUESTURI": "https://x.example.test"}, "", transport, deadline)


def test_azure_pull_requests_and_connections():
    vocabulary = PLATFORMS["azure"].vocabulary
    assert vocabulary({"rpo_ref": "refs/pull/3/merge"}).from_fork is None
    connection = vocabulary({"sub": "sc://acme/project/connection"})
    assert (connection.owner, connection.from_fork) == ("acme", None)
    assert PLATFORMS["azure"].mask("a%\nb") == "##vso[task.setsecret]a%AZP25%0Ab"


def test_kubernetes_reads_the_file_anew(tmp_path, issuer, transport, deadline):
    file = tmp_path / "token"
    environ = {"SEALGATE_KUBERNETES_TOKEN_FILE": str(file)}
    for _ in range(2):
        file.write_text(issuer.mint_service_account("ci:runner") + "\n")
        found = choose(environ).identity_token(environ, "", transport, deadline)
        assert found.reveal().decode() == file.read_text().strip()


def test_given_tokens(tmp_path, issuer, transport, deadline):
    file = tmp_path / "token"
    given = choose({}, token_file=str(file))
    with pytest.raises(ConfigError, match="cannot read the token file"):
        given.identity_token({}, "", transport, deadline)
    file.write_text(" \n")
    with pytest.raises(ConfigError, match="is empty"):
        given.identity_token({}, "", transport, deadline)
    file.write_bytes(b"e" * 40_000)
    with pytest.raises(ConfigError, match="more than 32 KiB"):
        given.identity_token({}, "", transport, deadline)
    file.write_text(issuer.mint())
    assert given.identity_token({}, "", transport, deadline).reveal().decode() == file.read_text()
    assert given.issuers({}) == ()
    assert given.vocabulary({"iss": "i", "sub": "s"}).platform == "given"
    with pytest.raises(ConfigError, match="exclude each other"):
        choose({}, token_file="a", token_env="b")
    with pytest.raises(ConfigError, match="NO_SUCH is empty or not set"):
        choose({}, token_env="NO_SUCH").identity_token({}, "", transport, deadline)


def test_a_child_gets_none_of_the_variables_that_carry_tokens():
    names = scrub_names({"MY_ID_TOKEN": "x", "HOME": "/"}, Given("", "SPECIAL", None))
    assert {"MY_ID_TOKEN", "SPECIAL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_JOB_TOKEN", "SYSTEM_ACCESSTOKEN", "BITBUCKET_STEP_OIDC_TOKEN"} <= names
    assert "HOME" not in names


def test_a_server_that_says_when_is_asked_then(fake, transport, monkeypatch):
    slept = []
    fake.tell(Answer(429, headers={"Retry-After": "3"}), Answer(429, headers={"Retry-After": "999"}))
    response = request.ask(transport, "GET", fake.url, {}, pauses=(0.1, 0.1), sleep=slept.append)
    assert response.status == 429
    assert len(slept) == 1
    assert 1.5 <= slept[0] <= 3
