"""Networks of torchvision, timm, transformers and written by hand, with random weights and inputs for two samples.

They are small enough to score on a CPU. The packages are imported only to build a network.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from eznas.testing.hand_made import OF_IMAGES, OF_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    Built = tuple[nn.Module, Any]
    """A network and its inputs."""


CLASSES = 5
_SAMPLES, _TOKENS, _VOCABULARY = 2, 8, 50


def _images(pixels: int) -> torch.Tensor:
    return torch.randn((_SAMPLES, 3, pixels, pixels), generator=torch.Generator().manual_seed(0))


def _tokens() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, _VOCABULARY, (_SAMPLES, _TOKENS), generator=generator)
    mask = torch.ones_like(tokens)
    mask[1, -2:] = 0
    return {"input_ids": tokens, "attention_mask": mask}


def _torchvision(name: str, pixels: int = 64, **options: Any) -> Built:
    models = importlib.import_module("torchvision.models")
    return getattr(models, name)(num_classes=CLASSES, **options), _images(pixels)


def _timm(name: str, pixels: int = 64, **options: Any) -> Built:
    return importlib.import_module("timm").create_model(name, num_classes=CLASSES, **options), _images(pixels)


def _transformers(kind: str, head: str, **options: Any) -> Built:
    package = importlib.import_module("transformers")
    config = getattr(package, f"{kind}Config")(num_labels=CLASSES, **options)
    network = getattr(package, f"{kind}{head}")(config)
    return network, _images(32) if head.startswith("ForImage") else _tokens()


def _hand_made(name: str) -> Built:
    if name in OF_TOKENS:
        return OF_TOKENS[name](CLASSES), _tokens()
    return OF_IMAGES[name](CLASSES), _images(16)


_BERT = {
    "vocab_size": _VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "pad_token_id": 0,
}  # fmt: skip
_VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip
_SEQUENCE, _IMAGE = "ForSequenceClassification", "ForImageClassification"

_VISION: dict[str, dict[str, Any]] = {
    "squeezenet1_1": {},
    "mobilenet_v2": {"pixels": 32},
    "mobilenet_v3_small": {"pixels": 32},
    "shufflenet_v2_x0_5": {"pixels": 32},
    "mnasnet0_5": {"pixels": 32},
    "resnet18": {"pixels": 32},
    "regnet_y_400mf": {"pixels": 32},
    "efficientnet_b0": {"pixels": 32},
    "googlenet": {"aux_logits": False, "init_weights": False},
    "VisionTransformer": {
        "pixels": 32, "image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16,
        "mlp_dim": 32,
    },
    "SwinTransformer": {
        "pixels": 32, "patch_size": [2, 2], "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
        "window_size": [4, 4],
    },
}  # fmt: skip
_TIMM = (
    *("regnetx_002", "ese_vovnet19b_slim_dw", "mobilenetv2_035", "semnasnet_050", "efficientvit_m0"),
    *("test_byobnet", "test_convnext", "test_convnext2", "test_convnext3", "test_efficientnet", "test_mambaout"),
    *("test_efficientnet_evos", "test_efficientnet_gn", "test_efficientnet_ln", "test_nfnet", "test_resnet"),
    *("lcnet_035", "tinynet_e", "ghostnet_050", "repghostnet_050", "mobilenetv3_small_050"),
    *("edgenext_xx_small", "mobilevit_xxs", "starnet_s050", "repvit_m0_9", "dla46_c"),
)
_TIMM_SIZED = (
    *("test_vit", "test_vit2", "test_vit3", "test_vit4", "test_vit_relpos", "test_maxvit"),
    *("xcit_nano_12_p16_224", "gmlp_ti16_224", "pit_ti_224", "levit_128s"),
)
"""Networks that must know the size of their images."""

NETWORKS: dict[str, dict[str, Callable[[], Built]]] = {
    "torchvision": {name: partial(_torchvision, name, **options) for name, options in _VISION.items()},
    "timm": {
        **{name: partial(_timm, name) for name in _TIMM},
        **{name: partial(_timm, name, img_size=64) for name in _TIMM_SIZED},
        "crossvit_tiny_240": partial(_timm, "crossvit_tiny_240", pixels=240),
    },
    "transformers": {
        "Bert": partial(_transformers, "Bert", _SEQUENCE, **_BERT),
        "Roberta": partial(_transformers, "Roberta", _SEQUENCE, **_BERT),
        "Electra": partial(_transformers, "Electra", _SEQUENCE, embedding_size=16, **_BERT),
        "Albert": partial(_transformers, "Albert", _SEQUENCE, embedding_size=16, **_BERT),
        "ConvBert": partial(_transformers, "ConvBert", _SEQUENCE, embedding_size=16, **_BERT),
        "FNet": partial(_transformers, "FNet", _SEQUENCE, **{k: v for k, v in _BERT.items() if "heads" not in k}),
        "DistilBert": partial(
            _transformers, "DistilBert", _SEQUENCE, vocab_size=_VOCABULARY, dim=16, n_layers=2, n_heads=2, hidden_dim=32
        ),
        "GPT2": partial(
            _transformers, "GPT2", _SEQUENCE, vocab_size=_VOCABULARY, n_embd=16, n_layer=2, n_head=2, pad_token_id=0
        ),
        "Llama": partial(_transformers, "Llama", _SEQUENCE, **_BERT),
        "Mistral": partial(_transformers, "Mistral", _SEQUENCE, num_key_value_heads=1, **_BERT),
        "Qwen3": partial(_transformers, "Qwen3", _SEQUENCE, head_dim=8, num_key_value_heads=1, **_BERT),
        "Gemma": partial(_transformers, "Gemma", _SEQUENCE, head_dim=8, num_key_value_heads=1, **_BERT),
        "Phi": partial(_transformers, "Phi", _SEQUENCE, **_BERT),
        "GPTNeoX": partial(_transformers, "GPTNeoX", _SEQUENCE, **_BERT),
        "OPT": partial(
            _transformers,
            "OPT",
            _SEQUENCE,
            word_embed_proj_dim=16,
            ffn_dim=32,
            **{key: value for key, value in _BERT.items() if key != "intermediate_size"},
        ),
        "Bloom": partial(
            _transformers,
            "Bloom",
            _SEQUENCE,
            vocab_size=_VOCABULARY,
            hidden_size=16,
            n_layer=2,
            n_head=2,
            pad_token_id=0,
        ),
        "MPNet": partial(_transformers, "MPNet", _SEQUENCE, **_BERT),
        "ViT": partial(_transformers, "ViT", _IMAGE, **_VIT),
        "Beit": partial(_transformers, "Beit", _IMAGE, **_VIT),
        "Swin": partial(
            _transformers,
            "Swin",
            _IMAGE,
            image_size=32,
            patch_size=4,
            embed_dim=8,
            depths=[1, 1],
            num_heads=[1, 2],
            window_size=4,
        ),
        "Segformer": partial(
            _transformers,
            "Segformer",
            _IMAGE,
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 16],
            patch_sizes=[7, 3],
            strides=[4, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[2, 2],
        ),
        "DeiT": partial(_transformers, "DeiT", _IMAGE, **_VIT),
        "Dinov2": partial(_transformers, "Dinov2", _IMAGE, **_VIT),
        "ConvNext": partial(_transformers, "ConvNext", _IMAGE, hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
        "ResNet": partial(
            _transformers, "ResNet", _IMAGE, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        ),
    },
    "by hand": {name: partial(_hand_made, name) for name in (*OF_IMAGES, *OF_TOKENS)},
}
"""For each package, the networks by name."""
