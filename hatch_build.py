# SPDX-License-Identifier: Apache-2.0
"""Builds the compiled kernel into the wheel where that is possible; without it Sealgate lets git read every object.

`SEALGATE_KERNEL` says otherwise: `0` builds none, `1` fails where it cannot be built (for those who publish wheels).
"""

import os
import shutil
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE = ("scanner", "git")
_NAME = "_kernel"


class KernelHook(BuildHookInterface):
    """Compiles `scanner/git/_kernel.pyx`: beside its source for an editable installation, else into the wheel alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the extension to what the wheel holds."""
        wanted = os.environ.get("SEALGATE_KERNEL", "")
        if self.target_name != "wheel" or wanted == "0":
            return
        self._folder = tempfile.mkdtemp(prefix="sealgate-kernel-")
        try:
            built = _compile(os.path.join(self.root, *_PACKAGE, _NAME + ".pyx"), self._folder)
        except (Exception, SystemExit) as error:  # whatever a compiler that is not there can raise
            if wanted == "1":
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            self.app.display_warning(f"the compiled kernel is left out, git will read every object: {reason}")
            return
        if version == "editable":
            shutil.copy(built, os.path.join(self.root, *_PACKAGE))
            return
        build_data["force_include"][built] = "/".join([*_PACKAGE, os.path.basename(built)])
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was only there for the build."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _compile(source: str, folder: str) -> str:
    """Translate and compile the source into the folder; return the extension's path."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    copy = shutil.copy(source, folder)
    windows = sys.platform == "win32"
    flags = [] if windows else ["-O2", "-g0"]
    extension = Extension(_NAME, [copy], libraries=["zlib" if windows else "z"], extra_compile_args=flags)
    before = os.getcwd()
    os.chdir(folder)
    try:
        modules = cythonize([extension], build_dir=folder, quiet=True, language_level=3)
        command = build_ext(Distribution({"ext_modules": modules}))
        command.build_lib, command.build_temp = folder, os.path.join(folder, "temp")
        command.ensure_finalized()
        command.run()
        return os.path.join(folder, command.get_ext_filename(_NAME))
    finally:
        os.chdir(before)
