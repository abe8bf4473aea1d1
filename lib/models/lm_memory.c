/* Layers, and images that they attend to; see lm_memory.h. */
#include "models/lm_memory.h"

#include <stdlib.h>

#include "models/bert_layer.h"

Tensor *lm_memory(Tape *t, const Lm *m, const Tensor *rows)
{
    const size_t n = 2 * m->config.layers;
    const Linear **layers = xmalloc(n * sizeof *layers);
    for (size_t i = 0; i < n; i++)
        layers[i] = i % 2 ? &m->layers[i / 2].cross.value : &m->layers[i / 2].cross.key;
    Tensor *x = op_linears(t, rows, layers, n);
    free(layers);
    return x;
}

Span lm_cross(const Lm *m, Span span, size_t image)
{
    return (Span){.q = span.q, .nq = span.nq, .k = image * m->memory_rows, .nk = m->memory_rows};
}

/* The keys (0) or values (1) of layer i, of all images; on the tape. */
static const Tensor *part_of(Tape *t, const Lm *m, const Tensor *images, size_t i, size_t part)
{
    const size_t rows = images->rows / (2 * m->config.layers);
    Tensor *x = tape_alloc(t, sizeof *x);
    *x = tensor_rows(images, (2 * i + part) * rows, rows);
    return x;
}

Tensor *lm_layer(Tape *t, const Lm *m, size_t i, const BlockPass *pass, Tensor *x)
{
    if (m->blocks)
        return block_forward(t, &m->blocks[i], pass, x);
    const Tensor *keys = part_of(t, m, pass->images, i, 0), *values = part_of(t, m, pass->images, i, 1);
    return bert_layer_forward(t, &m->layers[i], pass, keys, values, x);
}

Tensor *lm_layer_cached(Tape *t, const Lm *m, size_t i, const BlockPass *pass, Tensor *x, KvCache *c, const size_t *at)
{
    if (m->blocks)
        return block_cached(t, &m->blocks[i], pass, x, &c->k[i], &c->v[i], at);
    const Tensor *keys = part_of(t, m, pass->images, i, 0), *values = part_of(t, m, pass->images, i, 1);
    return bert_layer_cached(t, &m->layers[i], pass, keys, values, x, &c->k[i], &c->v[i], at);
}

Tensor *lm_transform(Tape *t, const Lm *m, const Tensor *hidden)
{
    return op_norm(t, op_gelu_inplace(t, op_linear(t, hidden, &m->transform)), &m->last);
}
