# SPDX-License-Identifier: Apache-2.0
"""Which files a creation rule means: by its path, by its selector, by what the file is."""

import hashlib
import json

import pytest
from planted import ROOT
from pyrage import x25519
from sopsmaker import SopsMaker

from scanner.sops.check import Help, check_file, check_link
from scanner.sops.creation.policy import CreationRule, load_policy
from scanner.sops.rules import RULES

RECIPIENT = str(x25519.Identity.generate().to_public())
VALUE = "hunter2-" + "Sup3r-Secret"
SECRET = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: {VALUE}\n".encode()
CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  level: debug\n"
K8S = {"encrypted_regex": "^(data|stringData)$"}


def rule(path_regex: str | None, **fields: str) -> CreationRule:
    entry = {"age": RECIPIENT, **fields} | ({"path_regex": path_regex} if path_regex else {})
    policy = load_policy(json.dumps({"creation_rules": [entry]}).encode(), b".sops.yaml")
    assert not policy.problems
    return policy.rules[0]


def found(data: bytes, path: bytes, by: CreationRule | None) -> set[str]:
    return {problem.rule for problem in check_file(data, path, by, Help()).problems}


SPECIFIC = rule("^secrets/")
CATCH_ALL = rule(None)
FLUX = rule(".*.yaml", **K8S)


@pytest.mark.parametrize("data", [b"a: b\n", b"[x]\na=b\n", b"# only a comment\n", b"text", b"\x00\x01\x02", b"[1, 2]", b"a: [", b"a: 1\n---\n"])
@pytest.mark.parametrize("path", [b"secrets/a.yaml", b"secrets/a.json", b"secrets/a.env", b"secrets/a.ini", b"secrets/a"])
def test_a_rule_that_singles_a_file_out_demands_encryption_whatever_is_in_it(data: bytes, path: bytes) -> None:
    assert found(data, path, SPECIFIC) & {"sops-plain", "sops-malformed"}


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_nothing_is_nothing_to_encrypt(data: bytes) -> None:
    assert found(data, b"secrets/a.yaml", SPECIFIC) == set()


def test_a_rule_for_everything_means_what_is_secret() -> None:
    for by in (CATCH_ALL, FLUX, None):
        assert found(SECRET, b"apps/db.yaml", by) == {"sops-uncovered"}
        assert found(CONFIG_MAP, b"apps/app.yaml", by) == set()
    assert found(b"print('hello')\n", b"src/main.py", CATCH_ALL) == set()


def test_a_partial_selector_means_secrets_among_manifests() -> None:
    by = rule("^apps/", **K8S)
    assert found(SECRET, b"apps/db.yaml", by) == {"sops-plain"}
    assert found(CONFIG_MAP, b"apps/app.yaml", by) == set()
    listed = b"apiVersion: v1\nkind: List\nitems:\n- kind: Secret\n  stringData: {a: b}\n"
    assert found(listed, b"apps/list.yaml", by) == {"sops-plain"}
    # What is no manifest at all is what the rule says.
    assert found(b"password: x\n", b"apps/settings.yaml", by) == {"sops-plain"}


def test_kustomize_reads_its_own_file_in_clear_text() -> None:
    text = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [app.enc.yaml]\n"
    assert found(text, b"secrets/kustomization.yaml", SPECIFIC) == set()


def test_other_encryption_is_encryption() -> None:
    assert found(b"\0GITCRYPT\0" + hashlib.sha512(b"noise").digest(), b"secrets/key", SPECIFIC) == set()


def test_a_template_is_judged_line_by_line() -> None:
    template = b"{{- if .Values.on }}\npassword: {{ .Values.password }}\n{{- end }}\n"
    assert found(template, b"secrets/t.yaml", SPECIFIC) == set()
    (problem,) = check_file(template + f"token: {VALUE}\n".encode(), b"secrets/t.yaml", SPECIFIC, Help()).problems
    assert (problem.rule, problem.key) == ("sops-plain", "token")
    assert "template" in problem.reason
    assert VALUE not in problem.reason


def test_values_that_look_encrypted_without_metadata_are_told_so() -> None:
    (problem,) = check_file(b"a: ENC[AES256_GCM,data:x]\n", b"secrets/a.yaml", SPECIFIC, Help()).problems
    assert problem.rule == "sops-plain"
    assert "without metadata" in problem.reason


def test_a_merge_conflict_is_told_under_any_rule() -> None:
    parts = ["sops:", "<<<<<<< HEAD", "    mac: ENC[AES256_GCM,data:x]", "=======", "    mac: y", ">>>>>>> b", "    lastmodified: z"]
    for by in (None, CATCH_ALL, SPECIFIC):
        assert found("\n".join(parts).encode(), b"secrets/a.yaml", by) & {"sops-malformed", "sops-metadata"}


def test_a_program_with_an_encrypted_file_in_its_text_is_no_damaged_file() -> None:
    text = b"sample := `a: ENC[AES256_GCM,data:x]\nsops:\n    mac: ENC[AES256_GCM,data:y]\n    lastmodified: 'z'\n`\n"
    for by in (None, CATCH_ALL):
        assert found(text, b"rules/kubernetes.go", by) == set()
    assert found(text, b"secrets/kubernetes.go", SPECIFIC)


@pytest.mark.parametrize(
    ("target", "outside"), [(b"b.yaml", False), (b"../x.yaml", False), (b"../../x", True), (b"/etc/passwd", True)]
)
def test_links_are_not_followed(target: bytes, outside: bool) -> None:
    assert bool(check_link(target, b"secrets/a.yaml", SPECIFIC)) == outside
    assert check_link(target, b"secrets/a.yaml", CATCH_ALL) == []


def test_the_documentation_has_every_rule() -> None:
    text = (ROOT / "docs/sops.md").read_text(encoding="utf-8")
    for info in RULES.values():
        assert f"| `{info.id}` | {info.severity} | {info.name}. {info.help} |" in text


@pytest.mark.parametrize(
    "data",
    [
        b"sops: true\n",
        b"sops: 3.11.0\nage: 1.2\n",
        b"sops:\n  enabled: true\n  image: example.org/sops\n",
        b"sops:\n  age:\n  - name: main\n    path: /keys\n",
        b"tools:\n- sops\nsops:\n- a\n",
    ],
)
def test_keys_of_that_name_for_other_use_are_no_metadata(data: bytes) -> None:
    assert found(data, b"ansible/tools.yaml", None) == set()
    assert found(data, b"secrets/tools.yaml", SPECIFIC) == {"sops-plain"}
    assert found(data + b"a: ENC[AES256_GCM,data:x]\n", b"ansible/tools.yaml", None) - {"sops-plain"}


def test_what_is_left_of_metadata_is_enough() -> None:
    for rest in (b"mac: x", b"lastmodified: x", b"age:\n  - recipient: a\n    enc: b", b"key_groups:\n  - age:\n    - recipient: a"):
        assert "sops-metadata" in found(b"a: b\nsops:\n  " + rest + b"\n", b"app.yaml", None)


@pytest.mark.parametrize("link", ["(https://example.org/sops)", "[1] is a tool", ": https://example.org/sops", " is a tool"])
def test_texts_about_sops_are_no_files_of_sops(link: str) -> None:
    text = f"# Secrets\n\nEncrypted by\n[sops]{link}\n\n```yaml\npassword: ENC[AES256_GCM,data:…]\nsops:\n  mac: x\n  lastmodified: y\n```\n"
    for path in (b"README.md", b"docs/secrets.rst"):
        assert found(text.encode(), path, None) == set()


NAMED = rule(".*secret.*")


@pytest.mark.parametrize(
    ("path", "by"),
    [
        (b"docs/send-secrets.md", NAMED),
        (b"modules/secrets_of_hosts.nix", NAMED),
        (b"secrets/README.md", SPECIFIC),
        (b"secrets/.gitignore", SPECIFIC),
        (b"secrets/default.nix", SPECIFIC),
    ],
)
def test_what_speaks_of_secrets_is_doubtful_until_it_has_one(path: bytes, by: CreationRule) -> None:
    text = b"How to send us what must stay between us:\nwrite to somebody@example.org\n"
    (problem,) = check_file(text, path, by, Help()).problems
    assert problem.confidence == "low"
    for more in (f"the password is {VALUE}\n", f"password = {VALUE}\n"):
        (problem,) = check_file(text + more.encode(), path, by, Help()).problems
        assert (problem.rule in {"sops-plain", "sops-malformed"}, problem.confidence) == (True, "high")


@pytest.mark.parametrize(
    ("path", "by"),
    [(b"secrets/notes.md", SPECIFIC), (b"my-secrets.yaml", NAMED), (b"notes.md", rule(r"notes\.md$")), (b"secret.md", rule(r"secret\.md"))],
)
def test_other_texts_are_meant_as_anything_else_is(path: bytes, by: CreationRule) -> None:
    assert [problem.confidence for problem in check_file(b"words\n", path, by, Help()).problems] == ["high"]


def test_public_keys_need_no_encryption(sops_maker: SopsMaker) -> None:
    exported = sops_maker.gpg("--armor", "--export", sops_maker.pgp(0).fingerprint)
    assert found(exported, b"secrets/.sops.pub.asc", SPECIFIC) == set()
    assert found(exported + exported, b"secrets/.sops.pub.asc", SPECIFIC) == set()
    for changed in (exported + b"password\n", b"password\n" + exported, exported.replace(b"\n\n", b"\nnote: x\n\n", 1)):
        assert found(changed, b"secrets/.sops.pub.asc", SPECIFIC)


FOLDER = rule(r"kubernetes/.*\.ya?ml", **K8S)


@pytest.mark.parametrize(
    "data",
    [
        b"replicas: 2\nresources: {cpu: 100m}\n",
        b"# apiVersion: v1\n# kind: ExternalSecret\n",
        b"- op: replace\n  path: /spec/replicas\n  value: 3\n",
        b"kind: Secret\nstringData:\n  password: ${DB_PASSWORD}\n  user: ''\n",
        b"auth:\n  password: ${DB_PASSWORD}\n",
    ],
)
def test_what_a_partial_selector_would_leave_as_it_is_need_not_be_encrypted(data: bytes) -> None:
    assert found(data, b"kubernetes/a.yaml", FOLDER) == set()
    assert found(data, b"kubernetes/a.yaml", rule("^kubernetes/")) & {"sops-plain", "sops-malformed"}


@pytest.mark.parametrize(
    "data",
    [
        f"auth:\n  password: {VALUE}\n",
        "auth:\n  password: x\n",
        f"# password: {VALUE}\nreplicas: 2\n",
        f"- op: add\n  path: /spec\n  password: {VALUE}\n",
        "data:\n  level: debug\n",
        "kind: Secret\nstringData:\n  user: admin\n",
        "kind: Secret\nstringData:\n  a: ${A}\n  b: changeme\n",
    ],
)
def test_secrets_that_it_leaves_are_violations(data: str) -> None:
    (problem,) = check_file(data.encode(), b"kubernetes/a.yaml", FOLDER, Help()).problems
    assert problem.rule in {"sops-plain", "sops-malformed"}
    assert problem.confidence == "high"


def test_a_selector_of_names_that_are_not_there_is_doubtful() -> None:
    by = rule("^secrets/", encrypted_regex="^(password|token)$")
    assert [problem.confidence for problem in check_file(b"a: b\n", b"secrets/a.yaml", by, Help()).problems] == ["low"]
    assert [problem.confidence for problem in check_file(b"token: b\n", b"secrets/a.yaml", by, Help()).problems] == ["high"]


def test_templates_that_happen_to_parse_are_templates() -> None:
    parses = b"auth:\n  user: {{ user }}\n  password: {{ password }}\n"
    named = b'#% if on %#\nstringData:\n  key: "#{ key }#"\n#% endif %#\nx\n'
    assert found(parses, b"secrets/a.yaml", SPECIFIC) == set()
    assert found(named, b"secrets/a.sops.yaml.j2", SPECIFIC) == set()
    for data, path in ((parses, b"secrets/a.yaml"), (named, b"secrets/a.sops.yaml.j2")):
        assert found(data + f"token: {VALUE}\n".encode(), path, SPECIFIC) == {"sops-plain"}
    assert found(b'a: "{{ b }}"\nc: d\n', b"secrets/a.yaml", SPECIFIC) == {"sops-plain"}


@pytest.mark.parametrize(
    ("name", "unit"), [(b"a.json", b"[],"), (b"a.yaml", b"- 1\n"), (b"a.env", b"a=1\n"), (b"a.ini", b"a=1\n"), (b"a.bin", b"{},")]
)
def test_what_would_take_gigabytes_to_read_is_refused_at_once(name: bytes, unit: bytes) -> None:
    import time

    data = b'{"sops": {}, "a": [' * name.endswith((b"json", b"bin")) + unit * 1_000_100
    start = time.process_time()
    (problem,) = check_file(data, b"secrets/" + name, SPECIFIC, Help()).problems
    assert problem.rule == "sops-malformed"
    assert "a million" in problem.reason
    assert time.process_time() - start < 1


def test_a_secret_that_a_rule_for_more_would_encrypt_is_told() -> None:
    config_map = f"apiVersion: v1\nkind: ConfigMap\ndata:\n  DB_PASSWORD: {VALUE}\n".encode()
    substitute = f"kind: Kustomization\nspec:\n  postBuild:\n    substitute:\n      db_password: {VALUE}\n".encode()
    environment = f"kind: Deployment\nspec:\n  env:\n  - name: DB_PASSWORD\n    value: {VALUE}\n".encode()
    by_name = rule("^apps/", encrypted_regex="(?i)password")
    for data, by in ((config_map, CATCH_ALL), (config_map, FLUX), (config_map, by_name), (substitute, SPECIFIC), (environment, CATCH_ALL)):
        assert found(data, b"apps/a.yaml", by) == {"sops-uncovered"}
    settings = {b"config/a.json": json.dumps({"db": {"password": VALUE}}), b"config/a.ini": f"[db]\npassword={VALUE}\n"}
    for path, text in settings.items():
        (problem,) = check_file(text.encode(), path, CATCH_ALL, Help()).problems
        assert (problem.rule, problem.key, problem.confidence) == ("sops-uncovered", "db.password", "medium")
        assert VALUE not in problem.reason
    # What the rule would leave in clear, what may be a word, what others have encrypted, what is a test's own.
    sealed = f"kind: SealedSecret\nspec:\n  encryptedData:\n    password: Ag{VALUE}\n".encode()
    for data, path, by in (
        (environment, b"apps/a.yaml", by_name),
        (config_map.replace(VALUE.encode(), b"postgres"), b"apps/a.yaml", CATCH_ALL),
        (sealed, b"apps/a.yaml", CATCH_ALL),
        (config_map, b"apps/tests/a.yaml", CATCH_ALL),
    ):
        assert found(data, path, by) == set()


def test_a_kustomization_beside_another_document_excuses_it_not() -> None:
    text = b"kind: Kustomization\nresources: [a.yaml]\n---\nword: plain\n"
    assert found(text, b"secrets/a.yaml", SPECIFIC) == {"sops-plain"}
