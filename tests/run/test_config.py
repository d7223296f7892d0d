from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from eznas.config import EvolveConfig, build_config, resumed_config, run_kind
from eznas.errors import InputError
from eznas.fields import parse_duration, parse_size
from eznas.search.config import SearchConfig
from eznas.supernet.config import SupernetConfig
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pydantic import BaseModel

    from eznas.fields import Options


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("90", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661), ("1.5h", 5400), (" 2M ", 120)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "s10", "-5s", "1m1h", "ten"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90s, 10m or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    ("text", "size"), [("800M", 800 * 2**20), ("4G", 2**32), ("1.5 GiB".replace(" ", ""), 3 * 2**29), ("7", 7), (9, 9)]
)
def test_sizes_are_bytes(text: object, size: int) -> None:
    assert parse_size(text) == size


def test_other_texts_are_no_sizes() -> None:
    with pytest.raises(InputError, match="memory must be a size such as 800M or 4G, got 'much'"):
        build_config(EvolveConfig, {"memory": "much"})


def test_a_size_without_its_unit_is_too_small() -> None:
    with pytest.raises(InputError, match="memory must be a size of at least 512M, such as 4G, got '4'"):
        build_config(EvolveConfig, {"memory": "4"})


def test_command_line_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('population = 50\ngenerations = 7\ntime_budget = "2m"\n', encoding="utf-8")
    config = build_config(EvolveConfig, {"population": "60"}, file)
    assert (config.population, config.generations, config.time_budget) == (60, 7, 120.0)
    assert config.networks == EvolveConfig().networks


def test_unknown_key_names_file_and_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("netwroks = 50\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.toml: unknown option 'netwroks'; did you mean 'networks'\?"):
        build_config(EvolveConfig, {}, file)


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"networks": "3"}, "networks must be greater than or equal to 10, got '3'"),
        ({"batch_size": "x"}, "batch_size must be a valid integer, got 'x'"),
        ({"fidelity": "huge"}, "fidelity must be 'reduced' or 'full', got 'huge'"),
        ({"time_budget": "soon"}, "time_budget must be a duration such as 90s, 10m or 1h30m, got 'soon'"),
        ({"time_budget": "0s"}, "time_budget must be greater than 0, got 0.0"),
        ({"parsimony": "nan"}, "parsimony must be a finite number, got 'nan'"),
    ],
)
def test_bad_values_are_one_sentence(given_: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        build_config(EvolveConfig, given_)
    assert str(caught.value).partition(" (")[0] == sentence


def test_an_unknown_option_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"^unknown option 'netwroks'; did you mean 'networks'"):
        build_config(EvolveConfig, {"netwroks": 50})


def test_bad_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("population = 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.toml: population must be greater than or equal to 4, got 1"):
        build_config(EvolveConfig, {}, file)


@pytest.mark.parametrize("content", ["population = = 3\n", None])
def test_unusable_files_are_input_errors(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.toml must be"):
        build_config(EvolveConfig, {}, file)


def test_what_config_toml_holds_gives_the_same_configuration(tmp_path: Path) -> None:
    config = build_config(EvolveConfig, {"table": "a.csv", "seed_program": ["f(x)", "g(y)"], "time_budget": "10m"})
    file = tmp_path / "config.toml"
    file.write_text(tomli_w.dumps(config.as_toml()), encoding="utf-8")
    assert build_config(EvolveConfig, {}, file) == config


def test_paths_do_not_depend_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    config = build_config(EvolveConfig, {"table": "a.csv", "images": "images"})
    assert (config.table, config.images) == (tmp_path / "a.csv", str(tmp_path / "images"))


@pytest.mark.parametrize("name", ["digits", "noise", "digit"])
def test_names_of_images_stay_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name != "digit":
        (tmp_path / name).mkdir()
    assert build_config(EvolveConfig, {"images": name}).images == name


def test_every_option_is_described() -> None:
    for name, field in EvolveConfig.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert isinstance(field.json_schema_extra, dict), name
        assert {"group", "metavar"} <= set(field.json_schema_extra), name


def test_a_run_of_another_kind_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('seed = 1\nalgorithm = "random"\n')
    with pytest.raises(InputError, match="must be the directory of an evolution to be resumed so, but"):
        resumed_config(EvolveConfig, {}, tmp_path, ("seed",))


def test_a_run_with_an_option_of_another_version_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("seed = 1\nqueries = 3\n")
    with pytest.raises(InputError, match=r"config\.toml must hold options of an evolution alone, but it has 'queries'"):
        resumed_config(EvolveConfig, {}, tmp_path, ("seed",))


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        (
            EvolveConfig,
            {"objective": "pareto", "parsimony": 0.01},
            "parsimony must not be given with the objective par",
        ),
        (EvolveConfig, {"objective": "pareto", "tournament": 7}, "tournament must not be given with the objective par"),
        (EvolveConfig, {"fitness": "lexicase", "tournament": 7}, "tournament must not be given with fitness lexicase"),
        (EvolveConfig, {"weighted_terms": 0, "weighted_ridge": 0.01}, "weighted_ridge must come with weighted_terms"),
        (
            EvolveConfig,
            {"task": [{"benchmark": "nasbench201", "dataset": "cifar10", "weight": 2.0}]},
            "task must not set",
        ),
        (
            EvolveConfig,
            {"hold_out_task": [{"benchmark": "nasbench201", "dataset": "cifar100", "weight": 2.0}]},
            "hold_out_task must not set a weight, since programs are not selected by it",
        ),
        (ScoresConfig, {"scores": "scores.csv", "weights": "a=2"}, "weights must come with fitness weighted"),
        (
            ScoresConfig,
            {"scores": "scores.csv", "fitness": "weighted", "weights": "a=2", "hold_out_task": "a"},
            "weights must be of tasks that programs are selected by, and a is held out",
        ),
        (ScoresConfig, {"scores": "scores.csv", "weighted_terms": 1}, "weighted_terms must be 0 or at least 2, got 1"),
        (SearchConfig, {"proxy": "synflow"}, "proxy must come with warmup or move, which it guides"),
        (SearchConfig, {"weights": "2"}, "weights must come with several signals or proxies"),
        (SearchConfig, {"combine": "vote"}, "combine must come with several signals or proxies"),
    ],
)
def test_options_without_effect_are_refused_but_a_run_that_has_them_is_resumed(
    tmp_path: Path, model: type[Options], options: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(tomli_w.dumps({"algorithm": "random", **options} if model is SearchConfig else options))
    with pytest.raises(InputError, match=reason):
        build_config(model, {}, file)
    stored = resumed_config(model, {}, tmp_path, ()).as_toml()
    file.write_text(tomli_w.dumps(stored))
    changed = resumed_config(model, {"workers": 7}, tmp_path, ("workers",)).as_toml()
    assert changed == {**stored, "workers": 7}


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (EvolveConfig, "an evolution"),
        (ScoresConfig, "an evolution over score files"),
        (SearchConfig, "a search"),
        (SupernetConfig, "a supernet"),
    ],
)
def test_options_tell_the_kinds_of_runs_apart(model: type[BaseModel], kind: str) -> None:
    assert run_kind(model.model_fields) == kind


def test_a_single_plugin_needs_no_tuple() -> None:
    assert [path.name for path in EvolveConfig(plugin="mine.py").plugin] == ["mine.py"]
