# SPDX-License-Identifier: Apache-2.0
"""Explain a finding: why it is believed, what would silence it, and where its secret could live instead.

Examples:
  sealgate explain config/app.ini:12         what is found in a line, or what nearly was
  sealgate explain 3a7f09c2                  a finding here, by the first digits of its id
"""

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from scanner import runner
from scanner.commands.scan import add_common_options
from scanner.config import Settings, load_settings
from scanner.display import decode_path, log_safe
from scanner.errors import OK, ConfigError
from scanner.model import Finding, Source

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,32}")
_KEY: Final = re.compile(r"([A-Za-z_][\w-]{0,60})[\"']?\s{0,9}[:=]+\s{0,9}[\"']?\S{0,4}\*{2,}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", metavar="FILE:LINE|FINGERPRINT", help="a line of a file, or a finding of the repository here")
    parser.set_defaults(target=".")
    add_common_options(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the explanation."""
    file, _, line = options.what.rpartition(":")
    if file and line.isdecimal():
        findings = [f for f in _in_file(options, environ, file) if f.location.start_line <= int(line) <= f.location.end_line]
        lines = [*_explained(findings), *(() if findings else _nearly(options, environ, file, int(line)))]
        missing = f"{log_safe(file)}:{line}: no rule has anything to say of this line"
    elif _FINGERPRINT.fullmatch(options.what):
        found = runner.run_scan(options, environ, "auto").result.findings
        lines = [*_explained([f for f in found if f.fingerprint.startswith(options.what)])]
        missing = f"no finding of this repository has the fingerprint {options.what}"
    else:
        raise ConfigError(f"{log_safe(options.what)} is neither FILE:LINE nor a fingerprint", "give eight of its digits or more")
    print("\n".join(lines) if lines else missing)
    return OK


def _in_file(options: argparse.Namespace, environ: Mapping[str, str], file: str) -> tuple[Finding, ...]:
    try:
        stream = open(file, "rb")  # noqa: SIM115  the source reads it
    except OSError as error:
        raise ConfigError(f"cannot read {log_safe(file)}: {error.strerror}", "name a file as it is on disk") from None

    def make(_: runner.Target, settings: Settings) -> Source:
        from scanner.sources.files import StreamSource

        return StreamSource(stream, os.fsencode(os.path.relpath(file)), settings.max_blob)

    with stream:
        return runner.run_scan(options, environ, "stdin", make).result.findings


def _explained(findings: list[Finding]) -> Iterator[str]:
    for finding in findings:
        place = f"{log_safe(decode_path(finding.path))}:{finding.location.start_line}"
        yield f"{place}  {finding.rule.id}  {finding.rule.severity} {finding.confidence}  {log_safe(finding.redacted)}"
        yield f"  why:     {log_safe(finding.reason)}"
        if finding.suppression:
            yield f"  silent:  {finding.suppression.kind}: {log_safe(finding.suppression.reason)}"
        else:
            yield f'  silence: sealgate:allow rule={finding.rule.id} reason="..." in a comment on the line,'
            yield f"           or in .sealgate.yaml: allow: [{{fingerprint: {finding.fingerprint}, reason: ...}}]"
        yield f"  do:      {log_safe(finding.remedy or finding.rule.help)}"
        yield from (f"  move:    {log_safe(text)}" for text in _moves(finding))
        yield ""


def _moves(finding: Finding) -> Iterator[str]:
    """Yield where the secret could live instead: a leaf of an encrypted file, a path of Vault's; never the value."""
    path = decode_path(finding.path)
    found = _KEY.search(finding.excerpt)
    field = (found[1] if found else finding.rule.id).replace("-", "_")
    rule = _encrypting_rule(finding.path)
    if rule:
        yield f"into a file that {rule} encrypts: sops set FILE '[\"{field}\"]' --value-stdin"
    else:
        yield f"into a SOPS file: give .sops.yaml a rule, then: sops set FILE '[\"{field}\"]' --value-stdin"
    stem = os.path.basename(path).lstrip(".").partition(".")[0] or "app"
    where = f"{os.path.basename(os.getcwd()) or 'app'}/{stem}"
    variable = re.sub(r"\W", "_", field).upper()
    yield f"into Vault: bao kv put -mount=secret {where} {field}=-"
    yield f"  and read it with: sealgate broker exec --role ROLE --secret 'secret/{where}#{field}={variable}' -- COMMAND"


def _encrypting_rule(path: bytes) -> str:
    """Return which creation rule here singles files out for encryption, or nothing."""
    from scanner.sops.creation.policy import load_policy

    folder = os.path.dirname(os.path.abspath(os.fsdecode(path)))
    while True:
        name = os.path.join(folder, ".sops.yaml")
        if os.path.isfile(name):
            with open(name, "rb") as stream:
                policy = load_policy(stream.read(), b".sops.yaml")
            chosen = next((rule for rule in policy.rules if rule.specific and rule.path_regex), None)
            return f"creation rule {chosen.number} of {os.path.relpath(name)} ({chosen.path_regex})" if chosen else ""
        if folder == os.path.dirname(folder):
            return ""
        folder = os.path.dirname(folder)


def _nearly(options: argparse.Namespace, environ: Mapping[str, str], file: str, number: int) -> Iterator[str]:
    """Yield the rules whose pattern matches on this line and whose judge said no, with the reason."""
    from scanner.detect.expression import Expressions
    from scanner.detect.silent import near_misses

    with open(file, "rb") as stream:
        lines = stream.read().split(b"\n")
    if not 0 < number <= len(lines):
        raise ConfigError(f"{log_safe(file)} has no line {number}", f"it has {len(lines)}")
    line = lines[number - 1]
    settings = load_settings(vars(options), environ, runner.read_file(runner.Target(file, None, ".")), ".")
    expressions = Expressions()
    with expressions.watched():
        for miss in near_misses(runner.load_ruleset(settings, environ), expressions, line, os.fsencode(file)):
            yield f"{log_safe(file)}:{number}  {miss.rule_id} matches, and is not reported: {log_safe(miss.reason)}"
