"""The spaces of transformers and Accel-NASBench: notations, edits, and parameters against published numbers."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import eznas
from eznas.benchmarks.costs import operations, without_values
from eznas.errors import InputError
from eznas.minibatch import random_tokens
from eznas.networks.flexibert import FlexiBertNetwork, Layer
from eznas.scoring import Problem
from eznas.spaces import SPACES, Fidelity
from eznas.testing.spaces import sampled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn


TINY, BASE = SPACES["autoformer_tiny"], SPACES["autoformer_base"]
ACCEL, PIT, FLEXIBERT = SPACES["accel_nasbench"], SPACES["vitbench101_pit"], SPACES["flexibert"]
LAYERS = "|".join(["3x3.5"] * 12)


def published(folder: Path, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def full(space: str, architecture: str, classes: int = 1000) -> nn.Module:
    with without_values():
        return SPACES[space].build(architecture, SPACES[space].fidelities["full"], classes)


def autoformer_by_hand(architecture: str) -> tuple[int, float]:
    """Parameters, and operations as the released code counts them with its 197 tokens."""
    first, *layers = architecture.split("|")
    c, n = int(first), 14 * 14 + 1
    params = (3 * 16 * 16 + 1) * c + (n + 1) * c + 2 * c + 1000 * (c + 1)
    count = (n - 1) * 3 * 16 * 16 * c + c + n * c / 2 + n * 1000 * c
    for layer in layers:
        heads, ratio = layer.split("x")
        q, hidden, m = 64 * int(heads), int(float(ratio) * c), n + 1
        linear = c * 3 * q + q * c + 2 * c * hidden
        params += linear + 3 * q + c + hidden + c + 4 * c + 2 * 2 * 30 * 64
        count += m * linear + 2 * m * c + 2 * m * m * q + 2 * 14 * m * m + m * m / 2 + m * q / 2
    return params, count


@pytest.mark.parametrize(("size", "file"), [("tiny", "tiny"), *((s, f"{s}_architectures") for s in ("small", "base"))])
def test_autoformer_has_the_published_costs(shared_data: Path, size: str, file: str) -> None:
    space = SPACES[f"autoformer_{size}"]
    for index, row in enumerate(published(shared_data, f"autoformer_imagenet_{file}")):
        architecture = space.parse(row["arch"])
        params, count = autoformer_by_hand(architecture)
        assert params == round(1e6 * float(row["params_m"]))
        assert count == pytest.approx(1e6 * float(row["mflops"]), abs=1)
        if index % 250 == 0:
            network = full(space.name, architecture)
            assert parameters(network) == params
            assert operations(network, 224, "autoformer") == count


def accel_by_hand(architecture: str) -> tuple[int, int]:
    """Parameters, and operations of an image of 224 x 224 pixels as THOP counts them."""
    size, c_in = 112, 32
    params, count = 27 * 32 + 64, (27 + 4) * 32 * size**2
    for block, c_out, stride in zip(
        architecture.split("|"), (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1), strict=True
    ):
        expansion, kernel, layers = (int(block[place]) for place in (1, 3, 5))
        for layer in range(layers):
            inner, squeezed = expansion * c_in, max(1, c_in // 4)
            if expansion > 1:
                params += c_in * inner + 2 * inner
                count += (c_in + 4) * inner * size**2
            size //= 1 if layer else stride
            params += inner * kernel**2 + 2 * inner + inner * c_out + 2 * c_out
            count += ((kernel**2 + 4) * inner + (inner + 4) * c_out) * size**2
            if block.endswith("s"):
                params += 2 * inner * squeezed + inner + squeezed
                count += 2 * inner * squeezed + inner * (size**2 + 1)
            c_in = c_out
    params += 320 * 1280 + 2 * 1280 + 1281 * 1000
    return params, count + (320 + 4) * 1280 * size**2 + 1280 * (size**2 + 1) + 1280 * 1000


def test_accel_nasbench_has_the_published_costs(shared_data: Path) -> None:
    for index, row in enumerate(published(shared_data, "accel_nasbench_architectures")):
        choices = [json.loads(row[name]) for name in ("expand", "kernel", "layers", "se")]
        blocks = [f"e{e}k{k}l{n}{'s' * se}" for e, k, n, se in zip(*choices, strict=True)]
        architecture = ACCEL.parse("|".join(blocks))
        params, count = accel_by_hand(architecture)
        assert params == round(1e6 * float(row["mparams"]))
        assert count == round(1e6 * float(row["mmacs"]))
        if index % 1000 == 0:
            network = full("accel_nasbench", architecture)
            assert parameters(network) == params
            assert operations(network, 224, "products_and_norms") == count


def test_flexibert_has_the_parameters_of_the_published_scorer(shared_data: Path) -> None:
    """The scorer builds 256 channels and feed-forward layers of 1,024, and no projection behind linear transforms."""
    for row in itertools.islice(published(shared_data, "flexibert_glue"), 0, None, 10):
        text = json.dumps({"hidden": int(row["hidden"]), "layers": json.loads(row["layers"])})
        layers = [layer.split("-") for layer in FLEXIBERT.parse(text).split("|")[1:]]
        built = [Layer(kind, of, int(heads), 1024, int(rest.split("x")[1])) for kind, of, heads, rest in layers]
        with without_values():
            count = parameters(FlexiBertNetwork(built, channels=256, classes=2)) - 2 * 257
        transforms = sum(layer.operation == "LT" for layer in built)
        assert count - transforms * (256 * 256 + 3 * 256) == int(row["Number of Parameters"])


def test_published_pit_architectures_are_read(shared_data: Path) -> None:
    listed = PIT.architectures()
    assert listed is not None
    assert len(listed) == 1600
    assert {PIT.parse(row["arch"]) for row in published(shared_data, "vitbench101_pit_architectures")} <= set(listed)


def test_published_forms_are_read() -> None:
    listed = {"layer_num": 12, "mlp_ratio": [3.5] * 12, "num_heads": [3] * 12, "embed_dim": [192] * 12}
    other = {"depth": 12, "mlp_ratio": [3.5] * 12, "num_heads": [3] * 12, "hidden_dim": 192}
    assert TINY.parse(json.dumps(listed)) == TINY.parse(json.dumps(other)) == f"192|{LAYERS}"
    blocks = {f"block{place}_{name}": value for place in range(7) for name, value in (("e", 6), ("k", 3), ("l", 2))}
    blocks |= {f"block{place}_se": place == 1 for place in range(7)}
    assert ACCEL.parse(json.dumps(blocks)) == "|".join(["e6k3l2", "e6k3l2s", *["e6k3l2"] * 5])
    for name, value, sentence in (
        *((name, True, "block 3 of accel_nasbench must have whole numbers as e, k and l") for name in "ekl"),
        ("se", 2, "block 3 of accel_nasbench must have true or false as se, got 2"),
        ("se", 1.0, "block 3 of accel_nasbench must have true or false as se, got 1.0"),
    ):
        with pytest.raises(InputError, match=sentence):
            ACCEL.parse(json.dumps(blocks | {f"block3_{name}": value}))
    pit = {"base_dim": 16, "mlp_ratio": 6, "depth": [2, 8, 4], "num_heads": [2, 4, 4]}
    assert PIT.parse(json.dumps(pit)) == "16x6|2x2|8x4|4x4"
    layer = {
        "operation_type": "DSC",
        "operation_parameter": 9,
        "num_operation_heads": 4,
        "feed_forward_dimension": 512,
        "num_feed_forward": 3,
    }
    config = {"hidden_size": 128, "nas_config": {"encoder_layers": [layer, layer]}}
    assert FLEXIBERT.parse(json.dumps(config)) == "128|DSC-9-4-512x3|DSC-9-4-512x3"


@pytest.mark.parametrize(
    ("space", "text", "message"),
    [
        ("autoformer_tiny", LAYERS, "list channels and layers"),
        ("autoformer_tiny", f"200|{LAYERS}", "192 or 216 or 240 channels, got 200"),
        ("autoformer_tiny", f"192|{LAYERS}|3x4|3x4|3x4", "12 or 13 or 14 layers, got 15"),
        ("autoformer_tiny", f"192|{LAYERS[:-5]}5x3.5", "3 or 4 heads and a ratio of 3.5 or 4, got 5 and 3.5"),
        ("autoformer_tiny", "{}", "num_heads of autoformer_tiny must be a list"),
        ("autoformer_tiny", '{"num_heads": [3], "mlp_ratio": [4, 4], "embed_dim": 192}', "a number for each layer"),
        ("autoformer_tiny", '{"num_heads": [3], "mlp_ratio": [4], "embed_dim": "a"}', "equal channels"),
        ("accel_nasbench", "e6k3l2|e6k3l2", "list 7 blocks"),
        ("accel_nasbench", "|".join(["e6k3l4"] * 7), "block 0 has 6, 3, 4"),
        ("accel_nasbench", "{}", "block 0 of accel_nasbench must have whole numbers"),
        ("vitbench101_pit", "16x6|2x2|8x4", "such as '16x6"),
        ("vitbench101_pit", "17x6|2x2|8x4|4x4", "got 17 and 6"),
        ("vitbench101_pit", "16x6|2x2|8x4|5x4", "layers, got"),
        ("vitbench101_pit", "16x6|2x4|8x2|4x4", "heads, got"),
        ("vitbench101_pit", '{"depth": [2, 8, 4], "num_heads": 4}', "must have 3 numbers each"),
        ("vitbench101_pit", '{"depth": [2, 8, 4], "num_heads": [2, 4, 4]}', "whole numbers"),
        ("flexibert", "256|SA-SDP-2-512x1", "2 or 4 layers, got 256 and 1"),
        ("flexibert", "256|SA-SDP-2-512x1|SA-DFT-2-512x1", "a layer of flexibert must have an operation"),
        ("flexibert", "SA-SDP-2-512x1|SA-SDP-2-512x1", "list channels and layers"),
        ("flexibert", "{}", "encoder_layers in nas_config"),
        ("flexibert", '{"hidden": 128, "layers": [{}, {}]}', "must have operation_type"),
    ],
)
def test_what_is_no_architecture_is_refused(space: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SPACES[space].parse(text)


def test_edits_of_depth() -> None:
    neighbours = TINY.neighbours(f"192|{LAYERS}")
    assert len(neighbours) == 2 + 12 * 3 + 4
    assert f"192|{LAYERS}|4x4" in neighbours
    assert len(BASE.neighbours(f"528|{'|'.join(['9x3'] * 16)}")) == 2 + 16 * 5 + 1
    two, four = "128|SA-SDP-2-512x1|LT-DFT-2-512x1", "128" + 2 * "|SA-SDP-2-512x1|LT-DFT-2-512x1"
    assert four in FLEXIBERT.neighbours(two)
    assert two in FLEXIBERT.neighbours(four)
    assert len(FLEXIBERT.neighbours(four)) == 1 + 4 * 47 + 1
    assert len(FLEXIBERT.neighbours(four.replace("DFT", "DCT", 1))) == 1 + 4 * 47
    assert len(ACCEL.neighbours("|".join(["e6k3l2"] * 7))) == 6 * 35 + 47
    assert len(PIT.neighbours("16x6|2x2|8x4|4x4")) == 3 + 3 + 9 + 9


def test_features_count_the_choices() -> None:
    features = TINY.features(f"192|{LAYERS}|4x4")
    assert features == {"channels": 192, "layers": 13, "heads": 40, "ratios": 46, "heads_late": 22, "ratios_late": 25}
    mixed = FLEXIBERT.features("128|SA-SDP-2-512x1|LT-DFT-4-1024x3")
    assert mixed["sa_sdp"] == mixed["lt_dft"] == 1
    assert mixed["dsc_9"] == 0
    assert (mixed["heads"], mixed["hidden"], mixed["feed_forward"]) == (6, 1536, 4)
    blocks = ACCEL.features("|".join(["e6k3l2s", *["e1k5l1"] * 6]))
    assert (blocks["layers"], blocks["e_0"], blocks["se_0"], blocks["k_6"]) == (8, 6, 1, 5)
    assert PIT.features("16x6|2x2|8x4|4x4")["layers_2"] == 8


def test_every_choice_is_drawn() -> None:
    rng = random.Random(0)
    drawn = [FLEXIBERT.sample(rng).split("|") for _ in range(300)]
    assert {len(layers) - 1 for layers in drawn} == {2, 4}
    assert len({layer for layers in drawn for layer in layers[1:]}) == 48
    assert {len(TINY.sample(rng).split("|")) - 1 for _ in range(40)} == {12, 13, 14}


def test_reduced_networks_keep_the_proportions() -> None:
    network = TINY.build(f"192|{LAYERS}", Fidelity("half", cells=7, channels=120, pixels=32), 5)
    assert len(network.layers) == 6  # type: ignore[arg-type]
    assert network.classifier.in_features == 96
    assert network.layers[0].attention.qkv.out_features == 3 * 3 * 32  # type: ignore[index]
    shared = SPACES["vitbench101_autoformer"].build(f"192|{LAYERS}", Fidelity("a", 12, 240, 32), 5)
    assert shared.layers[0].attention.qkv.out_features == 3 * 192  # type: ignore[index]
    assert shared.layers[0].attention.keys is None  # type: ignore[index]


def test_images_must_fit_the_patches() -> None:
    with pytest.raises(InputError, match="multiple of 16 pixels"):
        TINY.build(f"192|{LAYERS}", Fidelity("odd", 12, 240, 40), 5)
    with pytest.raises(InputError, match="at most 512 tokens"):
        FLEXIBERT.build(sampled(FLEXIBERT, 1)[0], Fidelity("long", 4, 256, 513), 5)


def test_networks_of_tokens_are_verified(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["architecture,accuracy", *(f"{a},{i}" for i, a in enumerate(sampled(FLEXIBERT, 2)))]))
    options = {"benchmark": "flexibert", "table": table, "fidelity": "reduced_deep", "batch_size": 2, "workers": 1}
    proxies = ["params", "snip", "sum(mean(abs(norm_out.noise)))"]
    verified = eznas.verify(proxies, images="noise", **options)
    assert [column.failed for column in verified.columns] == [0] * len(proxies)
    with pytest.raises(InputError, match="networks of flexibert read tokens"):
        eznas.verify(proxies, images="digits", **options)
    file = tmp_path / "tokens.npz"
    for tokens, held in (([[1, 30_522]], "from 1 to 30522"), ([[-1, 5]], "from -1 to 5")):
        np.savez(file, tokens=np.array(tokens * 2), labels=np.array([0, 1]))
        with pytest.raises(InputError, match=f"integers from 0, below 30522, .* holds integers {held}"):
            eznas.verify(proxies, images=str(file), **options)
    np.savez(file, tokens=np.array([[1, 30_521]] * 2), labels=np.array([0, 1]))
    assert Problem.of(FLEXIBERT, None, images=str(file), batch_size=2, seed=0).minibatch.images.max() == 30_521
    with pytest.raises(InputError, match=r"images for networks of nasbench201; .* holds other inputs"):
        _ = Problem.of(SPACES["nasbench201"], None, images=str(file), batch_size=2, seed=0).minibatch


def test_random_tokens() -> None:
    minibatch = random_tokens(6, 4, 3, seed=2)
    assert minibatch.images.shape == (6, 4)
    assert set(minibatch.images.flatten().tolist()) == {1, 2}
    assert minibatch.labels.tolist() == [0, 1] * 3
    assert torch.equal(random_tokens(2, 4, 3, seed=2).images, minibatch.images[:2])
    with pytest.raises(InputError, match="length must be at least 1"):
        random_tokens(2, 0, 3)


def test_tokens_are_read() -> None:
    network = FLEXIBERT.build("128|SA-SDP-2-512x1|LT-DFT-2-512x1", FLEXIBERT.fidelities["reduced_deep"], 3)
    tokens = torch.randint(1, 30_522, (2, 16), generator=torch.Generator().manual_seed(0))
    assert network(tokens).shape == (2, 3)
    assert torch.allclose(network(tokens[:1])[0], network(tokens)[0], atol=1e-5)
