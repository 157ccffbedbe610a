# SPDX-License-Identifier: Apache-2.0
"""Write the job summary from the JSON Lines report, and print the number of open findings.

Arguments: report, exit code, scope, message, summary file. Paths and excerpts come from whoever made the
commits, so every character that could be markup is written as a reference.
"""

import json
import re
import sys
from typing import Any

_ROWS = 50
_VERDICTS = {
    "0": "✅ Clean: no findings",
    "1": "❌ Secrets were found",
    "2": "❌ Not scanned: wrong usage or configuration",
    "3": "⚠️ Incomplete: not everything that was asked for was scanned",
}
_PLAIN = re.compile(r"[^A-Za-z0-9 ]")


def main() -> None:
    """Read the arguments, append to the summary."""
    report, code, scope, message, summary_file = sys.argv[1:]
    findings, summary = _load(report)
    lines = [f"### Sealgate: {_VERDICTS.get(code, f'❌ Failed with exit code {int(code)}')}", ""]
    if message:
        lines += [_text(message), ""]
    if scope:
        lines += [f"Scanned: {_text(scope)}", ""]
    lines += [*_table(findings), *_gaps(summary)]
    with open(summary_file, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(summary["counts"]["open"] if summary else "")


def _load(report: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the open findings and the closing record; nothing where there is no whole report."""
    try:
        with open(report, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
    except (OSError, ValueError):
        return [], {}
    if not records or "summary" not in records[-1]:
        return [], {}
    return [record for record in records[:-1] if not record["suppressed_by"]], records[-1]["summary"]


def _table(findings: list[dict[str, Any]]) -> list[str]:
    if not findings:
        return []
    lines = ["| Confidence | Rule | Place | Value | Commit |", "|---|---|---|---|---|"]
    for finding in findings[:_ROWS]:
        place = f"{finding['path']}:{finding['start_line']}"
        commit = (finding["commit"] or "")[:10]
        cells = (finding["confidence"], finding["rule_id"], place, finding["redacted"], commit)
        lines.append("| " + " | ".join(map(_text, cells)) + " |")
    if len(findings) > _ROWS:
        lines += ["", f"and {len(findings) - _ROWS} more: see the log or the SARIF report"]
    return [*lines, ""]


def _gaps(summary: dict[str, Any]) -> list[str]:
    gaps = [gap for gap in summary.get("unscanned", ()) if not gap["allowed"]]
    if not gaps:
        return []
    lines = [f"- {_text(gap['what'])}: {_text(gap['reason'])}" for gap in gaps[:_ROWS]]
    return ["Not scanned:", "", *lines, ""]


def _text(value: str) -> str:
    return _PLAIN.sub(lambda found: f"&#{ord(found[0])};", value)


main()
