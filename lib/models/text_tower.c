/* The text side of CLIP and SigLIP; see text_tower.h. */
#include "models/text_tower.h"

#include <stdlib.h>

void text_tower_init(TextTower *m, const TextTowerConfig *config)
{
    *m = (TextTower){.config = *config};
    m->blocks = xcalloc(config->layers, sizeof m->blocks[0]);
}

void text_tower_bind(TextTower *m, Binder *b, const TextTowerConfig *c)
{
    const size_t d = c->hidden;
    text_tower_init(m, c);
    bind_matrix(b, &m->tokens, c->vocabulary, d, SHAPE(c->vocabulary, d), "text_model.embeddings.token_embedding.weight");
    bind_matrix(b, &m->positions, c->positions, d, SHAPE(c->positions, d), TEXT_TOWER_POSITIONS);
    for (size_t i = 0; i < c->layers; i++) {
        char *name = xasprintf("text_model.encoder.layers.%zu", i);
        block_bind(&m->blocks[i], b, d, c->mlp, c->eps, name);
        free(name);
    }
    bind_norm(b, &m->norm, d, c->eps, "text_model.final_layer_norm");
}

void text_tower_release(TextTower *m)
{
    free(m->blocks);
    m->blocks = NULL;
}

void text_tower_take_positions(TextTowerConfig *config, const Checkpoint *checkpoint, const char *name)
{
    const StoredTensor *t = checkpoint_find(checkpoint, name);
    if (t && t->shape.ndim == 2 && t->shape.dim[0] > 0)
        config->positions = t->shape.dim[0];
}

/* How many rows all texts have. */
static size_t count_rows(const TextTower *m, const ScorerText *texts, size_t n)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (texts[i].n == 0 || texts[i].n > m->config.positions)
            bug("a text of %zu tokens, expected 1 to %zu", texts[i].n, m->config.positions);
        rows += texts[i].n;
    }
    return rows;
}

Tensor *text_tower_rows(Tape *t, const TextTower *m, const ScorerText *texts, const size_t *speaks, size_t n)
{
    const TextTowerConfig *c = &m->config;
    const size_t rows = count_rows(m, texts, n);
    Span *spans = tape_alloc(t, n * sizeof *spans);
    RowRef *spoken = xmalloc(n * sizeof *spoken);
    int32_t *ids = xmalloc(2 * rows * sizeof *ids), *positions = ids + rows;
    for (size_t i = 0, row = 0; i < n; row += texts[i++].n) {
        spans[i] = (Span){.q = row, .nq = texts[i].n, .k = row, .nk = texts[i].n};
        spoken[i] = (RowRef){0, (uint32_t)(row + speaks[i])};
        for (size_t j = 0; j < texts[i].n; j++) {
            ids[row + j] = texts[i].ids[j];
            positions[row + j] = (int32_t)j;
        }
    }
    Tensor *x = op_add(t, op_embed(t, &m->tokens, ids, rows), op_embed(t, &m->positions, positions, rows));
    BlockPass pass = {.spans = spans, .n_spans = n, .heads = c->heads, .causal = !c->both_ways, .activation = c->activation};
    for (size_t i = 0; i < c->layers; i++)
        x = block_forward(t, &m->blocks[i], &pass, x);
    const Tensor *all = x;
    x = op_gather(t, &all, 1, spoken, n);
    free(spoken);
    free(ids);
    return op_norm(t, x, &m->norm);
}
