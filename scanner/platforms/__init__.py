# SPDX-License-Identifier: Apache-2.0
"""The platforms that give a job an identity."""

from typing import Final

from scanner.platforms.azure import Azure
from scanner.platforms.bitbucket import Bitbucket
from scanner.platforms.buildkite import Buildkite
from scanner.platforms.circleci import CircleCI
from scanner.platforms.github import GitHub
from scanner.platforms.gitlab import GitLab
from scanner.platforms.kubernetes import Kubernetes
from scanner.platforms.platform import Platform

PLATFORMS: Final[dict[str, Platform]] = {
    platform.NAME: platform
    for platform in (GitHub(), GitLab(), CircleCI(), Buildkite(), Bitbucket(), Azure(), Kubernetes())
}
