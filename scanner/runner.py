# SPDX-License-Identifier: Apache-2.0
"""From options to an exit code: settings, source, rules and triage are put together, run and reported.

Every command that scans goes through here, so all of them read the same settings and reports the same way.
"""

import argparse
import gc
import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TextIO, cast

from scanner.config import BASELINE_NAME, ReadFile, Settings, load_settings
from scanner.detect.rules import PackFile, builtin_directory, read_packs
from scanner.errors import ConfigError, ReportError
from scanner.gate import Outcome, ScanOptions, conclude, look
from scanner.model import ScanResult, Source
from scanner.reading import Progress
from scanner.reports import LINE_HASHES, REPORTS
from scanner.reports.options import ReportOptions
from scanner.triage import BaselineEntry, Triage

if TYPE_CHECKING:
    from scanner.detect.engine import Detector
    from scanner.detect.prefilter import RuleSet
    from scanner.git.repo import Repository
    from scanner.recall import Recall
    from scanner.seal.seal import Seal
    from scanner.sops.coverage import FindSecrets
    from scanner.verdicts import Ledger

# What the ids of the SOPS checks begin with; rule packs have no such ids.
SOPS_RULES: Final = "sops-"
_PROGRESS_SECONDS: Final = 0.2
_CONFIG_BYTES: Final = 64 * 1024 * 1024


class Target(NamedTuple):
    """What TARGET is: `root` is where its settings are looked for, None where there is no such folder."""

    path: str
    repository: "Repository | None"
    root: str | None


class RuleFiles(NamedTuple):
    """Which rules there are to be: all of these packs, but for the disabled ones."""

    packs: Sequence[PackFile]
    disabled: Sequence[str]


# Makes a command's own source, once the repository is open and the settings are read.
MakeSource = Callable[[Target, Settings], Source]


def find_target(path: str, mode: str, environ: Mapping[str, str]) -> Target:
    """Find out what TARGET names. Raises `ConfigError` for what is not there or does not fit the mode."""
    if mode in ("stdin", "diff"):
        return Target(path, None, ".")
    if not os.path.lexists(path):
        raise ConfigError(f"there is no {path}", "give a repository, a directory or a file")
    if not os.path.isdir(path):
        if mode in ("staged", "range"):
            raise ConfigError(f"{path} is not a repository", f"--{mode} needs one")
        if mode != "state":
            return Target(path, None, os.path.dirname(path) or ".")
    from scanner.git.repo import open_repository

    repository = open_repository(path, environ=environ, search=mode in ("staged", "range", "state"))
    if repository is None:
        if mode in ("staged", "range"):
            raise ConfigError(f"{path} is not a git repository", f"--{mode} needs one")
        return Target(path, None, path)
    return Target(path, repository, repository.worktree)


def read_file(target: Target) -> ReadFile:
    """Return how to read a settings file: from disk, or from HEAD in a repository without a working tree."""
    if target.root is None:
        return _read_at_head(target.repository) if target.repository else lambda _: None
    root = target.root

    def read(name: str) -> bytes | None:
        try:
            with open(os.path.join(root, name), "rb") as stream:
                data = stream.read(_CONFIG_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}", "mend it or name another one") from None
        if len(data) > _CONFIG_BYTES:
            raise ConfigError(f"{name} is too large", f"at most {_CONFIG_BYTES >> 20} MiB are read")
        return data

    return read


def _read_at_head(repository: "Repository") -> ReadFile:
    """Return how to read files at the top of HEAD, of which git is asked once which there are."""
    ids: dict[str, str] | None = None

    def read(name: str) -> bytes | None:
        nonlocal ids
        if ids is None:
            listed = repository.run("ls-tree", "-z", repository.head).split(b"\0")[:-1] if repository.head else []
            ids = {os.fsdecode(entry.partition(b"\t")[2]): entry.split()[2].decode("ascii") for entry in listed}
        return repository.run("cat-file", "blob", ids[name]) if name in ids else None

    return read


def load_baseline(settings: Settings, read: ReadFile) -> tuple[BaselineEntry, ...]:
    """Return the entries of the named baseline, or of the default one where there is one."""
    if settings.baseline:
        try:
            with open(settings.baseline, "rb") as stream:
                data: bytes | None = stream.read()
        except OSError as error:
            raise ConfigError(f"cannot read the baseline {settings.baseline}: {error.strerror}", "check --baseline") from None
    else:
        data = read(BASELINE_NAME)
    if not data:
        return ()
    from scanner.baseline import parse_baseline

    return parse_baseline(data, settings.baseline or BASELINE_NAME)


def load_detector(settings: Settings, environ: Mapping[str, str]) -> "Detector":
    """Return a detector for Sealgate's own rules and those of the settings."""
    from scanner.detect.engine import Detector

    return Detector(load_ruleset(settings, environ))


def load_ruleset(settings: Settings, environ: Mapping[str, str], files: RuleFiles | None = None) -> "RuleSet":
    """Return the rule set of Sealgate's own rules and those of the settings, compiled or from the cache."""
    from scanner.detect.prefilter import load_ruleset as load

    return load(*(files or rule_files(settings)), environ)


def rule_files(settings: Settings) -> RuleFiles:
    """Read Sealgate's own rules and those of the settings."""
    disabled = [rule for rule in settings.disable if not rule.startswith(SOPS_RULES)]
    foreign = settings.foreign.packs if settings.foreign else ()
    return RuleFiles((*read_packs([builtin_directory(), *settings.rules]), *foreign), disabled)


def make_source(
    options: argparse.Namespace, mode: str, target: Target, settings: Settings, ledger: "Ledger | None" = None
) -> Source:
    """Return the source that the options ask for."""
    if mode == "stdin":
        from scanner.sources.files import StreamSource

        return StreamSource(sys.stdin.buffer, os.fsencode(options.name or "stdin"), settings.max_blob)
    if mode == "diff":
        from scanner.sources.diff import DiffSource

        return DiffSource(_open_diff(options.diff), settings.max_blob)
    if target.repository is None:
        from scanner.sources.files import FileSource

        return FileSource(target.path, settings.max_blob)
    if mode == "staged":
        from scanner.sources.staged import StagedSource

        return StagedSource(target.repository, settings.max_blob)
    if mode == "range":
        from scanner.sources.commits import RangeSource

        return RangeSource(target.repository, options.range, settings.max_blob)
    if mode == "worktree":
        from scanner.sources.files import WorktreeSource

        return WorktreeSource(target.repository, settings.max_blob)
    from scanner.sources.history import HistorySource

    engine = getattr(options, "engine", "auto")
    history = HistorySource(target.repository, settings.max_blob, engine, ledger)
    if engine == "pack" and history.engine != "pack":
        raise ConfigError("the pack engine cannot read this repository here", "leave --engine out: git reads it then")
    if options.verbose:
        how = "from its packs" if history.engine == "pack" else "by git, each object whole"
        print(f"sealgate: the {history.engine} engine reads this history, {how}", file=sys.stderr)
    return history


def make_seal(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    target: Target,
    settings: Settings,
    source: Source,
    *,
    find: "FindSecrets | None",
) -> "Seal":
    """Return the SOPS half: over the source itself, or over the state that a history ends in."""
    from scanner.seal.seal import Seal

    keyring = None
    if getattr(options, "mac", False):
        from scanner.sops.keyed.keys import Keyring

        keyring = Keyring(environ)
    if target.repository is not None and source.extent == "history":
        from scanner.sources.current import CurrentSource

        # Of a history that is read for secrets anyway, it is asked who brought a file.
        read = None if options.only == "sops" else source
        source = CurrentSource(target.repository, settings.max_blob, traced=read)
    shallow = target.repository is not None and target.repository.shallow and source.extent == "state"
    seal = Seal(
        source, find=find, keyring=keyring, scope=getattr(options, "scope", ()), disabled=settings.disable, shallow=shallow
    )
    if target.repository is not None and source.extent == "state":
        from scanner.sources.current import CurrentSource

        if isinstance(source, CurrentSource):
            source.select(seal.wants)
    return seal


def _open_diff(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        with open(name, "rb") as stream:
            return io.BytesIO(stream.read())
    except OSError as error:
        raise ConfigError(f"cannot read the diff {name}: {error.strerror}", "check --diff") from None


class Run(NamedTuple):
    """A finished scan, with what was put together for it."""

    result: ScanResult
    triage: Triage
    settings: Settings
    target: Target


def run_scan(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    mode: str,
    make: MakeSource | None = None,
    *,
    with_baseline: bool = True,
) -> Run:
    """Scan what the options say, or what the source made by `make` yields."""
    target = find_target(options.target, mode, environ)
    read = read_file(target)
    settings = load_settings(vars(options), environ, read, target.root)
    baseline = load_baseline(settings, read) if with_baseline else ()
    triage = Triage(time.strftime("%Y-%m-%d", time.gmtime()), settings.allow, baseline)
    from scanner.detect.engine import Detector
    from scanner.detect.prefilter import ruleset_digest

    only = options.only
    scan_options = ScanOptions(
        target=options.target,
        fail_on=cast("Any", settings.fail_on),
        allowed_gaps=frozenset(settings.allow_gap),
        timeout_seconds=settings.timeout,
        # What another scanner was told may well be about what is not found here.
        whole=mode == "auto" and target.repository is not None and not only and not settings.foreign,
        secrets=only != "sops",
        jobs=settings.jobs,
    )
    rules = rule_files(settings)
    digest = ruleset_digest(*rules)
    started = time.monotonic()
    recall = _recall(options, environ, target, settings, digest) if mode == "auto" and make is None else None
    outcome = recall.outcome() if recall else None
    if outcome is not None and options.verbose:
        print("sealgate: nothing has changed since an earlier scan, whose outcome the cache has", file=sys.stderr)
    if outcome is None:
        detector = Detector(load_ruleset(settings, environ, rules))
        ledger = recall.ledger(target.repository.id_bytes) if recall and target.repository and scan_options.secrets else None
        source = make(target, settings) if make else make_source(options, mode, target, settings, ledger)
        # Where secrets are looked for as well, what an encrypted file leaves in clear is reported by that.
        find = detector.spans if only == "sops" else None
        seal = None if only == "secrets" else make_seal(options, environ, target, settings, source, find=find)
        outcome = _look(source, detector, scan_options, seal=seal, progress=_progress(options, environ), ledger=ledger)
        if recall:
            recall.keep(outcome)
    result = conclude(outcome, triage, scan_options, digest, started)
    if recall:
        result = result._replace(notices=(*result.notices, *recall.notices))
    if settings.foreign:
        foreign = settings.foreign
        result = result._replace(notices=(*foreign.notices, *result.notices), gaps=(*foreign.gaps, *result.gaps))
    formats = {report.partition("=")[0] for report in getattr(options, "report", None) or ()}
    if target.repository is not None and formats & LINE_HASHES:
        from scanner.linehash import with_line_hashes

        result = with_line_hashes(result, target.repository)
    return Run(result, triage, settings, target)


def _recall(
    options: argparse.Namespace, environ: Mapping[str, str], target: Target, settings: Settings, rules: str
) -> "Recall | None":
    """Return what is known of the repository from earlier scans, where a cache is asked for."""
    repository = target.repository
    if not settings.cache or not hasattr(options, "cache") or repository is None:
        return None
    from scanner.cachedir import open_cache
    from scanner.recall import Recall
    from scanner.sources.census import take_census
    from scanner.verdicts import engine_digest

    folder = open_cache(settings.cache, environ, repository.worktree)
    digest = engine_digest([rules, str(settings.max_blob)])
    more = "\0".join([str(options.only), *sorted(settings.disable)])
    # What is kept has no values in it.
    with_secrets = options.show_secrets or options.vault_check or any(allow.looks_inside for allow in settings.allow)
    return Recall(folder, digest, more, lambda: None if with_secrets else take_census(repository, settings.max_blob))


def _look(
    source: Source,
    detector: "Detector",
    scan_options: ScanOptions,
    *,
    seal: "Seal | None",
    progress: Progress | None,
    ledger: "Ledger | None",
) -> Outcome:
    """Scan without a break for looking after memory."""
    # Nothing made by a scan refers back to itself, so looking for such cycles finds nothing: 4 % of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return look(source, detector, scan_options, progress=progress, seal=seal, ledger=ledger)
    finally:
        if collecting:
            gc.enable()
        if progress:
            sys.stderr.write("\r\x1b[K")


def _progress(options: argparse.Namespace, environ: Mapping[str, str]) -> Progress | None:
    if options.no_progress or options.quiet or environ.get("CI") or not _is_terminal(sys.stderr):
        return None
    started = last = time.monotonic()

    def show(count: int, size_bytes: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS:
            last = now
            sys.stderr.write(f"\r\x1b[Kscanning: {count:,} objects, {size_bytes / 1e6:,.0f} MB, {now - started:.0f} s")
            sys.stderr.flush()

    return show


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; a process may have been started without standard streams at all."""
    return stream is not None and stream.isatty()


class ReportTarget(NamedTuple):
    """One `--report`: the format and where it goes, `-` for standard output."""

    format: str
    file: str


def parse_reports(values: Sequence[str] | None) -> tuple[ReportTarget, ...]:
    """Return the reports asked for. Raises `ConfigError` for an unknown format or a file named twice."""
    targets = []
    for value in values or ["text"]:
        name, separator, file = value.partition("=")
        if name not in REPORTS:
            from scanner.detect.rules import suggest

            raise ConfigError(f"there is no report format {name!r}", suggest(name, REPORTS) or f"formats: {', '.join(REPORTS)}")
        if separator and not file:
            raise ConfigError(f"--report {value}: the file's name is missing", "write FORMAT=FILE, or FORMAT for standard output")
        targets.append(ReportTarget(name, file or "-"))
    files = [target.file for target in targets]
    if len(set(files)) < len(files):
        raise ConfigError("two reports cannot go to one place", "give each --report a file of its own")
    return tuple(targets)


def scan_and_report(options: argparse.Namespace, environ: Mapping[str, str], mode: str, make: MakeSource | None = None) -> int:
    """Scan, write every report, and return the exit code."""
    targets = parse_reports(options.report)
    run = run_scan(options, environ, mode, make)
    write_reports(run.result, targets, options, environ)
    return run.result.exit_code


def write_reports(
    result: ScanResult, targets: Sequence[ReportTarget], options: argparse.Namespace, environ: Mapping[str, str]
) -> None:
    """Write every report; where none is for people, the verdict goes to standard error."""
    from scanner.reports.output import write_report

    color = _is_terminal(sys.stdout) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    finished = time.time()
    failures: list[ReportError] = []
    for target in targets:
        report = REPORTS[target.format]()
        here = ReportOptions(
            color=color and target.file == "-",
            show_secrets=options.show_secrets,
            quiet=options.quiet,
            verbose=options.verbose,
            finished=finished,
        )

        def fill(out: TextIO, report: Any = report, here: ReportOptions = here) -> None:
            report.write(result, out, here)

        try:
            write_report(target.file, fill, private=options.show_secrets)
        except ReportError as error:
            # The other reports must not be lost with this one.
            failures.append(error)
    if failures:
        raise failures[0]
    if not options.quiet and not any(target.format == "text" for target in targets):
        from scanner.reports.text import verdict

        print(f"sealgate: {verdict(result)}", file=sys.stderr)
