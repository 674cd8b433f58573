#!/usr/bin/env python3
"""The ctypes structs against the library: a causal call with grouped heads on the CPU backend, and an error.

A wrong offset in a struct would show as a wrong result or a refused argument.
"""
import ctypes
import math
import os
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from flashjit_ctypes import Attention, Flashjit, FlashjitError, sized, view  # noqa: E402

BATCH, SEQLEN, HEADS, HEADS_KV, HEAD_DIM = 2, 5, 4, 2, 8


class Dense:
    """A random fp32 [BATCH, SEQLEN, heads, HEAD_DIM] that starts on 16 bytes, as the library asks."""

    def __init__(self, heads: int):
        self.heads, count = heads, BATCH * SEQLEN * heads * HEAD_DIM
        self.memory = ctypes.create_string_buffer(4 * count + 16)
        self.address = (ctypes.addressof(self.memory) + 15) // 16 * 16
        self.values = (ctypes.c_float * count).from_address(self.address)
        for i in range(count):
            self.values[i] = random.uniform(-1, 1)

    def view(self):
        row = self.heads * HEAD_DIM
        return view(self.address, "fp32", (BATCH, SEQLEN, self.heads, HEAD_DIM), (SEQLEN * row, row, HEAD_DIM, 1))

    def row(self, batch: int, position: int, head: int) -> list:
        start = ((batch * SEQLEN + position) * self.heads + head) * HEAD_DIM
        return self.values[start:start + HEAD_DIM]


def expected_row(q: Dense, k: Dense, v: Dense, batch: int, position: int, head: int, scale: float) -> list:
    kv_head = head // (HEADS // HEADS_KV)
    weights = [math.exp(scale * sum(a * b for a, b in zip(q.row(batch, position, head), k.row(batch, key, kv_head))))
               for key in range(position + 1)]
    values = [v.row(batch, key, kv_head) for key in range(position + 1)]
    return [sum(w * value[d] for w, value in zip(weights, values)) / sum(weights) for d in range(HEAD_DIM)]


class Forward(unittest.TestCase):
    def setUp(self):
        random.seed(1)
        self.flashjit = Flashjit(os.environ["FLASHJIT_LIBRARY"], backend="cpu")
        self.addCleanup(self.flashjit.close)
        self.q, self.k, self.v, self.o = Dense(HEADS), Dense(HEADS_KV), Dense(HEADS_KV), Dense(HEADS)
        self.attention = sized(Attention, q=self.q.view(), k=self.k.view(), v=self.v.view(), o=self.o.view(),
                               causal=1, has_softmax_scale=1, softmax_scale=0.7)

    def test_result_and_lse(self):
        lse = (ctypes.c_float * (BATCH * HEADS * SEQLEN))()
        self.attention.lse = ctypes.addressof(lse)
        self.flashjit.forward(self.attention)
        for batch in range(BATCH):
            for position in range(SEQLEN):
                for head in range(HEADS):
                    for ours, expected in zip(self.o.row(batch, position, head), expected_row(
                            self.q, self.k, self.v, batch, position, head, 0.7)):
                        self.assertAlmostEqual(ours, expected, places=5)
        score = 0.7 * sum(a * b for a, b in zip(self.q.row(0, 0, 0), self.k.row(0, 0, 0)))
        self.assertAlmostEqual(lse[0], score, places=5)  # the first row sees one key

    def test_an_error_carries_its_message(self):
        self.attention.k.shape[3] = 12
        with self.assertRaisesRegex(FlashjitError, r"^invalid_argument: .*k"):
            self.flashjit.forward(self.attention)

    def test_prepare_names_the_variant(self):
        self.assertTrue(self.flashjit.prepare(self.attention).name)
        self.assertRegex(self.flashjit.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
