"""Gradient-boosted trees: scikit-learn's, and those of optional packages."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.predictors.ranges import Span
from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    from eznas.predictors.encoded import Regressor

_XGBOOST_RANGES = {
    "max_depth": Span(1, 14, whole=True),
    "min_child_weight": Span(1, 9, whole=True),
    "colsample_bytree": Span(0, 1),
    "colsample_bylevel": Span(0, 1),
    "learning_rate": Span(0.001, 0.5, log=True),
}
"""These and the other ranges of this file are those of White et al."""

_WHITE = "settings of White et al. How Powerful are Performance Predictors? NeurIPS 2021"


@register_model(
    "gradient_boosting",
    "Friedman. Stochastic Gradient Boosting. 2002",
    "400 trees of depth 4, with learning rate 0.05. Each tree is fitted to 80 % of the architectures, and each split "
    "considers 30 % of the columns. It needs no optional package",
    encoding="graf",
)
def gradient_boosting(seed: int, **settings: Any) -> Any:
    """Make scikit-learn's gradient boosting."""
    from sklearn.ensemble import GradientBoostingRegressor

    defaults = {"n_estimators": 400, "max_depth": 4, "learning_rate": 0.05, "subsample": 0.8, "max_features": 0.3}
    return GradientBoostingRegressor(random_state=seed, **{**defaults, **settings})


@register_model(
    "xgboost",
    f"Chen, Guestrin. XGBoost. KDD 2016; {_WHITE}",
    "500 trees of depth 6, with learning rate 0.3; the loss is the squared error",
    ranges=_XGBOOST_RANGES,
    extra="xgboost",
)
def xgboost(seed: int, **settings: Any) -> Regressor:
    """Make XGBoost with the settings of White et al."""
    published = {
        "n_estimators": 500,
        "max_depth": 6,
        "min_child_weight": 1,
        "colsample_bytree": 1,
        "learning_rate": 0.3,
        "n_jobs": 1,
    }
    regressor: Regressor = _package("xgboost", "xgboost").XGBRegressor(random_state=seed, **{**published, **settings})
    return regressor


@register_model(
    "xgboost_slow",
    "Chen, Guestrin. XGBoost. KDD 2016",
    "400 trees of depth 4, with learning rate 0.05; each tree reads 80 % of the architectures and half of the columns",
    encoding="graf",
    ranges=_XGBOOST_RANGES,
    extra="xgboost",
)
def xgboost_slow(seed: int, **settings: Any) -> Regressor:
    """Make XGBoost with small steps, which is better from about 200 architectures."""
    defaults = {
        "n_estimators": 400,
        "max_depth": 4,
        "learning_rate": 0.05,
        "subsample": 0.8,
        "colsample_bytree": 0.5,
        "min_child_weight": 2,
    }
    return xgboost(seed, **{**defaults, **settings})


@register_model(
    "lightgbm",
    f"Ke et al. LightGBM. NeurIPS 2017; {_WHITE}",
    "500 trees of up to 31 leaves, with at least 5 architectures in each leaf. The learning rate is 0.05. Each tree "
    "reads 90 % of the columns and 80 % of the architectures; the architectures are drawn again every 5 trees. A fit "
    "needs 13 architectures, because a tree with two leaves needs 10, and 80 % of 12 are fewer than 10",
    labels=13,
    ranges={
        "num_leaves": Span(10, 99, whole=True),
        "learning_rate": Span(0.001, 0.1, log=True),
        "colsample_bytree": Span(0.1, 1),
    },
    extra="lightgbm",
)
def lightgbm(seed: int, **settings: Any) -> Regressor:
    """Make LightGBM with the settings of White et al.; bins of one architecture, so that small fits can split."""
    published = {
        "n_estimators": 500,
        "num_leaves": 31,
        "min_child_samples": 5,
        "learning_rate": 0.05,
        "colsample_bytree": 0.9,
        "subsample": 0.8,
        "subsample_freq": 5,
        "min_data_in_bin": 1,
        "n_jobs": 1,
        "verbose": -1,
    }
    regressor: Regressor = _package("lightgbm", "lightgbm").LGBMRegressor(
        random_state=seed, deterministic=True, force_col_wise=True, **{**published, **settings}
    )
    return regressor


@register_model(
    "ngboost",
    f"Duan et al. NGBoost. ICML 2020; {_WHITE}",
    "505 steps of natural gradient boosting fit the mean and the standard deviation of a normal distribution, so that "
    "the likelihood rises. Each step adds a tree of depth 6 to the mean and a tree of depth 6 to the standard "
    "deviation. The learning rate is 0.0813; a step reads half of the architectures, and each split considers 79.2 % "
    "of the columns",
    labels=4,
    ranges={
        "n_estimators": Span(128, 512, log=True, whole=True),
        "learning_rate": Span(0.001, 0.1, log=True),
        "max_depth": Span(1, 24, whole=True),
        "max_features": Span(0.1, 1),
    },
    extra="ngboost",
)
def ngboost(
    seed: int,
    max_depth: int = 6,
    max_features: float = 0.792,
    min_samples_leaf: int = 1,
    min_samples_split: int = 2,
    **settings: Any,
) -> Regressor:
    """Make NGBoost with the settings of White et al.; the named ones are those of its trees."""
    _package("ngboost", "ngboost")
    from eznas.predictors.ngboost_normal import FastNormal, FastRegressor, FastTree, FirstDraw

    tree = FastTree(
        criterion="friedman_mse",
        max_depth=max_depth,
        max_features=max_features,
        min_samples_leaf=min_samples_leaf,
        min_samples_split=min_samples_split,
        random_state=FirstDraw(seed),
    )
    published = {
        "Dist": FastNormal,
        "Base": tree,
        "n_estimators": 505,
        "learning_rate": 0.0813,
        "minibatch_frac": 0.5,
        "verbose": False,
    }
    regressor: Regressor = FastRegressor(random_state=seed, **{**published, **settings})
    return regressor


def _package(name: str, extra: str) -> Any:
    """Import an optional package.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"the predictor needs the package {name}; run pip install 'eznas[{extra}]'") from error
