from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.capture import heap

if TYPE_CHECKING:
    import pytest


def test_free_memory_is_returned_where_the_process_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    size, trimmed = [100], []
    monkeypatch.setattr(heap, "resident", lambda: size[0])
    monkeypatch.setattr(heap, "_trim", lambda: trimmed.append(size[0]))
    own = heap.Heap(50)
    assert trimmed == [100]
    for size[0] in (150, 151, 152, 151 + heap._STEP, 152 + heap._STEP):
        own.trim()
    assert trimmed == [100, 151, 152 + heap._STEP]


def test_the_size_of_the_process_is_read() -> None:
    before = heap.resident()
    held = torch.ones(2**24)
    if before:
        assert heap.resident() >= before + held.nbytes // 2
    heap.Heap(0).trim()
