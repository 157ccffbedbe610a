# SPDX-License-Identifier: Apache-2.0
"""Which store a file is of, and whether it is worth a look at all."""

import time

import pytest
from sopsmaker import EXTENSIONS

from scanner.sops.stores import read
from scanner.sops.stores.sniff import has_metadata, store_of

CLEAR = {"yaml": b"a: x\n", "json": b'{"a": "x"}', "dotenv": b"A=x\n", "ini": b"[a]\nb = x\n", "binary": b"x"}


@pytest.mark.parametrize(
    ("path", "store"),
    [(b"a.yaml", "yaml"), (b"d.json/a.yml", "yaml"), (b"a.json", "json"), (b".env", "dotenv"), (b"prod.env", "dotenv"), (b".env.prod", "binary"), (b"a.ini", "ini"), (b"a.YAML", "binary"), (b"yaml", "binary")],
)
def test_a_name_decides_as_for_sops(path, store):
    assert store_of(path, b"nothing to go by") == store


@pytest.mark.parametrize("store", CLEAR)
def test_whatever_the_name_the_metadata_tells(store, sops_maker):
    data = sops_maker.encrypt(CLEAR[store], store)
    assert has_metadata(data)
    for extension in (*EXTENSIONS.values(), ".conf", ""):
        content = read(store_of(b"file" + extension.encode(), data), data)
        assert content.problems == ()
        assert len(content.metadata) == 1
    assert store_of(b"file", data) == store


def test_json_is_yaml_where_the_name_says_so(sops_maker):
    data = sops_maker.encrypt(CLEAR["json"], "json")
    assert store_of(b"a.yaml", data) == "yaml"
    assert read("yaml", data).problems == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_marks_of_byte_order(encoding):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = mark + "sops:\n  mac: x\n".encode(encoding)
    assert has_metadata(data)
    assert read(store_of(b"a.yaml", data), data).metadata


@pytest.mark.parametrize(
    "data",
    [b"sops:\n", b"a: 1\n'sops' : x\n", b"{a: 1, sops: {}}", b'{"sops":{}}', b'{"x":1,"sops"\n: 1}', b"sops_mac=x\n", b"A=1\nsops_version=3\n", b"[sops]\n", b"a=1\n [sops]\n", b"? sops\n: 1\n"],
)
def test_what_may_carry_metadata(data):
    assert has_metadata(data)


@pytest.mark.parametrize("data", [b"", b"a: 1\n", b"run sops on it\n", b"import sops\n", b"sopsy: 1\n", b"\xff\xfes\0o\0"])
def test_what_cannot(data):
    assert not has_metadata(data)


@pytest.mark.parametrize("data", [b"sops" * 250_000, b"sops" + b" " * 1_000_000, b"sops_" * 200_000, b"\n " * 500_000 + b"sops", b'{"data":"' + b"\\\\" * 500_000 + b'sops"sops":', b"{" + b'"sops" ' * 150_000])
def test_a_look_is_quick(data):
    start = time.process_time()
    has_metadata(data)
    store_of(b"x", data)
    assert time.process_time() - start < 1
