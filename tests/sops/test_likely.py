# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import time

import pytest

from scanner.sops.likely import known_form, looks_secret, pairs
from scanner.sops.standin import stands_for, strength

# Built here, so that no live-looking value stands in the repository.
REAL = "hunter2-" + "Sup3r-Secret"
AWS = "wJalrXUtn" + "FEMI/K7MDENG/bPxRfiCYz9z8z7z6"
GITHUB = "gh" + "p_" + "a1B2c3D4" * 4 + "e5F6"
MANIFEST = '{"apiVersion": "v1", "kind": "Secret", "stringData": {"db": "%s"}}'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pass", REAL),
        ("db.pass", REAL),
        ("adminPassword", REAL),
        ("gpg_key", REAL),
        ("encryption_key", "A60BE56D" + "2941AC98"),
        ("key", "k8s/" + REAL),
        ("DB_PASSWORD", REAL),
        ("PGPASSWORD", "letmein99"),
        ("password", "postgres"),
        ("password", "correct horse battery staple"),
        ("tok", "zzz9999"),
        ("clientSecret", "q8Zk2Lm0Pq"),
        ("token.value", REAL),
        ("AWS_SECRET_ACCESS_KEY", AWS),
        ("SECRET_KEY_BASE", "a9f8b7c6d5e4f3a2b1c0"),
        ("annotations.note", GITHUB),
        ("DATABASE_URL", f"postgres://app:{REAL}@db.example.com/x"),
        ("conn", f"Server=db;Password={REAL};"),
        ("password", f"${{PW:-{REAL}}}"),
        ("password", f'{{{{ "{REAL}" | b64enc }}}}'),
        ("password", f"ENC[AES256_GCM,data:{REAL}]"),
        ("last-applied", MANIFEST % REAL),
        ("application.properties", f"port=1\nspring.datasource.password={REAL}\n"),
        ("key", "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1rZXkt"),
    ],
)
def test_a_secret_in_clear_is_seen(key, value):
    reason = looks_secret(key, value)
    assert reason
    assert value not in reason


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", ""),
        ("password", "null"),
        ("password", "changeme"),
        ("env.valueFrom.secretKeyRef.key", "ED25519_" + "PRIVATE_KEY_HEX" * 2),
        ("affinity.matchExpressions.key", "gpu.example.org/device-id.0300-46a6.present"),
        ("SSH_SERVER_HOST_KEYS", "ssh/ssh_host_ed25519_key"),
        ("htpasswd_encryption", "sha512plain"),
        ("api_key", "!env_var SONARR_API_KEY"),
        ("dbpassword", "getenv("),
        ("password", "&operhash;"),
        ("wifi.password", "!secret wifi_password"),
        ("tolerations.key", "2i18n.example.org/community"),
        ("key", "k8s.namespace.name"),
        ("configMapKeyRef.key", "K8S_DIST"),
        ("gpg_key", "A60BE56D" + "2941AC98"),
        ("PASSPHRASE", "$(sops -d --extract '["),
        ("password", "********"),
        ("password", "my-secret-password"),
        ("API_KEY", "<your-api-key>"),
        ("URL", "${URL}"),
        ("password", "{{ .Values.password }}"),
        ("password", '{{ .Values.pw | default "changeme" }}'),
        ("token", '{{ include "app.token" . }}'),
        ("token", "$(API_TOKEN)"),
        ("API_KEY", "${{ secrets.API_KEY }}"),
        ("GITHUB_TOKEN", "${GITHUB_TOKEN:?missing}"),
        ("password", "op://vault/item/field"),
        ("password", "ref+vault://secret/data/x#/y"),
        ("password", "<path:secret/data/x#y>"),
        ("password", "vault:secret/data/db#password"),
        ("secret", "projects/p/secrets/s/versions/1"),
        ("DATABASE_URL", "postgres://app:${PW}@db/x"),
        ("DATABASE_URL", "postgres://user:password@localhost/x"),
        ("PORT", "8080"),
        ("NODE_ENV", "production"),
        ("max_tokens", "4096"),
        ("tokenTTL", "3600s"),
        ("automountServiceAccountToken", "false"),
        ("passwordPolicy", "strict"),
        ("existingSecret", "my-app-2"),
        ("secretName", "db-creds-1"),
        ("secret", "my-app-tls"),
        ("imagePullSecret", "regcred"),
        ("password_file", "/run/secrets/db_password"),
        ("PASSWORD", "/run/secrets/db_password"),
        ("token_url", "https://id.example.org/oauth/token"),
        ("public_key", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
        ("key", "app.kubernetes.io/name"),
        ("cache-key", "v1-a9f8b7c6d5e4"),
        ("cert", "-----BEGIN CERTIFICATE-----\nMII"),
        ("authorized_keys", "ssh-ed25519 AAAAC3Nza"),
    ],
)
def test_what_only_stands_for_a_secret_is_not_one(key, value):
    assert looks_secret(key, value) == ""


def test_a_well_formed_ciphertext_stands_for_its_value_and_an_imitation_does_not():
    nonce, tag = (base64.b64encode(hashlib.sha256(b"%d" % size).digest()[:size]).decode() for size in (32, 16))
    genuine = f"ENC[AES256_GCM,data:4vx8T4M=,iv:{nonce},tag:{tag},type:str]"
    assert stands_for(genuine) == "it is encrypted"
    assert looks_secret("password", genuine.replace("type:str", "type:bytes"))


def test_pairs_are_found_in_any_notation_with_the_place_of_the_value():
    text = "a: one\n\"b\": 'two', c=three; d => \"fo\\\"ur\""
    found = list(pairs(text))
    assert [pair.key for pair in found] == ["a", "b", "c", "d"]
    assert [text[pair.start : pair.end] for pair in found] == ["one", "two", "three", 'fo\\"ur']


@pytest.mark.parametrize(("value", "expected"), [("abc", "none"), ("production", "weak"), ("my-app-v2", "weak"), (REAL, "strong")])
def test_strength_tells_names_from_secrets(value, expected):
    assert strength(value) == expected


@pytest.mark.parametrize(
    "piece",
    ['a="b ', "x://", "a", "${", "{{", "password: ", "a.b-", "eyJ", "-", "kind:", "<%", "Pwd=", "my", "/a", "://a:", "@@a", "vault:"],
)
def test_hostile_values_take_no_time(piece):
    value = piece * (300_000 // len(piece))
    start = time.process_time()
    looks_secret("password", value)
    looks_secret(value, REAL)
    known_form(value)
    assert time.process_time() - start < 1
