# SPDX-License-Identifier: Apache-2.0
"""One made-up scan with everything in it that could break a report."""

from scanner.model import (
    Finding,
    Gap,
    Location,
    Provenance,
    Related,
    RuleInfo,
    ScanResult,
    Secret,
    Stats,
    Suppression,
)

# Put together here: no value that looks alive stands in this repository.
RAW = {
    "pat": b"ghp_" + b"aB3" * 12,
    "password": b"correct" + b"-horse-" + b"battery",  # sealgate:allow reason="put together here"
    "key": b"-----BEGIN " + b"PRIVATE KEY-----\nMIIB" + b"q" * 40 + b"\n-----END",
    "accepted": b"glpat-" + b"x" * 20,
}

PAT = RuleInfo(
    "github-pat-classic",
    "GitHub personal access token (classic)",
    "critical",
    "secret",
    "Revoke the token in the owner's developer settings, then look for its use in the audit log.",
    ("https://docs.github.com/en/authentication", "https://example.com/second"),
)
GENERIC = RuleInfo(
    "generic-assignment", "Value of a key that names a secret", "medium", "secret", "Rotate it"
)
KEY = RuleInfo("private-key", "Private key", "high", "secret", "Replace the key pair.", ("see RFC 7468",))
LEAF = RuleInfo("sops-plaintext-leaf", "Leaf that SOPS must encrypt", "high", "sops", "Run sops encrypt.")
GITLAB = RuleInfo("gitlab-pat", "GitLab personal access token", "critical", "secret", "Revoke it.")

ANN = "Ann Example <ann@example.com>"
OLD = Provenance(
    "commit", "1" * 40, "Bob \x1b[31mRed\x1b[0m <bob@example.com>", "2021-02-03T04:05:06+02:00", False, 1
)
NEW = Provenance("commit", "2" * 40, ANN, "2024-05-06T07:08:09Z", True, 2)


def finding(rule: RuleInfo, raw: str, path: bytes, line: int, **changes: object) -> Finding:
    """Return a finding of the secret named `raw`, at HEAD unless said otherwise."""
    base = Finding(
        rule=rule,
        confidence="high",
        reason="the format is unmistakable",
        path=path,
        location=Location(line, 9, line, 49),
        fingerprint=raw.encode().hex().ljust(32, "0"),
        secret=Secret(RAW[raw]),
        redacted=RAW[raw][:4].decode() + "…",
        excerpt=f"{raw} = {RAW[raw][:4].decode()}…",
        blob="b" * 40,
        provenance=NEW,
        first=NEW,
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def nasty_findings() -> tuple[Finding, ...]:
    """Return findings whose every text tries to get out of its field."""
    worktree = Provenance("worktree", at_head=False)
    return (
        finding(
            GENERIC,
            "password",
            b"conf/\x1b[2Jclear.ini",
            3,
            confidence="low",
            occurrences=12_345,
            excerpt="\x1b]0;owned\x07password = corr…",
            reason='the key is "pass[word](x)"',
        ),
        finding(
            PAT,
            "pat",
            b"src/new\nline ##vso[task.setvariable].py",
            1,
            confidence="proven",
            reason="its CRC32 is right",
            first=OLD,
            occurrences=3,
        ),
        finding(
            PAT,
            "pat",
            b"::error::caf\xe9/\xff.txt",
            7,
            provenance=OLD,
            first=OLD,
            excerpt="\u202egnp.exe" + "x" * 5_000,
        ),
        finding(
            KEY,
            "key",
            b"a:b c/#?%.pem",
            1,
            location=Location(1, 1, 3, 9),
            provenance=worktree,
            first=worktree,
            blob=None,
            excerpt="",
            decoded_from=("base64", "gzip"),
        ),
        finding(KEY, "key", b".git/commit/" + b"2" * 40, 4, confidence="medium"),
        finding(
            LEAF,
            "password",
            b"deploy/\xf0\x9f\x94\x91.enc.yaml",
            2,
            fingerprint="f" * 32,
            provenance=Provenance("index"),
            first=Provenance("index"),
        ),
        finding(
            GITLAB, "accepted", b"tests/data.py", 5, suppression=Suppression("inline", "a \x1b[1mtest\u2028")
        ),
        finding(GITLAB, "accepted", b"tests/more.py", 6, suppression=Suppression("baseline", "")),
        finding(
            GENERIC,
            "accepted",
            b"",
            1,
            confidence="medium",
            fingerprint="0" * 32,
            blob=None,
            provenance=Provenance("stdin"),
            first=Provenance("stdin"),
            excerpt="\udcff lone",
        ),
    )


def nasty_gaps() -> tuple[Gap, ...]:
    """Return gaps of kinds that count, of one that is allowed and of one that never counts."""
    return (
        Gap("shallow", "3333333333", "its parents are not in this clone", 2),
        *(Gap("unreadable", f"dir/\x1b[31m{n}\udce9", "Permission denied") for n in range(13)),
        Gap("oversize", "big\n::stop-commands::x", "51.0 MiB"),
        Gap("submodule", "vendor/lib", "a repository of its own"),
    )


def make_result(**changes: object) -> ScanResult:
    """Return the made-up scan, with fields replaced."""
    base = ScanResult(
        target="/some/where",
        findings=nasty_findings(),
        gaps=nasty_gaps(),
        allowed_gaps=frozenset({"oversize"}),
        stats=Stats(blobs=12_345, bytes=98_765_432, files=7, commits=321, seconds=1.23456),
        notices=("baseline entry 00ff expired on 2024-01-01 \x1b[5m",),
        ruleset="sha256:0123456789abcdef",
        fail_on="medium",
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def two_halves() -> ScanResult:
    """Return a secret at three paths, its identifier beside it at two of them; the name of the identifier is hostile."""
    acme = PAT._replace(id="acme-id", name="Acme [id](x) <b>", severity="high")
    identifier = Related("identifier", acme.id, acme.name, Location(2, 5, 2, 25), "1" * 32, "acme…", "sure; it belongs to account 7")
    findings = []
    for path, provenance in ((b"a b.ini", OLD), (b"c.ini", NEW)):
        place = finding(PAT, "pat", path, 3, provenance=provenance, first=OLD, related=(identifier,))
        secret = Related("secret", PAT.id, PAT.name, place.location, place.fingerprint, place.redacted, place.reason)
        other = {"fingerprint": "1" * 32, "redacted": "acme…", "location": identifier.location, "related": (secret,)}
        findings += [finding(acme, "pat", path, 2, provenance=provenance, first=OLD, **other), place]
    return make_result(findings=(*findings, finding(PAT, "pat", b"other", 1)))
