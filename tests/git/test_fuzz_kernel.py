# SPDX-License-Identifier: Apache-2.0
"""A short run of `fuzz_kernel.py`, and that it reaches what it is for."""

from importlib import import_module

import pytest

pytest.importorskip("scanner.git.kernel.pack", reason="the kernel is not compiled here")
run_batch = import_module("fuzz_kernel").run_batch

REACHED = {
    "pack": {
        "read",
        "an entry of no kind",
        "an offset outside of the pack",
        "data that cannot be inflated",
        "a large object, or a large delta",
        "two objects at one place",
    },
    "delta": {
        "read",
        "a delta instruction that nobody knows",
        "a delta of another base",
        "a delta that copies what is not there",
        "a delta that ends too early",
        "a delta that inserts too much",
        "a delta that makes too little",
        "a delta without sizes",
        "a large object",
    },
    "index": {"read", "a fan-out table out of order", "an index of another length", "an offset that is not in the index"},
    "stream": {"read", "data that cannot be inflated"},
    "reader": {"read", "read, but for some"},
    "known": {"read", "ids without sizes", "flags of another pack"},
    "tree": {"read", "a malformed tree"},
    "trees": {"read", "read, but for some"},
    "commit": {"read", "a commit that Python parses"},
}


@pytest.mark.parametrize("seed", [2, 3], ids=["sha1", "sha256"])
def test_whatever_is_damaged_is_read_or_refused(seed):
    reached = run_batch(seed, 12_000)
    assert reached.total() == 12_000
    for part, outcomes in REACHED.items():
        assert outcomes <= {outcome for name, outcome in reached if name == part}
