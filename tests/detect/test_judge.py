# SPDX-License-Identifier: Apache-2.0
"""Whether a value is a secret, and how sure that is."""

import math

import pytest
from planted import fill, github_token

from scanner.detect.judge import Verdict, entropy, judge, placeholder
from scanner.detect.rules import Rule

RULE = Rule("test-token", "Test", "high", "medium", "x", "Help.", ())
VALUE = fill("{{alnum:24}}").encode()


@pytest.mark.parametrize(
    "value",
    [
        b"$TOKEN", b"$token", b"${TOKEN}", b"$(pass show token)", b"prefix-${TOKEN}-suffix", b"{{ .Values.token }}", b"<%= token %>",
        b"%(token)s", b"%{token}", b"%s", b"#{token}", b"@@TOKEN@@", b"<your-token>", b"[your token here]", b"ENC[AES256_GCM,data:x]",
        b"vault://secret/app", b"op://vault/item/field", b"arn:aws:secretsmanager:eu-west-1:1:secret:x", b"process.env.TOKEN",
        b"os.environ['TOKEN']", b"os.getenv('TOKEN')", b"secrets.TOKEN", b"var.token", b"local.token", b"config.get('token')", b"self.token",
        b"!Ref Token", b"!ImportValue stack-token",
    ],
)  # fmt: skip
def test_a_reference_to_a_value_kept_elsewhere_is_no_secret(value: bytes) -> None:
    assert placeholder(value) == "it refers to a value that is kept elsewhere"
    assert judge(RULE, value, value).confidence is None


@pytest.mark.parametrize(
    "value",
    [
        b"your-api-key", b"YOUR_TOKEN_HERE", b"changeme123", b"change-me", b"replace_with_real", b"ThisIsAnExampleToken", b"dummy-token-1",
        b"insert-your-key", b"<redacted>x", b"sample_key_abc", b"not-a-real-key", b"xxxxxxxxabcd", b"abc********def", b"abcdef...", b"0123456789abc",
        b"1234567890qwe", b"abcdefghij", b"qwertyuiop", b"deadbeefdeadbeef", b"test-token", b"my_secret", b"fake-api-key-here", b"TODO insert",
    ],
)  # fmt: skip
def test_a_dummy_is_no_secret(value: bytes) -> None:
    assert placeholder(value) != ""
    assert judge(RULE, value, value).confidence is None


@pytest.mark.parametrize("value", [b"aaaaaaaaaaaaaaaa", b"abababababababab", b"0000000000000000", b"----------"])
def test_the_same_few_characters_are_no_secret(value: bytes) -> None:
    assert placeholder(value) == "it repeats the same few characters"


@pytest.mark.parametrize(
    "value",
    [VALUE, github_token().encode(), b"correct-horse-battery-staple", b"P@ssw0rd$tr0ng", b"$2b$12$" + VALUE * 2, b"hunter2!", b"\xff\xfe\x80abcQ", b"S3cr3t$ABC"],
)
def test_a_value_that_stands_for_nothing_else_is_no_placeholder(value: bytes) -> None:
    assert placeholder(value) == ""


def test_a_word_far_into_a_long_value_does_not_make_it_a_dummy() -> None:
    key = fill("{{base64:600}}").encode()
    assert placeholder(key[:400] + b"example" + key[400:]) == ""


@pytest.mark.parametrize(("value", "bits"), [(b"", 0), (b"aaaa", 0), (b"abab", 1), (b"abcd", 2), (bytes(range(256)), 8)])
def test_entropy_is_shannons(value: bytes, bits: float) -> None:
    assert math.isclose(entropy(value), bits, abs_tol=1e-9)


def test_without_conditions_a_value_is_worth_what_its_rule_says() -> None:
    assert [judge(RULE._replace(confidence=level), VALUE, b"").confidence for level in ("low", "medium", "high")] == ["low", "medium", "high"]


def test_a_value_under_the_entropy_floor_is_no_secret_and_the_reason_tells_both_numbers() -> None:
    assert judge(RULE._replace(entropy=3.0), b"Zk9Zk9Zk9Zk9", b"") == Verdict(None, "entropy 1.6 bits per character, below 3.0")


def test_a_value_over_the_entropy_floor_tells_its_entropy() -> None:
    verdict = judge(RULE._replace(entropy=3.0), VALUE, b"")
    assert verdict == Verdict("medium", f"format and context fit; entropy {entropy(VALUE):.1f} bits per character")


def test_near_must_match_around_the_value_whatever_its_case() -> None:
    rule = RULE._replace(near="acme")
    assert judge(rule, VALUE, b"key = " + VALUE) == Verdict(None, "nothing like /acme/ stands near it")
    assert judge(rule, VALUE, b"ACME_KEY = " + VALUE).confidence == "medium"


def test_allow_must_match_the_whole_value_whatever_its_case() -> None:
    rule = RULE._replace(allow=("demo-[a-z0-9]+",))
    assert judge(rule, b"DEMO-k3jf9d8s", b"") == Verdict(None, "the rule allows values like /demo-[a-z0-9]+/")
    assert judge(rule, b"demo-k3jf9d8s!", b"").confidence == "medium"


def test_a_proof_raises_leaves_lowers_or_drops() -> None:
    jwt = fill("{{jwt}}").encode()
    crc, web = RULE._replace(proof="crc32-base62"), RULE._replace(proof="jwt")
    wrong = b"ghp_" + fill("{{alnum:36}}").encode()
    outcomes = [judge(crc, github_token().encode(), b""), judge(web, jwt, b""), judge(crc, wrong, b""), judge(web, VALUE, b"")]
    assert [outcome.confidence for outcome in outcomes] == ["proven", "medium", "low", None]


def test_a_proven_value_gives_its_proof_as_the_only_reason() -> None:
    verdict = judge(RULE._replace(proof="crc32-base62"), github_token().encode(), b"")
    assert verdict.reason == "the CRC32 in its last six characters is right"


def test_no_reason_quotes_the_value() -> None:
    rules = [RULE, RULE._replace(entropy=7.0), RULE._replace(near="acme"), RULE._replace(proof="jwt"), RULE._replace(proof="pem")]
    reasons = [judge(rule, VALUE, VALUE).reason for rule in rules]
    assert [VALUE.decode() in reason for reason in reasons] == [False] * len(rules)
