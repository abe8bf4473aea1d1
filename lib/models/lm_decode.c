/* The language model with a cache of keys and values: prompts, steps, logits. See lm.h. */
#include "models/lm.h"

#include <stdlib.h>
#include <string.h>

#include "models/lm_memory.h"
#include "models/lm_place.h"

KvCache *kv_cache_new(const Kernels *kernels, const Lm *m, size_t rows)
{
    KvCache *c = xcalloc(1, sizeof *c);
    *c = (KvCache){.kernels = kernels, .layers = m->config.layers, .rows = rows, .cols = m->config.kv_heads * m->config.head_dim};
    c->k = xcalloc(c->layers, sizeof *c->k);
    c->v = xcalloc(c->layers, sizeof *c->v);
    const size_t bytes = rows * c->cols * sizeof(real);
    for (size_t i = 0; i < c->layers; i++) {
        c->k[i] = (Tensor){.data = kernels->memory_new(bytes), .rows = rows, .cols = c->cols, .type = DTYPE_REAL};
        c->v[i] = (Tensor){.data = kernels->memory_new(bytes), .rows = rows, .cols = c->cols, .type = DTYPE_REAL};
    }
    return c;
}

void kv_cache_free(KvCache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->layers; i++) {
        c->kernels->memory_free(c->k[i].data);
        c->kernels->memory_free(c->v[i].data);
    }
    free(c->k);
    free(c->v);
    free(c);
}

size_t kv_cache_bytes(const Lm *m, size_t rows)
{
    return 2 * m->config.layers * rows * m->config.kv_heads * m->config.head_dim * sizeof(real);
}

void kv_cache_reserve(const KvCache *c, Tape *t, size_t n)
{
    TapeMark mark = tape_mark(t);
    tape_alloc(t, n * sizeof(size_t));
    tape_alloc(t, n * sizeof(RowRef));
    tape_tensor(t, n, c->cols, false);
    tape_release(t, mark);
}

void kv_cache_move(KvCache *c, Tape *t, const size_t *dst, const size_t *src, size_t n)
{
    TapeMark mark = tape_mark(t);
    size_t *to = tape_alloc(t, n * sizeof *to), moved = 0;
    RowRef *from = tape_alloc(t, n * sizeof *from);
    for (size_t i = 0; i < n; i++) {
        if (dst[i] >= c->rows || src[i] >= c->rows)
            bug("cache row %zu to %zu of %zu", src[i], dst[i], c->rows);
        if (dst[i] == src[i])
            continue;
        to[moved] = dst[i];
        from[moved++] = (RowRef){0, (uint32_t)src[i]};
    }
    if (moved > 0) {
        const Tensor *scratch = tape_tensor(t, moved, c->cols, false);
        for (size_t i = 0; i < 2 * c->layers; i++) {
            Tensor *cache = i % 2 ? &c->v[i / 2] : &c->k[i / 2];
            c->kernels->gather(scratch->data, (const real *const[]){cache->data}, from, moved, c->cols);
            c->kernels->scatter(cache->data, scratch->data, to, moved, c->cols);
        }
    }
    tape_release(t, mark);
}

Tensor *lm_embed(Tape *t, const Lm *m, const int32_t *ids, const int32_t *positions, size_t n)
{
    return lm_place(t, m, op_embed(t, &m->tokens, ids, n), positions);
}

Tensor *lm_prompts(Tape *t, const Lm *m, const Tensor *prefixes, size_t n_prefix, size_t n)
{
    const size_t front = lm_front(m, n_prefix), each = front + 1;
    if (n_prefix && prefixes->rows != n * n_prefix)
        bug("%zu prefix rows, expected %zu prompts of %zu", prefixes->rows, n, n_prefix);
    if (m->layers && front > 0)
        prefixes = op_embed(t, &m->tokens, m->lead, front);
    RowRef *refs = tape_alloc(t, n * each * sizeof *refs);
    int32_t *positions = tape_alloc(t, n * each * sizeof *positions);
    for (size_t i = 0; i < n * each; i++) {
        size_t prompt = i / each, row = i % each;
        refs[i] = row == front ? (RowRef){1, 0} : (RowRef){0, (uint32_t)(m->layers ? row : prompt * front + row)};
        positions[i] = (int32_t)row;
    }
    const Tensor *bos = op_embed(t, &m->tokens, &m->config.bos, 1);
    Tensor *x = op_gather(t, (const Tensor *const[]){front ? prefixes : bos, bos}, 2, refs, n * each);
    return lm_place(t, m, x, positions);
}

/* Of the last layer only the last row of each span is wanted: queries are counted among those. */
static void want_last_rows(Tape *t, BlockPass *pass)
{
    RowRef *rows = tape_alloc(t, pass->n_spans * sizeof *rows);
    Span *spans = tape_alloc(t, pass->n_spans * sizeof *spans), *cross = tape_alloc(t, pass->n_spans * sizeof *cross);
    for (size_t i = 0; i < pass->n_spans; i++) {
        spans[i] = pass->spans[i];
        rows[i] = (RowRef){0, (uint32_t)(spans[i].q + spans[i].nq - 1)};
        spans[i].q = i;
        spans[i].nq = 1;
        if (pass->cross)
            cross[i] = (Span){.q = i, .nq = 1, .k = pass->cross[i].k, .nk = pass->cross[i].nk};
    }
    pass->spans = spans;
    pass->cross = pass->cross ? cross : NULL;
    pass->wanted = rows;
    pass->n_wanted = pass->n_spans;
}

/* Where the spans' rows are in their sequences: the last query is the last key. */
static int32_t *positions_of(Tape *t, const Span *spans, size_t n_spans, size_t rows)
{
    int32_t *positions = tape_alloc(t, rows * sizeof *positions);
    memset(positions, 0, rows * sizeof *positions);
    for (size_t i = 0; i < n_spans; i++)
        for (size_t j = 0; j < spans[i].nq; j++)
            positions[spans[i].q + j] = (int32_t)(spans[i].n_prefix + spans[i].nk - spans[i].nq + j);
    return positions;
}

/* The spans over the image of each. */
static const Span *cross_of(Tape *t, const Lm *m, const Span *spans, const size_t *images, size_t n)
{
    Span *cross = tape_alloc(t, n * sizeof *cross);
    for (size_t i = 0; i < n; i++)
        cross[i] = lm_cross(m, spans[i], images[i]);
    return cross;
}

Tensor *lm_advance(Tape *t, const Lm *m, KvCache *c, Tensor *x, const size_t *at, const Span *spans, size_t n_spans,
                   const Tensor *prefixes, const size_t *images)
{
    const size_t rows = x->rows;
    BlockPass pass = lm_pass(t, m, spans, n_spans, positions_of(t, spans, n_spans, rows), rows);
    pass.images = prefixes;
    pass.cross = m->layers ? cross_of(t, m, spans, images, n_spans) : NULL;
    for (size_t i = 0; i < rows; i++)
        if (at[i] >= c->rows)
            bug("cache row %zu of %zu", at[i], c->rows);
    tape_step(t, n_spans == rows);
    for (size_t i = 0; i < m->config.layers; i++) {
        if (i + 1 == m->config.layers && n_spans < rows)
            want_last_rows(t, &pass);
        x = lm_layer_cached(t, m, i, &pass, x, c, at);
    }
    tape_step(t, false);
    return x;
}

Tensor *lm_logits(Tape *t, const Lm *m, const Tensor *x)
{
    tape_step(t, true);
    const Tensor *read = m->layers ? lm_transform(t, m, x) : op_norm(t, x, &m->norm);
    Tensor *logits = op_linear(t, read, &m->head);
    tape_step(t, false);
    return logits;
}
