#!/usr/bin/env python3
"""Makes ops.bin: values and gradients of the cases of tests/ops/cases.h by torch.

    python3 make.py > ops.bin            (torch 2.15, CPU)

Inputs are drawn in f32 (rounded to f16 or bf16 where the case stores them so); torch computes in f64 and its results are stored
as f32. A record is a name of 32 bytes, zero-filled, a little-endian u32 count, and that many f32: for each case CASE.leaf0 ..,
CASE.y, CASE.c (what seeds the gradient of y) and CASE.grad0 .. for the leaves that have one.
"""
import struct
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


class World:
    def __init__(self, name):
        self.name, self.leaves = name, []
        self.random = torch.Generator().manual_seed(sum(map(ord, name)))

    def leaf(self, rows, cols, grad=True, dtype=torch.float32):
        x = torch.randn(rows, cols, generator=self.random)
        x = (x + 0.05 * x.sign()).to(dtype).double()
        self.leaves.append(x.requires_grad_(grad))
        return x

    def frozen(self, rows, cols, dtype=torch.float32):
        return self.leaf(rows, cols, False, dtype)


def lora(w, x, weight, bias, rank=2, scale=1.5):
    a, b = w.leaf(rank, x.shape[1]), w.leaf(weight.shape[0], rank)
    return F.linear(x, weight, bias) + scale * F.linear(F.linear(x, a), b)


def linear(rows, inner, outer, bias=True, dtype=None):
    def case(w):
        x = w.leaf(rows, inner)
        weight = w.leaf(outer, inner) if dtype is None else w.frozen(outer, inner, dtype)
        b = None if not bias else w.leaf(1, outer) if dtype is None else w.frozen(1, outer)
        return F.linear(x, weight, b)
    return case


def linear_lora(w):
    x, weight, bias = w.leaf(5, 9), w.frozen(7, 9, torch.bfloat16), w.leaf(1, 7)
    return lora(w, x, weight, bias)


def linear_lora_only(w):
    return lora(w, w.frozen(4, 8), w.frozen(6, 8, torch.float16), None)


def linear_add(w):
    x, residual, weight, bias = w.leaf(5, 9), w.leaf(5, 7), w.leaf(7, 9), w.leaf(1, 7)
    return residual + F.linear(x, weight, bias)


def linear_add_only(w):
    x, residual, weight = w.frozen(67, 5), w.leaf(67, 6), w.frozen(6, 5, torch.bfloat16)
    return residual + F.linear(x, weight)


def linear_add_relu(w):
    x, up, down = w.leaf(4, 6), w.leaf(9, 6), w.leaf(6, 9)
    return x + F.linear(F.relu(F.linear(x, up)), down)


def layernorm(rows, cols, eps=1e-5, trained=True):
    def case(w):
        x, gamma, beta = w.leaf(rows, cols), w.leaf(1, cols, trained), w.leaf(1, cols, trained)
        return F.layer_norm(x, (cols,), gamma[0], beta[0], eps)
    return case


def rmsnorm(rows, cols, eps=1e-5, trained=True):
    def case(w):
        x, gamma = w.leaf(rows, cols), w.leaf(1, cols, trained)
        return F.rms_norm(x, (cols,), gamma[0], eps)
    return case


def rotate_heads(w):
    x, angles = w.leaf(4, 30), w.frozen(4, 10)
    cos, sin = angles[:, None, :5], angles[:, None, 5:]
    a, b = x.reshape(4, 3, 2, 5).unbind(2)
    return torch.stack([a * cos - b * sin, b * cos + a * sin], 2).reshape(4, 30)


def attend(q, k, v, spans, heads, causal):
    """One span after the other with an explicit mask; heads are columns."""
    out, d = torch.zeros_like(q), q.shape[1] // heads
    for q0, nq, p0, n_prefix, k0, nk in spans:
        rows = torch.cat([torch.arange(p0, p0 + n_prefix), torch.arange(k0, k0 + nk)])
        i, j = torch.arange(nq)[:, None], torch.arange(n_prefix + nk)[None]
        seen = (j < n_prefix) | (j - n_prefix < nk - nq + i + 1) if causal else torch.ones(nq, n_prefix + nk, dtype=torch.bool)
        some = seen.any(1)
        split = lambda x: x.reshape(x.shape[0], heads, d).transpose(0, 1)
        y = F.scaled_dot_product_attention(split(q[q0:q0 + nq][some]), split(k[rows]), split(v[rows]), seen[some])
        out = out.index_put((torch.arange(q0, q0 + nq)[some],), y.transpose(0, 1).reshape(-1, q.shape[1]))
    return out


def attention(q_rows, k_rows, heads, cols, causal, *spans):
    return lambda w: attend(w.leaf(q_rows, cols), w.leaf(k_rows, cols), w.leaf(k_rows, cols), spans, heads, causal)


def grouped(q_rows, k_rows, heads, cols, kv_cols, causal, *spans):
    """Each head of keys and values repeated for the heads of queries that share it (enable_gqa of torch repeats so too)."""
    def case(w):
        q, k, v = w.leaf(q_rows, cols), w.leaf(k_rows, kv_cols), w.leaf(k_rows, kv_cols)
        d = cols // heads
        repeat = lambda x: x.reshape(k_rows, kv_cols // d, d).repeat_interleave(cols // kv_cols, 1).reshape(k_rows, cols)
        return attend(q, repeat(k), repeat(v), spans, heads, causal)
    return case


def add_self(w):
    a = w.leaf(2, 3)
    return a + (a + w.frozen(2, 3))


def embed_frozen(w):
    x = w.leaf(3, 4)
    return x + w.frozen(3, 4, torch.bfloat16)[[1, 2, 1]]


def gather_several(w):
    a, b, c = w.leaf(3, 5), w.frozen(2, 5), w.leaf(1, 5)
    return torch.stack([c[0], a[2], b[1], a[2], a[0], c[0]])


def reshape_shuffled(w):
    return w.leaf(4, 3)[[2, 0, 3, 1]].reshape(2, 6)


def mean_of_rows(w):
    x = w.leaf(5, 3)
    return torch.stack([x[0:3].mean(0), x[4], x[2:5].mean(0)])


def logp(rows, inner, vocabulary, targets, dtype=None):
    def case(w):
        x = w.leaf(rows, inner)
        table = w.leaf(vocabulary, inner) if dtype is None else w.frozen(vocabulary, inner, dtype)
        return F.log_softmax(x @ table.T, -1)[torch.arange(rows), targets][:, None]
    return case


def linears_two(w):
    x, a, b, frozen, weight, bias = w.leaf(5, 4), w.leaf(2, 4), w.leaf(3, 2), w.frozen(3, 4, torch.bfloat16), w.leaf(3, 4), w.leaf(1, 3)
    return torch.cat((F.linear(x, frozen) + 1.5 * F.linear(F.linear(x, a), b), F.linear(x, weight, bias[0])))


def logp_entropy(w, with_bias=False):
    x, table = w.leaf(3, 5), w.frozen(7, 5, torch.float32)
    lp = F.log_softmax(x @ table.T + (w.frozen(1, 7) if with_bias else 0), -1)
    return (lp[torch.arange(3), [2, 6, 0]] - (lp.exp() * lp).sum(-1))[:, None]


def layer(x, gamma, beta, weight, bias, adapter):
    h = F.layer_norm(x, (4,), gamma[0], beta[0], 1e-5)
    y = F.linear(h, weight, bias)
    if adapter:
        y = y + 0.5 * F.linear(F.linear(h, adapter[0]), adapter[1])
    return x + F.gelu(attend(y, y, y, [(0, 2, 0, 0, 0, 2), (2, 3, 0, 0, 2, 3)], 2, True))


def segments_two(w):
    x, parts = w.leaf(5, 4), []
    for _ in range(2):
        gamma, beta = w.leaf(1, 4), w.leaf(1, 4)
        a, b = w.leaf(1, 4), w.leaf(4, 1)
        parts.append((gamma, beta, w.frozen(4, 4, torch.bfloat16), w.leaf(1, 4), (a, b)))
    return layer(layer(x, *parts[0]), *parts[1][:4], None)


def segments_nested(w):
    x = w.leaf(5, 4)
    parts = [(w.leaf(1, 4), w.leaf(1, 4), w.leaf(4, 4)) for _ in range(2)]
    for gamma, beta, weight in parts:
        x = layer(x, gamma, beta, weight, None, None)
    return x


def segments_fewer(w):
    x = w.leaf(5, 4)
    return layer(x, w.leaf(1, 4), w.leaf(1, 4), w.leaf(4, 4), None, None)[[4, 1]]


def segments_sums(w):
    x = w.leaf(5, 4)
    for _ in range(2):
        gamma, beta, up, down = w.leaf(1, 4), w.leaf(1, 4), w.leaf(4, 4), w.leaf(4, 4)
        y = x + F.linear(F.gelu(F.layer_norm(x, (4,), gamma[0], beta[0], 1e-5)), up)
        x = y + F.linear(F.relu(F.linear(F.layer_norm(y, (4,), gamma[0], beta[0], 1e-5), up)), down)
    return x


CASES = {
    "linear_trained": linear(5, 7, 3),
    "linear_one_row": linear(1, 13, 9, bias=False),
    "linear_many_rows": linear(67, 5, 33),
    "linear_f16": linear(3, 21, 37, dtype=torch.float16),
    "linear_bf16": linear(70, 19, 18, dtype=torch.bfloat16),
    "linear_f32": linear(4, 6, 5, bias=False, dtype=torch.float32),
    "linear_lora": linear_lora,
    "linear_lora_only": linear_lora_only,
    "linear_add": linear_add,
    "linear_add_only": linear_add_only,
    "linear_add_relu": linear_add_relu,
    "linears_two": linears_two,
    "layernorm_odd": layernorm(5, 7),
    "layernorm_wide": layernorm(1, 131),
    "layernorm_frozen": layernorm(3, 65, 1e-12, False),
    "rmsnorm_odd": rmsnorm(5, 7),
    "rmsnorm_wide": rmsnorm(1, 131),
    "rmsnorm_frozen": rmsnorm(3, 65, 1e-6, False),
    "normalise_rows": lambda w: F.normalize(w.leaf(4, 11), dim=1, eps=0),
    "gelu_odd": lambda w: F.gelu(w.leaf(3, 17)),
    "quick_gelu_odd": lambda w: (lambda x: x * torch.sigmoid(1.702 * x))(w.leaf(3, 17)),
    "gelu_tanh_odd": lambda w: F.gelu(w.leaf(3, 17), approximate="tanh"),
    "relu_odd": lambda w: F.relu(w.leaf(1, 33)),
    "swiglu_odd": lambda w: F.silu(w.leaf(3, 17)) * w.leaf(3, 17),
    "swiglu_up_frozen": lambda w: F.silu(w.leaf(1, 33)) * w.frozen(1, 33),
    "rotate_heads": rotate_heads,
    "add_two": lambda w: w.leaf(3, 5) + w.leaf(3, 5),
    "add_self": add_self,
    "attention_one": attention(1, 1, 1, 3, False, (0, 1, 0, 0, 0, 1)),
    "attention_full": attention(5, 5, 2, 6, False, (0, 5, 0, 0, 0, 5)),
    "attention_causal": attention(5, 5, 2, 6, True, (0, 5, 0, 0, 0, 5)),
    "attention_ragged": attention(9, 9, 3, 9, True, (0, 2, 0, 0, 0, 2), (2, 6, 0, 0, 2, 6)),
    "attention_cached": attention(3, 9, 2, 10, True, (0, 1, 0, 0, 0, 4), (1, 2, 0, 0, 4, 5)),
    "attention_prefix": attention(7, 12, 2, 6, True, (0, 3, 0, 4, 4, 3), (3, 4, 0, 4, 8, 4)),
    "attention_shared": attention(9, 6, 1, 5, False, (0, 2, 0, 0, 0, 6), (2, 7, 0, 0, 1, 4)),
    "attention_blocks": attention(131, 131, 1, 4, True, (0, 131, 0, 0, 0, 131)),
    "attention_sees_none": attention(4, 2, 1, 4, True, (0, 4, 0, 0, 0, 2)),
    "attention_grouped": grouped(9, 9, 6, 18, 6, True, (0, 2, 0, 0, 0, 2), (2, 6, 0, 0, 2, 6)),
    "attention_one_key": grouped(7, 12, 3, 12, 4, True, (0, 3, 0, 4, 4, 3), (3, 4, 0, 4, 8, 4)),
    "embed_repeats": lambda w: w.leaf(5, 7)[[3, 0, 3, 4]],
    "embed_frozen": embed_frozen,
    "gather_several": gather_several,
    "reshape_shuffled": reshape_shuffled,
    "mean_of_rows": mean_of_rows,
    "logp_trained": logp(4, 6, 11, [4, 0, 10, 4]),
    "logp_frozen": logp(1, 5, 19, [18], torch.float16),
    "logp_blocks": logp(300, 2, 5, [i % 5 for i in range(300)]),
    "logp_entropy": logp_entropy,
    "logp_bias": lambda w: logp_entropy(w, True),
    "segments_two": segments_two,
    "segments_nested": segments_nested,
    "segments_fewer": segments_fewer,
    "segments_sums": segments_sums,
}


def write(name, x):
    values = x.detach().flatten().tolist()
    sys.stdout.buffer.write(struct.pack("<32sI%df" % len(values), name.encode(), len(values), *values))


for name, case in CASES.items():
    w = World(name)
    y = case(w)
    c = torch.randn(y.shape, generator=w.random).double()
    y.backward(c)
    write(name + ".y", y)
    write(name + ".c", c)
    for i, x in enumerate(w.leaves):
        write(f"{name}.leaf{i}", x)
        if x.requires_grad:
            write(f"{name}.grad{i}", torch.zeros_like(x) if x.grad is None else x.grad)
