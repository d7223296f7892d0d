"""Every search space by name."""

from __future__ import annotations

from eznas.registry import Registry
from eznas.spaces.base import SearchSpace
from eznas.spaces.custom import PREFIX, CustomSpace

__all__ = ["SPACES"]

_BUILT_IN = (
    "darts",
    "nasbench101",
    "nasbench201",
    "nasbench_macro",
    "nats_sss",
    "nds_cells",
    "nds_stages",
    "transnas",
    "zoo",
)


class _Spaces(Registry[SearchSpace]):
    """The registered spaces, and any ``custom:package.module:callable``."""

    def __getitem__(self, name: str) -> SearchSpace:
        return CustomSpace(name) if name.startswith(PREFIX) else super().__getitem__(name)


SPACES = _Spaces("search space", lambda space: space.name, [f"eznas.spaces.{name}" for name in _BUILT_IN])
"""Every search space by name; also ``custom:package.module:callable``, see ``eznas.spaces.custom``."""
