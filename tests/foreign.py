# SPDX-License-Identifier: Apache-2.0
"""A repository that gitleaks was told things about, with values made at run time."""

import hashlib
import json
import random
import string
from pathlib import Path
from typing import Any, NamedTuple

from gitrepo import GitRepo
from planted import AWS_KEY_ID, github_token

CONFIG = r"""
title = "ours"

[extend]
useDefault = true
disabledRules = ["generic-api-key"]

[[rules]]
id = "acme-token"
description = "Acme token"
regex = '''(?i)\b(acme_[a-z0-9]{24})(?:[\s"';]|$)'''
entropy = 3
keywords = ["acme_"]
tags = ["acme"]

[[rules.allowlists]]
description = "fixtures are marked"
regexTarget = "line"
regexes = ['''# fixture''']

[[rules.allowlists]]
condition = "AND"
paths = ['''^docs/''']
regexes = ['''^acme_''']

[[rules]]
id = "widget"
description = "Widget key"
regex = '''\b[0-9a-f]{32}\b'''
keywords = ["widget"]

[[rules]]
id = "Internal_Name"
regex = '''internal-([a-z]{20})(-test)?'''
secretGroup = 1

[[rules]]
id = "key-file"
path = '''id_rsa$'''

[[rules]]
id = "gitlab-pat"

[[rules.allowlists]]
paths = ['''testdata/''']

[[allowlists]]
description = "vendored"
paths = ['''(^|/)vendor/''', '''go\.(mod|sum)$''']
commits = ["{commit}"]
stopwords = ["staging"]

[[allowlists]]
targetRules = ["Internal_Name"]
regexes = ['''^q''']
"""


class Planted(NamedTuple):
    """A repository and the values in it, by their names."""

    repo: GitRepo
    values: dict[str, str]


def draw(seed: object, length: int, alphabet: str = string.ascii_lowercase + string.digits) -> str:
    """Return characters that look random and are the same each time."""
    rng = random.Random(str(seed))
    return "".join(rng.sample(alphabet, min(length, len(alphabet))) + rng.choices(alphabet, k=max(0, length - len(alphabet))))


def plant(repo: GitRepo) -> Planted:
    """Fill a repository."""
    names = ("open", "upper", "docs", "vendor", "fixture", "staging", "commit", "ignored", "accepted")
    values = {name: f"acme_{draw(name, 24)}" for name in names}
    values["upper"] = values["upper"].upper()
    values["staging"] = "acme_staging" + draw("staging", 17)
    values["widget"] = draw("widget", 32, "0123456789abcdef")
    values["far"] = draw("far", 32, "0123456789abcdef")
    values["name"], values["q"] = "p" + draw("name", 19, string.ascii_lowercase), "q" + draw("q", 19, string.ascii_lowercase)
    values["aws"], values["github"] = AWS_KEY_ID, github_token()
    files = {
        "src/app.py": f'TOKEN = "{values["open"]}"\nother = "{values["upper"]}"\nuse("{values["ignored"]}")\n',
        "src/keys.ini": f"widget_key = {values['widget']}\n",
        "src/far.ini": "widget\n" + "filler\n" * 100 + f"{values['far']}\n",
        "docs/x.md": values["docs"] + "\n",
        "vendor/lib/a.js": f'var t = "{values["vendor"]}";\n',
        "names.txt": f"internal-{values['name']}-test\ninternal-{values['q']}\n",
        "conf.env": f"AWS={values['aws']}\nGITHUB_TOKEN={values['github']}\n",
        "line.yml": f"x: {values['fixture']} # fixture\ny: {values['staging']}\n",
    }
    repo.commit(files=files)
    commit = repo.commit(files={"old.py": f't = "{values["commit"]}"\n'})
    last = repo.commit(files={"gone.py": f't = "{values["accepted"]}"\n'})
    ignore = f"# by hand\nsrc/app.py:acme-token:3\n{last}:gone.py:acme-token:1\nnot an entry\n"
    repo.commit(files={".gitleaks.toml": CONFIG.replace("{commit}", commit), ".gitleaksignore": ignore})
    return Planted(repo, values)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def baseline(**more: Any) -> str:
    """Return a baseline of detect-secrets."""
    results = {
        "a.ini": [
            {"type": "AWS Access Key", "filename": "a.ini", "hashed_secret": hashlib.sha1(AWS_KEY_ID.encode()).hexdigest(), "line_number": 1, "is_secret": False},
            {"type": "AWS Access Key", "filename": "a.ini", "hashed_secret": "0" * 40, "line_number": 2},
        ],
        "gone.ini": [{"type": "x", "filename": "gone.ini", "hashed_secret": "0" * 40, "line_number": 1, "is_secret": True}],
    }  # fmt: skip
    regex = "detect_secrets.filters.regex.should_exclude_"
    document = {
        "version": "1.5.0",
        "plugins_used": [
            {"name": "AWSKeyDetector"},
            {"name": "Base64HighEntropyString", "limit": 4.5},
            {"name": "SoftlayerDetector"},
            {"name": "Ours", "path": "file://ours.py"},
            {"name": "KeywordDetector", "keyword_exclude": "nothing"},
        ],
        "filters_used": [
            {"path": "detect_secrets.filters.heuristic.is_sequential_string"},
            {"path": "detect_secrets.filters.wordlist.should_exclude_secret", "file_name": "words.txt", "min_length": 3},
            {"path": regex + "file", "pattern": ["^b.ini$", "(?!x)y"]},
            {"path": regex + "line", "pattern": ["noscan"]},
            {"path": regex + "secret", "pattern": ["^fake"]},
            {"path": "file://filter.py::no"},
        ],
        "results": results,
    }
    return json.dumps(document | more)


TRUFFLEHOG = r"""
detectors:
  - name: AcmeDetector
    keywords: [acme]
    regex:
      token: '\b(acme_[A-Za-z0-9]{20})\b'
      zone: 'zone-([0-9]{4})'
    primary_regex_name: token
    entropy: 3
    exclude_words: [Staging]
    exclude_regexes_capture: ['^acme_q']
    exclude_regexes_match: ['left out']
    validations:
      token: {contains_digit: true, contains_uppercase: true, contains_special_char: false}
      zone: {contains_digit: true}
    verify: [{endpoint: 'https://localhost/'}]
  - name: looking
    keywords: [x]
    regex: {one: '(?=x)y'}
  - name: none
sources: []
"""

RULES = r"""
rules:
- name: Acme key
  id: np.acme.1
  pattern: |
    (?x)(?i)
    \b
    ( acme_ [a-z0-9]{20} )   # the key
    \b
  min_entropy: 3.0
  confidence: high
  pattern_requirements: {min_digits: 2, ignore_if_contains: [staging], unheard_of: 1}
  examples: ['key = EXAMPLE', 'acme_short']
  negative_examples: ['acme_x', 'EXAMPLE']
  references: [https://acme.test/keys]
  categories: [api]
- name: Helper
  id: helper
  visible: false
  pattern: 'x'
- name: Named
  id: kingfisher.named.2
  pattern: 'zeta_(?P<ID>[0-9]{4})_(?P<TOKEN>[0-9a-f]{16})'
- name: Classes
  id: classes
  pattern: 'abcd[a-z&&[^b]]'
"""
