# SPDX-License-Identifier: Apache-2.0
"""Explain a finding: why it is believed, whether it fails the gate, what would silence it, where its secret could live
instead. Or explain a silent line: which rules were near, and what the line lacks for each.

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
from scanner.display import decode_path, log_safe
from scanner.errors import INCOMPLETE, OK, ConfigError
from scanner.model import GAP_KINDS, Finding, ScanResult
from scanner.reports.places import details

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,32}")
_KEY: Final = re.compile(r"([A-Za-z_][\w-]{0,60})[\"']?\s{0,9}[:=]+\s{0,9}[\"']?\S{0,4}\*{2,}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", metavar="FILE:LINE|FINGERPRINT", help="a line of a file, or a finding of the repository here")
    parser.set_defaults(target=".")
    add_common_options(parser, reports=False)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the explanation."""
    file, _, line = options.what.rpartition(":")
    if file and line.isdecimal():
        return _explain_line(options, environ, file, int(line))
    if _FINGERPRINT.fullmatch(options.what):
        return _explain_fingerprint(options, environ, options.what)
    raise ConfigError(f"{log_safe(options.what)} is neither FILE:LINE nor a fingerprint", "give eight of its digits or more")


def _explain_fingerprint(options: argparse.Namespace, environ: Mapping[str, str], digits: str) -> int:
    ran = runner.run_scan(options, environ, "auto")
    result = ran.result
    found = [f for f in result.findings if f.fingerprint.startswith(digits)]
    lines = [*_explained(found, ran), *_unread(result)]
    print("\n".join(lines or [f"no finding of this repository has the fingerprint {digits}"]))
    return OK if result.complete else INCOMPLETE


def _explain_line(options: argparse.Namespace, environ: Mapping[str, str], file: str, number: int) -> int:
    """Explain what is found in a line of a file on disk, or why nothing is."""
    from scanner.commands.silence import read_line, why_silent

    text = read_line(file, number)
    ran = _scan_file(options, environ, file)
    findings = [f for f in ran.result.findings if f.location.start_line <= number <= f.location.end_line]
    lines = [*_explained(findings, ran), *_unread(ran.result)]
    path = _path_in(ran.target, file) or os.fsencode(os.path.relpath(file))
    silent = [] if findings or options.only == "sops" else list(why_silent(text, path, ran.settings))
    lines += [f"{log_safe(file)}:{number}  {line}" for line in silent]
    if _is_ignored(ran.target, path):
        lines.append(f"git ignores {log_safe(file)}: scans of the repository leave it out")
    print("\n".join(lines or [f"{log_safe(file)}:{number}: no check has anything to say of this line"]))
    return OK if ran.result.complete else INCOMPLETE


def _scan_file(options: argparse.Namespace, environ: Mapping[str, str], file: str) -> runner.Run:
    """Scan one file as it is on disk, with the settings of the repository around it, else of the folder here."""
    from scanner.sources.files import NamedFile, StreamSource

    folder = os.path.dirname(file) or "."
    target = runner.find_target(folder, "state", environ)
    repository, path = target.repository, _path_in(target, file)
    if repository is not None and path is not None:
        options.target = folder
        return runner.run_scan(options, environ, "state", lambda _, settings: NamedFile(repository, settings.max_blob, path))
    with open(file, "rb") as stream:
        name = os.fsencode(os.path.relpath(file))
        return runner.run_scan(options, environ, "stdin", lambda _, settings: StreamSource(stream, name, settings.max_blob))


def _path_in(target: runner.Target, file: str) -> bytes | None:
    """Return the file's path from the root of the working tree around it, None where there is none."""
    if target.repository is None or target.repository.worktree is None:
        return None
    # The file itself may be a link: then it is the link that stands in the tree.
    full = os.path.join(os.path.realpath(os.path.dirname(file) or "."), os.path.basename(file))
    return os.fsencode(os.path.relpath(full, os.path.realpath(target.repository.worktree)))


def _is_ignored(target: runner.Target, path: bytes) -> bool:
    if target.repository is None or target.repository.worktree is None:
        return False
    with target.repository.start("check-ignore", "--quiet", "--", os.fsdecode(path)) as git:
        return git.wait() == 0


def _unread(result: ScanResult) -> Iterator[str]:
    """Yield what could not be looked at: nothing is known of that."""
    for gap in result.gaps:
        if GAP_KINDS[gap.kind][0]:
            yield f"not looked at: {log_safe(gap.what)} ({gap.kind}: {log_safe(gap.reason)})"


def _explained(findings: list[Finding], ran: runner.Run) -> Iterator[str]:
    root = ran.target.root or os.curdir
    for finding in findings:
        place = f"{log_safe(decode_path(finding.path))}:{finding.location.start_line}"
        yield f"{place}  {finding.rule.id}  {finding.rule.severity} {finding.confidence}  {log_safe(finding.redacted)}"
        yield f"  why:     {log_safe(finding.reason)}"
        if known := ", ".join(details(finding)):
            yield f"  where:   {log_safe(known)}"
        if finding.suppression:
            yield f"  silent:  {finding.suppression.kind}: {log_safe(finding.suppression.reason)}"
        else:
            fails = "fails" if ran.result.fails(finding) else "does not fail"
            yield f"  gate:    {fails}: confidence {finding.confidence}, --fail-on {ran.result.fail_on}"
            yield f'  silence: sealgate:allow rule={finding.rule.id} reason="..." in a comment on the line,'
            yield f"           or in .sealgate.yaml: allow: [{{fingerprint: {finding.fingerprint}, reason: ...}}]"
        yield f"  do:      {log_safe(finding.remedy or finding.rule.help)}"
        if finding.rule.family == "secret":
            yield from (f"  move:    {log_safe(text)}" for text in _moves(finding, root))
        yield f"  more:    sealgate rules show {finding.rule.id}"
        yield ""


def _moves(finding: Finding, root: str) -> Iterator[str]:
    """Yield where the secret could live instead: a leaf of an encrypted file, a path of Vault's; never the value."""
    path = decode_path(finding.path)
    found = _KEY.search(finding.excerpt)
    field = (found[1] if found else finding.rule.id).replace("-", "_")
    rule = _encrypting_rule(os.path.join(root, path))
    if rule:
        yield f"into a file that {rule} encrypts: sops set FILE '[\"{field}\"]' --value-stdin"
    else:
        yield f"into a SOPS file: give .sops.yaml a rule, then: sops set FILE '[\"{field}\"]' --value-stdin"
    stem = os.path.basename(path).lstrip(".").partition(".")[0] or "app"
    where = f"{os.path.basename(os.path.realpath(root)) or 'app'}/{stem}"
    variable = re.sub(r"\W", "_", field).upper()
    yield f"into Vault: bao kv put -mount=secret {where} {field}=-"
    yield f"  and read it with: sealgate broker exec --role ROLE --secret 'secret/{where}#{field}={variable}' -- COMMAND"


def _encrypting_rule(path: str) -> str:
    """Return which creation rule here singles files out for encryption, or nothing."""
    from scanner.sops.creation.policy import load_policy

    folder = os.path.dirname(os.path.abspath(path))
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
