# SPDX-License-Identifier: Apache-2.0
"""The screen may be generous, never stricter than what it stands before."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sopsmaker import EXTENSIONS, SopsMaker

from scanner.sops.bearers import copies, env, logins, settings, terraform
from scanner.sops.bearing import may_bear
from scanner.sops.screen import may_concern
from scanner.sops.stores.sniff import has_metadata

PATTERNS = [
    value
    for module in (copies, env, logins, settings, terraform)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str) and "NAME" in name or name in ("_CERTAIN", "_LIKELY", "_STATE")
]


def test_there_are_patterns_to_try() -> None:
    assert len(PATTERNS) >= 8


@given(st.data())
def test_names_that_may_bear_pass(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    name = data.draw(st.from_regex(pattern, fullmatch=True)).encode("utf-8", "replace")
    folder = data.draw(st.sampled_from([b"", b"group_vars/", b".kube/", b".docker/", b"kubeconfigs/", b"deep/down/"]))
    if may_bear(folder + name, b"a: b\n"):
        assert may_concern(folder + name, b"a: b\n")


@pytest.mark.parametrize(
    "data",
    [
        b"kind: Secret\n",
        b'"kind": "\\u0053ecret"',
        b"secretGenerator:\n",
        b"\xff\xfek\0i\0n\0d\0",
        b"-----BEGIN OPENSSH PRIVATE KEY-----",
        b"AGE-SECRET-KEY-1",
        b"current-context: x",
        b'{"auths": {}}',
        b"$ANSIBLE_VAULT;1.1;AES256",
        b"sops:\n  mac: x\n",
        b"sops_mac=x\n",
        b"[sops]\n",
    ],
)
def test_content_that_matters_passes_whatever_its_name(data: bytes) -> None:
    assert may_bear(b"x.yaml", data) or has_metadata(data)
    assert may_concern(b"x.yaml", data)


def test_what_sops_writes_passes(sops_maker: SopsMaker) -> None:
    for store in EXTENSIONS:
        document = {"json": b'{"a": "b"}', "dotenv": b"a=b\n", "ini": b"[x]\na = b\n", "yaml": b"a: b\n", "binary": b"x"}[store]
        sealed = sops_maker.encrypt(document, store)
        assert has_metadata(sealed)
        assert may_concern(b"anything", sealed)


@pytest.mark.parametrize("path", [b"src/main.go", b"README.md", b"docs/guide/index.html", b"Makefile", b".github/workflows/test.yml"])
def test_ordinary_files_are_told_without_a_closer_look(path: bytes) -> None:
    assert not may_concern(path, b"package main\n\nfunc main() { println(1) }\n")
