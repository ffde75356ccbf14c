"""What a run loses or changes stands in its report, too."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests_media import scene, write_clip

from livestyle.cli.main import cli
