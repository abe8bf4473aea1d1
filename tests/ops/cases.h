/*
 * The cases of the op tests: each builds one small computation from leaves. A leaf is created (or read from the golden file) the
 * first time a case runs and found again, by order, when it runs again; so the same case serves central differences, segments on
 * and off, and the comparison with torch.
 */
#ifndef TESTS_OPS_CASES_H
#define TESTS_OPS_CASES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "tensor/ops.h"

enum { MAX_LEAVES = 16 };

typedef struct World {
    const char *name;
    Tensor leaves[MAX_LEAVES];
    size_t n_leaves, next;
    const float *(*values)(struct World *w, size_t leaf, size_t n); /* golden values of a leaf; NULL: random ones */
    const void *golden;
    Linear linear[4]; /* layers must outlive the tape's notes */
    Lora lora[4];
    Norm norm[4];
} World;

typedef struct Case {
    const char *name;
    Tensor *(*build)(Tape *t, World *w);
} Case;

/* Away from zero, where relu has a kink. */
static real random_value(const World *w, size_t leaf, size_t i)
{
    double v = random_normal(7, (uint32_t)leaf, hash_id(w->name, strlen(w->name)), (uint32_t)i);
    return (real)(float)(v < 0 ? v - 0.05 : v + 0.05);
}

static void leaf_make(World *w, Tensor *x, size_t rows, size_t cols, DType type, bool wants_grad)
{
    size_t n = rows * cols, leaf = w->n_leaves++;
    *x = (Tensor){.data = xcalloc(n, dtype_size(type)), .rows = rows, .cols = cols, .type = type};
    if (wants_grad)
        x->grad = xcalloc(n, sizeof *x->grad);
    const float *values = w->values ? w->values(w, leaf, n) : NULL;
    for (size_t i = 0; i < n; i++)
        dtype_store(type, x->data, i, values ? (double)values[i] : (double)random_value(w, leaf, i));
}

static Tensor *typed_leaf(World *w, size_t rows, size_t cols, DType type, bool wants_grad)
{
    if (w->next == w->n_leaves)
        leaf_make(w, &w->leaves[w->next], rows, cols, type, wants_grad);
    return &w->leaves[w->next++];
}

static Tensor *leaf(World *w, size_t rows, size_t cols)
{
    return typed_leaf(w, rows, cols, DTYPE_REAL, true);
}

static Tensor *frozen(World *w, size_t rows, size_t cols, DType type)
{
    return typed_leaf(w, rows, cols, type, false);
}

static void world_release(World *w)
{
    for (size_t i = 0; i < w->n_leaves; i++) {
        free(w->leaves[i].data);
        free(w->leaves[i].grad);
    }
}

/* linear */

static Tensor *linear_case(Tape *t, World *w, const Tensor *x, Tensor *weight, Tensor *bias)
{
    w->linear[0] = (Linear){.weight = *weight};
    if (bias)
        w->linear[0].bias = *bias;
    return op_linear(t, x, &w->linear[0]);
}

static Tensor *linear_trained(Tape *t, World *w)
{
    Tensor *x = leaf(w, 5, 7), *weight = leaf(w, 3, 7), *bias = leaf(w, 1, 3);
    return linear_case(t, w, x, weight, bias);
}

static Tensor *linear_one_row(Tape *t, World *w)
{
    Tensor *x = leaf(w, 1, 13), *weight = leaf(w, 9, 13);
    return linear_case(t, w, x, weight, NULL);
}

static Tensor *linear_many_rows(Tape *t, World *w)
{
    Tensor *x = leaf(w, 67, 5), *weight = leaf(w, 33, 5), *bias = leaf(w, 1, 33);
    return linear_case(t, w, x, weight, bias);
}

static Tensor *linear_f16(Tape *t, World *w)
{
    Tensor *x = leaf(w, 3, 21), *weight = frozen(w, 37, 21, DTYPE_F16), *bias = frozen(w, 1, 37, DTYPE_REAL);
    return linear_case(t, w, x, weight, bias);
}

static Tensor *linear_bf16(Tape *t, World *w)
{
    Tensor *x = leaf(w, 70, 19), *weight = frozen(w, 18, 19, DTYPE_BF16), *bias = frozen(w, 1, 18, DTYPE_REAL);
    return linear_case(t, w, x, weight, bias);
}

static Tensor *linear_f32(Tape *t, World *w)
{
    Tensor *x = leaf(w, 4, 6), *weight = frozen(w, 5, 6, DTYPE_F32);
    return linear_case(t, w, x, weight, NULL);
}

static Tensor *lora_case(Tape *t, World *w, const Tensor *x, Tensor *weight, Tensor *bias)
{
    Tensor *a = leaf(w, 2, x->cols), *b = leaf(w, weight->rows, 2);
    w->lora[0] = (Lora){*a, *b, 1.5};
    w->linear[0] = (Linear){.weight = *weight, .lora = {[ADAPTER_POLICY] = &w->lora[0]}};
    if (bias)
        w->linear[0].bias = *bias;
    tape_adapter(t, ADAPTER_POLICY);
    Tensor *y = op_linear(t, x, &w->linear[0]);
    tape_adapter(t, ADAPTER_NONE); /* what was in force is remembered */
    return y;
}

static Tensor *linear_lora(Tape *t, World *w)
{
    Tensor *x = leaf(w, 5, 9), *weight = frozen(w, 7, 9, DTYPE_BF16), *bias = leaf(w, 1, 7);
    return lora_case(t, w, x, weight, bias);
}

/* Nothing below the adapter wants a gradient. */
static Tensor *linear_lora_only(Tape *t, World *w)
{
    Tensor *x = frozen(w, 4, 8, DTYPE_REAL), *weight = frozen(w, 6, 8, DTYPE_F16);
    return lora_case(t, w, x, weight, NULL);
}

static Tensor *linear_add(Tape *t, World *w)
{
    Tensor *x = leaf(w, 5, 9), *residual = leaf(w, 5, 7), *weight = leaf(w, 7, 9), *bias = leaf(w, 1, 7);
    w->linear[0] = (Linear){.weight = *weight, .bias = *bias};
    return op_linear_add_inplace(t, residual, x, &w->linear[0]);
}

/* Nothing but the residual wants a gradient. */
static Tensor *linear_add_only(Tape *t, World *w)
{
    Tensor *x = frozen(w, 67, 5, DTYPE_REAL), *residual = leaf(w, 67, 6), *weight = frozen(w, 6, 5, DTYPE_BF16);
    w->linear[0] = (Linear){.weight = *weight};
    return op_linear_add_inplace(t, residual, x, &w->linear[0]);
}

/* As in a transformer: the layer's input is the residual, through an activation that overwrites. */
static Tensor *linear_add_relu(Tape *t, World *w)
{
    Tensor *x = leaf(w, 4, 6), *up = leaf(w, 9, 6), *down = leaf(w, 6, 9);
    w->linear[0] = (Linear){.weight = *up};
    w->linear[1] = (Linear){.weight = *down};
    return op_linear_add_inplace(t, x, op_relu_inplace(t, op_linear(t, x, &w->linear[0])), &w->linear[1]);
}

/* Two layers of the same rows, of which one has an adapter and the other trained weights. */
static Tensor *linears_two(Tape *t, World *w)
{
    Tensor *x = leaf(w, 5, 4), *a = leaf(w, 2, 4), *b = leaf(w, 3, 2), *frozen_weight = frozen(w, 3, 4, DTYPE_BF16),
           *weight = leaf(w, 3, 4), *bias = leaf(w, 1, 3);
    w->lora[0] = (Lora){*a, *b, 1.5};
    w->linear[0] = (Linear){.weight = *frozen_weight, .lora = {[ADAPTER_POLICY] = &w->lora[0]}};
    w->linear[1] = (Linear){.weight = *weight, .bias = *bias};
    tape_adapter(t, ADAPTER_POLICY);
    Tensor *y = op_linears(t, x, (const Linear *const[]){&w->linear[0], &w->linear[1]}, 2);
    tape_adapter(t, ADAPTER_NONE);
    return y;
}

/* norms */

static Tensor *layernorm_sized(Tape *t, World *w, size_t rows, size_t cols)
{
    Tensor *x = leaf(w, rows, cols), *gamma = leaf(w, 1, cols), *beta = leaf(w, 1, cols);
    w->norm[0] = (Norm){*gamma, *beta, 1e-5};
    return op_norm(t, x, &w->norm[0]);
}

static Tensor *layernorm_odd(Tape *t, World *w)
{
    return layernorm_sized(t, w, 5, 7);
}

static Tensor *layernorm_wide(Tape *t, World *w)
{
    return layernorm_sized(t, w, 1, 131);
}

static Tensor *layernorm_frozen(Tape *t, World *w)
{
    Tensor *x = leaf(w, 3, 65);
    Tensor *gamma = frozen(w, 1, 65, DTYPE_REAL), *beta = frozen(w, 1, 65, DTYPE_REAL);
    w->norm[0] = (Norm){*gamma, *beta, 1e-12};
    return op_norm(t, x, &w->norm[0]);
}

static Tensor *rmsnorm_sized(Tape *t, World *w, size_t rows, size_t cols)
{
    Tensor *x = leaf(w, rows, cols), *gamma = leaf(w, 1, cols);
    w->norm[0] = (Norm){.gamma = *gamma, .eps = 1e-5};
    return op_norm(t, x, &w->norm[0]);
}

static Tensor *rmsnorm_odd(Tape *t, World *w)
{
    return rmsnorm_sized(t, w, 5, 7);
}

static Tensor *rmsnorm_wide(Tape *t, World *w)
{
    return rmsnorm_sized(t, w, 1, 131);
}

static Tensor *rmsnorm_frozen(Tape *t, World *w)
{
    Tensor *x = leaf(w, 3, 65), *gamma = frozen(w, 1, 65, DTYPE_REAL);
    w->norm[0] = (Norm){.gamma = *gamma, .eps = 1e-6};
    return op_norm(t, x, &w->norm[0]);
}

static Tensor *normalise_rows(Tape *t, World *w)
{
    return op_normalise(t, leaf(w, 4, 11));
}

/* elementwise */

static Tensor *gelu_odd(Tape *t, World *w)
{
    return op_gelu_inplace(t, leaf(w, 3, 17));
}

static Tensor *quick_gelu_odd(Tape *t, World *w)
{
    return op_quick_gelu_inplace(t, leaf(w, 3, 17));
}

static Tensor *gelu_tanh_odd(Tape *t, World *w)
{
    return op_gelu_tanh_inplace(t, leaf(w, 3, 17));
}

/* Of a copy: relu overwrites what it is given, and a leaf is used again. */
static Tensor *relu_odd(Tape *t, World *w)
{
    const Tensor *x = leaf(w, 1, 33);
    return op_relu_inplace(t, op_gather(t, &x, 1, (const RowRef[]){{0, 0}}, 1));
}

static Tensor *swiglu_odd(Tape *t, World *w)
{
    Tensor *gate = leaf(w, 3, 17), *up = leaf(w, 3, 17);
    return op_swiglu_inplace(t, gate, up);
}

static Tensor *swiglu_up_frozen(Tape *t, World *w)
{
    Tensor *gate = leaf(w, 1, 33), *up = frozen(w, 1, 33, DTYPE_REAL);
    return op_swiglu_inplace(t, gate, up);
}

/* Rows of 3 heads of 10, of a copy, since it turns in place. The angles are any numbers: its gradient is then a transpose. */
static Tensor *rotate_heads(Tape *t, World *w)
{
    const Tensor *x = leaf(w, 4, 30), *angles = frozen(w, 4, 10, DTYPE_REAL);
    static const RowRef all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
    return op_rotate_inplace(t, op_gather(t, &x, 1, all, 4), angles);
}

static Tensor *add_two(Tape *t, World *w)
{
    Tensor *a = leaf(w, 3, 5), *b = leaf(w, 3, 5);
    return op_add(t, a, b);
}

static Tensor *add_self(Tape *t, World *w)
{
    Tensor *a = leaf(w, 2, 3);
    return op_add(t, a, op_add(t, a, frozen(w, 2, 3, DTYPE_REAL)));
}

/* attention */

#define ATTENTION(NAME, Q_ROWS, K_ROWS, HEADS, COLS, CAUSAL, ...) \
    GROUPED(NAME, Q_ROWS, K_ROWS, HEADS, COLS, COLS, CAUSAL, __VA_ARGS__)

#define GROUPED(NAME, Q_ROWS, K_ROWS, HEADS, COLS, KV_COLS, CAUSAL, ...)                                 \
    static Tensor *NAME(Tape *t, World *w)                                                               \
    {                                                                                                    \
        Tensor *q = leaf(w, Q_ROWS, COLS), *k = leaf(w, K_ROWS, KV_COLS), *v = leaf(w, K_ROWS, KV_COLS); \
        static const Span spans[] = {__VA_ARGS__};                                                       \
        return op_attention(t, q, k, v, spans, sizeof spans / sizeof *spans, HEADS, CAUSAL);             \
    }

ATTENTION(attention_one, 1, 1, 1, 3, false, {0, 1, 0, 0, 0, 1})
ATTENTION(attention_full, 5, 5, 2, 6, false, {0, 5, 0, 0, 0, 5})
ATTENTION(attention_causal, 5, 5, 2, 6, true, {0, 5, 0, 0, 0, 5})
ATTENTION(attention_ragged, 9, 9, 3, 9, true, {0, 2, 0, 0, 0, 2}, {2, 6, 0, 0, 2, 6}) /* row 8 is in no span */
ATTENTION(attention_cached, 3, 9, 2, 10, true, {0, 1, 0, 0, 0, 4}, {1, 2, 0, 0, 4, 5})
ATTENTION(attention_prefix, 7, 12, 2, 6, true, {0, 3, 0, 4, 4, 3}, {3, 4, 0, 4, 8, 4})    /* two sequences share a prompt */
ATTENTION(attention_shared, 9, 6, 1, 5, false, {0, 2, 0, 0, 0, 6}, {2, 7, 0, 0, 1, 4})    /* cross attention to the same keys */
ATTENTION(attention_blocks, 131, 131, 1, 4, true, {0, 131, 0, 0, 0, 131})                 /* more queries than a block */
ATTENTION(attention_sees_none, 4, 2, 1, 4, true, {0, 4, 0, 0, 0, 2})                      /* the first two see no key */
GROUPED(attention_grouped, 9, 9, 6, 18, 6, true, {0, 2, 0, 0, 0, 2}, {2, 6, 0, 0, 2, 6})  /* 6 heads on 2; row 8 is in no span */
GROUPED(attention_one_key, 7, 12, 3, 12, 4, true, {0, 3, 0, 4, 4, 3}, {3, 4, 0, 4, 8, 4}) /* 3 heads on 1, behind a prompt */

/* rows */

static Tensor *embed_repeats(Tape *t, World *w)
{
    static const int32_t ids[] = {3, 0, 3, 4};
    return op_embed(t, leaf(w, 5, 7), ids, 4);
}

static Tensor *embed_frozen(Tape *t, World *w)
{
    static const int32_t ids[] = {1, 2, 1};
    Tensor *x = leaf(w, 3, 4), *table = frozen(w, 3, 4, DTYPE_BF16);
    return op_add(t, x, op_embed(t, table, ids, 3));
}

static Tensor *gather_several(Tape *t, World *w)
{
    Tensor *a = leaf(w, 3, 5), *b = frozen(w, 2, 5, DTYPE_REAL), *c = leaf(w, 1, 5);
    const Tensor *sources[] = {a, b, c};
    static const RowRef refs[] = {{2, 0}, {0, 2}, {1, 1}, {0, 2}, {0, 0}, {2, 0}};
    return op_gather(t, sources, 3, refs, 6);
}

/* Four rows, shuffled, as two of twice the width */
static Tensor *reshape_shuffled(Tape *t, World *w)
{
    const Tensor *x = leaf(w, 4, 3);
    static const RowRef refs[] = {{0, 2}, {0, 0}, {0, 3}, {0, 1}};
    return op_reshape(t, op_gather(t, &x, 1, refs, 4), 2, 6);
}

static Tensor *mean_of_rows(Tape *t, World *w)
{
    static const size_t first[] = {0, 4, 2}, count[] = {3, 1, 3};
    return op_mean_rows(t, leaf(w, 5, 3), first, count, 3);
}

/* token_logp */

static Tensor *logp_trained(Tape *t, World *w)
{
    static const int32_t targets[] = {4, 0, 10, 4};
    Tensor *x = leaf(w, 4, 6), *table = leaf(w, 11, 6);
    return op_token_logp(t, x, table, NULL, targets, NULL);
}

static Tensor *logp_frozen(Tape *t, World *w)
{
    static const int32_t targets[] = {18};
    Tensor *x = leaf(w, 1, 5), *table = frozen(w, 19, 5, DTYPE_F16);
    return op_token_logp(t, x, table, NULL, targets, NULL);
}

/* More rows than a block of logits. */
static Tensor *logp_blocks(Tape *t, World *w)
{
    static int32_t targets[300];
    for (int32_t i = 0; i < 300; i++)
        targets[i] = i % 5;
    Tensor *x = leaf(w, 300, 2), *table = leaf(w, 5, 2);
    return op_token_logp(t, x, table, NULL, targets, NULL);
}

static Tensor *logp_entropy(Tape *t, World *w)
{
    static const int32_t targets[] = {2, 6, 0};
    Tensor *x = leaf(w, 3, 5), *table = frozen(w, 7, 5, DTYPE_F32), *entropy;
    Tensor *logp = op_token_logp_entropy(t, x, table, NULL, targets, &entropy);
    return op_add(t, logp, entropy);
}

static Tensor *logp_bias(Tape *t, World *w)
{
    static const int32_t targets[] = {2, 6, 0};
    Tensor *x = leaf(w, 3, 5), *table = frozen(w, 7, 5, DTYPE_F32), *bias = frozen(w, 1, 7, DTYPE_REAL), *entropy;
    Tensor *logp = op_token_logp_entropy(t, x, table, bias, targets, &entropy);
    return op_add(t, logp, entropy);
}

#include "cases_checkpoint.h"

static const Case cases[] = {
    {"linear_trained", linear_trained},
    {"linear_one_row", linear_one_row},
    {"linear_many_rows", linear_many_rows},
    {"linear_f16", linear_f16},
    {"linear_bf16", linear_bf16},
    {"linear_f32", linear_f32},
    {"linear_lora", linear_lora},
    {"linear_lora_only", linear_lora_only},
    {"linear_add", linear_add},
    {"linear_add_only", linear_add_only},
    {"linear_add_relu", linear_add_relu},
    {"linears_two", linears_two},
    {"layernorm_odd", layernorm_odd},
    {"layernorm_wide", layernorm_wide},
    {"layernorm_frozen", layernorm_frozen},
    {"rmsnorm_odd", rmsnorm_odd},
    {"rmsnorm_wide", rmsnorm_wide},
    {"rmsnorm_frozen", rmsnorm_frozen},
    {"normalise_rows", normalise_rows},
    {"gelu_odd", gelu_odd},
    {"quick_gelu_odd", quick_gelu_odd},
    {"gelu_tanh_odd", gelu_tanh_odd},
    {"relu_odd", relu_odd},
    {"swiglu_odd", swiglu_odd},
    {"swiglu_up_frozen", swiglu_up_frozen},
    {"rotate_heads", rotate_heads},
    {"add_two", add_two},
    {"add_self", add_self},
    {"attention_one", attention_one},
    {"attention_full", attention_full},
    {"attention_causal", attention_causal},
    {"attention_ragged", attention_ragged},
    {"attention_cached", attention_cached},
    {"attention_prefix", attention_prefix},
    {"attention_shared", attention_shared},
    {"attention_blocks", attention_blocks},
    {"attention_sees_none", attention_sees_none},
    {"attention_grouped", attention_grouped},
    {"attention_one_key", attention_one_key},
    {"embed_repeats", embed_repeats},
    {"embed_frozen", embed_frozen},
    {"gather_several", gather_several},
    {"reshape_shuffled", reshape_shuffled},
    {"mean_of_rows", mean_of_rows},
    {"logp_trained", logp_trained},
    {"logp_frozen", logp_frozen},
    {"logp_blocks", logp_blocks},
    {"logp_entropy", logp_entropy},
    {"logp_bias", logp_bias},
    {"segments_two", checkpoint_two},
    {"segments_nested", checkpoint_nested},
    {"segments_fewer", checkpoint_fewer},
    {"segments_sums", checkpoint_sums},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

#endif
