"""Every search space by name."""

from __future__ import annotations

from eznas.registry import Registry
from eznas.spaces.base import SearchSpace
from eznas.spaces.custom import PREFIX, CustomSpace


class _Spaces(Registry[SearchSpace]):
    """The registered spaces, and any ``custom:package.module:callable``."""

    def __getitem__(self, name: str) -> SearchSpace:
        return CustomSpace(name) if name.startswith(PREFIX) else super().__getitem__(name)


SPACES = _Spaces("search space", lambda space: space.name, ["eznas.spaces.*"])
"""Every search space by name; also ``custom:package.module:callable``, see ``eznas.spaces.custom``."""
