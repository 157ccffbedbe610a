# SPDX-License-Identifier: Apache-2.0
"""Kubernetes Secrets: their values are found in every way that a manifest is written, and nothing besides."""

import base64
import functools
import json
import re

import pytest
from planted import stripe_key

from scanner.detect import kubernetes
from scanner.detect.engine import Detector, Match, resolve
from scanner.detect.placed import at_path
from scanner.detect.prefilter import RuleSet, compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, read_packs
from scanner.model import Span

PASSWORD = b"kX9wq2" + b"Lm7Q"
LICENSE = b"QX7F-19K2" + b"-ZZ81-PW40"


@functools.cache
def _ruleset() -> RuleSet:
    return compile_ruleset(load_rules(read_packs([builtin_directory()])))


def _found(text: str, path: bytes = b"secret.yaml") -> dict[bytes, Match]:
    """Return what counts of what is found in a text, by value; `%P` and `%L` stand for a password and a licence."""
    data = text.encode()
    for sign, value in ((b"P", PASSWORD), (b"L", LICENSE)):
        data = data.replace(b"%64" + sign, base64.b64encode(value)).replace(b"%" + sign, value)
    matches = resolve([placed for placed, _ in at_path(Detector(_ruleset()).find(data, path), path)])
    return {match.value.secret.reveal(): match for match in matches if match.value.confidence != "low"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("kind: Secret\ndata:\n  password: %64P\n", [PASSWORD]),
        ("data:\n  password: %64P\nkind: Secret\n", [PASSWORD]),
        ("kind: Secret\nstringData:\n  password: %P\n  licence: '%L'\n", [PASSWORD, LICENSE]),
        ('kind: Secret  # here\r\ndata:\r\n  password: "%64P"  # there\r\n', [PASSWORD]),
        ("kind: 'Secret'\n\"data\":\n    \"licence.txt\": !!binary %64L\n", [LICENSE]),
        ('kind: Secret\ndata: {password: %64P, licence: "%64L"}\n', [PASSWORD, LICENSE]),
        ("items:\n- data:\n    licence: %64L\n  kind: Secret\n- kind: Secret\n  data:\n    password: %64P\n", [PASSWORD, LICENSE]),
        ("items:\n  -   kind: Secret\n      data:\n        licence: %64L\n  - kind: ConfigMap\n    data:\n      x: %64P\n", [LICENSE]),
        ("kind: A\n---\nkind: Secret\ndata:\n  licence: %64L\n---\nkind: B\ndata:\n  other: %64P\n", [LICENSE]),
        ("{{- if .x }}\nkind: Secret\ndata:\n{{- range .y }}\n  licence: %64L\n{{- end }}\n{{- end }}\n", [LICENSE]),
        ('kind: Secret\ndata:\n  password: {{ "%P" | b64enc | quote }}\n', [PASSWORD]),
        ("note: >\n  kubectl apply\nkind: Secret\ndata:\n  # old\n\n  licence: |\n    %64L\n", [LICENSE]),
        ("kind: Secret\ndata:\n  password:\n    %64P\n", [PASSWORD]),
        ('{"kind": "Secret", "data": {"licence": "%64L"}, "metadata": {"name": "x"}}', [LICENSE]),
        ('{"items":[{"data":{"licence":"%64L"},"kind":"Secret"},{"data":{"x":"%64P"},"kind":"ConfigMap"}]}', [LICENSE]),
        ('a: |\n  {"data":{"licence":"%64L"},"kind":"Secret"}\nkind: Secret\n', [LICENSE]),
        ("kubectl apply -f - <<EOF\nkind: Secret\ndata:\n  licence: %64L\nEOF\nother: %64P\n", [LICENSE]),
    ],
    ids=range(17),
)
def test_the_values_of_a_secret_are_found(text: str, values: list[bytes]) -> None:
    assert sorted(_found(text)) == sorted(values)


def test_pretty_json_of_a_list() -> None:
    items = [
        {"kind": kind, "data": {"licence": base64.b64encode(value).decode(), "nested": {"x": 1}}}
        for kind, value in (("ConfigMap", PASSWORD), ("Secret", LICENSE), ("Role", PASSWORD))
    ]
    for indent in (1, 2, 4):
        assert list(_found(json.dumps({"kind": "List", "items": items}, indent=indent), b"all.json")) == [LICENSE]


@pytest.mark.parametrize(
    "text",
    [
        "kind: SecretStore\ndata:\n  licence: %64L\n",
        "kind: Secret\nmetadata:\n  licence: %64L\n",
        "kind: Secret\ndata:\n  password: ${PASSWORD}\n",
        "kind: Secret\ndata:\n  password: {{ .Values.password | b64enc }}\n",
        "kind: Secret\ndata:\n  password: " + base64.b64encode(b"changeme").decode() + "\n",
        "kind: Secret\ndata:\n  username: " + base64.b64encode(b"administrator1").decode() + "\n",
        "kind: Secret\ndata:\n  ca.crt: " + base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode() + "\n",
        "- kind: Secret\n  name: db\n- data:\n    licence: %64L\n",
        "subjects:\n  - kind: Secret\n    name: x\ndata:\n  licence: %64L\n",
        "kind: Secret\n",
        "kind: Secret\ndata:\n",
        '{"kind": "Secret"',
        '{"kind": "Secret"}}}}]',
        '"kind": "Secret", "data": {"licence": "%64L"}',
        "kind: Secret\ndata:\n  licence: %64L%\n",
    ],
)
def test_what_is_no_secret_stays_silent(text: str) -> None:
    assert list(_found(text)) == []


def test_a_match_stands_at_the_encoded_text_and_says_how_it_was_read() -> None:
    found = _found("kind: Secret\ndata:\n  licence: %64L  # x\n")[LICENSE]
    assert found.decoded_from == ("base64",)
    assert found.location == (3, 12, 3, 12 + len(base64.b64encode(LICENSE)))
    assert found.value.line.reveal()[slice(*found.value.line_span)] == base64.b64encode(LICENSE)


def test_what_a_file_within_a_secret_holds_is_found_there() -> None:
    config = base64.b64encode(b"user: admin\npassword: " + PASSWORD + b"\n").decode()
    found = _found(f"kind: Secret\ndata:\n  app.yaml: {config}\n")
    assert [(value, match.decoded_from) for value, match in found.items()] == [(PASSWORD, ("base64",))]


def test_a_rule_that_knows_whose_it_is_speaks_first() -> None:
    text = f"kind: Secret\ndata:\n  token: {base64.b64encode(stripe_key().encode()).decode()}\n"
    assert [match.value.rule.id for match in _found(text).values()] == ["stripe-secret-key"]


MANY = 3000


@pytest.mark.parametrize(
    ("one", "path"),
    [("- kind: Secret\n  data:\n    licence: %s\n", b"a.yaml"), ('{"data":{"licence":"%s"},"kind":"Secret"},', b"a.json")],
)
def test_every_one_of_many_secrets_is_read_once(one: str, path: bytes) -> None:
    text = (one % base64.b64encode(LICENSE).decode()) * MANY
    matches = Detector(_ruleset()).find(text.encode() if path == b"a.yaml" else f"[{text}]".encode(), path)
    assert sum(match.value.secret.reveal() == LICENSE for match in matches) == MANY


@pytest.mark.parametrize("line", ['"kind": "Secret",\n', '  "kind": "Secret",\n{', '{"kind": "Secret",', "kind: Secret\n", "  kind: Secret\nkind: Secret\n"])
def test_content_made_to_be_slow_is_read_once(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = kubernetes._Line

    def count(*parts: object) -> object:
        nonlocal steps
        steps += 1
        return real(*parts)

    monkeypatch.setattr(kubernetes, "_Line", count)
    data = (line * 5_000).encode()
    markers = [Span(at.start(), at.end()) for at in re.finditer(rb"Secret", data)]
    assert kubernetes.read_fields(data, markers) == []
    assert steps <= 5 * len(markers)
