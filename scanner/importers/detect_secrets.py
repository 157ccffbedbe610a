# SPDX-License-Identifier: Apache-2.0
"""detect-secrets: `.secrets.baseline`, which holds plugins, filters and what is accepted, as SHA-1 digests of the values.

The format: https://github.com/Yelp/detect-secrets/blob/master/docs/design.md and what `detect-secrets scan` writes.
"""

import json
import os
from collections.abc import Collection, Mapping
from typing import Any, Final

from scanner.errors import ConfigError
from scanner.importers.plan import Accepted, Plan, literal_search

TOOL: Final = "detect-secrets"
BASELINE_NAME: Final = ".secrets.baseline"
_HINT: Final = "see docs/migrating.md"
_KNOWN: Final = (
    "version", "plugins_used", "filters_used", "results", "generated_at", "exclude", "word_list", "custom_plugin_paths",
)  # fmt: skip
# What our rules are called that find what a plugin finds; those of entropy have the weighing of generic values instead.
_PLUGINS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWSKeyDetector": ("aws-",),
    "ArtifactoryDetector": ("jfrog-",),
    "AzureStorageKeyDetector": ("azure-storage-",),
    "Base64HighEntropyString": ("generic-",),
    "BasicAuthDetector": ("http-url-",),
    "CloudantDetector": ("cloudant-",),
    "DiscordBotTokenDetector": ("discord-",),
    "GitHubTokenDetector": ("github-",),
    "GitLabTokenDetector": ("gitlab-",),
    "HexHighEntropyString": ("generic-",),
    "IbmCloudIamDetector": ("ibm-cloud-",),
    "IbmCosHmacDetector": ("ibm-cos-",),
    "JwtTokenDetector": ("jwt",),
    "KeywordDetector": ("generic-",),
    "MailchimpDetector": ("mailchimp-",),
    "NpmDetector": ("npm",),
    "OpenAIDetector": ("openai-",),
    "PrivateKeyDetector": ("private-key-",),
    "PypiTokenDetector": ("pypi-",),
    "SendGridDetector": ("sendgrid-",),
    "SlackDetector": ("slack-",),
    "SoftlayerDetector": ("softlayer-",),
    "SquareOAuthDetector": ("square-",),
    "StripeDetector": ("stripe-",),
    "TelegramBotTokenDetector": ("telegram-",),
    "TwilioKeyDetector": ("twilio-",),
}
_ENTROPY: Final = ("Base64HighEntropyString", "HexHighEntropyString")
_REGEX: Final = "detect_secrets.filters.regex.should_exclude_"
_WORDS: Final = "detect_secrets.filters.wordlist.should_exclude_secret"
_AUDITED: Final = {True: "audited there as a secret: rotate it", False: "audited there as no secret"}


def is_config(document: object) -> bool:
    """Whether a document is a baseline of detect-secrets."""
    return isinstance(document, dict) and "plugins_used" in document


def read_baseline(plan: Plan, name: str, data: bytes, own: Collection[str]) -> None:
    """Add what a baseline says; `own` are the ids of Sealgate's rules. Raises `ConfigError` for what is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not valid JSON", _HINT) from None
    if not is_config(document):
        raise ConfigError(f"{name}: not a baseline of detect-secrets: it has no plugins_used", _HINT)
    for key in document:
        if key not in _KNOWN:
            plan.note("dropped", name, str(key), "it is not known")
    for plugin in _mappings(document, "plugins_used", name):
        _plugin(plan, name, plugin, own)
    for path in plan.texts(document, "custom_plugin_paths", name):
        plan.note("dropped", name, f"plugin {path}", "it is a program; a rule is data")
    for entry in _mappings(document, "filters_used", name):
        _filter(plan, name, entry)
    _old_filters(plan, name, document)
    plan.add_allow("holds digests of values, and no values", path=[os.path.basename(name)])
    results = document.get("results") or {}
    if not isinstance(results, dict):
        raise ConfigError(f"{name}: results must be a mapping", _HINT)
    for path, found in results.items():
        for entry in _mappings({"found": found}, "found", f"{name}: results: {path}"):
            plan.accepted.append(_accepted(entry, str(path), name))


def _mappings(document: Mapping[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    entries = document.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{name}: {key} must be a list of mappings", _HINT)
    return entries


def _plugin(plan: Plan, name: str, plugin: Mapping[str, Any], own: Collection[str]) -> None:
    called = str(plugin.get("name", ""))
    where = f"{name}: plugin {called}"
    prefixes = _PLUGINS.get(called)
    if plugin.get("path") or prefixes is None:
        why = "it is a program; a rule is data" if plugin.get("path") else "Sealgate has no rule for what it finds"
        plan.note("dropped", where, "the plugin", why)
    elif not any(id_.startswith(prefixes) for id_ in own):
        plan.note("dropped", where, "the plugin", "Sealgate has no rule for what it finds")
    elif called in _ENTROPY:
        plan.note("changed", where, "limit", "a value is weighed by its name, form and line as well, not by its entropy alone")
    exclude = plugin.get("keyword_exclude")
    if exclude:
        plan.note("changed", where, "keyword_exclude", "the whole line is compared, and generic rules alone are silenced")
        lines = plan.searches([f"(?i:{exclude})"], "go", where, "keyword_exclude")
        plan.add_allow(f"keyword_exclude of {os.path.basename(name)}", rule=["generic-*"], line=lines)


def _filter(plan: Plan, name: str, entry: Mapping[str, Any]) -> None:
    path = str(entry.get("path", ""))
    where = f"{name}: filter {path.rpartition('.')[2]}"
    patterns = plan.texts(entry, "pattern", where)
    reason = f"a filter of {os.path.basename(name)}"
    if path == f"{_REGEX}file":
        plan.add_allow(reason, path=plan.globs(patterns, "go", where))
    elif path == f"{_REGEX}line":
        plan.add_allow(reason, line=plan.searches(patterns, "go", where, "pattern"))
    elif path == f"{_REGEX}secret":
        plan.add_allow(reason, value=plan.searches(patterns, "go", where, "pattern"))
    elif path == _WORDS:
        _words(plan, where, str(entry.get("file_name", "")), name)
    elif not path.startswith("detect_secrets.filters."):
        plan.note("dropped", where, "the filter", "it is a program; allow entries are data")
    # The others are heuristics of its own, whose place Sealgate's judgement takes.


def _words(plan: Plan, where: str, file: str, name: str) -> None:
    try:
        with open(os.path.join(os.path.dirname(name), file), encoding="utf-8", errors="replace") as stream:
            words = [line.strip() for line in stream if len(line.strip()) > 2]
    except OSError:
        plan.note("dropped", where, "the word list", "there is no such file beside the baseline")
        return
    plan.add_allow(f"words of {file}", value=literal_search(words))


def _old_filters(plan: Plan, name: str, document: Mapping[str, Any]) -> None:
    """Read what releases before 1.0 wrote in place of filters."""
    exclude = document.get("exclude") or {}
    if isinstance(exclude, dict):
        for kind in ("files", "lines"):
            if exclude.get(kind):
                _filter(plan, name, {"path": _REGEX + kind[:-1], "pattern": exclude[kind]})
    words = document.get("word_list") or {}
    if isinstance(words, dict) and words.get("file"):
        _words(plan, f"{name}: word_list", str(words["file"]), name)


def _accepted(entry: Mapping[str, Any], path: str, name: str) -> Accepted:
    digest, line, kind = entry.get("hashed_secret"), entry.get("line_number"), entry.get("type")
    if not isinstance(digest, str) or not isinstance(line, int):
        raise ConfigError(f"{name}: results: {path}: an entry needs hashed_secret and line_number", _HINT)
    audited = entry.get("is_secret")
    reason = _AUDITED[audited] if isinstance(audited, bool) else "accepted there, not audited"
    path = path.replace("\\", "/").removeprefix("./")
    return Accepted(f"{name}: {path}:{line}", path, line, line, str(kind), sha1=digest.lower(), reason=reason)
