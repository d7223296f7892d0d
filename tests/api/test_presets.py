from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eznas.api.presets import preset_options
from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.progress import Progress
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from pathlib import Path


def test_the_quick_preset_is_the_defaults() -> None:
    assert preset_options("quick", {}) == {}


def test_the_preset_for_spaces_has_a_task_for_each_table_that_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EZNAS_DATA", str(tmp_path))
    names = ("nats_sss_cifar10", "nasbench201_cifar100")
    for name in names:
        (tmp_path / f"{name}.csv").write_text("architecture,accuracy\n")
    config = EvolveConfig.model_validate(preset_options("spaces", {"networks": 60}))
    assert {task.name for task in config.tasks()} == {"nats_sss/cifar10", "nasbench201/cifar100"}
    assert config.networks == EvolveConfig().networks
    assert config.relative


def test_the_preset_for_spaces_leaves_out_held_out_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZNAS_DATA", str(tmp_path))
    for name in ("nats_sss_cifar10", "nasbench201_cifar100"):
        (tmp_path / f"{name}.csv").write_text("architecture,accuracy\n")
    options = preset_options("spaces", {"hold_out_task": ("nats_sss/cifar10",)})
    assert [task["benchmark"] for task in options["task"]] == ["nasbench201"]
    with pytest.raises(InputError, match="hold_out_task must leave a task to the preset spaces"):
        preset_options("spaces", {"hold_out_task": ("nats_sss/cifar10", "nasbench201/cifar100")})


class Listening(Progress):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_the_preset_for_spaces_leaves_out_slow_networks_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EZNAS_DATA", str(tmp_path))
    (tmp_path / "transnas_macro_class_scene.csv").write_text("architecture,accuracy\n")
    with pytest.raises(InputError, match="transnas_macro/class_scene take minutes on a CPU; name the tasks"):
        preset_options("spaces", {"device": "cpu"})
    (tmp_path / "nats_sss_cifar10.csv").write_text("architecture,accuracy\n")
    listener = Listening()
    options = preset_options("spaces", {"device": "cpu"}, listener)
    assert [task["benchmark"] for task in options["task"]] == ["nats_sss"]
    [message] = listener.messages
    assert message.startswith("left out, because networks can take minutes on a CPU: transnas_macro/class_scene; name ")
    monkeypatch.setattr("eznas.scoring.condition.resolve_device", lambda _: "cuda")
    assert len(preset_options("spaces", {}, listener)["task"]) == 2
    assert len(listener.messages) == 1


def test_the_preset_for_spaces_needs_no_tables_with_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZNAS_DATA", str(tmp_path))
    options = preset_options("spaces", {"scores": "scores.csv"})
    assert ScoresConfig.model_validate({"scores": "scores.csv", **options}).fitness == "least"


def test_presets_that_cannot_be_used_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZNAS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="needs accuracy tables, but none is in a folder that is searched"):
        preset_options("spaces", {})
    with pytest.raises(InputError, match="unknown preset 'space'; did you mean 'spaces'"):
        preset_options("space", {})
