"""The recording inlined into one file that imports torch alone, run in a fresh interpreter."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.capture import STANDALONE, STANDALONE_IMPORTS, capture
from eznas.minibatch import Minibatch

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = """
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),
        nn.Linear(64, 10),
    )
"""

RUN = """
import json, sys
images = torch.linspace(-1, 1, 2 * 3 * 64).sin().reshape(2, 3, 8, 8)
labels = torch.tensor([1, 2])
names = ["input_grad.data", "act.perturbed", "weight_grad.loss", "weight"]
captured = record_statistics(network(), images, None, 2 * images, labels, names=names)
(group,) = captured.groups
values = {name: group.stacked(name).double().square().sum().item() for name in names}
units = [unit.name for unit in captured.units]
print(json.dumps({"units": units, "values": values, "eznas": "eznas" in sys.modules}))
"""


class Doubled(Minibatch):
    @property
    def perturbed(self) -> Tensor:
        return 2 * self.images


def test_the_inlined_source_gives_the_same_statistics(tmp_path: Path) -> None:
    sources = [inspect.getsource(piece) for piece in STANDALONE]  # type: ignore[arg-type]
    lines = ["from __future__ import annotations", *STANDALONE_IMPORTS, *sources, NETWORK, RUN]
    script = tmp_path / "alone.py"
    script.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["units"] == ["2"]
    assert found["eznas"] is False

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),
            nn.Linear(64, 10),
        )  # fmt: skip
    images = torch.linspace(-1, 1, 2 * 3 * 64).sin().reshape(2, 3, 8, 8)
    batch = Doubled(images, torch.tensor([1, 2]), 10, "test")
    (group,) = capture(network, batch, list(found["values"])).groups
    for name, value in found["values"].items():
        assert abs(value - group.stacked(name).double().square().sum().item()) <= 1e-6 * abs(value), name
