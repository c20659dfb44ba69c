"""Puts the board's sources and the protocols into the wheel, inside the package, where an installed rig looks for them.

Everything else about the package stands in pyproject.toml.
"""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSources(build_py):
    """In a checkout these folders lie beside the package, for people; an editable install finds them there."""

    def run(self) -> None:
        super().run()
        for folder in () if self.editable_mode else ("firmware", "protocols"):
            into = Path(self.build_lib) / "rig" / folder
            copytree(folder, into, ignore=ignore_patterns("__pycache__", "build"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithSources})
