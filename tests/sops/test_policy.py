# SPDX-License-Identifier: Apache-2.0
"""`.sops.yaml` is read as the real sops reads it."""

import re
import time

import pytest
from sopsmaker import SopsError

from scanner.sops.creation.expression import as_text, compile_expression
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule, Selector, load_policy, nearest
from scanner.sops.recipient import Recipient

# A key of nobody's: 32 bytes of age's own test vectors, with a right checksum.
AGE = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
ARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
FINGERPRINT = "85D77543B3D624B63CEA9E6DBC17301B491B3F21"


def load(text, path=b".sops.yaml"):
    return load_policy(text.encode() if isinstance(text, str) else text, path)


def only_rule(text) -> CreationRule:
    policy = load(text)
    assert not policy.problems
    (rule,) = policy.rules
    return rule


def said(text):
    """Return each problem as rule, confidence and the bytes it points to."""
    data = text.encode() if isinstance(text, str) else text
    return [(problem.rule, problem.confidence, data[slice(*problem.span)].decode()) for problem in load(data).problems]


# $A and $B are two recipients. sops decides whether it is right; what it encrypts for must be what the policy says.
CASES = {
    "one": "creation_rules:\n- age: $A\n",
    "commas": "creation_rules:\n- age: ' $A , $B, '\n",
    "folded": "creation_rules:\n- age: >-\n    $A,\n    $B\n",
    "list": "creation_rules:\n- age: [$A, '$B']\n",
    "commas in a list": "creation_rules:\n- age: ['$A,$B']\n",
    "comma at the end of a list's entry": "creation_rules:\n- age: ['$A,']\n",
    "empty entry": "creation_rules:\n- age: [$A, '']\n",
    "null entry": "creation_rules:\n- age: [$A, null]\n",
    "number entry": "creation_rules:\n- age: [1]\n",
    "map": "creation_rules:\n- age: {a: $A}\n",
    "wrong checksum": "creation_rules:\n- age: $Aq\n",
    "twice": "creation_rules:\n- age: $A,$A\n",
    "first match": "creation_rules:\n- path_regex: nowhere\n  age: $A\n- age: $B\n- age: $A\n",
    "no match": "creation_rules:\n- path_regex: nowhere\n  age: $A\n",
    "null path": "creation_rules:\n- path_regex:\n  age: $A\n",
    "empty path": "creation_rules:\n- path_regex: ''\n  age: $A\n",
    "number path": "creation_rules:\n- path_regex: 777777\n  age: $A\n- age: $B\n",
    "false path": "creation_rules:\n- path_regex: false\n  age: $A\n",
    "path with an end of line": "creation_rules:\n- path_regex: |\n    yaml$\n  age: $A\n",
    "path list": "creation_rules:\n- path_regex: [a]\n  age: $A\n- age: $B\n",
    "broken expression before": "creation_rules:\n- path_regex: (?=a)\n  age: $A\n- age: $B\n",
    "broken expression behind": "creation_rules:\n- path_regex: yaml\n  age: $A\n- path_regex: (?=a)\n  age: $B\n",
    "two selectors": "creation_rules:\n- age: $A\n  encrypted_regex: a\n  encrypted_suffix: b\n",
    "two selectors elsewhere": "creation_rules:\n- path_regex: nowhere\n  age: $A\n  encrypted_regex: a\n  encrypted_suffix: b\n- age: $B\n",
    "one of two selectors empty": "creation_rules:\n- age: $A\n  encrypted_regex: ''\n  encrypted_suffix: b\n",
    "no recipient": "creation_rules:\n- path_regex: yaml\n",
    "null rule": "creation_rules:\n-\n",
    "null rule before": "creation_rules:\n-\n- age: $A\n",
    "null rules": "creation_rules:\n",
    "empty rules": "creation_rules: []\n",
    "rules in a map": "creation_rules:\n  age: $A\n",
    "no map": "- creation_rules\n",
    "empty": "",
    "no YAML": "creation_rules:\n\t- age: $A\n",
    "second document": "x: 1\n---\ncreation_rules:\n- age: $A\n",
    "byte order mark": "\ufeffcreation_rules:\n- age: $A\n",
    "unknown anchor": "creation_rules:\n- age: *z\n",
    "own tag": "creation_rules:\n- age: !mine $A\n",
    "number by tag": "creation_rules:\n- age: !!int 12\n",
    "duplicate key": "creation_rules:\n- age: $A\n  age: $B\n",
    "anchors": "keys:\n- &a $A\n- &b $B\ncreation_rules:\n- key_groups:\n  - age: [*a, *b]\n",
    "merge key": "x: &x {age: $A, encrypted_regex: a}\ncreation_rules:\n- <<: *x\n",
    "merge key with its own": "x: &x {age: $A}\ncreation_rules:\n- age: $B\n  <<: *x\n",
    "merge keys": "x: &x {age: $A}\ny: &y {age: $B}\ncreation_rules:\n- <<: [*x, *y]\n",
    "merge of a merge": "x: &x {age: $A}\ny: &y {<<: *x, path_regex: yaml}\ncreation_rules:\n- <<: *y\n",
    "merge in quotes": "x: &x {age: $A}\ncreation_rules:\n- '<<': *x\n",
    "merge of a text": "creation_rules:\n- <<: text\n  age: $A\n",
    "group": "creation_rules:\n- key_groups:\n  - age: [$A]\n",
    "groups": "creation_rules:\n- key_groups:\n  - age: [$A]\n  - age: [$B]\n",
    "groups and flat": "creation_rules:\n- key_groups:\n  - age: [$A]\n  age: $B\n",
    "no groups and flat": "creation_rules:\n- key_groups: []\n  age: $A\n",
    "null group": "creation_rules:\n- key_groups: [null]\n",
    "null in a group": "creation_rules:\n- key_groups: [{age: [null, $A]}]\n",
    "empty group": "creation_rules:\n- key_groups: [{age: [$A]}, {pgp: []}]\n",
    "text in a group": "creation_rules:\n- key_groups:\n  - age: $A\n",
    "merged groups": "creation_rules:\n- key_groups:\n  - merge:\n    - age: [$A]\n    - merge: [{age: [$A]}]\n    age: [$B]\n",
    "twice in a group": "creation_rules:\n- key_groups: [{age: [$A, $A, $B]}]\n",
    "threshold": "creation_rules:\n- shamir_threshold: 2\n  key_groups:\n  - age: [$A]\n  - age: [$B]\n",
    "threshold of one": "creation_rules:\n- shamir_threshold: 1\n  key_groups:\n  - age: [$A]\n  - age: [$B]\n",
    "threshold beyond": "creation_rules:\n- shamir_threshold: 3\n  key_groups:\n  - age: [$A]\n  - age: [$B]\n",
    "threshold of one group": "creation_rules:\n- shamir_threshold: 2\n  age: $A\n",
    "threshold as text": "creation_rules:\n- shamir_threshold: '2'\n  age: $A\n",
    "threshold with a point": "creation_rules:\n- shamir_threshold: 2.0\n  age: $A\n",
    "null threshold": "creation_rules:\n- shamir_threshold:\n  age: $A\n",
    "switch": "creation_rules:\n- mac_only_encrypted: yes\n  age: $A\n",
    "switch as text": "creation_rules:\n- mac_only_encrypted: 'true'\n  age: $A\n",
    "fingerprint of digits": f"creation_rules:\n- pgp: {'1234567890' * 4}\n",
    "no ARN": "creation_rules:\n- key_groups: [{kms: [{arn: x}]}]\n",
    "no transit key": "creation_rules:\n- hc_vault_transit_uri: https://vault/transit/keys/a\n",
    "no key of Azure": "creation_rules:\n- azure_keyvault: https://vault/secrets/a\n",
}


@pytest.mark.parametrize("name", CASES)
def test_a_configuration_is_read_as_sops_reads_it(sops_maker, name):
    names = {"$A": sops_maker.age(0).recipient, "$B": sops_maker.age(1).recipient}
    config = re.sub(r"\$[AB]", lambda found: names[found[0]], CASES[name])
    policy = load(config)
    rule = policy.rule_for(f"{sops_maker._files}.yaml".encode())
    try:
        encrypted = sops_maker.encrypt(b"a: 1\n", "yaml", config=config).decode()
    except SopsError:
        assert rule is None or rule.broken
        if rule is not None:
            assert any(problem.rule == "sops-config" and problem.confidence == "high" for problem in policy.problems)
        return
    assert rule is not None
    assert not rule.broken
    assert {recipient.id for group in rule.groups for recipient in group} == set(re.findall(r"recipient: (\S+)", encrypted))
    assert len(rule.groups) == encrypted.count("age:\n")
    selector = rule.selector or DEFAULT_SELECTOR
    assert f"{selector.kind}: {selector.value}\n" in encrypted
    assert ("mac_only_encrypted: true" in encrypted) == rule.mac_only_encrypted
    threshold = re.search(r"shamir_threshold: (\d+)", encrypted)
    if len(rule.groups) > 1:
        assert (rule.threshold or len(rule.groups)) == int(threshold[1])


EXPRESSIONS = [
    *(r"\z", r"\Z", r"\pL", r"\C", r"\\C", r"(?P<n>y)", r"(?P<é>y)", r"(?<n>y)", r"\Qya\E", r"y{1001}", r"\x{10FFFF}|y"),
    *(r"(?U)y+", r"y**", r"[z-a]", r"(y)\1", r"\p{Greek}|y", r"(?u)y", r"[[:alpha:]]", r"[[:foo:]]", r"(?m)yaml$", r"(?i)YAML\z"),
    *(r"(?!x)", r"(?<=x)", r"(?<!x)", r"(?i:Y)a", r"(?>y)", r"y++", r"[]y]", r"[", r"(", r")", r"\é", r"\_", r"^[^/]+yaml", r"\d+\.yaml$"),
    *(r"^\./", r"^/", "^.*$", r"\.yml", "yaml\n"),
]


@pytest.mark.parametrize("pattern", EXPRESSIONS)
def test_an_expression_is_that_of_go(sops_maker, pattern):
    rules = [{"path_regex": pattern, "age": sops_maker.age(0).recipient}, {"age": sops_maker.age(1).recipient}]
    import json

    config = json.dumps({"creation_rules": rules})
    rule = load(config).rule_for(f"{sops_maker._files}.yaml".encode())
    try:
        encrypted = sops_maker.encrypt(b"a: 1\n", "yaml", config=config).decode()
    except SopsError:
        assert compile_expression(pattern) is None
        assert rule.broken
    else:
        assert rules[rule.number - 1]["age"] in encrypted
        assert not rule.broken


def test_a_broken_selector_is_told_and_breaks_nothing(sops_maker):
    config = f"creation_rules:\n- age: {sops_maker.age().recipient}\n  encrypted_regex: ^(?!public)\n"
    assert b"a: 1\n" in sops_maker.encrypt(b"a: 1\n", "yaml", config=config)  # sops says nothing, and encrypts nothing
    assert said(config) == [("sops-config", "high", "^(?!public)")]


def ids(text):
    (rule,) = load(text).rules
    return [[tuple(recipient) for recipient in group] for group in rule.groups]


def test_every_kind_of_key_in_a_rule():
    text = f"""
creation_rules:
  - age: {AGE}
    pgp: >-
      85d7 7543 b3d6 24b6 3cea 9e6d bc17 301b 491b 3f21,
    kms: {ARN}+arn:aws:iam::123456789012:role/r
    aws_profile: dev
    gcp_kms: [{GCP}]
    hckms: ["tr-west-1:uuid"]
    azure_keyvault: https://v.vault.azure.net/keys/k/1234,https://v.vault.azure.net/keys/l
    hc_vault_transit_uri:
      - http://127.0.0.1:8200/v1/sops/keys/first
"""
    assert ids(text) == [
        [
            ("age", AGE),
            ("pgp", FINGERPRINT),
            ("kms", f"{ARN}+arn:aws:iam::123456789012:role/r||dev"),
            ("gcp_kms", GCP),
            ("hckms", "tr-west-1:uuid"),
            ("azure_kv", "https://v.vault.azure.net/keys/k/1234"),
            ("azure_kv", "https://v.vault.azure.net/keys/l/"),
            ("hc_vault", "http://127.0.0.1:8200/v1/sops/keys/first"),
        ]
    ]
    assert not load(text).problems


def test_every_kind_of_key_in_groups():
    text = f"""
creation_rules:
  - shamir_threshold: 2
    key_groups:
      - merge:
          - pgp: ["{FINGERPRINT}"]
        kms:
          - arn: {ARN}
            role: arn:aws:iam::1:role/r
            context: {{b: two, a: one}}
            aws_profile: dev
          - {{arn: {ARN}, context: {{a: one}}}}
      - gcp_kms: [{{resource_id: {GCP}}}]
        hckms: [{{key_id: "r:u"}}]
        azure_keyvault:
          - {{vaultUrl: "https://v.vault.azure.net/", key: k, version: "12"}}
          - {{vaultUrl: "https://v.vault.azure.net", key: k}}
        hc_vault: ["https://vault:8200/v1/a/b/keys/c"]
        age: [{AGE}]
"""
    assert ids(text) == [
        [("pgp", FINGERPRINT), ("kms", f"{ARN}+arn:aws:iam::1:role/r|a:one,b:two|dev"), ("kms", f"{ARN}|a:one")],
        [
            ("age", AGE),
            ("hc_vault", "https://vault:8200/v1/a/b/keys/c"),
            ("gcp_kms", GCP),
            ("hckms", "r:u"),
            ("azure_kv", "https://v.vault.azure.net/keys/k/12"),
            ("azure_kv", "https://v.vault.azure.net/keys/k/"),
        ],
    ]
    assert not load(text).problems


def test_an_ssh_key_may_have_a_remark(sops_maker):
    import base64
    import struct

    key = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", bytes(range(32))))
    text = f"ssh-ed25519 {base64.b64encode(key).decode()} somebody's key!"
    assert ids(f'creation_rules: [{{age: "{text}"}}]') == [[("age", text)]]


@pytest.mark.parametrize(
    "pattern",
    [
        *(".*", "^.*$", "", r".*.yaml", r"\.ya?ml$", r".*\.(yaml|json)$", r"^.*\.(ya?ml|json|env|ini|txt)$", r"\.env$", ".", "yaml"),
        *(r"^[^/]+\.yaml$", r"^(.*/)?[^/]+\.ya?ml$", r"(?i)\.YAML$", r"^[^/]+/[^/]+\.json$", r"[a-z]+\.yaml", "^(?:.+)$", r"\w"),
    ],
)
def test_a_rule_for_everything_or_one_kind_of_file_singles_nothing_out(pattern):
    assert not only_rule(f"creation_rules: [{{age: {AGE}, path_regex: '{pattern}'}}]").specific


@pytest.mark.parametrize(
    "pattern",
    [
        *("^secrets/", "secrets", r"\.enc\.yaml$", r".*\.sops\.ya?ml$", r"^prod/.*\.yaml$", "(dev|prod)/", r"[sS]ecret.*\.yaml", r"values\.yaml$"),
        *(r"\.enc$", r"^[[:alpha:]]+/(?i:secret)\pL*\.yaml\z", r"\.env\.prod$", r"\.pem$", r"^\.github/", r"clusters/.*/.*\.yaml"),
    ],
)
def test_a_folder_or_a_part_of_a_name_singles_out(pattern):
    assert only_rule(f"creation_rules: [{{age: {AGE}, path_regex: '{pattern}'}}]").specific


def test_paths_are_counted_from_the_configuration():
    policy = load(f"creation_rules: [{{path_regex: ^secrets/, age: {AGE}}}]", b"team/.sops.yaml")
    assert policy.rule_for(b"team/secrets/a").number == 1
    assert policy.rule_for(b"team/x/secrets/a") is None
    assert policy.rule_for(b"secrets/a") is None


def test_a_path_that_is_not_utf8_is_searched_as_go_does():
    policy = load(f"creation_rules: [{{path_regex: '^secrets/..yaml$', age: {AGE}}}]")
    assert policy.rule_for(b"secrets/\xff.yaml") is not None
    assert policy.rule_for(b"secrets/\xff\xff.yaml") is None
    assert as_text(b"\xed\xa0\x80") == "\N{REPLACEMENT CHARACTER}".encode() * 3


def test_no_later_rule_answers_for_a_path_that_comes_to_a_broken_one():
    text = f"creation_rules:\n- {{path_regex: ^dev/, age: {AGE}}}\n- {{path_regex: ^(?!public), age: {AGE}}}\n- {{path_regex: ^prod/, age: {AGE}}}\n"
    policy = load(text)
    assert policy.usable
    assert not policy.rule_for(b"dev/a").broken
    met = policy.rule_for(b"prod/a")
    assert (met.number, met.broken, met.specific) == (2, True, True)  # what stands in prod/ must still be encrypted
    assert not policy.rule_for(b"README.md").specific


def test_the_nearest_configuration_governs():
    configurations = {b".sops.yaml", b"a/b/.sops.yaml"}
    assert nearest(b"a/b/c/d", configurations) == b"a/b/.sops.yaml"
    assert nearest(b"a/b/.sops.yaml", configurations) == b"a/b/.sops.yaml"
    assert nearest(b"a/bc", configurations) == b".sops.yaml"
    assert nearest(b"x", configurations) == b".sops.yaml"
    assert nearest(b"x/y", {b"y/.sops.yaml"}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("creation_rule:\n- age: $\n", "creation_rule"),
        ("creation-rules:\n- age: $\n", "creation-rules"),
        ("creation_rules:\n- age: $\n  path_regexp: a\n", "path_regexp"),
        ("creation_rules:\n- age: $\n  encypted_regex: a\n", "encypted_regex"),
        ("creation_rules:\n- age: $\n  unencrypted-suffix: a\n", "unencrypted-suffix"),
        ("creation_rules:\n- age: $\n  macOnlyEncrypted: true\n", "macOnlyEncrypted"),
        ("creation_rules:\n- age: $\n  hc_vault: a\n", "hc_vault"),
        ("creation_rules:\n- key_groups: [{age: [$], azure_kv: []}]\n", "azure_kv"),
        ("é: 1\nx: &x {pathregex: a}\ncreation_rules:\n- <<: *x\n  age: $\n- <<: *x\n  age: $\n", "pathregex"),
    ],
)
def test_a_misspelt_key_is_told_once_with_the_one_that_is_meant(text, expected):
    text = text.replace("$", AGE)
    assert said(text) == [("sops-config", "high", expected)]
    assert not any(rule.broken for rule in load(text).rules)


def test_a_key_like_no_other_is_doubted_in_a_rule_and_welcome_at_the_top():
    assert said(f"keys: [1]\nx-note: a\ncreation_rules: [{{age: {AGE}, note: a}}]") == [("sops-config-doubt", "low", "note")]


@pytest.mark.parametrize(
    ("text", "rule", "confidence"),
    [
        ("", "sops-config", "high"),
        ("stores: {yaml: {indent: 2}}\n", "sops-config-doubt", "low"),
        ("destination_rules: [{s3_bucket: b}]\n", "sops-config-doubt", "low"),
        ("destination_rules: {}\ncreation_rules: [{age: $}]\n", "sops-config", "high"),
        ("creation_rules: [{age: $, unencrypted_regex: .*}]\n", "sops-config", "high"),
        ("creation_rules: [{age: $, shamir_threshold: 2}]\n", "sops-config-doubt", "medium"),
        ("creation_rules: [{age: '$,$'}]\n", "sops-config-doubt", "low"),
        ("creation_rules: [{age: $, key_groups: [{age: [$]}]}]\n", "sops-config-doubt", "low"),
        ("creation_rules: [{age: $}]\n---\ncreation_rules: []\n", "sops-config", "high"),
    ],
)
def test_what_is_refused_and_what_is_doubted(text, rule, confidence):
    (problem,) = load(text.replace("$", AGE)).problems
    assert (problem.rule, problem.confidence) == (rule, confidence)
    assert problem.remedy


def identity():
    from pyrage import x25519

    return str(x25519.Identity.generate())


def test_a_private_key_is_found_wherever_it_stands():
    key = identity()
    for text in (f"creation_rules: [{{age: {AGE}}}] # {key}", f"x: {key}\ncreation_rules: [{{age: {AGE}}}]", f"[ {key}"):
        assert ("sops-private-key", "proven", key) in said(text)
    assert "sops-private-key" not in str(said(f"# {key[:-1]}{'Q' if key[-1] != 'Q' else 'P'}\ncreation_rules: [{{age: {AGE}}}]"))


def test_a_private_pgp_key_is_found():
    begin = "-----BEGIN PGP PRIVATE KEY" + " BLOCK-----"
    body = "lQPGBGN" * 8
    assert [rule for rule, _, _ in said(f"# {begin}\n#\n# {body}\ncreation_rules: [{{age: {AGE}}}]")] == ["sops-private-key"]
    assert not said(f"# {begin} is what must never stand here\ncreation_rules: [{{age: {AGE}}}]")


@pytest.mark.parametrize("key", ["age", "pgp", "kms", "gcp_kms", "hc_vault_transit_uri", "azure_keyvault"])
def test_a_private_key_among_the_recipients_is_quoted_nowhere(key):
    secret = identity()
    policy = load(f"creation_rules: [{{{key}: {secret}}}]")
    assert policy.rules[0].broken
    assert secret not in repr(policy)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"a: \xe9\n",
        b"a: \x00\n",
        b"[" * 5_000,
        b"{a: " * 5_000,
        b"- " * 5_000,
        b"creation_rules: &a [*a]\n",
        b"creation_rules: [&a {<<: *a}]\n",
        b"creation_rules:\n- key_groups: [&g {merge: [*g, *g]}]\n",
        b"x0: &x0 {age: [a]}\n"
        + b"".join(b"x%d: &x%d {merge: [%s]}\n" % (n, n, b",".join([b"*x%d" % (n - 1)] * 9)) for n in range(1, 12))
        + b"creation_rules: [{key_groups: [*x11]}]\n",
        b"a: 1\n" * 300_000,
        b"creation_rules: [" + b"{path_regex: a}," * 2_000 + b"]",
        b"creation_rules: [{age: a,\n" + b"".join(b"k%d: 1,\n" % number for number in range(80_000)) + b"}]",
        b"# Comment: -----BEGIN PGP PRIVATE KEY " + b"BLOCK-----\nComment: -----BEGIN PGP PRIVATE KEY BLOCK-----\n" * 15_000,
        "creation_rules: [{age: [\N{REPLACEMENT CHARACTER}]}]".encode("utf-16"),
    ],
    ids=range(15),
)
def test_hostile_configurations_end_soon_and_say_so(data):
    started = time.process_time()
    policy = load_policy(data, b".sops.yaml")
    assert any(problem.rule == "sops-config" for problem in policy.problems)
    assert all(0 <= problem.span.start <= problem.span.end <= len(data) for problem in policy.problems)
    assert time.process_time() - started < 3


def test_selector_and_switches():
    rule = only_rule(f"creation_rules: [{{age: {AGE}, encrypted_suffix: _enc, mac_only_encrypted: on}}]")
    assert rule.selector == Selector("encrypted_suffix", "_enc")
    assert rule.mac_only_encrypted
    assert rule.groups == ((Recipient("age", AGE),),)
    assert rule.threshold == 0
