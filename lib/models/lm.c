/* The language model: binding and the teacher-forced pass; how its rows lie is in lm_layout.c, decoding in lm_decode.c. See lm.h.
 */
#include "models/lm.h"

#include <stdlib.h>

#include "models/language.h"
#include "models/lm_layout.h"
#include "models/lm_memory.h"
#include "models/lm_place.h"

void lm_bind(Lm *m, Binder *b, const LmConfig *config, const char *body, const char *head)
{
    *m = (Lm){.config = *config};
    if (config->memory > 0)
        m->layers = xcalloc(config->layers, sizeof m->layers[0]);
    else
        m->blocks = xcalloc(config->layers, sizeof m->blocks[0]);
    if (config->rope.theta > 0)
        m->frequencies = lm_frequencies(config);
    config->family->bind(m, b, body);
    if (!config->tied)
        bind_matrix(b, &m->head.weight, config->vocabulary, config->hidden, SHAPE(config->vocabulary, config->hidden),
                    "%s.weight", head);
}

void lm_release(Lm *m)
{
    free(m->blocks);
    free(m->layers);
    free(m->frequencies);
    m->blocks = NULL;
    m->layers = NULL;
    m->frequencies = NULL;
}

size_t lm_front(const Lm *m, size_t n_prefix)
{
    return m->layers ? m->n_lead : n_prefix;
}

bool lm_fits(const Lm *m, size_t n_prefix, size_t n)
{
    return lm_front(m, n_prefix) + n <= m->config.positions;
}

/* ---- teacher forcing ---- */

Tensor *lm_hidden(Tape *t, const Lm *m, const Tensor *prefixes, const LmSequence *sequences, size_t n)
{
    LmLayout l = lm_layout_new(t, m, sequences, n);
    const Tensor *tokens = op_embed(t, &m->tokens, l.ids, l.n_ids);
    Tensor *x = op_gather(t, (const Tensor *const[]){prefixes && !m->layers ? prefixes : tokens, tokens}, 2, l.refs, l.rows);
    x = lm_place(t, m, x, l.positions);
    BlockPass pass = lm_pass(t, m, l.spans, l.n_spans, l.positions, l.rows);
    pass.images = prefixes;
    pass.cross = l.cross;
    for (size_t i = 0; i < m->config.layers; i++) {
        if (i + 1 == m->config.layers) { /* of the last one only what predicts a token */
            pass.spans = l.own_spans;
            pass.cross = l.own_cross;
            pass.n_spans = l.n_own_spans;
            pass.wanted = l.own;
            pass.n_wanted = l.own_rows;
        }
        x = lm_layer(t, m, i, &pass, x);
    }
    lm_layout_release(&l);
    return m->layers ? x : op_norm(t, x, &m->norm);
}

/* What the head reads. */
static const Tensor *read_by_head(Tape *t, const Lm *m, const Tensor *hidden)
{
    return m->layers ? lm_transform(t, m, hidden) : hidden;
}

static const Tensor *head_bias(const Lm *m)
{
    return m->layers ? &m->head.bias : NULL;
}

Tensor *lm_logp(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, read_by_head(t, m, hidden), &m->head.weight, head_bias(m), targets, entropy);
}

Tensor *lm_logp_entropy(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, Tensor **entropy)
{
    return op_token_logp_entropy(t, read_by_head(t, m, hidden), &m->head.weight, head_bias(m), targets, entropy);
}
