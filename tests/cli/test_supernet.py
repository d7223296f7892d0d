from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from eznas.cli.predict import main
from eznas.cli.report import main as report
from eznas.spaces import SPACES

CELLS = list(SPACES["nasbench201"].architectures() or ())[:40]
OPTIONS = (
    "--epochs 2 --train-images 64 --validation-images 40 --batch-size 32 --pixels 8 --channels 2 --architectures 10"
)


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["supernet", *args], prog_name="eznas predict")


def test_a_supernet_is_trained_reported_and_resumed(tmp_path: Path) -> None:
    lines = [f"{one},{90 + one.count('3x3~') + place / 100}" for place, one in enumerate(CELLS)]
    (tmp_path / "table.csv").write_text("\n".join(["architecture,accuracy", *lines, ""]), encoding="utf-8")
    run = tmp_path / "run"
    first = invoke(*OPTIONS.split(), "--table", str(tmp_path / "table.csv"), "--out", str(run))
    assert first.exit_code == 0, first.output
    assert "rsws: tau with" in first.stdout
    assert "top half" in first.stdout
    again = invoke("--resume", str(run), "--json")
    assert again.exit_code == 0, again.output
    results = json.loads(again.stdout)
    assert results == {**json.loads((run / "supernet.json").read_text(encoding="utf-8")), "directory": str(run)}
    described = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
    names = [*(path.name for path in run.iterdir()), *results.keys() - {"directory"}, *results["evaluations"][0]]
    assert {name for name in names if f"`{name}`" not in described} == {"epoch"}
    picture = (run / "supernet.png").read_bytes()
    (run / "supernet.png").unlink()
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(report, [str(run)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == f"written: {run / 'supernet.png'}\n{first.stdout}"
    assert (run / "supernet.png").read_bytes() == picture
    refused = invoke("--resume", str(run), "--epochs", "5")
    assert refused.exit_code == 2
    assert "no other option must be given with --resume" in refused.stderr
