# SPDX-License-Identifier: Apache-2.0
"""Which files a creation rule means: by its path, by its selector, by what the file is."""

import json

import pytest
from planted import ROOT

from scanner.sops.check import Help, check_file, check_link
from scanner.sops.creation.policy import CreationRule, load_policy
from scanner.sops.rules import RULES

RECIPIENT = "age1" + "lpefgyh8azxknvs4r94xcdcezth72ljpl74jmk48dvtltafgqejqdwmr36"
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
    assert found(b"\0GITCRYPT\0" + bytes(range(64)), b"secrets/key", SPECIFIC) == set()


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
