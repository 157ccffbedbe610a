# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import STORES, VARIANTS, Change, Sample, Samples, flip, wrap_for
from sopsmaker import SELECTORS, SopsError, SopsMaker, Store, missing

from scanner.errors import ConfigError
from scanner.sops.content import Content, Item, Scalar
from scanner.sops.keyed.keys import Keyring, NoKey
from scanner.sops.keyed.mac import verify_mac
from scanner.sops.keyed.sops_program import verify_with_sops
from scanner.sops.metadata import Metadata, parse_metadata
from scanner.sops.rules import Problem
from scanner.sops.stores import read

# The variants that each store can have.
CASES = [
    (store, variant)
    for store in STORES
    for variant in VARIANTS
    if not (variant == "documents" and store != "yaml")
    and not (variant == "encrypted_comment_regex" and store in ("json", "binary"))
    and not (variant in ("encrypted_regex", "mac_only_encrypted") and store == "binary")
    and not (variant == "age and PGP" and missing("gpg"))
]


@pytest.fixture(scope="module")
def samples(sops_maker: SopsMaker) -> Samples:
    return Samples(sops_maker)


def parts(data: bytes, store: Store) -> tuple[Content, Metadata]:
    content = read(store, data)
    metadata, _ = parse_metadata(content.metadata[0], store)
    assert metadata is not None
    return content, metadata


def verify(data: bytes, store: Store, maker: SopsMaker) -> list[Problem]:
    return verify_mac(*parts(data, store), Keyring(maker.environ))


def one(data: bytes, store: Store, maker: SopsMaker) -> tuple[Problem, bytes]:
    """Return the one problem of a file, and the bytes that it points to."""
    assert data
    problems = verify(data, store, maker)
    assert [problem.rule for problem in problems] == ["sops-mac"]
    return problems[0], data[problems[0].span.start : problems[0].span.end]


# What sops encrypts


@pytest.mark.parametrize(("store", "variant"), CASES)
def test_what_sops_encrypts_is_proven(samples: Samples, store: Store, variant: str) -> None:
    sample = samples.get(store, variant)
    assert verify(sample.data, store, sample.maker) == []


VALUES: list[tuple[str, str]] = [
    ("string", '"plain"'),
    ("spaces", '"  two  "'),
    ("unicode", '"grüße 🔑 \\u0000"'),
    ("lines", '"one\\ntwo\\n\\nfour\\n"'),
    ("looks like a number", '"007"'),
    ("looks like true", '"yes"'),
    ("empty", '""'),
    ("null", "null"),
    ("true", "true"),
    ("false", "False"),
    ("integer", "-42"),
    ("hexadecimal", "0x1F"),
    ("octal", "0o17"),
    ("old octal", "017"),
    ("large", "9223372036854775807"),
    ("float", "3.25"),
    ("exponent", "1e25"),
    ("tiny", "1e-9"),
    ("infinite", ".inf"),
    ("not a number", ".nan"),
    ("date", "2024-02-29"),
    ("time", "2024-02-29T12:30:00.25+02:00"),
    ("spaced time", "2024-02-29 12:30:00"),
    ("base64", "!!binary aGVsbG8="),
    ("list", "[a, 1, true, null, 1.5]"),
    ("lists", "[[a, [b]], [], [{}, {c: d}]]"),
    ("map", "{a: {b: {c: 1}}, d: {}}"),
    ("alias", "*anchor"),
]
SELECTED = [None, ("encrypted_regex", "^x"), ("unencrypted_regex", "^x"), ("encrypted_suffix", "_enc"), ("unencrypted_suffix", "_clear")]


@pytest.mark.parametrize("mac_only_encrypted", [False, True])
@pytest.mark.parametrize("selector", SELECTED, ids=lambda selector: selector[0] if selector else "none")
def test_values_of_all_types_encrypted_and_clear(sops_maker: SopsMaker, selector: tuple[str, str] | None, mac_only_encrypted: bool) -> None:
    lines = [f"'{prefix}{name}{suffix}': {text}" for name, text in VALUES for prefix, suffix in (("x", "_clear"), ("y", "_enc"))]
    document = "# top\na_enc: &anchor {in: side}\n" + "\n".join(lines) + "\n"
    recipe = sops_maker.recipe(selector=selector, mac_only_encrypted=mac_only_encrypted)
    data = sops_maker.encrypt(document.encode(), "yaml", recipe)
    assert verify(data, "yaml", sops_maker) == []


# A clear value that was rewritten by hand and is still the same to SOPS.
@pytest.mark.parametrize(
    ("written", "instead"),
    [("31", "0x1F"), ("31", "0b11111"), ("31", "037"), ("31", "3_1"), ("31", "+31"), ("1.5", "1.50"), ("1.5", "15e-1"), ("true", "TRUE"), ("word", "'word'"), ("word", '"\\x77ord"'), ("2024-02-29T00:00:00Z", "2024-02-29"), ("1e+25", "1.0e25")],
)
def test_a_clear_value_in_another_spelling(sops_maker: SopsMaker, written: str, instead: str) -> None:
    data = sops_maker.encrypt(f"a: 1\nb_unencrypted: {written}\n".encode(), "yaml")
    line = re.search(rb"(?m)^b_unencrypted: (.*)$", data)
    assert line is not None
    other = data[: line.start(1)] + instead.encode() + data[line.end(1) :]
    assert sops_maker.decrypt(other, "yaml")
    assert verify(other, "yaml", sops_maker) == []


@pytest.mark.parametrize("number", ["0", "-0", "1e3", "1.0", "9007199254740993", "123456789012345678901234567890", "1E400"])
def test_clear_numbers_of_json(sops_maker: SopsMaker, number: str) -> None:
    try:
        data = sops_maker.encrypt(b'{"a": "b", "n": [%s], "n_unencrypted": %s}' % (number.encode(), number.encode()), "json")
    except SopsError:
        assert number == "1E400"
        return
    assert verify(data, "json", sops_maker) == []


def test_clear_integers_of_json_that_are_no_floats(sops_maker: SopsMaker) -> None:
    # 3.13.2 hashes 2**53 + 1 as it is written; the release here takes it for 2**53. Both must pass, others must not.
    data = sops_maker.encrypt(b'{"n_unencrypted": 9007199254740993}', "json")
    assert b"9007199254740992" in data
    assert verify(data.replace(b"9007199254740992", b"9007199254740993"), "json", sops_maker) == []
    one(data.replace(b"9007199254740992", b"9007199254740994"), "json", sops_maker)


@pytest.mark.parametrize(
    ("store", "document"),
    [
        ("json", b'{"a": {"b": ["", null, {"": "\\ud83d\\ude00"}], "c:d": "e"}, "a:c": "\\ud800", "\\u00fc": true}'),
        ("json", b'{"same": 1, "same": 2, "in": {"same": "x", "same": "y"}}'),
        ("dotenv", b"# c\n\nA=\nB= spaced \nexport C='quoted'\nD=a=b#c\\nd\nF_unencrypted=\xc3\xbc\n#\n"),
        ("ini", b'top = 1\n; c\n# d\n[s]\na = b ; inline\nc = `x y`\nempty =\n[other section]\nd_unencrypted = "q"\n; last\n'),
        ("ini", b"[s]\na = x\n[s]\na = y\n[DEFAULT]\nb = z\n"),
        ("binary", bytes(range(256))),
        ("binary", b""),
        ("binary", b'{"data": "x", "more": 1}'),
        ("yaml", b"---\n# only a comment\n---\na: b\n---\n{}\n"),
        ("yaml", b"a: b\n---\nnull\n---\nc: d\nl:\n- - a\n  - - b\n- c\n"),
        ("yaml", b"a:b: {c: d}\na: {'b:c': d}\n"),
        ("yaml", b"base: &b {x: 1}\nmerged:\n  <<: *b\n  y: 2\n"),
        ("yaml", b"# head\n\n# of a\na: # on a\n  # in a\n  b: c # on b\n  # foot of b\n\n  # in a, too\nl: # on l\n# in l\n- x # on x\n# foot of x\n- # on nothing\n  k: v\n# end\n"),
        ("yaml", b"empty:\n    # alone\nmap:\n    deep:\n        k: v\n    # back\n# back again\nlast: [1, # one\n 2] # two\n"),
    ],
)
def test_odd_documents(sops_maker: SopsMaker, store: Store, document: bytes) -> None:
    data = sops_maker.encrypt(document, store)
    assert sops_maker.decrypt(data, store) is not None
    assert verify(data, store, sops_maker) == []


KEYS = st.sampled_from(["a", "b", "c_unencrypted", "d:e", "ü", "x y", "z_encrypted", "secret", "0k"])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), WORDS, st.just("two\nlines\n")
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8),
    min_size=1,
    max_size=6,
)
PATTERNS = {"suffix": ["_unencrypted", "_encrypted", "t"], "comment_regex": ["note", "^ keep$", "e"], "regex": ["^sec", "^[ab]$", "ü|:"]}
CHOSEN = st.none() | st.sampled_from([(kind, pattern) for kind in SELECTORS for pattern in PATTERNS[kind.split("_", 1)[1]]])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees=st.lists(TREES, min_size=1, max_size=3), selector=CHOSEN, only=st.booleans(), notes=st.lists(st.sampled_from(["note", "keep", "secret"]), max_size=4))
def test_whatever_sops_encrypts_in_yaml_is_proven(sops_maker: SopsMaker, trees: list[dict[str, object]], selector: tuple[str, str] | None, only: bool, notes: list[str]) -> None:
    import yaml

    texts = [yaml.safe_dump(tree, allow_unicode=True, sort_keys=False) for tree in trees]
    for note in notes:
        texts = [re.sub(r"(?m)^(\w+:)", rf"# {note}\n\1", text, count=1) for text in texts]
    recipe = sops_maker.recipe(selector=selector, mac_only_encrypted=only)
    try:
        data = sops_maker.encrypt("---\n".join(texts).encode(), "yaml", recipe)
        sops_maker.decrypt(data, "yaml")
    except SopsError:
        return
    assert verify(data, "yaml", sops_maker) == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=TREES, only=st.booleans(), selector=CHOSEN)
def test_whatever_sops_encrypts_in_json_is_proven(sops_maker: SopsMaker, tree: dict[str, object], only: bool, selector: tuple[str, str] | None) -> None:
    recipe = sops_maker.recipe(selector=selector, mac_only_encrypted=only)
    try:
        data = sops_maker.encrypt(json.dumps(tree).encode(), "json", recipe)
        sops_maker.decrypt(data, "json")
    except SopsError:
        return
    assert verify(data, "json", sops_maker) == []


@pytest.mark.parametrize("store", STORES)
def test_what_sops_changed_is_proven(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    maker = sample.maker
    changed = [maker.rotate(sample.data, store), maker.updatekeys(sample.data, store, maker.recipe(recipients={"age": [maker.age().recipient, maker.age(1).recipient]}))]
    if store != "binary":
        index = '["map"]["user"]' if store == "ini" else '["NAME"]' if store == "dotenv" else '["name"]'
        changed.append(maker.set(sample.data, store, index, '"zeta"'))
        changed.append(maker.edit(sample.data, store, "path.write_text(path.read_text().replace('omega', 'psi'))"))
    for data in changed:
        assert data != sample.data
        assert verify(data, store, maker) == []


# What was done to it afterwards


def swapped(sample: Sample, first: "re.Match[bytes]", second: "re.Match[bytes]") -> bytes:
    return sample.edit(Change(*first.span(), second[0]), Change(*second.span(), first[0]))


@pytest.mark.parametrize("store", ["yaml", "json", "dotenv", "ini"])
def test_two_values_swapped(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    first, second = sample.value("name"), sample.value("last")
    assert first
    assert second
    problem, there = one(swapped(sample, first, second), store, sample.maker)
    assert there.strip(b'"') == second[0]
    assert "1 more" in problem.reason
    assert problem.key.lower().endswith("name")


@pytest.mark.parametrize("store", ["yaml", "json"])
def test_two_list_items_swapped(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    first, second, _ = sample.items()
    problem, there = one(swapped(sample, first, second), store, sample.maker)
    assert there.strip(b'"') == sample.field("mac").encode()
    assert problem.key == "sops.mac"


@pytest.mark.parametrize("store", ["yaml", "json", "dotenv", "ini"])
def test_entries_reordered_removed_repeated(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    name, last = sample.line("name"), sample.line("port" if store != "ini" else "last")
    assert name
    assert last
    line = sample.data[slice(*name)]
    one(sample.edit(Change(*name, b"")), store, sample.maker)
    if store != "ini":  # of an INI file the names are in sections, and a key that is there twice is one
        one(sample.edit(Change(*name, b""), Change(last[1], last[1], line)), store, sample.maker)
        one(sample.edit(Change(last[1], last[1], line)), store, sample.maker)


@pytest.mark.parametrize("part", ["data", "iv", "tag"])
@pytest.mark.parametrize("store", STORES)
def test_one_bit_changed(samples: Samples, store: Store, part: str) -> None:
    sample = samples.get(store, "age")
    value = sample.values[0]
    group = {"data": 1, "iv": 2, "tag": 3}[part]
    problem, there = one(sample.replace(value, flip(value[group]), group), store, sample.maker)
    assert there.strip(b'"').startswith(b"ENC[")
    assert "more" not in problem.reason


def sealed(key: bytes, path: str, plain: bytes, type_: str = "str") -> bytes:
    """Return a ciphertext as SOPS writes it."""
    from base64 import b64encode

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    iv = os.urandom(32)
    out = AESGCM(key).encrypt(iv, plain, path.encode())
    fields = [b64encode(part).decode() for part in (out[:-16], iv, out[-16:])]
    return f"ENC[AES256_GCM,data:{fields[0]},iv:{fields[1]},tag:{fields[2]},type:{type_}]".encode()


@pytest.mark.parametrize("store", STORES)
def test_truncated_random_or_from_elsewhere(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    value = sample.values[0]
    other = sample.other.values[0][0]
    # Whoever knows the data key can forge a value; the MAC then says that it was not there.
    path = {"ini": "DEFAULT:name:", "dotenv": "NAME:", "binary": "data:"}.get(store, "name:")
    forged = [other, sealed(os.urandom(32), path, b"alpha"), sealed(sample.data_key, path, b"alpha!"), sealed(sample.data_key, "other:", b"alpha")]
    places = [one(sample.replace(value, new), store, sample.maker)[1] for new in forged]
    assert [place.strip(b'"') for place in places] == [forged[0], forged[1], sample.field("mac").encode(), forged[3]]
    shorter = value[1][:4] if len(value[1]) > 4 else flip(value[1])
    one(sample.replace(value, shorter, 1), store, sample.maker)


@pytest.mark.parametrize("store", STORES)
def test_the_time_the_mac_and_the_whole_block(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    mac = sample.field("mac").encode()
    problem, there = one(sample.with_field("lastmodified", "2020-01-01T00:00:00Z"), store, sample.maker)
    assert there.strip(b'"') == mac
    assert "time of the last change" in problem.reason
    one(sample.with_field("mac", sample.other.field("mac")), store, sample.maker)
    one(sample.with_field("mac", sealed(sample.data_key, sample.field("lastmodified"), b"0" * 128).decode()), store, sample.maker)
    foreign = sample.data[: sample.metadata[0]] + sample.other.data[sample.other.metadata[0] :]
    problem, _ = one(foreign, store, sample.maker)
    assert "another file" in problem.reason or store == "binary"


@pytest.mark.parametrize("same", ["+00:00", ".000Z", ".9Z"])
def test_the_time_in_another_spelling(samples: Samples, same: str) -> None:
    sample = samples.get("yaml", "age")
    written = sample.field("lastmodified").removesuffix("Z") + same
    data = sample.with_field("lastmodified", f'"{written}"')
    assert sample.maker.decrypt(data, "yaml")
    assert verify(data, "yaml", sample.maker) == []


@pytest.mark.parametrize(("name", "type_"), [("name", "int"), ("name", "bool"), ("name", "float"), ("name", "time"), ("port", "bool"), ("flag", "int")])
def test_another_type(samples: Samples, name: str, type_: str) -> None:
    sample = samples.get("yaml", "age")
    value = sample.value(name)
    assert value
    problem, there = one(sample.replace(value, type_.encode(), 4), "yaml", sample.maker)
    assert there == value[0].replace(value[4] + b"]", type_.encode() + b"]")
    assert "type" in problem.reason


@pytest.mark.parametrize("store", ["yaml", "json", "dotenv", "ini"])
def test_clear_values_are_in_the_mac_unless_the_file_says_otherwise(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    one(sample.data.replace(b"green", b"black"), store, sample.maker)
    one(sample.add(sample.entry("added_unencrypted", sample.quote("x") if store != "json" else b'"x"')), store, sample.maker)
    loose = samples.get(store, "mac_only_encrypted")
    assert verify(loose.data.replace(b"green", b"black"), store, loose.maker) == []
    # The two kinds of MAC differ from the first byte on.
    literal = b"false" if store in ("yaml", "json") else None
    if literal:
        one(re.sub(rb'(mac_only_encrypted"?: )true', rb"\1" + literal, loose.data), store, loose.maker)


@pytest.mark.parametrize("store", ["yaml", "json", "dotenv", "ini"])
def test_a_value_that_must_be_encrypted_in_clear(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    value = sample.value("last")
    assert value
    problem, _ = one(sample.replace(value, b"omega"), store, sample.maker)
    assert "must be encrypted" in problem.reason
    assert "omega" not in repr(problem)


@pytest.mark.parametrize("store", ["yaml", "dotenv", "ini"])
def test_a_comment_of_another_file_or_type(samples: Samples, store: Store) -> None:
    sample = samples.get(store, "age")
    comment = sample.comments[0]
    path = "map:" if comment.start() > sample.data.find(b"map") else ":"
    for new in (sealed(os.urandom(32), path, b" note", "comment"), sealed(sample.data_key, "elsewhere:", b"x", "comment"), comment[0].replace(b"type:comment", b"type:str")):
        problem, there = one(sample.replace(comment, new), store, sample.maker)
        assert "comment" in problem.reason
        assert new in there


def test_documents_swapped_or_removed(samples: Samples) -> None:
    sample = samples.get("yaml", "documents")
    first, second = sample.data.split(b"\n---\n")
    one(second + b"---\n" + first + b"\n", "yaml", sample.maker)
    one(first + b"\n", "yaml", sample.maker)
    one(second, "yaml", sample.maker)


def test_a_forged_recipient(samples: Samples) -> None:
    sample = samples.get("yaml", "age")
    problem, _ = one(sample.with_armor("AGE", wrap_for(sample.data_key, [sample.maker.age(1)])), "yaml", sample.maker)
    assert "does not open with its key" in problem.reason
    one(sample.with_armor("AGE", wrap_for(os.urandom(32), [sample.maker.age()])), "yaml", sample.maker)


def test_a_forged_share(samples: Samples) -> None:
    sample = samples.get("yaml", "key groups")
    one(sample.with_armor("AGE", wrap_for(os.urandom(32) + b"\x01", [sample.maker.age()])), "yaml", sample.maker)


def test_without_a_key_nothing_is_said(samples: Samples) -> None:
    sample = samples.get("yaml", "age")
    with pytest.raises(NoKey):
        verify_mac(*parts(sample.data, "yaml"), Keyring({"PATH": os.environ["PATH"]}))


def test_a_missing_package_is_named_with_its_remedy(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = samples.get("yaml", "age")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigError, match="cryptography") as caught:
        verify(sample.data, "yaml", sample.maker)
    assert "sealgate[sops]" in caught.value.hint


def test_a_value_made_a_comment_is_missed_in_the_mac(samples: Samples) -> None:
    sample = samples.get("yaml", "age")
    problem, _ = one(sample.replace(sample.items()[0], b"comment", 4), "yaml", sample.maker)
    assert problem.key == "sops.mac"


# Nothing decrypted gets out


@pytest.mark.parametrize("store", STORES)
def test_no_value_is_in_a_problem_or_an_exception(samples: Samples, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    sample = samples.get(store, "age")
    problems = []
    for value in sample.values:
        problems += verify(sample.replace(value, b"int" if value[4] == b"str" else b"time", 4), store, sample.maker)
        problems += verify(sample.replace(value, flip(value[3]), 3), store, sample.maker)
    problems += verify(sample.with_field("mac", sample.other.field("mac")), store, sample.maker)
    said = repr(problems) + "".join(capfd.readouterr())
    assert problems
    for clear in ("alpha", "first item", "some plain words", "line one", "omega", "all that is in here"):
        assert clear not in said
    assert sample.data_key.hex() not in said
    assert repr(sample.data_key)[2:-1] not in said


# Cost


def test_thirty_thousand_values_take_a_moment(sops_maker: SopsMaker) -> None:
    import hashlib

    key = os.urandom(32)
    span = read("yaml", b"a: b\n").items[0].scalar.span
    values = [(f"key{number}", b"value %d" % number) for number in range(30_000)]
    items = tuple(Item("value", ("map", name), Scalar(sealed(key, f"map:{name}:", plain).decode(), "str", span)) for name, plain in values)
    _, metadata = parts(sops_maker.encrypt(b"a: b\n", "yaml"), "yaml")
    digest = hashlib.sha512(b"".join(plain for _, plain in values)).hexdigest().upper().encode()
    entry = metadata.groups[0][0]._replace(wrapped=wrap_for(key, [sops_maker.age()]))
    metadata = metadata._replace(groups=((entry,),), mac=sealed(key, metadata.last_modified, digest).decode())
    begin = time.process_time()
    assert verify_mac(Content("yaml", items, (), 1, ()), metadata, Keyring(sops_maker.environ)) == []
    assert time.process_time() - begin < 5


def test_comments_that_fit_nowhere_are_not_looked_for_without_end(sops_maker: SopsMaker) -> None:
    data = sops_maker.encrypt(b"a: b\n", "yaml")
    content, metadata = parts(data, "yaml")
    span = content.items[0].scalar.span
    strange = sealed(os.urandom(32), ":", b"x", "comment").decode()
    empty = [Item("value", (f"k{number}",), Scalar("", "str", span)) for number in range(20_000)]
    comments = [Item("comment", ("a",), Scalar(strange, "str", span)) for number in range(20_000)]
    begin = time.process_time()
    problems = verify_mac(content._replace(items=(*content.items, *empty, *comments)), metadata, Keyring(sops_maker.environ))
    assert len(problems) == 1
    assert time.process_time() - begin < 5


# The program


@pytest.fixture
def with_sops(sops_maker: SopsMaker) -> Keyring:
    from sopsmaker import sops_program

    program = sops_program()
    assert program is not None
    return Keyring(sops_maker.environ | {"PATH": os.path.dirname(program)})


@pytest.mark.parametrize("store", STORES)
def test_the_program_says_the_same(samples: Samples, store: Store, with_sops: Keyring) -> None:
    sample = samples.get(store, "age")
    _, metadata = parts(sample.data, store)
    assert verify_with_sops(sample.data, store, metadata, with_sops) == []
    for data in (sample.replace(sample.values[0], flip(sample.values[0][3]), 3), sample.with_field("mac", sample.other.field("mac"))):
        problems = verify_with_sops(data, store, metadata, with_sops)
        assert [(problem.rule, problem.span) for problem in problems] == [("sops-mac", metadata.mac_span)]


def test_the_program_without_a_key_or_absent(samples: Samples, with_sops: Keyring, tmp_path: os.PathLike[str]) -> None:
    sample = samples.get("yaml", "age")
    _, metadata = parts(sample.data, "yaml")
    path = with_sops.environ["PATH"]
    with pytest.raises(NoKey, match="no key"):
        verify_with_sops(sample.data, "yaml", metadata, Keyring({"PATH": path, "HOME": str(tmp_path)}))
    with pytest.raises(NoKey, match="not installed"):
        verify_with_sops(sample.data, "yaml", metadata, Keyring({"PATH": str(tmp_path)}))
    with pytest.raises(NoKey, match="gave up"):
        verify_with_sops(b"a: [", "yaml", metadata, with_sops)


def test_the_program_is_not_sent_to_a_strange_server(samples: Samples, with_sops: Keyring) -> None:
    from scanner.sops.recipient import Recipient

    sample = samples.get("yaml", "age")
    _, metadata = parts(sample.data, "yaml")
    entry = metadata.groups[0][0]._replace(recipient=Recipient("hc_vault", "https://evil.example/v1/transit/keys/x"))
    with pytest.raises(NoKey, match="Vault server"):
        verify_with_sops(sample.data, "yaml", metadata._replace(groups=((entry,),)), with_sops)


def test_the_program_is_ended_in_time(samples: Samples, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import scanner.sops.keyed.sops_program

    monkeypatch.setattr(scanner.sops.keyed.sops_program, "_SECONDS", 0.3)
    slow = os.path.join(tmp_path, "sops")
    with open(slow, "w", encoding="ascii") as stream:
        stream.write("#!/bin/sh\nexec sleep 60\n")
    os.chmod(slow, 0o700)
    sample = samples.get("yaml", "age")
    _, metadata = parts(sample.data, "yaml")
    begin = time.monotonic()
    with pytest.raises(NoKey, match="gave up"):
        verify_with_sops(sample.data, "yaml", metadata, Keyring({"PATH": f"{tmp_path}:{os.environ['PATH']}"}))
    assert time.monotonic() - begin < 10
