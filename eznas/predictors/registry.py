"""The registry of predictors, and how to make one by its name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from eznas.errors import InputError
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.protocol import Needs, Predictor
from eznas.predictors.tuned import TunedPredictor
from eznas.registry import Registry
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from eznas.predictors.curve_predictor import CurvePredictor
    from eznas.predictors.encoded import Regressor
    from eznas.predictors.encodings.base import Scores
    from eznas.predictors.ranges import Range
    from eznas.spaces import SearchSpace
    from eznas.supernet.trained import TrainedSupernet


class _Make(Protocol):
    def __call__(self, encoder: Encoder | None, **settings: Any) -> Predictor: ...


@dataclass(frozen=True)
class PredictorInfo:
    """One named predictor.

    Args:
        name: Its name, also on command lines.
        paper: The publication.
        description: The method and its hyper-parameters in one or two sentences.
        needs: What it must be given with its default encoding.
        before: The cost before the first prediction.
        query: The cost of a prediction for one architecture.
        make: Makes the predictor from an encoder and settings.
        encoding: The default encoding; empty for a predictor without one.
        metric: The metric of the learning curves that its encoding reads, unless another one is asked for.
        ranges: The range of each hyper-parameter that a search draws from, by name; empty where none is known.
        extra: The optional dependency of this package that it needs; empty without one.
    """

    name: str
    paper: str
    description: str
    needs: Needs
    before: str
    query: str
    make: _Make
    encoding: str = ""
    metric: str = "validation_accuracy"
    ranges: Mapping[str, Range] = field(default_factory=dict)
    extra: str = ""


PREDICTORS: Registry[PredictorInfo] = Registry("predictor", lambda info: info.name, ["eznas.predictors.models.*"])
"""Every predictor by name."""


def encoding_needs(encoding: str, labels: int, metric: str = "validation_accuracy") -> Needs:
    """Return the needs of a predictor that reads an encoding.

    Args:
        encoding: Names of encodings between ``+``.
        labels: Fewest trained architectures for a fit.
        metric: The metric of learning curves, for the parts that do not have one of their own.
    """
    parts = [ENCODINGS[name] for name in encoding.split("+")]
    reads = {part.reads for part in parts}
    return Needs(
        labels,
        curve=next((part.metric or metric for part in parts if part.reads == "curves"), ""),
        epochs=max(part.points for part in parts),
        scores="scores" in reads,
        features="features" in reads,
    )


def register_model(
    name: str,
    paper: str,
    description: str,
    *,
    encoding: str = "onehot",
    labels: int = 2,
    ranges: Mapping[str, Range] | None = None,
    extra: str = "",
    predictor: type[EncodedPredictor] = EncodedPredictor,
) -> Callable[[Callable[..., Regressor]], Callable[..., Regressor]]:
    """Register the decorated function, which makes a regressor from a seed and settings.

    Args:
        name: See ``PredictorInfo``.
        paper: See ``PredictorInfo``.
        description: See ``PredictorInfo``.
        encoding: The default encoding, of encodings that are registered already.
        labels: Fewest trained architectures for a fit.
        ranges: See ``PredictorInfo``; the names are those of settings.
        extra: See ``PredictorInfo``.
        predictor: The class around the regressor: ``EncodedPredictor`` for rows of numbers, or one of
            ``eznas.predictors.structured`` for graphs or sequences.

    Raises:
        InputError: The name is taken.
    """

    def register(regressor: Callable[..., Regressor]) -> Callable[..., Regressor]:
        def make(encoder: Encoder | None, **settings: Any) -> Predictor:
            assert encoder is not None  # noqa: S101 - make_predictor makes one
            regressor(0, **settings)  # unknown settings and missing packages raise here, not in a fit
            return predictor(name, encoder, lambda seed: regressor(seed, **settings), labels)

        needs = replace(encoding_needs(encoding, labels), unlabelled=predictor.draws_unlabelled)
        query = "first epochs of a training" if needs.curve else "the encoding"
        before = "training of the architectures, and the fit"
        PREDICTORS.register(
            PredictorInfo(
                name, paper, description, needs, before, query, make, encoding, ranges=ranges or {}, extra=extra
            )
        )
        return regressor

    return register


def register_curve_predictor(
    name: str, paper: str, description: str, *, metric: str, points: int = 1
) -> Callable[[type[CurvePredictor]], type[CurvePredictor]]:
    """Register the decorated class, which predicts from a learning curve alone.

    Args:
        name: See ``PredictorInfo``.
        paper: See ``PredictorInfo``.
        description: See ``PredictorInfo``.
        metric: The metric of the curve, a name in ``METRICS``.
        points: Fewest points of a curve.

    Raises:
        InputError: The name is taken.
    """

    def register(predictor: type[CurvePredictor]) -> type[CurvePredictor]:
        predictor.name, predictor.needs = name, Needs(0, curve=metric, epochs=points)

        def make(encoder: Encoder | None, **settings: Any) -> Predictor:
            del encoder
            return predictor(**settings)

        PREDICTORS.register(
            PredictorInfo(name, paper, description, predictor.needs, "nothing", "first epochs of a training", make)
        )
        return predictor

    return register


def make_predictor(
    name: str,
    space: str | SearchSpace | None = None,
    *,
    encoding: str | None = None,
    scores: Scores | None = None,
    metric: str | None = None,
    supernet: TrainedSupernet | Path | str | None = None,
    tune: int = 0,
    **settings: Any,
) -> Predictor:
    """Make a predictor that is not fitted yet.

    Args:
        name: A name in ``PREDICTORS``. ``"measure:NAME"`` is the predictor ``measure`` on one of the scores.
        space: The search space, or its name; needed by most encodings.
        encoding: Names of encodings between ``+``; None for the predictor's default.
        scores: Scores by the name of a measure or program and then by architecture, for the encoding ``measures``.
        metric: The metric of learning curves, for the encodings ``curve`` and ``curve_end``; None for the predictor's
            default.
        supernet: A trained supernet, its file or its run directory, for the predictors that read one.
        tune: Number of settings among which each fit chooses by cross-validation; see ``TunedPredictor``. 0 for no
            search.
        **settings: Hyper-parameters of the predictor, which a search does not change.

    Raises:
        InputError: A name is unknown, a setting does not exist, the encoding lacks the space or the scores, or a
            predictor without ranges is to be tuned.
    """
    name, _, score = name.partition(":")
    info = PREDICTORS[name]
    if score:
        if info.encoding != "measures" or encoding is not None:
            raise InputError(f"the name of a score must follow measure alone, got {name}:{score}")
        encoding = f"measures:{score}"
    if encoding is not None and not info.encoding:
        raise InputError(f"{name} reads no encoding; leave encoding out", parameters=("encoding",))
    known = SPACES[space] if isinstance(space, str) else space
    if supernet and info.needs.supernet:
        settings["supernet"] = supernet
    text = encoding or info.encoding
    encoder = Encoder(text, EncodingInputs(known, scores or {}, metric or info.metric)) if text else None

    def make(drawn: Mapping[str, Any]) -> Predictor:
        try:
            return info.make(encoder, **{**drawn, **settings})
        except TypeError as error:
            raise InputError(f"{name} does not have these settings: {error}") from error

    if not tune:
        return make({})
    if not info.ranges:
        raise InputError(f"{name} must have ranges of hyper-parameters to be tuned; it has none")
    return TunedPredictor(name, make, {key: span for key, span in info.ranges.items() if key not in settings}, tune)
