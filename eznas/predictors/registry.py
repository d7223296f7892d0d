"""The registry of predictors, and how to make one by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from eznas.errors import InputError
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.encodings.tables import CURVE_POINTS
from eznas.predictors.protocol import Needs, Predictor
from eznas.registry import Registry
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.predictors.curve_predictor import CurvePredictor
    from eznas.predictors.encoded import Regressor
    from eznas.predictors.encodings.base import Scores
    from eznas.spaces import SearchSpace


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
    extra: str = ""


PREDICTORS: Registry[PredictorInfo] = Registry("predictor", lambda info: info.name, ["eznas.predictors.models.*"])
"""Every predictor by name."""


def register_model(
    name: str,
    paper: str,
    description: str,
    *,
    encoding: str = "onehot",
    labels: int = 2,
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

        reads = {ENCODINGS[part].reads for part in encoding.split("+")}
        curve = "curves" in reads
        needs = Needs(
            labels,
            curve="validation_accuracy" if curve else "",
            epochs=CURVE_POINTS if curve else 0,
            scores="scores" in reads,
            features="features" in reads,
            unlabelled=predictor.draws_unlabelled,
        )
        query = "first epochs of a training" if curve else "the encoding"
        before = "training of the architectures, and the fit"
        PREDICTORS.register(PredictorInfo(name, paper, description, needs, before, query, make, encoding, extra))
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
    metric: str = "validation_accuracy",
    **settings: Any,
) -> Predictor:
    """Make a predictor that is not fitted yet.

    Args:
        name: A name in ``PREDICTORS``.
        space: The search space, or its name; needed by most encodings.
        encoding: Names of encodings between ``+``; None for the predictor's default.
        scores: Scores by the name of a measure or program and then by architecture, for the encoding ``measures``.
        metric: The metric of learning curves, for the encoding ``curve``.
        **settings: Hyper-parameters of the predictor.

    Raises:
        InputError: A name is unknown, a setting does not exist, or the encoding lacks the space or the scores.
    """
    info = PREDICTORS[name]
    if encoding is not None and not info.encoding:
        raise InputError(f"{name} reads no encoding; leave encoding out", parameters=("encoding",))
    known = SPACES[space] if isinstance(space, str) else space
    text = encoding or info.encoding
    encoder = Encoder(text, EncodingInputs(known, scores or {}, metric)) if text else None
    try:
        return info.make(encoder, **settings)
    except TypeError as error:
        raise InputError(f"{name} does not have these settings: {error}") from error
