# SPDX-License-Identifier: Apache-2.0
"""What the SOPS checks find and what they cost: python -m bench.sops.

Prints Markdown: the table of mutations (who finds which change, and whether `sops decrypt` accepts it), the time for a
large encrypted file beside that of parsing it, and what hostile files cost. Needs sops, gpg and the test dependencies.
"""

import argparse
import base64
import gc
import hashlib
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.machine import describe_machine
from bench.measure import Command, run

_ROOT: Final = Path(__file__).resolve().parents[1]
_MARKS: Final = {"keyless": "without a key", "keyed": "with a key", "never": "–"}
_ROUNDS: Final = 5
_LARGE_BYTES: Final = 5_000_000
_STAMP: Final = "2025-01-02T03:04:05Z"


class Timing(NamedTuple):
    """Median seconds of one step, and how many times those of the bare event pass."""

    step: str
    seconds: float
    ratio: float


def render_mutations(maker: Any) -> Iterator[str]:
    """Yield the table of mutations as lines of Markdown, a row a mutation, a column a store."""
    samples_module, mutations = _tests("samples"), _tests("mutations").MUTATIONS
    judge, samples = _tests("judge").Judge(maker), samples_module.Samples(maker)
    stores = samples_module.STORES
    yield f"| | change | {' | '.join(stores)} | `sops decrypt` accepts | why it cannot be told |"
    yield "|---" * (len(stores) + 4) + "|"
    group = ""
    for mutation in mutations:
        cells, accepted = dict.fromkeys(stores, ""), []
        for sample in samples.of(mutation.variant):
            data = mutation.mutate(sample)
            if data is not None:
                cells[sample.store] = _MARKS[judge.who(data, sample.store, sample.recipe)]
                accepted += [sample.store] * judge.sops_accepts(data, sample.store)
        shown = mutation.group if mutation.group != group else ""
        group = mutation.group
        row = (shown, mutation.name, *cells.values(), _accepted(accepted, cells), mutation.why)
        yield f"| {' | '.join(row)} |"


def _accepted(stores: list[str], cells: Mapping[str, str]) -> str:
    if len(stores) == sum(map(bool, cells.values())):
        return "yes"
    return ", ".join(stores) if stores else "no"


def make_large(maker: Any, size: int) -> bytes:
    """Return a genuine encrypted YAML of about this size.

    sops itself takes minutes for it (its check for duplicate keys is quadratic). So sops makes a small file, and the
    values are written under its data key, with a MAC over all of them.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    samples = _tests("samples")
    sample = samples.Sample(maker, "yaml", "age", maker.recipe(), b"a: words\n", b"")
    cipher, digest = AESGCM(sample.data_key), hashlib.sha512()

    def encrypt(text: bytes, path: str) -> str:
        nonce = os.urandom(32)
        sealed = cipher.encrypt(nonce, text, path.encode())
        data, iv, tag = (base64.b64encode(part).decode() for part in (sealed[:-16], nonce, sealed[-16:]))
        return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]"

    lines: list[str] = []
    length = 0
    while length < size:
        section = f"section{len(lines)}"
        block = [f"{section}:"]
        for number in range(20):
            value = f"value {number} of {section}".encode()
            digest.update(value)
            block.append(f"    key{number}: {encrypt(value, f'{section}:key{number}:')}")
        lines += block
        length += sum(len(line) + 1 for line in block)
    mac = encrypt(digest.hexdigest().upper().encode(), _STAMP)
    tail = sample.data[sample.metadata[0] :].decode()
    tail = re.sub(r"(?m)^(    lastmodified: ).*$", lambda found: f'{found[1]}"{_STAMP}"', tail)
    tail = re.sub(r"(?m)^(    mac: ).*$", lambda found: found[1] + mac, tail)
    return ("\n".join(lines) + "\n" + tail).encode()


def time_large(maker: Any, data: bytes) -> list[Timing]:
    """Return what the checks take for this file beside one bare pass over its events by libyaml."""
    import yaml

    judge, recipe = _tests("judge").Judge(maker), maker.recipe()

    def parse() -> None:
        for _ in yaml.parse(data, Loader=yaml.CSafeLoader):
            pass

    def check(*, keyed: bool) -> None:
        problems = judge.problems(data, "yaml", recipe, keyed=keyed)
        if problems:
            raise AssertionError(f"a genuine file has a problem: {problems[0].reason}")

    steps: dict[str, Callable[[], None]] = {
        "events of libyaml alone": parse,
        "all checks without a key": lambda: check(keyed=False),
        "all checks and the MAC": lambda: check(keyed=True),
    }
    # As the command runs: without the search for cycles, for which a scan leaves nothing to find.
    gc.disable()
    try:
        rounds = [{step: _seconds(work) for step, work in steps.items()} for _ in range(_ROUNDS)]
    finally:
        gc.enable()
    base = next(iter(steps))
    return [
        Timing(step, median(row[step] for row in rounds), median(row[step] / row[base] for row in rounds)) for step in steps
    ]


def hostile_files(genuine: bytes) -> dict[str, bytes]:
    """Return files that are made to take long, by what they are; `genuine` is a YAML file that sops encrypted."""
    block = genuine[genuine.index(b"\nsops:\n") + 1 :]
    bomb = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10))
    deep_blocks = b"".join(b" " * level + b"k:\n" for level in range(3_000)) + b" " * 3_000 + b"- x\n"
    recipients = b"    age:\n" + b"        - recipient: age1x\n          enc: x\n" * 20_000
    return {
        "alias bomb, 9 levels": bomb,
        "alias bomb with metadata": bomb + block,
        "3,000 nested lists": b"a: " + b"[" * 3_000 + b"]" * 3_000 + b"\n",
        "3,000 nested lists with metadata": b"a: " + b"[" * 3_000 + b"]" * 3_000 + b"\n" + block,
        "3,000 nested maps with metadata": deep_blocks + block,
        "100,000 brackets with metadata": b"a: " + b"[" * 100_000 + b"\n" + block,
        "20,000 documents": b"---\n".join([genuine[:200] + b"\n"] * 20_000),
        "50,000 comments": b"#ENC[AES256_GCM,data:\n" * 50_000 + genuine,
        "20,000 times one key": b"a: x\n" * 20_000 + genuine,
        "1 MB of beginnings": b"a: '" + b"ENC[AES256_GCM,data:" * 50_000 + b"'\n" + genuine,
        "5 MB in one line": b"a: " + b"A" * 5_000_000 + b"\n" + genuine,
        "20,000 recipients": genuine.replace(b"    age:\n", recipients),
        "3 MB of line breaks": b"\n" * 3_000_000 + genuine,
    }


def measure_hostile(maker: Any, genuine: bytes, folder: Path) -> Iterator[str]:
    """Yield what the command takes for each of them, as lines of Markdown.

    A plain file stands beside each, and must be reported too: the last column says what was.
    """
    yield "| file | MB | CPU s | peak MB | exit code | reported |"
    yield "|---|--:|--:|--:|--:|---|"
    for name, data in [*hostile_files(genuine).items(), ("a link to itself", b"")]:
        secrets = folder / re.sub(r"\W+", "-", name) / "secrets"
        secrets.mkdir(parents=True)
        (secrets.parent / ".sops.yaml").write_text(maker.recipe().config("secrets/"))
        (secrets / "plain.yaml").write_bytes(b"word: plain\n")
        if data:
            (secrets / "hostile.yaml").write_bytes(data)
        else:
            (secrets / "hostile.yaml").symlink_to("hostile.yaml")
        arguments = (sys.executable, "-m", "scanner", "sops", "check", str(secrets.parent))
        environ = os.environ | {"PYTHONPATH": str(_ROOT)}
        usage = run(Command(arguments, environ, secrets.parent, secrets.parent / "errors.txt"))
        output = subprocess.run(arguments, env=environ, cwd=secrets.parent, capture_output=True, check=False).stdout
        reported = " and ".join(name for name in ("hostile", "plain") if f"{name}.yaml".encode() in output)
        figures = f"{usage.cpu_seconds:.2f} | {usage.largest_bytes / 1_000_000:.0f} | {usage.exit_code} | {reported}"
        yield f"| {name} | {len(data) / 1_000_000:.1f} | {figures} |"


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _tests(name: str) -> Any:
    """Import a module of the tests: makers of files, mutations, and what judges them are shared with them."""
    for folder in (_ROOT / "tests" / "sops", _ROOT / "tests"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return importlib.import_module(name)


def _report(folder: Path, part: str) -> Iterator[str]:
    with _tests("sopsmaker").SopsMaker(folder) as maker:
        if part in ("all", "mutations"):
            yield "## Mutations\n"
            yield from render_mutations(maker)
        if part in ("all", "timings"):
            yield "\n## A large file\n"
            large = make_large(maker, _LARGE_BYTES)
            yield f"An encrypted YAML of {len(large) / 1_000_000:.1f} MB, median of {_ROUNDS} runs.\n"
            yield "| step | seconds | times the events |"
            yield "|---|--:|--:|"
            for timing in time_large(maker, large):
                yield f"| {timing.step} | {timing.seconds:.2f} | {timing.ratio:.2f} |"
        if part in ("all", "hostile"):
            yield "\n## Hostile files\n"
            genuine = maker.encrypt(b"a: words\n", "yaml")
            yield from measure_hostile(maker, genuine, folder)


def main() -> int:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.sops", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=("all", "mutations", "timings", "hostile"), default="all")
    part = parser.parse_args().part
    if reason := _tests("sopsmaker").missing("sops", "gpg"):
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    print(", ".join(f"{name} {value}" for name, value in describe_machine().items()), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        for line in _report(Path(folder), part):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
