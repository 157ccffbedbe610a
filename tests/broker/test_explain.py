# SPDX-License-Identifier: Apache-2.0
"""What explain says is what the server does: every role of the lab, and every trap, is tried on the real one."""

import json

import pytest

from scanner.broker.explain import explain_policy, explain_role, find_claim
from scanner.broker.identity import Identity, peek
from scanner.broker.policy import parse_policy
from scanner.broker.server_role import RoleReader, load_role
from scanner.commands import broker_explain, broker_token
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret
from scanner.platforms import PLATFORMS
from scanner.transport import Deadline, Transport

NAMED = {"github": "repo:octo-org/octo-repo:ref:refs/heads/main", "immutable": "repo:octo-org@65/octo-repo@74:ref:refs/heads/main"}


def reader(lab, namespace=""):
    return RoleReader(Transport(Deadline(30)), lab.address, Secret(lab.root.encode()), namespace)


def explained(lab, role, token):
    found = reader(lab).read("jwt", role)
    identity = peek(Secret(token.encode()))
    return explain_role(found.role, identity, f"auth/jwt/role/{role}", found.config, identity.claims["iat"])


def wrong(lines):
    return {line.about: line for line in lines if line.verdict == "wrong"}


def logs_in(lab, role, token):
    return lab.bao.request("POST", "auth/jwt/login", {"role": role, "jwt": token}, token="").status_code == 200


# Role (or changes to a role of its own), changes to the claims, what is wrong, and what it says to do.
TRAPS = {
    "all is well": ({"bound_claims": {"repository_id": "74"}}, {}, "", ""),
    "other branch": ({"bound_claims": {"ref": "refs/heads/main"}}, {"ref": "refs/heads/x"}, "bound_claims ref", "change the role"),
    "absent claim": ({"bound_claims": {"repo_id": "74"}}, {}, "bound_claims repo_id", "it has run_id|it has repository_id"),
    "audience of another": ({}, {"aud": "https://other.example.test"}, "audience", "--audience https://vault.example.test"),
    "audience with a slash": ({}, {"aud": "https://vault.example.test/"}, "audience", "final slash or in case"),
    "no audience bound": ({"bound_audiences": [], "bound_subject": NAMED["github"]}, {}, "audience", "bound_audiences=https://vault"),
    "no audience at all": ({"bound_audiences": [], "bound_subject": NAMED["github"]}, {"aud": None}, "", ""),
    "several audiences": ({}, {"aud": ["a", "https://vault.example.test"]}, "", ""),
    "for people": ({"role_type": "oidc", "allowed_redirect_uris": ["http://127.0.0.1/cb"]}, {}, "role_type", "role_type=jwt"),
    "glob as text": ({"bound_claims": {"sub": "repo:octo-org/*"}}, {}, "bound_claims sub", "bound_claims_type=glob"),
    "glob": ({"bound_claims_type": "glob", "bound_claims": {"sub": "repo:octo-org/*:ref:refs/heads/ma*"}}, {}, "", ""),
    "glob of a dot": ({"bound_claims_type": "glob", "bound_claims": {"ref": "refs.heads/*"}}, {}, "bound_claims ref", "change the role"),
    "glob and a number": ({"bound_claims_type": "glob", "bound_claims": {"number": "*"}}, {"number": 5}, "bound_claims number", ""),
    "subject with a glob": ({"bound_subject": "repo:octo-org/*"}, {}, "bound_subject", "knows no \\*"),
    "immutable subject": ({"bound_subject": NAMED["github"]}, {"sub": NAMED["immutable"]}, "bound_subject", "repository_id=74 and repository_owner_id=65"),
    "immutable in claims": ({"bound_claims": {"sub": NAMED["github"]}}, {"sub": NAMED["immutable"]}, "bound_claims sub", "repository_id=74"),
    "not yet immutable": ({"bound_subject": NAMED["immutable"]}, {}, "bound_subject", "without ids"),
    "environment for ref": ({"bound_subject": NAMED["github"]}, {"sub": "repo:octo-org/octo-repo:environment:prod"}, "bound_subject", "bind ref by its own"),
    "no environment": ({"bound_subject": "repo:octo-org/octo-repo:environment:prod"}, {}, "bound_subject", "names no environment"),
    "pull request": ({"bound_subject": NAMED["github"]}, {"sub": "repo:octo-org/octo-repo:pull_request"}, "bound_subject", "pull request"),
    "truth value for text": ({"bound_claims": {"ref_protected": True}}, {}, "bound_claims ref_protected", "write it in the role as text .true"),
    "text for truth value": ({"bound_claims": {"flag": "true"}}, {"flag": True}, "bound_claims flag", "a truth value .true"),
    "number for truth value": ({"bound_claims": {"flag": 1}}, {"flag": True}, "bound_claims flag", ""),
    "glob over a line end": ({"bound_claims_type": "glob", "bound_claims": {"sub": "a*b"}}, {"sub": "a\nb"}, "", ""),
    "truth value": ({"bound_claims": {"flag": True}}, {"flag": True}, "", ""),
    "text for number": ({"bound_claims": {"number": "5"}}, {"number": 5}, "bound_claims number", "a number .5"),
    "number": ({"bound_claims": {"number": 5}}, {"number": 5}, "", ""),
    "number cut to a whole one": ({"bound_claims": {"number": 5}}, {"number": 5.7}, "", ""),
    "one of a list": ({"bound_claims": {"ref": ["refs/heads/a", "refs/heads/main"]}}, {}, "", ""),
    "list in the token": ({"bound_claims": {"groups": "b"}}, {"groups": ["a", "b"]}, "", ""),
    "list without it": ({"bound_claims": {"groups": "c"}}, {"groups": ["a", "b"]}, "bound_claims groups", "change the role"),
    "empty list": ({"bound_claims": {"groups": "c"}}, {"groups": []}, "bound_claims groups", ""),
    "pointer": ({"bound_claims": {"/kubernetes.io/namespace": "ci"}}, {"kubernetes.io": {"namespace": "ci"}}, "", ""),
    "pointer to nothing": ({"bound_claims": {"/kubernetes.io/pod": "x"}}, {"kubernetes.io": {"namespace": "ci"}}, "bound_claims /kubernetes.io/pod", ""),
    "escaped pointer": ({"bound_claims": {"/a~1b/0": "x"}}, {"a/b": ["x"]}, "", ""),
    "case": ({"bound_claims": {"repository": "Octo-Org/octo-repo"}}, {}, "bound_claims repository", "case"),
    "short ref": ({"bound_claims": {"ref": "main"}}, {}, "bound_claims ref", "full name"),
    "user claim absent": ({"user_claim": "user_email"}, {}, "user_claim", "another|the token has"),
    "user claim is no text": ({"user_claim": "number"}, {"number": 5}, "user_claim", "has to be text"),
    "user claim by pointer": ({"user_claim": "/a/b", "user_claim_json_pointer": True}, {"a": {"b": "x"}}, "", ""),
    "user claim with a slash": ({"user_claim": "/a/b"}, {"a": {"b": "x"}}, "user_claim", "user_claim_json_pointer=true"),
    "groups absent": ({"groups_claim": "teams"}, {}, "groups_claim", "groups_claim"),
    "groups": ({"groups_claim": "teams"}, {"teams": ["a"]}, "", ""),
    "metadata that is no text": ({"claim_mappings": {"number": "n"}}, {"number": 5}, "claim_mappings number", "only texts"),
    "metadata": ({"claim_mappings": {"actor": "who", "none": "n"}}, {}, "", ""),
    "fork at GitLab": (
        {"bound_claims": {"project_id": "20"}}, {"project_id": "9", "job_project_id": "20"}, "bound_claims project_id", "18.2.2 project_id names the fork"
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_explain_and_the_server_agree(lab, trap):
    role, claims, about, change = TRAPS[trap]
    name = "explain-" + trap.replace(" ", "-").lower()
    lab.set_role(name, **role)
    token = lab.issuer.mint(**claims)
    lines = wrong(explained(lab, name, token))
    assert logs_in(lab, name, token) is not bool(about)
    assert list(lines) == ([about] if about else [])
    if change:
        import re

        assert re.search(change, lines[about].change), lines[about].change


@pytest.mark.parametrize("role", ["ci", "ci-open", "ci-glob", "ci-noglob", "ci-batch", "ci-user-missing", "ci-noaud", "ci-oidc"])
@pytest.mark.parametrize("claims", [{}, {"ref_protected": "false"}, {"repository": "octo-org/other", "sub": "repo:octo-org/other:ref:refs/heads/main"}])
def test_the_labs_roles(lab, role, claims):
    token = lab.issuer.mint(**claims)
    assert logs_in(lab, role, token) is not bool(wrong(explained(lab, role, token)))


def test_all_faults_are_told_at_once(lab):
    lab.set_role("explain-all", bound_subject="x", user_claim="nobody", bound_claims={"ref": "main", "none": "1"}, token_bound_cidrs=["10.0.0.0/8"])
    lines = explained(lab, "explain-all", lab.issuer.mint(aud="other", iss=lab.issuer.url + "/"))
    assert set(wrong(lines)) == {"issuer", "audience", "bound_subject", "user_claim", "bound_claims ref", "bound_claims none"}
    assert "final slash only" in wrong(lines)["issuer"].change
    assert [line.about for line in lines if line.verdict == "note"] == ["token_bound_cidrs"]


def test_another_platforms_mount_and_algorithm(lab):
    found = reader(lab).read("jwt", "ci-open")
    identity = peek(Secret(lab.issuer.mint(iss="https://gitlab.com").encode()))._replace(header={"alg": "PS256"})
    lines = wrong(explain_role(found.role, identity, "r", found.config, 0.0))
    assert "another platform's" in lines["issuer"].change
    assert "jwt_supported_algs" in lines["algorithm"].change


def test_a_token_that_is_over(lab):
    identity = peek(Secret(lab.issuer.mint().encode()))
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": list(identity.audiences)}
    assert not wrong(explain_role(role, identity, "r", None, identity.claims["exp"] + 59))
    assert wrong(explain_role(role, identity, "r", None, identity.claims["exp"] + 60))["exp"].got == "over since 60 s"


def test_a_service_account(lab):
    token = lab.issuer.mint_service_account("ci:other")
    role = reader(lab).read("kubernetes", "ci").role
    lines = wrong(explain_role(role, peek(Secret(token.encode())), "r", None, 0.0))
    assert list(lines) == ["bound_service_account_names"]
    login = lab.bao.request("POST", "auth/kubernetes/login", {"role": "ci", "jwt": token}, token="")
    assert login.status_code == 403
    good = lab.issuer.mint_service_account("ci:runner")
    assert not wrong(explain_role(role, peek(Secret(good.encode())), "r", None, 0.0))
    assert "audience" in wrong(explain_role({**role, "audience": "x"}, peek(Secret(good.encode())), "r", None, 0.0))
    assert not wrong(explain_role({**role, "bound_service_account_names": ["*"]}, peek(Secret(token.encode())), "r", None, 0.0))


@pytest.mark.parametrize(
    ("mount", "role", "namespace", "about", "change"),
    [
        ("jwt", "cii", "", "role", "did you mean 'ci'|did you mean ci"), ("jwt", "nothing-like-it", "", "role", "roles at auth/jwt: ci,"),
        ("github", "ci", "", "mount", "such mounts are: jwt, kubernetes|such mounts are: kubernetes, jwt"), ("jwt", "ci", "team-b", "namespace", "from the root"),
        ("kubernetes", "ci", "team-a", "mount", "such mounts are: jwt"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_apart(lab, mount, role, namespace, about, change):
    import re

    found = reader(lab, namespace).read(mount, role)
    (line,) = found.lines
    assert found.role is None
    assert line.about == about
    assert re.search(change, line.change), line.change


def test_a_role_in_a_namespace_and_in_capitals(lab):
    assert reader(lab, "team-a").read("jwt", "CI").role["token_policies"] == ["ci"]


def test_a_token_that_may_not_read_roles(lab):
    job = lab.login("ci-open")["client_token"]
    (line,) = RoleReader(Transport(Deadline(30)), lab.address, Secret(job.encode())).read("jwt", "ci").lines
    assert line.got == "refused"
    assert "--role-file" in line.change
    with pytest.raises(DeniedError, match="is not good"):
        RoleReader(Transport(Deadline(30)), lab.address, Secret(b"none")).read("jwt", "ci")


@pytest.mark.parametrize("name", ["../sys/x", "a/../b", ".", "a?list=true", "a#b", "a b", "", "/a", "a/", "a\n"])
def test_names_that_would_ask_for_something_else(lab, name):
    for mount, role in ((name, "ci"), ("jwt", name)):
        with pytest.raises(ConfigError, match="is no name of a"):
            reader(lab).read(mount, role)


def test_a_server_that_is_sealed(fake, monkeypatch):
    from fakeserver import Answer

    from scanner.platforms import request

    monkeypatch.setattr(request.ask, "__kwdefaults__", {**request.ask.__kwdefaults__, "pauses": ()})
    fake.tell(Answer(503, {"errors": ["Vault is sealed"]}))
    with pytest.raises(UnavailableError, match="503"):
        RoleReader(Transport(Deadline(5)), fake.url, Secret(b"t")).read("jwt", "ci")


def test_a_glob_of_a_truth_value_in_a_file():
    role = {"role_type": "jwt", "user_claim": "sub", "bound_claims_type": "glob", "bound_claims": {"ref_protected": True}}
    identity = Identity(Secret(b"t"), {}, {"sub": "s", "ref_protected": "true"})
    assert "a glob has to be text" in wrong(explain_role(role, identity, "r", None, 0.0))["bound_claims ref_protected"].change


def test_pointers():
    claims = {"a": {"b": [1, {"c": "x"}]}, "/d": "y"}
    assert find_claim(claims, "/a/b/1/c") == "x"
    assert find_claim(claims, "/a/b/7") is None
    assert find_claim(claims, "/a/b/-1") is None
    assert find_claim(claims, "/a/b/1/c/d") is None
    assert find_claim(claims, "/d") is None
    assert find_claim(claims, "a")["b"][0] == 1


def test_against_a_policy():
    entry = {"role": "deploy", "platform": "gitlab", "repository_id": 20, "ref": "refs/heads/main"}
    job = PLATFORMS["gitlab"].vocabulary({"project_id": "9", "job_project_id": "20"})
    lines = wrong(explain_policy(parse_policy({"allow": [entry]}, "f"), job, "deploy"))
    assert set(lines) == {"allow[1]: repository_id", "allow[1]: ref", "allow[1]: from_fork"}
    assert "what is absent never holds" in lines["allow[1]: ref"].change
    assert "a fork's code" in lines["allow[1]: from_fork"].change
    assert list(wrong(explain_policy(parse_policy({"allow": [entry]}, "f"), job, "other"))) == ["policy"]
    open_job = job._replace(from_fork=None)
    assert "forks: unknown" in wrong(explain_policy(parse_policy({"allow": [entry]}, "f"), open_job, "deploy"))["allow[1]: from_fork"].change
    both = parse_policy({"allow": [entry, {**entry, "repository_id": 9, "ref": {"pattern": ".*"}}]}, "f")
    fine = job._replace(from_fork=False, ref="refs/heads/x")
    assert not wrong(explain_policy(both, fine, "deploy"))
    assert not wrong(explain_policy(parse_policy({"allow": [entry], "audit": True}, "f"), job, "deploy"))


def test_values_are_made_safe_before_they_are_shown():
    claims = {"sub": "x\n::error::\x1b[2J", "aud": "##vso[task.setvariable]", "list\n": ["\u202e"]}
    role = {"role_type": "j\nwt", "bound_subject": "a\x1b", "bound_audiences": ["b"], "user_claim": "u\n", "bound_claims": {"list\n": "x", "\x1b": 1}}
    lines = explain_role(role, Identity(Secret(b"t"), {}, claims), "w", {"bound_issuer": "i\n"}, 0.0)
    assert len(lines) == 7
    for line in lines:
        assert all(text.isprintable() for text in line)
        assert "##vso[" not in "".join(line)


# -- the commands


def options(module, *arguments):
    import argparse

    parser = argparse.ArgumentParser()
    module.configure(parser)
    return parser.parse_args(arguments)


def run(module, environ, *arguments):
    return module.run(options(module, *arguments), environ)


@pytest.fixture
def job(lab):
    """A GitHub job whose issuer is the lab's."""
    return {
        "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": lab.issuer.url, "ACTIONS_ID_TOKEN_REQUEST_URL": lab.issuer.url + "/token?v=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": lab.issuer.request_token, "VAULT_ADDR": lab.address, "VAULT_TOKEN": lab.root,
    }  # fmt: skip


def test_explain_on_the_command_line(lab, job, capsys):
    common = ["--issuer", lab.issuer.url, "--audience", lab.audience]
    assert run(broker_explain, job, "--role", "ci", *common) == 0
    text = capsys.readouterr().out
    assert "ok     bound_claims repository: octo-org/octo-repo" in text
    assert text.endswith("the token fits\n")
    assert run(broker_explain, job, "--role", "ci-noglob", *common) == 4
    text = capsys.readouterr().out
    assert "WRONG  bound_claims sub: wanted repo:octo-org/*, got repo:octo-org/octo-repo:ref:refs/heads/main\n       -> a * stands" in text
    assert "does not fit: 1 to change" in text
    assert lab.root not in text
    assert run(broker_explain, job, "--role", "ci", "--format", "json", "--issuer", lab.issuer.url, "--audience", "x") == 4
    document = json.loads(capsys.readouterr().out)
    assert document["fits"] is False
    assert document["token"]["repository_id"] == "74"
    assert [line["about"] for line in document["compared"] if line["verdict"] == "wrong"] == ["audience"]


def test_a_bad_token_is_explained_nevertheless(lab, job, tmp_path, capsys):
    (tmp_path / "token").write_text(lab.issuer.mint(exp=1))
    assert run(broker_explain, job, "--role", "ci", "--issuer", lab.issuer.url, "--token-file", str(tmp_path / "token")) == 4
    text = capsys.readouterr().out
    assert "WRONG  token: wanted good, got the identity token expired" in text
    assert "WRONG  exp" in text
    assert (tmp_path / "token").read_text().split(".")[1] not in text


def test_an_exported_role_and_a_policy(lab, job, tmp_path, capsys):
    job = {name: value for name, value in job.items() if not name.startswith("VAULT")}
    role = {"data": {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [lab.audience], "bound_claims": {"ref": "refs/heads/main"}}}
    (tmp_path / "role.json").write_text(json.dumps(role))
    (tmp_path / "p.yaml").write_text(
        f"issuers: {{'{lab.issuer.url}': github}}\naudience: {lab.audience}\n"
        "allow: [{role: ci, platform: github, repository: octo-org/octo-repo, environment: production}]\n"
    )
    arguments = ["--role", "ci", "--role-file", str(tmp_path / "role.json"), "--policy", str(tmp_path / "p.yaml")]
    assert run(broker_explain, job, *arguments) == 0
    assert "note   policy\n       -> allow[1]: repository can be given to somebody else" in capsys.readouterr().out
    assert run(broker_explain, job, "--role", "ci", "--policy", str(tmp_path / "p.yaml")) == 0
    with pytest.raises(ConfigError, match="does not trust the issuer"):
        run(broker_explain, job, *arguments, "--issuer", "https://evil.example.test")
    with pytest.raises(ConfigError, match="nothing to compare with"):
        run(broker_explain, job, "--role", "ci", "--issuer", lab.issuer.url)
    (tmp_path / "role.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds no role"):
        load_role(str(tmp_path / "role.json"))


def test_the_configuration_has_the_policy_that_is_explained(lab, job, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = "{role: ci, platform: github, repository: octo-org/octo-repo, environment: somewhere-else}"
    (tmp_path / ".sealgate.yaml").write_text(f"broker: {{issuers: {{'{lab.issuer.url}': github}}, allow: [{entry}]}}\n")
    job = {name: value for name, value in job.items() if not name.startswith("VAULT")}
    assert run(broker_explain, job, "--role", "ci", "--audience", lab.audience) == 4
    assert "somewhere-else" in capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text((tmp_path / ".sealgate.yaml").read_text().replace("somewhere-else", "production"))
    assert run(broker_explain, job, "--role", "ci", "--audience", lab.audience, "--policy", "mine.yaml") == 0


def test_the_token_in_the_vocabulary(lab, job, tmp_path, capsys):
    raw = tmp_path / "raw"
    assert run(broker_token, job, "--issuer", lab.issuer.url, "--audience", lab.audience, "--raw", str(raw)) == 0
    text = capsys.readouterr().out
    assert "repository_id:  74\n" in text
    assert f"audience:       {lab.audience}\n" in text
    token = raw.read_text()
    assert peek(Secret(token.encode())).claims["repository_id"] == "74"
    assert raw.stat().st_mode & 0o777 == 0o600
    assert not any(piece in text for piece in token.split("."))
    assert list(tmp_path.iterdir()) == [raw]
    assert run(broker_token, job, "--issuer", lab.issuer.url, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["platform"] == "github"


def test_a_raw_token_replaces_a_link_and_not_what_it_points_to(lab, job, tmp_path, capsys):
    (tmp_path / "other").write_text("mine")
    (tmp_path / "raw").symlink_to(tmp_path / "other")
    assert run(broker_token, job, "--issuer", lab.issuer.url, "--raw", str(tmp_path / "raw")) == 0
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "raw").is_symlink()
    with pytest.raises(ConfigError, match="cannot write"):
        run(broker_token, job, "--issuer", lab.issuer.url, "--raw", str(tmp_path / "none" / "raw"))


def test_a_token_that_is_not_good_is_refused(lab, job, capsys):
    with pytest.raises(DeniedError, match="issuer is .*, trusted is http"):
        run(broker_token, job)
    with pytest.raises(DeniedError, match="is for x, wanted is y"):
        run(broker_token, {**job, "T": lab.issuer.mint(aud="x")}, "--token-env", "T", "--issuer", lab.issuer.url, "--audience", "y")
    assert capsys.readouterr().out == ""
