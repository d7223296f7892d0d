from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from eznas.cli.own_network import DEFAULT_PROXIES
from eznas.cli.score import main
from eznas.measures import MEASURES

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURE = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
PROGRAM = "sum(frobenius_norm(weight))"
MODEL = """
import torch
from torch import nn

def small():
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(2, 10),
    )
    with torch.no_grad():
        network[0].weight.fill_(0.5)
    return network

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.head = nn.Embedding(9, 4), nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, input_ids, attention_mask):
        x = nn.functional.gelu(self.hidden(self.table(input_ids))) * attention_mask[..., None]
        return {"logits": self.head(x.mean(1))}

def encoder():
    return Encoder()

def generator():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 9))

def squares(logits, labels):
    return (logits.mean((1, 2)) - labels).square().mean()

def large():
    layers = [nn.Conv2d(3, 2, 40), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 10)]
    return nn.Sequential(*layers)

def plain():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))

def text():
    return "no network"

def wide(width):
    return nn.Linear(width, 10)

def broken():
    raise OSError("no weights")

number = 3
"""


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, list(args), prog_name="eznas score")


def scored(*args: str) -> dict[str, Any]:
    result = invoke("--batch-size", "4", "--device", "cpu", "--json", *args)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODEL, encoding="utf-8")
    (tmp_path / f"{name}_torn.py").write_text("def small(:\n", encoding="utf-8")
    (tmp_path / f"{name}_raises.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_an_architecture_is_scored_by_measures_and_programs() -> None:
    found = scored("--architecture", ARCHITECTURE, "--proxy", "params", "--proxy", PROGRAM)
    assert [one["proxy"] for one in found["scores"]] == ["params", PROGRAM]
    assert all(one["status"] == "ok" for one in found["scores"])
    assert (found["network"], found["space"], found["batch_size"]) == (ARCHITECTURE, "nasbench201", 4)


def test_measures_and_features_are_words_of_programs(own: str) -> None:
    proxies = ("params", "sqrt(measure.params)", "graf.count_conv_3x3")
    found = scored("--architecture", ARCHITECTURE, *(word for proxy in proxies for word in ("--proxy", proxy)))
    count, root, convolutions = (one["score"] for one in found["scores"])
    assert root == pytest.approx(count**0.5)
    assert convolutions == 1.0
    result = invoke("--model", f"{own}:small", "--proxy", "graf.count_conv_3x3", "--proxy", "params")
    assert result.exit_code == 1
    assert "a feature is computed from an architecture of a search space" in result.stderr
    assert "--pixels" not in result.stderr


def test_the_seed_is_that_of_the_initialisation() -> None:
    first, again, other = (
        scored("--architecture", ARCHITECTURE, "--proxy", PROGRAM, "--seed", seed)["scores"][0]["score"]
        for seed in ("1", "1", "2")
    )
    assert first == again != other


def test_a_network_of_ones_own_is_scored_as_it_was_made(own: str) -> None:
    found = scored("--model", f"{own}:small", "--proxy", "params", "--proxy", PROGRAM)
    params, norm = (one["score"] for one in found["scores"])
    assert params == 3 * 2 + 2 * 2 + 2 * 10 + 10
    assert norm >= (6 * 0.25) ** 0.5  # the convolution's part


TOKENS = np.random.default_rng(0).integers(0, 9, (6, 5))


def test_tokens_of_a_file_are_scored(own: str) -> None:
    np.savez("pairs.npz", input_ids=TOKENS, attention_mask=TOKENS > 1, labels=np.arange(6) % 3)
    np.savez("texts.npz", tokens=TOKENS, targets=np.where(TOKENS > 4, TOKENS, -100))
    np.savez("numbers.npz", TOKENS, labels=np.arange(6) / 6)
    proxies = ("--proxy", "snip", "--proxy", "sum(effective_rank(weight_grad.loss))")
    batch = ("--batch-size", "4")
    pair = scored("--model", f"{own}:encoder", "--inputs", "pairs.npz", *proxies, *batch)
    assert (pair["images"], pair["batch_size"], len(pair["scores"])) == ("pairs.npz", 4, 2)
    texts = scored("--model", f"{own}:generator", "--inputs", "texts.npz", *proxies, "--batch-size", "16")
    assert texts["batch_size"] == 6
    np.savez("unlabelled.npz", input_ids=TOKENS, attention_mask=TOKENS > 1)
    unlabelled = scored("--model", f"{own}:encoder", "--inputs", "unlabelled.npz", "--proxy", "params", *batch)
    assert unlabelled["batch_size"] == 4
    loss = ("--loss", f"{own}:squares")
    numbers = scored("--model", f"{own}:generator", "--inputs", "numbers.npz", *proxies, *loss)
    assert all(score["score"] > 0 for found in (pair, texts, numbers) for score in found["scores"])
    result = invoke("--model", f"{own}:generator", "--inputs", "numbers.npz", *proxies)
    assert result.exit_code == 2
    assert "targets of a regression have no classes and need a loss" in result.stderr


def test_a_default_set_is_scored(own: str) -> None:
    result = invoke("--model", f"{own}:small", "--batch-size", "4", "--device", "cpu")
    assert result.exit_code == 0, result.output
    for name in DEFAULT_PROXIES:
        assert [line for line in result.stdout.splitlines() if line.split()[:1] == [name] and "ok" in line], name


def test_a_table_is_printed() -> None:
    result = invoke("--architecture", ARCHITECTURE, "--proxy", "params", "--batch-size", "2", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if "params" in line and "ok" in line]


def test_no_value_is_exit_code_1_with_null(own: str) -> None:
    result = invoke("--model", f"{own}:small", "--proxy", "sum(frobenius_norm(log(lt0(abs(weight)))))", "--json")
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["scores"][0]["score"] is None
    assert "has no value (non_finite)" in result.stderr


def test_measures_are_listed() -> None:
    result = invoke("--list")
    assert result.exit_code == 0
    assert {"naswot", "params", "flops", "eznas_a"} <= set(result.stdout.split())


def test_measures_are_listed_by_pattern() -> None:
    found = json.loads(invoke("--list", "eznas*", "--json").stdout)
    assert found
    assert all(one["name"].startswith("eznas") for one in found)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "exactly one of --architecture and --model must be given"),
        (("--architecture", ARCHITECTURE, "--loss", "OWN:loss"), "--loss must be given with --model"),
        (("--architecture", ARCHITECTURE, "--inputs", "x.npz"), "--inputs must be given with --model"),
        (("--model", "OWN:small", "--inputs", "x.npz"), "x.npz must be a whole .npz file without objects"),
        (("--model", "OWN:small", "--loss", "OWN:missing"), "has no callable 'missing'"),
        (("--architecture", "conv", "--proxy", "params"), "conv"),
        (("--architecture", ARCHITECTURE, "--space", "nasbench2001", "--proxy", "params"), "did you mean"),
        (("--model", "nothing", "--proxy", "params"), "--model must be MODULE:CALLABLE"),
        (("--model", "no_such_module:f", "--proxy", "params"), "must name a module that can be imported"),
        (("--model", ".models:f", "--proxy", "params"), "--model must be MODULE:CALLABLE"),
        (("--model", "no_such_module:f", "--proxy", "params"), "no_such_module raised ModuleNotFoundError"),
        (("--model", "OWN_torn:small", "--proxy", "params"), "raised SyntaxError"),
        (("--model", "OWN_raises:small", "--proxy", "params"), "raised ZeroDivisionError: division by zero"),
        (("--model", "OWN:wide", "--proxy", "params"), "it raised TypeError: wide() missing 1 required"),
        (("--model", "OWN:broken", "--proxy", "params"), "it raised OSError: no weights"),
        (("--model", "OWN:missing", "--proxy", "params"), "has no callable 'missing'"),
        (("--model", "OWN:number", "--proxy", "params"), "has no callable 'number'"),
        (("--model", "OWN:text", "--proxy", "params"), "must return a torch.nn.Module, got str"),
        (("--architecture", ARCHITECTURE, "--proxy", "neg(measure.parms)"), "unknown measure 'parms'; did you mean"),
        (("--architecture", ARCHITECTURE, "--proxy", "graf.n"), "unknown feature of the search space 'n'"),
        (("--architecture", ARCHITECTURE, "--proxy", "score.a"), "but score.a is a column of a score file"),
        (
            ("--architecture", ARCHITECTURE, "--proxy", "params", "--memory", "9M"),
            "--memory must be a size of at least",
        ),
        (("--list", "zzz*"), "no measure matches 'zzz*'"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(own: str, args: tuple[str, ...], message: str) -> None:
    result = invoke(*(arg.replace("OWN", own) for arg in args))
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_every_failure_is_explained_and_the_size_of_images_is_hinted_at(own: str) -> None:
    nothing = "sum(frobenius_norm(log(lt0(abs(weight)))))"
    result = invoke(
        "--model", f"{own}:small", "--proxy", nothing, "--proxy", "params", "--proxy", nothing.replace("sum", "mean")
    )
    assert result.exit_code == 1
    assert f"{nothing}, {nothing.replace('sum', 'mean')} have no value (non_finite): " in result.stderr
    assert "error: 2 of 3 proxies have no value" in result.stderr
    large = invoke("--model", f"{own}:large", "--proxy", "naswot", "--proxy", "snip")
    assert large.exit_code == 1
    assert "the images have 32 x 32 pixels; a model for larger ones needs --pixels" in large.stderr
    assert invoke("--model", f"{own}:large", "--proxy", "snip", "--pixels", "64").exit_code == 0


def test_a_measure_that_a_pattern_matches_may_be_undefined(own: str) -> None:
    assert invoke("--model", f"{own}:plain", "--proxy", "naswot", "--proxy", "params").exit_code == 1
    result = invoke("--model", f"{own}:plain", "--proxy", "n*wot", "--proxy", "params", "--batch-size", "2")
    assert (result.exit_code, "naswot has no value" in result.stderr) == (0, True), result.output


def test_all_measures_are_scored(own: str) -> None:
    found = scored("--model", f"{own}:small", "--proxy", "all")
    assert [one["proxy"] for one in found["scores"]] == list(MEASURES)


def test_json_is_written_to_a_file(own: str, tmp_path: Path) -> None:
    result = invoke("--model", f"{own}:small", "--proxy", "params", "--json", str(tmp_path / "scores.json"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["scores"][0]["status"] == "ok"


def test_the_units_of_a_network_are_listed(own: str) -> None:
    found = scored("--model", f"{own}:large", "--units", "--pixels", "40")
    assert [row["name"] for row in found["rows"] if not row["reason"]] == ["0", "4"]
    assert (found["units"], found["read_parameters"]) == (2, 3 * 2 * 1600 + 20)
    result = invoke("--model", f"{own}:small", "--units", "--batch-size", "2", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "programs read 2 units with 26 of 40 parameters (65.0%)" in result.stdout
