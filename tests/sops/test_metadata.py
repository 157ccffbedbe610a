# SPDX-License-Identifier: Apache-2.0
"""The `sops` block: what any version of SOPS wrote passes in every store, and nothing else does."""

import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sopsmaker import SopsMaker, missing

from scanner.model import Secret, Span
from scanner.sops.content import ListNode, MapNode, Node, Scalar
from scanner.sops.creation.policy import DEFAULT_SELECTOR, SELECTOR_KINDS, Selector
from scanner.sops.metadata import Metadata, parse_metadata
from scanner.sops.recipient import Recipient
from scanner.sops.recipients import check_wrapped
from scanner.sops.rules import RULES, Problem
from scanner.sops.stores import read

NOW = "2026-11-22T05:20:42Z"
AGE = str(pyrage.x25519.Identity.generate().to_public())


def _noise(size: int) -> str:
    return base64.b64encode(hashlib.sha256(b"%d" % size).digest()[:size]).decode()


MAC = f"ENC[AES256_GCM,data:{base64.b64encode(bytes(range(128, 256))).decode()},iv:{_noise(32)},tag:{_noise(16)},type:str]"
BLOCK: dict[str, Any] = {"age": [{"recipient": AGE, "enc": "…"}], "lastmodified": NOW, "mac": MAC, "unencrypted_suffix": "_unencrypted", "version": "3.11.0"}
FINGERPRINT = "A0E43EB6B596B63291AAEA1B76C26C3E1FB2F4F3"


def node(value: Any, counter: list[int] | None = None) -> Node:
    """Return a value as a reader gives it; each scalar stands ten bytes behind the one before it."""
    counter = counter if counter is not None else [0]

    def scalar(text: str, type_: str) -> Scalar:
        counter[0] += 10
        return Scalar(text, type_, Span(counter[0], counter[0] + 5))

    start = counter[0]
    match value:
        case Scalar() | MapNode() | ListNode():
            return value
        case dict() | Pairs():
            entries = tuple((scalar(key, "str"), node(item, counter)) for key, item in value.items())
            return MapNode(entries, Span(start, counter[0] + 9))
        case list():
            return ListNode(tuple(node(item, counter) for item in value), Span(start, counter[0] + 9))
        case None:
            return scalar("null", "null")
        case bool():
            return scalar(str(value).lower(), "bool")
        case int():
            return scalar(str(value), "int")
        case _:
            return scalar(value, "str")


class Pairs:
    """A map with a key that is there twice."""

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self._pairs = pairs

    def items(self) -> tuple[tuple[str, Any], ...]:
        return self._pairs


def parse(block: Any, store: str = "yaml") -> tuple[Metadata | None, list[Problem]]:
    metadata, problems = parse_metadata(node(block), store)
    assert all(problem.rule in RULES and problem.remedy for problem in problems)
    return metadata, problems


def found(block: Any, store: str = "yaml") -> list[tuple[str, str]]:
    return [(problem.rule, problem.key) for problem in parse(block, store)[1]]


def with_(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (BLOCK | changes).items() if value is not ...}


def test_a_plain_block() -> None:
    metadata, problems = parse(BLOCK)
    assert problems == []
    assert metadata is not None
    ((recipient,),) = metadata.groups
    assert recipient.recipient == Recipient("age", AGE)
    assert (recipient.wrapped, recipient.created_at) == ("…", "")
    assert recipient.span.end <= recipient.wrapped_span.start
    assert (metadata.mac, metadata.last_modified, metadata.version) == (MAC, NOW, "3.11.0")
    assert metadata.mac_span.start > recipient.wrapped_span.start
    assert (metadata.selector, metadata.threshold, metadata.mac_only_encrypted) == (DEFAULT_SELECTOR, 0, False)


CREATED = {"created_at": NOW, "enc": "…"}
RECIPIENTS: Mapping[str, tuple[dict[str, Any], str]] = {
    "age": ({"recipient": AGE, "enc": "…"}, AGE),
    "pgp": ({"fp": FINGERPRINT.lower(), **CREATED}, FINGERPRINT),
    "kms": ({"arn": "arn:aws:kms:us-east-1:656532927350:key/920aff2e-c5f1-4040-943a-047fa387b27e", "aws_profile": "", **CREATED}, "arn:aws:kms:us-east-1:656532927350:key/920aff2e-c5f1-4040-943a-047fa387b27e"),
    "gcp_kms": ({"resource_id": "projects/some-project/locations/global/keyRings/ring/cryptoKeys/key", **CREATED}, "projects/some-project/locations/global/keyRings/ring/cryptoKeys/key"),
    "azure_kv": ({"vault_url": "https://some.vault.azure.net/", "name": "key", "version": "0123456789abcdef0123456789abcdef", **CREATED}, "https://some.vault.azure.net/keys/key/0123456789abcdef0123456789abcdef"),
    "hc_vault": ({"vault_address": "http://127.0.0.1:8200", "engine_path": "team/transit", "key_name": "key-1", **CREATED}, "http://127.0.0.1:8200/v1/team/transit/keys/key-1"),
    "hckms": ({"key_id": "cn-north-1:12345678-1234-1234-1234-123456789012", **CREATED}, "cn-north-1:12345678-1234-1234-1234-123456789012"),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECIPIENTS)
def test_recipients_of_every_kind(kind: str) -> None:
    entry, id_ = RECIPIENTS[kind]
    metadata, problems = parse(with_(**{"age": ..., kind: [entry, entry]}))
    assert problems == []
    assert metadata is not None
    assert [one.recipient for one in metadata.groups[0]] == [Recipient(kind, id_)] * 2
    assert metadata.groups[0][0].created_at == entry.get("created_at", "")


@pytest.mark.parametrize("kind", RECIPIENTS)
def test_each_part_of_a_recipient_must_be_there_and_fit(kind: str) -> None:
    entry, _ = RECIPIENTS[kind]
    optional = {"aws_profile", "version"}
    for key in entry:
        where = f"sops.{kind}[0].{key}"
        without = {name: value for name, value in entry.items() if name != key}
        assert found(with_(**{kind: [without]})) == ([] if key in optional else [("sops-metadata", where)])
        if key == "enc":
            assert found(with_(**{kind: [entry | {key: [entry[key]]}]})) == [("sops-metadata", where)]
            continue
        metadata, problems = parse(with_(**{"age": ..., kind: [entry | {key: "hunter2 is the password"}]}))
        assert [(problem.rule, problem.key) for problem in problems] == [("sops-metadata", where)]
        assert all("hunter2" not in problem.reason for problem in problems)
        assert metadata is not None
        assert (metadata.groups[0][0].recipient.id == "") == (key != "created_at")
        twice = Pairs((key, entry[key]), *entry.items())
        assert ("sops-metadata", where) in found(with_(**{kind: [twice]}))
    assert found(with_(**{kind: [entry | {"note": "x"}]})) == [("sops-metadata-unknown", f"sops.{kind}[0].note")]
    assert found(with_(**{kind: entry})) == [("sops-metadata", f"sops.{kind}")] + ([("sops-metadata", "sops")] if kind == "age" else [])
    assert found(with_(**{kind: ["x", entry]})) == [("sops-metadata", f"sops.{kind}[0]")]


def test_kms_has_roles_contexts_and_profiles() -> None:
    arn, role = RECIPIENTS["kms"][1], "arn:aws:iam::927034868273:role/sops-dev"
    for extra, id_ in (
        ({"role": role}, f"{arn}+{role}"),
        ({"context": {"b-c": "2", "b": "1", "App": "some app"}}, f"{arn}|App:some app,b:1,b-c:2"),
        ({"role": role, "aws_profile": "dev"}, f"{arn}+{role}||dev"),
        ({"context": {"a": "1"}, "aws_profile": "dev"}, f"{arn}|a:1|dev"),
        ({"context": None, "role": None}, arn),
        ({"context": {}}, arn),
    ):
        metadata, problems = parse(with_(age=..., kms=[RECIPIENTS["kms"][0] | extra]))
        assert problems == []
        assert metadata is not None
        assert metadata.groups[0][0].recipient.id == id_
    for context in ("text", ["a"], {"a": {"b": "c"}}, {"a\n": "b"}, {"a": "b\nc"}, {"a": ""}, Pairs(("a", "b"), ("a", "b"))):
        assert found(with_(kms=[RECIPIENTS["kms"][0] | {"context": context}])) == [("sops-metadata", "sops.kms[0].context")]


@pytest.mark.parametrize("fingerprint", ["76C26C3E1FB2F4F3", "1FB2F4F3", "0x" + FINGERPRINT, FINGERPRINT + "!", FINGERPRINT + FINGERPRINT[:24]])
def test_fingerprints_as_gpg_takes_them(fingerprint: str) -> None:
    assert found(with_(pgp=[{"fp": fingerprint, **CREATED}])) == []
    assert found(with_(pgp=[{"fp": fingerprint[1:], **CREATED}])) == [("sops-metadata", "sops.pgp[0].fp")]


def test_a_recipient_of_age_has_a_checksum() -> None:
    wrong = AGE[:-1] + ("q" if AGE[-1] != "q" else "p")
    metadata, problems = parse(with_(age=[{"recipient": wrong, "enc": "…"}]))
    assert [problem.rule for problem in problems] == ["sops-recipient-key"]
    assert metadata is not None
    assert metadata.groups[0][0].recipient.id == ""


@pytest.mark.parametrize("key", ["lastmodified", "mac", "version"])
def test_what_is_always_there(key: str) -> None:
    assert found(with_(**{key: ...})) == [("sops-metadata", f"sops.{key}")]
    for value in ("", None, [], {}, "some words"):
        assert found(with_(**{key: value})) == [("sops-metadata", f"sops.{key}")]


@pytest.mark.parametrize("time_", [NOW, "2024-02-29T23:59:59+05:30", "2019-01-31T00:00:00.123-08:00"])
def test_times(time_: str) -> None:
    assert found(with_(lastmodified=time_)) == found(with_(lastmodified=Scalar(time_, "time", Span(0, 9)))) == []


@pytest.mark.parametrize(
    "time_",
    ["yesterday", "2026-11-22", "2026-11-22 05:20:42Z", "2026-11-22T05:20:42", "2026-02-29T05:20:42Z", "2026-04-31T05:20:42Z", "2026-13-01T05:20:42Z", "2026-11-22T24:20:42Z", NOW + " ", NOW + "\n", " " + NOW, NOW.lower(), "\u0662026-11-22T05:20:42Z"],
)  # fmt: skip
def test_what_is_no_time(time_: str) -> None:
    assert found(with_(lastmodified=time_)) == [("sops-metadata", "sops.lastmodified")]


def test_versions() -> None:
    assert [found(with_(version=text)) for text in ("3.0.0", "3.13.2", "3.9.0-rc.1", "1.14")] == [[]] * 4
    for text in ("3", "3.11.0 hunter2", "hunter2", "3.11.0-hunter2", "3.11.0\n", "3.11.0+x", "03e8.1.1"):
        assert found(with_(version=text)) == [("sops-metadata", "sops.version")]


def test_the_mac_is_one_ciphertext_of_128_bytes() -> None:
    short = base64.b64encode(bytes(127)).decode()
    clear = base64.b64encode(b"words and words " * 8).decode()
    data = MAC[MAC.index("data:") + 5 : MAC.index(",iv")]
    for mac in (MAC + " note", "note " + MAC, MAC + "\n", MAC.replace(data, short), MAC.replace(data, clear), MAC.replace("type:str", "type:int"), MAC.lower()):
        metadata, problems = parse(with_(mac=mac))
        assert [(problem.rule, problem.key) for problem in problems] == [("sops-metadata", "sops.mac")]
        assert metadata is not None
        assert metadata.mac == ""


def test_selectors() -> None:
    for kind in SELECTOR_KINDS:
        metadata, problems = parse(with_(**{"unencrypted_suffix": ..., kind: "^(data|stringData)$"}))
        assert (metadata and metadata.selector, problems) == (Selector(kind, "^(data|stringData)$"), [])
    for block in (with_(unencrypted_suffix=...), with_(unencrypted_suffix=""), with_(unencrypted_suffix=None)):
        metadata, problems = parse(block, "binary")
        assert (metadata and metadata.selector, problems) == (DEFAULT_SELECTOR, [])
    assert found(with_(unencrypted_suffix="", encrypted_suffix="_x")) == []
    assert found(with_(encrypted_regex="x")) == [("sops-metadata", "sops.encrypted_regex")]
    assert found(with_(unencrypted_suffix=["x"])) == found(with_(unencrypted_suffix="x" * 5000)) == found(with_(unencrypted_suffix="\x00")) == [("sops-metadata", "sops.unencrypted_suffix")]


def test_flags_and_numbers_are_typed_but_in_flat_stores() -> None:
    for value, store, ok in ((True, "yaml", True), (False, "json", True), ("true", "yaml", False), ("true", "dotenv", True), ("false", "ini", True), ("yes", "ini", False), (1, "yaml", False), ([], "yaml", False)):
        metadata, problems = parse(with_(mac_only_encrypted=value), store)
        assert ([problem.key for problem in problems] == []) == ok
        assert metadata is not None
        assert metadata.mac_only_encrypted == (ok and value in (True, "true"))
    for value, store, number in ((2, "yaml", 2), ("2", "yaml", None), ("2", "dotenv", 2), ("2.000000", "ini", 2), ("2.5", "ini", None), (1000, "json", None), ("x", "ini", None), ({}, "yaml", None)):
        metadata, problems = parse(with_(shamir_threshold=value), store)
        assert [problem.key for problem in problems] == ([] if number else ["sops.shamir_threshold"])
        assert metadata is not None
        assert metadata.threshold == (number or 0)


GROUP = {"hc_vault": [], "age": [{"recipient": AGE, "enc": "…"}]}


def test_groups_have_a_threshold_that_fits() -> None:
    three = [GROUP, {"pgp": [RECIPIENTS["pgp"][0]], "hc_vault": [], "age": []}, GROUP]
    metadata, problems = parse(with_(age=..., key_groups=three, shamir_threshold=2))
    assert problems == []
    assert metadata is not None
    assert [[one.recipient.kind for one in group] for group in metadata.groups] == [["age"], ["pgp"], ["age"]]
    assert metadata.threshold == 2
    for threshold in (..., 0, 1, 4, 255):
        assert found(with_(age=..., key_groups=three, shamir_threshold=threshold)) == [("sops-metadata", "sops.shamir_threshold")]


def test_groups_are_groups() -> None:
    def keys(*groups: Any) -> list[tuple[str, str]]:
        return found(with_(age=..., key_groups=list(groups), shamir_threshold=2))

    assert keys(GROUP, GROUP) == []
    assert keys(GROUP, GROUP, {"age": []}) == keys(GROUP, GROUP, {}) == keys(GROUP, GROUP, "x") == [("sops-metadata", "sops.key_groups[2]")]
    assert keys(GROUP, GROUP | {"note": "x"}) == [("sops-metadata-unknown", "sops.key_groups[1].note")]
    assert keys(GROUP, {"age": [GROUP["age"][0] | {"note": "x"}]}) == [("sops-metadata-unknown", "sops.key_groups[1].age[0].note")]
    assert keys(GROUP, GROUP | {"lastmodified": NOW}) == [("sops-metadata-unknown", "sops.key_groups[1].lastmodified")]
    assert found(with_(key_groups=[GROUP, GROUP])) == [("sops-metadata", "sops.key_groups")]
    assert found(with_(age=..., key_groups=GROUP)) == [("sops-metadata", "sops.key_groups"), ("sops-metadata", "sops")]
    assert found(with_(age=..., key_groups=[GROUP] * 256, shamir_threshold=255)) == [("sops-metadata", "sops.key_groups")]


def test_older_files_have_empty_lists() -> None:
    old = with_(kms=[], gcp_kms=[], azure_kv=[], hc_vault=None, hckms=None, pgp=[], version="3.7.3")
    assert found(old) == found(old | {"key_groups": []}) == []
    assert found(old | {"age": []}) == found(with_(age=...)) == [("sops-metadata", "sops")]
    assert found(old | {"kms": ""}) == [("sops-metadata", "sops.kms")]


def test_unknown_keys_are_shown_whole_and_never_quoted() -> None:
    (problem,) = parse(BLOCK | {"note": "hunter2"})[1]
    assert problem.span.end - problem.span.start == 15
    assert problem.value == Secret(b"hunter2")
    assert "hunter2" not in problem.reason + problem.key + problem.remedy
    (problem,) = parse(BLOCK | {"hunter2 is the password": ""})[1]
    assert "hunter2" not in problem.reason + problem.key
    assert found(BLOCK | {"Mac": MAC, "sops": {}, "": []}) == [("sops-metadata-unknown", f"sops.{key}") for key in ("Mac", "sops", "?")]


def test_the_warning_of_the_python_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "words that every version before 2 wrote"
    block = BLOCK | {"attention": warning}
    assert [problem.rule for problem in parse_metadata(node(block), "yaml")[1]] == ["sops-metadata-unknown"]
    monkeypatch.setattr("scanner.sops.metadata._ATTENTION", hashlib.sha256(warning.encode()).hexdigest())
    assert parse_metadata(node(block), "yaml")[1] == []
    other = BLOCK | {"attention": warning + "!"}
    assert [problem.rule for problem in parse_metadata(node(other), "yaml")[1]] == ["sops-metadata-unknown"]


def test_a_key_that_is_there_twice() -> None:
    metadata, problems = parse(Pairs(("version", "3.9.0"), *BLOCK.items()))
    assert [(problem.rule, problem.key) for problem in problems] == [("sops-metadata", "sops.version")]
    assert metadata is not None
    assert metadata.version == "3.11.0"


@pytest.mark.parametrize("value", [None, True, "text", [], [BLOCK]])
def test_what_is_no_block(value: Any) -> None:
    metadata, problems = parse(value)
    assert metadata is None
    assert [(problem.rule, problem.key) for problem in problems] == [("sops-metadata", "sops")]


NAMES = st.sampled_from([*BLOCK, *RECIPIENTS, "key_groups", "shamir_threshold", "mac_only_encrypted", "enc", "fp", "context", "created_at", "recipient", "arn", "\udc80"])
TREES = st.recursive(st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=8) | NAMES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4), max_leaves=12)


@given(TREES, NAMES, st.sampled_from(["yaml", "json", "dotenv", "ini", "binary"]))
def test_any_tree_is_read_without_an_error(tree: Any, name: str, store: str) -> None:
    for block in (tree, BLOCK | {name: tree}, {"key_groups": [tree, {"kms": [tree], name: [tree]}]}):
        metadata, problems = parse_metadata(node(block), store)
        assert metadata is not None or problems
        if metadata is not None:
            assert problems + check_wrapped(metadata, {})


def test_a_deep_or_long_block_is_read_in_no_time() -> None:
    deep: Node = Scalar("x", "str", Span(0, 1))
    for _ in range(100_000):
        deep = ListNode((deep,), Span(0, 1))
    began = time.process_time()
    assert found(BLOCK | {"age": deep, "note": deep, "kms": [deep]})
    metadata, problems = parse(with_(age=[{"recipient": "age1" + "q" * 5000, "enc": "x" * 100_000}] * 500, pgp=[{"fp": "A" * 50_000, "enc": "", "created_at": "9" * 50_000}] * 500))
    assert metadata is not None
    assert len(problems) == 1500
    assert len(check_wrapped(metadata, {})) == 1000
    assert time.process_time() - began < 8
    while isinstance(deep, ListNode):  # taking it down at once would be a recursion of its own
        deep = deep.entries[0]


# --- what sops itself writes -----------------------------------------------------------------------------------------

DOCUMENTS = {"yaml": b"a: b\n", "json": b'{"a": "b"}', "dotenv": b"A=b\n", "ini": b"[a]\nb = c\n", "binary": b"abc"}


def read_metadata(data: bytes, store: str) -> tuple[Metadata, list[Problem]]:
    metadata, problems = parse_metadata(read(store, data).metadata[0], store)
    assert metadata is not None
    return metadata, problems + check_wrapped(metadata, {})


@pytest.mark.parametrize("store", DOCUMENTS)
def test_what_sops_writes_passes(sops_maker: SopsMaker, store: str) -> None:
    if reason := missing("gpg"):
        pytest.skip(reason)
    age, other, pgp = sops_maker.age().recipient, sops_maker.age(1).recipient, sops_maker.pgp().fingerprint
    recipe = sops_maker.recipe(recipients={"age": [age, other], "pgp": [pgp]})
    metadata, problems = read_metadata(sops_maker.encrypt(DOCUMENTS[store], store, recipe), store)
    assert problems == []
    assert [{one.recipient for one in group} for group in metadata.groups] == [{Recipient("age", age), Recipient("age", other), Recipient("pgp", pgp)}]
    recipe = sops_maker.recipe(groups=[{"age": [age]}, {"pgp": [pgp]}, {"age": [other]}], threshold=2, selector=("encrypted_regex", "^(a|A|data)$"), mac_only_encrypted=True)
    metadata, problems = read_metadata(sops_maker.encrypt(DOCUMENTS[store], store, recipe), store)
    assert problems == []
    assert [[one.recipient.id for one in group] for group in metadata.groups] == [[age], [pgp], [other]]
    # The binary store takes over neither the flag nor the selector: there is but one value.
    assert (metadata.threshold, metadata.mac_only_encrypted) == (2, store != "binary")
    assert metadata.selector == (DEFAULT_SELECTOR if store == "binary" else Selector("encrypted_regex", "^(a|A|data)$"))


def test_what_sops_writes_for_transit_passes(sops_maker: SopsMaker) -> None:
    if reason := missing("bao"):
        pytest.skip(reason)
    uri = sops_maker.transit()
    for store, document in DOCUMENTS.items():
        metadata, problems = read_metadata(sops_maker.encrypt(document, store, sops_maker.recipe(recipients={"hc_vault": [uri]})), store)
        assert problems == []
        assert [one.recipient for one in metadata.groups[0]] == [Recipient("hc_vault", uri)]


def test_a_note_in_what_sops_wrote_is_found_in_its_place(sops_maker: SopsMaker) -> None:
    note = b"hunter2 is it"
    notes = {
        "yaml": (b"sops:\n", b"sops:\n    note: " + note + b"\n"),
        "json": (b'"sops": {', b'"sops": {"note": "' + note + b'",'),
        "dotenv": (b"sops_mac=", b"sops_note=" + note + b"\nsops_mac="),
        "ini": (b"[sops]\n", b"[sops]\nnote = " + note + b"\n"),
        "binary": (b'"recipient":', b'"note": "' + note + b'", "recipient":'),
    }
    for store, (old, new) in notes.items():
        data = sops_maker.encrypt(DOCUMENTS[store], store)
        assert old in data
        data = data.replace(old, new, 1)
        (problem,) = read_metadata(data, store)[1]
        assert problem.rule == "sops-metadata-unknown"
        assert problem.value == Secret(note)
        assert note in data[slice(*problem.span)]
        assert b"note" in data[slice(*problem.span)]
