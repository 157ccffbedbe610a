# SPDX-License-Identifier: Apache-2.0
"""Recipients of a file against those of its rule, and each against what is wrapped for it."""

import subprocess
from pathlib import Path

import pyrage
import pytest
from sopsmaker import SopsMaker, missing, sops_program

from scanner.model import Span
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule
from scanner.sops.metadata import FileRecipient, Metadata, parse_metadata
from scanner.sops.recipient import Recipient
from scanner.sops.recipients import check_wrapped, compare
from scanner.sops.rules import RULES, Problem
from scanner.sops.stores import read
from scanner.sops.wrapping.wrapped import public_key_ids

A, B, C = (str(pyrage.x25519.Identity.generate().to_public()) for _ in range(3))
FINGERPRINT = "A0E43EB6B596B63291AAEA1B76C26C3E1FB2F4F3"
SUBKEY = "0123456789ABCDEF0123456789ABCDEF01234567"


def recipient(id_: str, kind: str = "") -> Recipient:
    return Recipient(kind or ("age" if id_.startswith("age") else "pgp"), id_)


def file(*groups: tuple[str, ...] | list[Recipient], threshold: int = 0) -> Metadata:
    made = tuple(
        tuple(
            FileRecipient(one if isinstance(one, Recipient) else recipient(one), "", Span(number, number + 1), "", Span(number, number + 2))
            for number, one in enumerate(group)
        )
        for group in groups
    )
    return Metadata(DEFAULT_SELECTOR, made, threshold, "", Span(90, 91), "", "", False, Span(50, 100))


def rule(*groups: tuple[str, ...] | list[Recipient], threshold: int = 0, broken: bool = False) -> CreationRule:
    made = tuple(tuple(one if isinstance(one, Recipient) else recipient(one) for one in group) for group in groups)
    return CreationRule(7, Span(0, 1), "secrets/", None, made, threshold, False, True, broken)


def differences(metadata: Metadata, creation_rule: CreationRule) -> list[tuple[str, str]]:
    problems = compare(metadata, creation_rule)
    assert all(problem.rule == "sops-recipients" and "rule 7" in problem.reason for problem in problems)
    kinds = {True: "extra", False: "missing"}
    return [(problem.key, "threshold" if problem.key == "shamir_threshold" else kinds["can decrypt, and" in problem.reason]) for problem in problems]


def test_the_same_recipients_in_any_order_and_number() -> None:
    assert differences(file((A, B)), rule((B, A))) == differences(file((A, A, B)), rule((B, A, B))) == []


def test_each_missing_and_each_extra_recipient_is_a_problem() -> None:
    problems = compare(file((A, C)), rule((A, B)))
    assert differences(file((A, C)), rule((A, B))) == [(C, "extra"), (B, "missing")]
    extra, absent = problems
    assert C in extra.reason
    assert extra.span == Span(1, 2)
    assert extra.remedy == "sops updatekeys -y {file} && sops rotate -i {file}"
    assert B in absent.reason
    assert absent.span == Span(50, 100)
    assert absent.remedy == "sops updatekeys -y {file}"
    assert differences(file((C, C)), rule((A,))) == [(C, "extra"), (A, "missing")]


def test_a_rule_without_recipients_or_that_sops_fails_on_demands_none() -> None:
    assert differences(file((A,)), rule()) == differences(file((A,)), rule(())) == differences(file((A,)), rule((B,), broken=True)) == []


def test_a_malformed_recipient_is_missing_and_not_extra() -> None:
    assert differences(file((A, "")), rule((A,))) == []
    assert differences(file([Recipient("age", "")]), rule((A,))) == [(A, "missing")]


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "same"),
    [
        ("pgp", FINGERPRINT, "a0e4 3eb6 b596 b632 91aa  ea1b 76c2 6c3e 1fb2 f4f3", True),
        ("pgp", "0X" + FINGERPRINT, FINGERPRINT, True),
        ("pgp", FINGERPRINT[-16:], FINGERPRINT, False),
        ("azure_kv", "https://v.vault.azure.net/keys/k/1f", "https://v.vault.azure.net/keys/k/", True),
        ("azure_kv", "https://v.vault.azure.net/keys/k/1f", "https://V.vault.azure.net/keys/k/1f", True),
        ("azure_kv", "https://v.vault.azure.net/keys/k/1f", "https://v.vault.azure.net/keys/k/2f", False),
        ("azure_kv", "https://v.vault.azure.net/keys/k/", "https://v.vault.azure.net/keys/k/2f", False),
        ("azure_kv", "https://v.vault.azure.net/keys/k/1f", "https://v.vault.azure.net/keys/other/", False),
        ("kms", "arn:aws:kms:a:1:key/x+arn:aws:iam::1:role/r|a:b|p", "arn:aws:kms:a:1:key/x+arn:aws:iam::1:role/r|a:b|p", True),
        ("kms", "arn:aws:kms:a:1:key/x", "arn:aws:kms:a:1:key/x|a:b", False),
        ("hc_vault", "https://v:8200/v1/transit/keys/k", "https://v:8200//v1/transit/keys/k", True),
        ("hc_vault", "https://v:8200/v1/transit/keys/k", "https://v:8200/v1/other/keys/k", False),
    ],
)
def test_ids_are_compared_as_they_are_meant(kind: str, ours: str, theirs: str, same: bool) -> None:
    found = differences(file([Recipient(kind, ours)]), rule([Recipient(kind, theirs)]))
    assert [what for _, what in found] == ([] if same else ["extra", "missing"])


def test_groups_are_compared_by_their_place() -> None:
    assert differences(file((A,), (B,), threshold=2), rule((A,), (B,))) == []
    assert differences(file((B,), (A,), threshold=2), rule((A,), (B,))) == [(B, "extra"), (A, "missing"), (A, "extra"), (B, "missing")]
    assert differences(file((A,), (B,), threshold=2), rule((A, B))) == [(B, "missing"), (B, "extra")]
    assert differences(file((A,)), rule((A,), (B,))) == [(B, "missing")]
    assert "in group 2" in compare(file((A,)), rule((A,), (B,)))[0].reason


def test_thresholds_count_where_there_are_groups() -> None:
    groups = ((A,), (B,), (C,))
    for found, demanded, same in ((3, 0, True), (0, 0, True), (2, 2, True), (2, 0, False), (1, 2, False), (3, 2, False)):
        assert differences(file(*groups, threshold=found), rule(*groups, threshold=demanded)) == ([] if same else [("shamir_threshold", "threshold")])
    assert differences(file((A,), threshold=1), rule((A,), threshold=3)) == []
    remedy = compare(file(*groups, threshold=2), rule(*groups))[0].remedy
    assert remedy == "sops decrypt -i {file} && sops encrypt -i {file}"


# --- wrapped keys, made by sops --------------------------------------------------------------------------------------


def read_metadata(data: bytes) -> Metadata:
    metadata, problems = parse_metadata(read("yaml", data).metadata[0], "yaml")
    assert metadata is not None
    assert problems == []
    return metadata


def wrapped(metadata: Metadata, public_keys: dict[str, frozenset[str]] | None = None) -> list[Problem]:
    problems = check_wrapped(metadata, public_keys or {})
    assert all(problem.rule in RULES and problem.remedy for problem in problems)
    return problems


def rewrapped(metadata: Metadata, text: str) -> Metadata:
    return metadata._replace(groups=((metadata.groups[0][0]._replace(wrapped=text),),))


def test_a_hidden_recipient_is_named_by_whom_it_hides_behind(sops_maker: SopsMaker) -> None:
    mine, hidden = (pyrage.x25519.Identity.generate().to_public() for _ in range(2))
    metadata = read_metadata(sops_maker.encrypt(b"a: b\n", "yaml"))
    assert wrapped(metadata) == []
    changed = rewrapped(metadata, pyrage.encrypt(bytes(32), [mine, hidden], armored=True).decode())
    (problem,) = wrapped(changed)
    assert (problem.rule, problem.key, problem.span) == ("sops-hidden-recipient", sops_maker.age().recipient, metadata.groups[0][0].wrapped_span)


def test_a_share_is_not_a_data_key(sops_maker: SopsMaker) -> None:
    groups = [{"age": [sops_maker.age().recipient]}, {"age": [sops_maker.age(1).recipient]}]
    metadata = read_metadata(sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(groups=groups)))
    assert wrapped(metadata) == []
    assert [problem.rule for problem in wrapped(metadata._replace(groups=metadata.groups[:1]))] == ["sops-recipient-key"]


def test_pgp_recipients_are_compared_with_public_keys(sops_maker: SopsMaker) -> None:
    if reason := missing("gpg"):
        pytest.skip(reason)
    keys = [sops_maker.pgp(number) for number in (0, 1)]
    known = [public_key_ids(sops_maker.gpg("-a", "--export", key.fingerprint)) for key in keys]
    assert [found[key.fingerprint] >= {key.subkey} for found, key in zip(known, keys, strict=True)] == [True, True]
    metadata = read_metadata(sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(recipients={"pgp": [keys[0].fingerprint]})))
    other = read_metadata(sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(recipients={"pgp": [keys[1].fingerprint]})))
    assert wrapped(metadata) == wrapped(metadata, known[0]) == wrapped(metadata, known[1]) == wrapped(metadata, known[0] | known[1]) == []
    swapped = rewrapped(metadata, other.groups[0][0].wrapped)
    assert wrapped(swapped) == wrapped(swapped, known[1]) == []
    (problem,) = wrapped(swapped, known[0])
    assert (problem.rule, problem.key) == ("sops-hidden-recipient", keys[0].fingerprint)


def test_what_sops_wraps_without_gpg_passes(sops_maker: SopsMaker, tmp_path: Path) -> None:
    """Where there is a keyring in the old format, SOPS encrypts by go-crypto rather than by gpg."""
    if reason := missing("gpg"):
        pytest.skip(reason)
    name = "rsa@example.org"
    options = ("--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
    sops_maker.gpg(*options, "--quick-gen-key", name, "rsa2048", "cert", "never")
    (primary,) = public_key_ids(sops_maker.gpg("--export", name))
    sops_maker.gpg(*options, "--quick-add-key", primary, "rsa2048", "encr", "never")
    rsa = public_key_ids(sops_maker.gpg("--export", name))
    both = [sops_maker.pgp().fingerprint, *rsa]
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    (home / "pubring.gpg").write_bytes(sops_maker.gpg("--export"))
    (tmp_path / "a.yaml").write_bytes(b"a: b\n")
    (tmp_path / ".sops.yaml").write_text(sops_maker.recipe(recipients={"pgp": both}).config())
    environ = sops_maker.environ | {"GNUPGHOME": str(home), "PATH": str(home)}
    subprocess.run([sops_program() or "sops", "encrypt", "-i", "a.yaml"], cwd=tmp_path, env=environ, check=True, capture_output=True)
    metadata = read_metadata((tmp_path / "a.yaml").read_bytes())
    assert [one.recipient.id for one in metadata.groups[0]] == both
    assert wrapped(metadata, public_key_ids(sops_maker.gpg("--export"))) == []
    assert [problem.key for problem in wrapped(metadata, {fingerprint: frozenset({"0" * 16, fingerprint[-16:]}) for fingerprint in rsa})] == list(rsa)


def named(metadata: Metadata, id_: str) -> Metadata:
    return metadata._replace(groups=((metadata.groups[0][0]._replace(recipient=Recipient("pgp", id_)),),))


def test_any_id_of_a_certificate_names_it(sops_maker: SopsMaker) -> None:
    if reason := missing("gpg"):
        pytest.skip(reason)
    key, other = sops_maker.pgp(0), sops_maker.pgp(1)
    metadata = read_metadata(sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(recipients={"pgp": [key.fingerprint]})))
    known = public_key_ids(sops_maker.gpg("--export"))
    for mine, theirs in ((key.fingerprint, other.fingerprint), (key.subkey, other.subkey), ("0X" + key.fingerprint[-16:], other.fingerprint[-16:])):
        assert wrapped(named(metadata, mine), known) == []
        assert [problem.rule for problem in wrapped(named(metadata, theirs), known)] == ["sops-hidden-recipient"]
    # A short id is nobody's in particular; an exclamation mark names one key, known or not.
    assert wrapped(named(metadata, other.fingerprint[-8:]), known) == []
    assert wrapped(named(metadata, key.subkey + "!")) == []
    assert [problem.rule for problem in wrapped(named(metadata, key.fingerprint + "!"))] == ["sops-hidden-recipient"]


def test_the_remedies_mend(sops_maker: SopsMaker) -> None:
    one, two, three = (sops_maker.age(number).recipient for number in range(3))
    recipe = sops_maker.recipe(recipients={"age": [one, two]})
    demanded = rule((one, two))
    data = sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(recipients={"age": [one, three]}))
    assert differences(read_metadata(data), demanded) == [(three, "extra"), (two, "missing")]
    assert differences(read_metadata(sops_maker.updatekeys(data, "yaml", recipe)), demanded) == []


def test_nothing_but_encrypting_anew_changes_a_threshold(sops_maker: SopsMaker) -> None:
    groups = [{"age": [sops_maker.age(number).recipient]} for number in range(3)]
    demanded = rule(*((group["age"][0],) for group in groups))
    recipe = sops_maker.recipe(groups=groups)
    data = sops_maker.encrypt(b"a: b\n", "yaml", sops_maker.recipe(groups=groups, threshold=2))
    for changed in (data, sops_maker.updatekeys(data, "yaml", recipe), sops_maker.rotate(data, "yaml")):
        assert differences(read_metadata(changed), demanded) == [("shamir_threshold", "threshold")]
    assert differences(read_metadata(sops_maker.encrypt(sops_maker.decrypt(data, "yaml"), "yaml", recipe)), demanded) == []
