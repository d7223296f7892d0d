"""Forests of regression trees, by scikit-learn."""

from __future__ import annotations

from typing import Any

from eznas.predictors.ranges import Span
from eznas.predictors.registry import register_model

FOREST_RANGES = {
    "n_estimators": Span(16, 128, log=True, whole=True),
    "max_features": Span(0.1, 0.9, log=True),
    "min_samples_leaf": Span(1, 19, whole=True),
    "min_samples_split": Span(2, 19, whole=True),
}
"""Those of White et al."""


@register_model(
    "random_forest",
    "Breiman. Random Forests. 2001; settings of White et al. How Powerful are Performance Predictors? NeurIPS 2021",
    "116 trees without bootstrap; each split considers 17.06 % of the columns, and a leaf has at least two "
    "architectures",
    ranges=FOREST_RANGES,
)
def random_forest(seed: int, **settings: Any) -> Any:
    """Make a forest with the settings of White et al.; ``settings`` are those of scikit-learn."""
    from sklearn.ensemble import RandomForestRegressor

    published = {
        "n_estimators": 116,
        "max_features": 0.1706,
        "min_samples_leaf": 2,
        "min_samples_split": 2,
        "bootstrap": False,
    }
    return RandomForestRegressor(random_state=seed, **{**published, **settings})


@register_model(
    "random_forest_graf",
    "Kadlecova et al. Surprisingly Strong Performance Prediction with Neural Graph Features. ICML 2024",
    "100 trees with the defaults of scikit-learn",
    encoding="graf",
    ranges=FOREST_RANGES,
)
def random_forest_graf(seed: int, **settings: Any) -> Any:
    """Make a forest with scikit-learn's defaults."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(random_state=seed, **settings)


@register_model(
    "extra_trees",
    "Geurts, Ernst, Wehenkel. Extremely Randomized Trees. 2006",
    "300 trees; each split considers 40 % of the columns, and a leaf has at least two architectures",
    encoding="graf",
    ranges=FOREST_RANGES,
)
def extra_trees(seed: int, **settings: Any) -> Any:
    """Make extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    defaults = {"n_estimators": 300, "max_features": 0.4, "min_samples_leaf": 2}
    return ExtraTreesRegressor(random_state=seed, **{**defaults, **settings})
