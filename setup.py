"""For tools that still call ``setup.py``; everything about the package stands in pyproject.toml."""

from setuptools import setup

setup()
