# SPDX-License-Identifier: Apache-2.0
"""Templates, line by line."""

import time

import pytest

from scanner.sops.stores.template import is_template, read_template

HELM = b"""\
{{- if .Values.secret.create }}
apiVersion: v1
kind: Secret # of Helm
metadata:
  name: {{ include "a.fullname" . }}
  labels: {{- /* over
    several: lines */ -}}
stringData:
  {{- toYaml .Values.secret.data | nindent 2 }}
  password: "example-one"
  'user': {{ .Values.user | quote }}
  "url": postgres://me:word-two@{{ .Values.host }}/db # sealgate:allow
  {{ .Values.key }}: word-three
  - name: caf\xc3\xa9
  pem: |-
    -----BEGIN
    word-four

    {{ .Values.x }}
  empty: ""
  after: word-five # words
{{- end }}
"""


def test_helm():
    found = list(read_template(HELM))
    assert [(key, value) for key, value, _ in found] == [
        ("apiVersion", "v1"),
        ("kind", "Secret"),
        ("password", "example-one"),
        ("url", "postgres://me:word-two@/db"),
        ("", "word-three"),
        ("name", "café"),
        ("pem", "-----BEGIN\nword-four"),
        ("after", "word-five"),
    ]
    places = {key: HELM[slice(*span)] for key, _, span in found}
    assert places["password"] == b'"example-one"'
    assert places["name"] == "café".encode()
    assert b"word-four" in places["pem"]


@pytest.mark.parametrize("data", [b"a: {{ b }}", b"{% if x %}", b"a: <%= b %>"])
def test_what_is_a_template(data):
    assert is_template(b"t.yaml", data)
    assert not is_template(b"t.yaml", b"a: {b: 1}\n")
    assert is_template(b"t.yaml.j2", b"a: #{ b }#\n")


def test_an_action_that_is_not_closed_ends_with_its_line():
    assert [value for _, value, _ in read_template(b"a: {{ word\nb: two\n")] == ["two"]


@pytest.mark.parametrize("data", [b"{{" * 500_000, b"{{\n" * 300_000, b"{%{{<%{#" * 100_000, b"{{}}" * 250_000, b"a: |\n" * 200_000, b"a: " + b" " * 1_000_000 + b"#", b"- " * 500_000, b" #" * 500_000, b'"' * 1_000_000])
def test_hostile_files_take_no_longer_than_they_are(data):
    start = time.process_time()
    list(read_template(data))
    assert time.process_time() - start < 3
