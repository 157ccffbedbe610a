# SPDX-License-Identifier: Apache-2.0
"""Whose words a token's claims are is told by its issuer."""

from scanner.broker.claims import read_claims, show_claims
from scanner.broker.identity import Identity
from scanner.broker.policy import parse_policy
from scanner.broker.trust import claims_of, trust_for
from scanner.model import Secret
from scanner.platforms import PLATFORMS
from scanner.platforms.choose import Given

HUB = "https://token.actions.githubusercontent.com"
LAB = "https://gitlab.example.test"


def test_the_issuer_tells_the_vocabulary_and_not_the_looks_of_the_claims():
    claims = {"iss": "https://gitlab.com", "repository": "octo-org/octo-repo", "repository_id": "74", "project_path": "a/b", "project_id": "9"}
    found = read_claims(claims, PLATFORMS["github"])
    assert (found.platform, found.repository, found.repository_id) == ("gitlab", "a/b", "9")


def test_the_policy_knows_better_whose_an_issuer_is():
    claims = {"iss": LAB, "project_path": "a/b", "repository": "c/d"}
    assert read_claims(claims, PLATFORMS["github"], {LAB: "gitlab"}).repository == "a/b"
    assert read_claims(claims, PLATFORMS["github"], {LAB: ""}).repository == "c/d"
    assert read_claims(claims, PLATFORMS["github"]).platform == "github"


def test_an_issuer_nobody_knows_says_its_subject_only():
    found = read_claims({"iss": LAB, "sub": "s", "repository": "c/d"})
    assert (found.platform, found.subject, found.repository) == ("unknown", "s", None)


def test_only_what_is_said_is_shown():
    shown = show_claims(read_claims({"iss": HUB, "sub": "s", "ref_protected": "false", "event_name": "push", "actor_id": 12}))
    assert shown == {
        "platform": "github",
        "issuer": HUB,
        "subject": "s",
        "protected": False,
        "event": "push",
        "from_fork": False,
        "actor_id": "12",
    }


def test_a_policy_with_issuers_has_the_last_word():
    environ = {"CI_SERVER_URL": LAB}
    platform = PLATFORMS["gitlab"]
    assert trust_for(platform, environ, issuers=[HUB], audience="a").issuers == (LAB, HUB)
    policy = parse_policy({"issuers": {HUB: "github"}, "audience": "p", "algorithms": ["ES256"]}, "f")
    trust = trust_for(platform, environ, policy=policy)
    assert (trust.issuers, trust.audiences, trust.algorithms) == ((HUB,), ("p",), ("ES256",))
    assert trust_for(platform, environ, policy=policy, audience="q").audiences == ("q",)
    assert trust_for(Given("f", "", None), {}).issuers == ()
    identity = Identity(Secret(b"x"), {}, {"iss": HUB, "repository": "c/d"})
    assert claims_of(identity, platform, policy).repository == "c/d"
