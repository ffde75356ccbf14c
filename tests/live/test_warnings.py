"""What a run loses or changes stands in its report, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests_media import scene, write_clip

from livestyle.cli.main import main


def test_warnings_are_in_the_json_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sound that is encoded anew, once; none for a file that keeps everything."""
    source = write_clip(tmp_path / "s.mp4", [scene(i) for i in range(5)], [i * 40 for i in range(5)], sound=True)
    for name, expected in (("a.webm", 1), ("a.mp4", 0)):
        with pytest.raises(SystemExit) as ended:
            main([str(source), "-o", str(tmp_path / name), "--intensity", "0", "--json"])
        assert not ended.value.code
        warnings = json.loads(capsys.readouterr().out)["warnings"]
        assert len(warnings) == expected
        assert all("is encoded as Opus" in warning for warning in warnings)
