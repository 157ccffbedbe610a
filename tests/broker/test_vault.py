# SPDX-License-Identifier: Apache-2.0
"""Logins, reads, and the lives of tokens and leases, on a real OpenBao."""

import threading
import time

import pytest
import requests
from connect import at_fake, connect, logged_in, secret
from fakeserver import Answer, FakeServer
from lab import Lab

from scanner.broker.connection import Settings
from scanner.broker.model import Deadline, Mount
from scanner.broker.vault import Vault, settings_from
from scanner.errors import ConfigError, DeniedError, UnavailableError


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_login_by_identity_token(lab: Lab, algorithm: str) -> None:
    vault = connect(lab)
    token = vault.login_jwt("jwt", "ci", secret(lab.issuer.mint(algorithm) + "\n"))
    assert (token.ttl_seconds, token.renewable, token.type, token.uses, token.namespace) == (600, True, "service", 0, "")
    assert set(token.policies) == {"ci", "default"}
    assert lab.lives(token.secret.reveal().decode())
    assert lab.bao.request("POST", "auth/token/lookup-accessor", {"accessor": token.accessor}).status_code == 200


def test_the_mount_may_be_written_in_full_and_may_be_a_cel_login(lab: Lab) -> None:
    assert connect(lab).login_jwt("auth/jwt/", "ci", secret(lab.issuer.mint())).policies
    assert connect(lab).login_jwt("jwt/cel", "ci", secret(lab.issuer.mint())).policies


def test_login_by_service_account(lab: Lab) -> None:
    token = connect(lab).login_kubernetes("kubernetes", "ci", secret(lab.issuer.mint_service_account("ci:runner")))
    assert "ci" in token.policies


def test_login_by_role_id_and_secret_id(lab: Lab) -> None:
    role_id, secret_id = lab.app_role()
    vault = connect(lab)
    assert "ci" in vault.login_approle("approle", role_id, secret(f"{secret_id}\n")).policies
    assert vault.read("secret/data/ci/app").found


def test_an_existing_token(lab: Lab) -> None:
    given = lab.login("ci-uses")
    token = connect(lab).login_token(secret(given["client_token"]))
    assert (token.accessor, token.uses, token.renewable, token.type) == (given["accessor"], 2, True, "service")
    assert 0 < token.ttl_seconds <= 600


def test_a_batch_token_says_what_it_is(lab: Lab) -> None:
    token = connect(lab).login_jwt("jwt", "ci-batch", secret(lab.issuer.mint()))
    assert (token.type, token.renewable, token.accessor) == ("batch", False, "")


def test_neither_the_environment_nor_the_home_gives_a_token(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / ".vault-token").write_text(lab.root)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", lab.root)
    monkeypatch.setenv("VAULT_NAMESPACE", "nowhere")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(DeniedError, match="no token"):
        connect(lab).read("secret/data/prod/app")
    assert logged_in(lab).read("secret/data/ci/app").found


def test_reads_and_what_is_not_there(lab: Lab) -> None:
    vault = logged_in(lab)
    assert vault.read("secret/data/ci/app").data["data"]["password"] == lab.values["password"]
    assert vault.read("secret/data/ci/app", version=1).data["data"]["password"] == lab.values["old"]
    assert not vault.read("secret/data/ci/nothing").found
    gone = vault.read("secret/data/ci/gone")
    assert (gone.found, bool(gone.data["metadata"]["deletion_time"])) == (False, True)
    assert vault.list("secret/metadata/ci/tree") == ("deep/", "one", "two")
    assert vault.list("secret/metadata/ci/nothing") == ()


def test_a_reply_does_not_show_what_it_holds(lab: Lab) -> None:
    vault = logged_in(lab)
    shown = f"{vault.read('secret/data/ci/app')!r} {vault.token!r} {vault!r} {vault.tokens}"
    assert not [value for value in (*lab.values.values(), vault.token.secret.reveal().decode()) if value in shown]


@pytest.mark.parametrize("path", ["secret/data/ci/../prod/app", "secret/data/./ci", "secret//data"])
def test_a_path_with_dots_is_never_sent(lab: Lab, path: str) -> None:
    with pytest.raises(ConfigError, match=r"'\.\.'"):
        logged_in(lab).read(path)


def test_what_a_url_would_take_for_its_own_is_quoted(lab: Lab) -> None:
    lab.bao.write("secret/data/ci/odd%3Fversion=1%23%25", {"data": {"a": "b"}})
    assert logged_in(lab).read("secret/data/ci/odd?version=1#%").data["data"] == {"a": "b"}


def test_all_paths_are_asked_for_in_one_request(lab: Lab) -> None:
    found = logged_in(lab).capabilities(
        ["secret/data/ci/app", "secret/data/prod/app", "pki/issue/ci", "nomount/x", "pki/issue/ci"]
    )
    assert found == {
        "secret/data/ci/app": {"read"}, "secret/data/prod/app": {"deny"}, "pki/issue/ci": {"update"}, "nomount/x": {"deny"},
    }  # fmt: skip


def test_the_mount_says_which_engine_and_version(lab: Lab) -> None:
    vault = logged_in(lab)
    assert vault.mount_of("secret/ci/app") == Mount("secret/", "kv", 2)
    assert vault.mount_of("kv1/ci/app") == Mount("kv1/", "kv", 1)
    assert vault.mount_of("pki/issue/ci") == Mount("pki/", "pki", None)


def test_a_mount_is_asked_for_once(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}))
    vault = at_fake(fake)
    assert vault.mount_of("secret/a") == vault.mount_of("secret/b/c")
    assert [seen.path for seen in fake.seen] == ["/v1/sys/internal/ui/mounts/secret/a"]


def test_namespaces_of_login_and_of_reads(lab: Lab) -> None:
    vault = connect(lab, namespace="team-a", auth_namespace="team-a")
    token = vault.login_jwt("jwt", "ci", secret(lab.issuer.mint()))
    assert vault.read("secret/data/ci/app").data["data"] == {"user": lab.values["team"]}
    assert (token.namespace, vault.mount_of("secret/ci/app").version, vault.renew_self(60)) == ("team-a", 2, 60)
    lab.bao.write("sys/policies/acl/team", {"policy": 'path "team-a/secret/data/*" { capabilities = ["read"] }'}, method="PUT")
    lab.set_role("ci-team", token_policies=["team"])
    apart = connect(lab, namespace="team-a")
    apart.login_jwt("jwt", "ci-team", secret(lab.issuer.mint()))
    assert apart.read("secret/data/ci/app").data["data"] == {"user": lab.values["team"]}
    assert apart.lives(apart.token)
    assert apart.revoke_self()
    assert not lab.lives(apart.token.secret.reveal().decode())


def test_a_path_may_begin_with_its_namespace(lab: Lab) -> None:
    vault = connect(lab)
    vault.login_token(secret(lab.root))
    assert vault.mount_of("team-a/secret/ci/app") == Mount("team-a/secret/", "kv", 2)
    assert vault.read("team-a/secret/data/ci/app").data["data"] == {"user": lab.values["team"]}


def test_the_life_of_a_token(lab: Lab) -> None:
    vault = logged_in(lab)
    token = vault.token
    assert vault.renew_self(900) == 900
    # The role's limit of thirty minutes counts, not what is asked for.
    assert 1700 < vault.renew_self(86400) <= 1800
    looked = vault.lookup_self()
    assert ("id" in looked, looked["policies"]) == (False, ["ci", "default"])
    assert vault.lives(token)
    assert (vault.revoke_self(), vault.revoke_self(), vault.lives(token)) == (True, False, False)


def test_a_token_that_may_not_look_at_itself_lives(lab: Lab) -> None:
    vault = logged_in(lab, "ci-nodefault")
    assert vault.lives(vault.token)
    with pytest.raises(DeniedError, match="revoking the token: the token's policies do not allow it"):
        vault.revoke_self()


def test_a_batch_token_can_be_neither_renewed_nor_revoked(lab: Lab) -> None:
    vault = logged_in(lab, "ci-batch")
    for call in (vault.revoke_self, lambda: vault.renew_self(60)):
        with pytest.raises(DeniedError, match="a batch token can be neither"):
            call()
    assert vault.lives(vault.token)


def test_tokens_by_accessor(lab: Lab) -> None:
    vault = connect(lab)
    vault.login_token(secret(lab.root))
    other = lab.login()
    assert vault.lookup_accessor(other["accessor"])["accessor"] == other["accessor"]
    assert "id" not in vault.lookup_accessor(other["accessor"])
    assert vault.revoke_accessor(other["accessor"])
    assert not lab.lives(other["client_token"])
    assert (vault.lookup_accessor(other["accessor"]), vault.revoke_accessor(other["accessor"])) == (None, False)
    assert vault.lookup_accessor("nothing") is None


def test_the_life_of_a_lease(lab: Lab) -> None:
    postgres = lab.postgres
    vault = logged_in(lab, "ci-revoke")
    reply = vault.read("database/creds/ci", dynamic=True)
    assert (reply.ttl_seconds, reply.renewable) == (60, True)
    assert reply.data["username"] in postgres.users()
    assert 0 < vault.lookup_lease(reply.lease_id)["ttl"] <= 60
    assert "id" not in vault.lookup_lease(reply.lease_id)
    assert 290 < vault.renew_lease(reply.lease_id, 3600) <= 300
    vault.revoke_lease(reply.lease_id)
    # `sync`: there is nothing to wait for.
    assert (reply.data["username"] in postgres.users(), vault.lookup_lease(reply.lease_id)) == (False, None)
    with pytest.raises(DeniedError, match="there is no such lease"):
        vault.renew_lease(reply.lease_id, 60)


def test_the_default_policy_does_not_revoke_a_lease(lab: Lab) -> None:
    lab.postgres  # noqa: B018  starts it
    vault = logged_in(lab)
    lease = vault.read("database/creds/ci", dynamic=True).lease_id
    with pytest.raises(DeniedError, match="revoking a lease") as caught:
        vault.revoke_lease(lease)
    assert lease.reveal().decode() not in str(caught.value)
    assert vault.revoke_self()


def test_what_is_wrapped_can_be_unwrapped_once(lab: Lab) -> None:
    headers = {"X-Vault-Token": lab.root, "X-Vault-Wrap-TTL": "60s"}
    answer = requests.post(f"{lab.address}/v1/sys/wrapping/wrap", json={"a": "b"}, headers=headers, timeout=10)
    wrapping = answer.json()["wrap_info"]["token"]
    vault = connect(lab)
    assert vault.unwrap(secret(wrapping)).data == {"a": "b"}
    with pytest.raises(DeniedError, match="was used before"):
        vault.unwrap(secret(wrapping))


def test_a_token_that_is_not_known_any_more_is_got_anew_once(lab: Lab) -> None:
    vault = logged_in(lab)
    first = vault.token
    lab.bao.write("auth/token/revoke", {"token": first.secret.reveal().decode()})
    assert vault.read("secret/data/ci/app").found
    assert (vault.tokens[0], len(vault.tokens)) == (first, 2)


def test_without_a_way_to_log_in_again_it_is_refused(lab: Lab) -> None:
    vault = connect(lab)
    vault.login_token(secret(lab.login("ci-uses")["client_token"]))
    vault.read("secret/data/ci/app")
    vault.read("secret/data/ci/app")
    with pytest.raises(DeniedError, match="used up"):
        vault.read("secret/data/ci/app")


def test_a_view_shares_the_token_and_has_its_own_deadline(lab: Lab) -> None:
    vault = logged_in(lab)
    assert vault.within(Deadline(5)).read("secret/data/ci/app").found
    with pytest.raises(UnavailableError):
        vault.within(Deadline(0)).read("secret/data/ci/app")


def test_two_threads_with_views_of_their_own(lab: Lab) -> None:
    vault, found = logged_in(lab), []

    def work() -> None:
        view = vault.within(Deadline(20))
        found.extend(view.read("secret/data/ci/app").found for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 30


def test_a_login_without_a_token_in_the_answer_is_refused(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"auth": {"mfa_requirement": {"mfa_request_id": "x"}}}))
    with pytest.raises(DeniedError, match="second factor"):
        at_fake(fake).login_jwt("jwt", "ci", secret("a.b.c"))


def test_a_login_sends_no_token_and_no_namespace_it_was_not_given(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"auth": {"client_token": "x"}}))
    at_fake(fake).login_jwt("jwt", "ci", secret("a.b.c"))
    assert not {"x-vault-token", "x-vault-namespace"} & set(fake.seen[0].headers)
    assert fake.seen[0].headers["x-vault-request"] == "true"


@pytest.mark.parametrize(
    ("act", "namespace"),
    [
        (lambda vault: vault.login_jwt("jwt", "ci", secret("a.b.c")), "logins"),
        (lambda vault: vault.login_kubernetes("kubernetes", "ci", secret("a.b.c")), "logins"),
        (lambda vault: vault.login_approle("approle", "role", secret("x")), "logins"),
        (lambda vault: vault.login_token(secret("x")), "logins"),
        (Vault.lookup_self, "logins"),
        (lambda vault: vault.renew_self(60), "logins"),
        (Vault.revoke_self, "logins"),
        (lambda vault: vault.lives(vault.token), "logins"),
        (lambda vault: vault.lookup_accessor("x"), "logins"),
        (lambda vault: vault.revoke_accessor("x"), "logins"),
        (lambda vault: vault.read("a/b"), "secrets"),
        (lambda vault: vault.write("a/b", {}), "secrets"),
        (lambda vault: vault.list("a/b"), "secrets"),
        (lambda vault: vault.capabilities(["a/b"]), "secrets"),
        (lambda vault: vault.mount_of("a/b"), "secrets"),
        (lambda vault: vault.unwrap(secret("x")), "secrets"),
        (lambda vault: vault.lookup_lease(secret("x")), "secrets"),
        (lambda vault: vault.renew_lease(secret("x"), 60), "secrets"),
        (lambda vault: vault.revoke_lease(secret("x")), "secrets"),
    ],
)
def test_each_request_goes_to_its_namespace(fake: FakeServer, act, namespace: str) -> None:
    fake.tell(Answer(200, {"auth": {"client_token": "x"}, "data": {"path": "a/", "type": "kv"}}))
    vault = Vault(Settings((fake.url,), "secrets", "logins"), Deadline(5))
    vault._state.tokens.append(at_fake(fake).token._replace(namespace="logins"))
    act(vault)
    assert [seen.headers["x-vault-namespace"] for seen in fake.seen] == [namespace]


def test_the_next_node_is_asked_where_one_fails(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"data": {"a": "b"}}))
    vault = at_fake(fake)
    dead = Vault(Settings(("http://127.0.0.1:1", fake.url)), Deadline(5), sleep=lambda _: None)
    dead._state.tokens.extend(vault.tokens)
    assert dead.read("a/b").data == {"a": "b"}


def test_settings_from_the_variables_that_vaults_own_programs_read() -> None:
    found = settings_from({
        "VAULT_ADDR": "https://vault.example:8200", "BAO_NAMESPACE": "team/a/", "VAULT_CACERT": "/ca.pem", "BAO_CLIENT_CERT": "/c.pem",
        "VAULT_CLIENT_KEY": "/k.pem", "BAO_ADDR": "https://vault.example:8200", "VAULT_SKIP_VERIFY": "false", "VAULT_TOKEN": "x",
    })  # fmt: skip
    assert found == Settings(("https://vault.example:8200",), "team/a", "team/a", "/ca.pem", ("/c.pem", "/k.pem"), "")
    assert settings_from({}) == Settings(())


@pytest.mark.parametrize(
    "environ",
    [
        {"VAULT_ADDR": "https://a", "BAO_ADDR": "https://b"},
        {"VAULT_SKIP_VERIFY": "1"},
        {"BAO_SKIP_VERIFY": "true"},
        {"VAULT_CLIENT_CERT": "x"},
    ],
    ids=str,
)
def test_settings_that_contradict_or_endanger_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        settings_from(environ)


@pytest.mark.parametrize(
    "addresses", [(), ("http://vault.example",), ("vault.example:8200",), ("https://user:x@vault.example",)], ids=str
)
def test_addresses_that_cannot_be_asked_are_refused_at_once(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        Vault(Settings(addresses), Deadline(5))


def test_an_address_may_end_in_a_slash_or_in_v1(lab: Lab) -> None:
    for end in ("/", "/v1", "/v1/"):
        vault = Vault(Settings((lab.address + end,)), Deadline(5))
        assert vault.login_jwt("jwt", "ci", secret(lab.issuer.mint())).policies


def test_a_short_token_dies_by_itself(lab: Lab) -> None:
    vault = logged_in(lab, "ci-short")
    assert vault.token.ttl_seconds == 4
    end = time.monotonic() + 12
    while vault.lives(vault.token) and time.monotonic() < end:
        time.sleep(0.2)
    assert not vault.lives(vault.token)
