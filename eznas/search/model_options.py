"""From options to the predictor of an algorithm with a model, and the checks of these options."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.predictors import make_predictor
from eznas.predictors.evaluation import PredictorChoice
from eznas.search.acquisition import ACQUISITIONS
from eznas.search.candidates import CandidatePlan
from eznas.search.config import SearcherConfig
from eznas.search.protocol import ALGORITHMS
from eznas.search.surrogate import SURROGATES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from eznas.predictors import Predictor
    from eznas.search.config import SearchConfig
    from eznas.search.domain import Domain
    from eznas.search.protocol import Algorithm
    from eznas.spaces import SearchSpace

_MODEL_OPTIONS = ("surrogate", "encoding", "predictor", "acquisition", "candidates")


def check_model_options(config: SearchConfig, algorithm: Algorithm) -> None:
    """Check the options of the model before anything is computed.

    Raises:
        InputError: A name is unknown, or options contradict each other.
    """
    changed = [name for name in _MODEL_OPTIONS if getattr(config, name) != SearcherConfig.model_fields[name].default]
    if config.surrogate:
        SURROGATES[config.surrogate]  # refuses an unknown name
    if changed and not algorithm.model:
        models = " or ".join(name for name in ALGORITHMS if ALGORITHMS[name].model)
        raise InputError(
            f"{changed[0]} must come with {models}, got algorithm {algorithm.name}, which fits no model",
            parameters=(changed[0], "algorithm"),
        )
    if config.predictor and ("surrogate" in changed or "encoding" in changed):
        raise InputError(
            "surrogate and encoding must not come with predictor; write the encoding into it, as in NAME@ENCODING",
            parameters=("predictor", "surrogate", "encoding"),
        )
    if config.acquisition:
        ACQUISITIONS[config.acquisition]
    if CandidatePlan.parse(config.candidates).kind != "edits" and config.move:
        raise InputError(
            f"move must come with candidates N, the edits that it guides, got {config.candidates}; choose N, or give "
            "warmup alone",
            parameters=("move", "candidates", "warmup"),
        )


def predictor_of(
    config: SearchConfig, space: SearchSpace, scores: Mapping[str, Mapping[str, float]]
) -> Callable[[], Predictor] | None:
    """Return a function that makes the predictor of the options; None if they name none.

    Raises:
        InputError: The predictor does not exist, lacks data, or does not learn from accuracies alone.
    """
    if not config.predictor:
        return None
    choice = PredictorChoice.parse(config.predictor)
    make = partial(make_predictor, choice.name, space, encoding=choice.encoding, scores=scores)
    needs = make().needs
    if needs.curve or not needs.labels:
        raise InputError(
            f"predictor must be one that learns from accuracies alone, got {choice}, which needs {needs}",
            parameters=("predictor",),
        )
    return make


def check_candidates(config: SearchConfig, domain: Domain) -> None:
    """Check that the architectures can be listed where all are candidates.

    Raises:
        InputError: They cannot.
    """
    if CandidatePlan.parse(config.candidates).kind == "all" and domain.listed is None:
        raise InputError(
            f"candidates must be a number for {domain.space.name}, whose architectures cannot be listed; give N or "
            "random:N",
            parameters=("candidates",),
        )


def with_scores(architectures: Collection[str], scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the architectures whose scores are all finite."""
    return [one for one in architectures if all(math.isfinite(known.get(one, math.nan)) for known in scores.values())]
