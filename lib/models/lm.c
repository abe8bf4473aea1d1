/* The language model: binding and the teacher-forced pass; how its rows lie is in lm_layout.c, decoding in lm_decode.c. See lm.h.
 */
#include "models/lm.h"

#include <stdlib.h>

#include "models/language.h"
#include "models/lm_layout.h"
#include "models/lm_place.h"

void lm_bind(Lm *m, Binder *b, const LmConfig *config, const char *body, const char *head)
{
    *m = (Lm){.config = *config};
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
    free(m->frequencies);
    m->blocks = NULL;
    m->frequencies = NULL;
}

bool lm_fits(const Lm *m, size_t n_prefix, size_t n)
{
    return n_prefix + n <= m->config.positions;
}

/* ---- teacher forcing ---- */

Tensor *lm_hidden(Tape *t, const Lm *m, const Tensor *prefixes, const LmSequence *sequences, size_t n)
{
    LmLayout l = lm_layout_new(t, m, sequences, n);
    const Tensor *tokens = op_embed(t, &m->tokens, l.ids, l.n_ids);
    Tensor *x = op_gather(t, (const Tensor *const[]){prefixes ? prefixes : tokens, tokens}, 2, l.refs, l.rows);
    x = lm_place(t, m, x, l.positions);
    BlockPass pass = lm_pass(t, m, l.spans, l.n_spans, l.positions, l.rows);
    for (size_t i = 0; i < m->config.layers; i++) {
        if (i + 1 == m->config.layers) { /* of the last one only what predicts a token */
            pass.spans = l.own_spans;
            pass.n_spans = l.n_own_spans;
            pass.wanted = l.own;
            pass.n_wanted = l.own_rows;
        }
        x = block_forward(t, &m->blocks[i], &pass, x);
    }
    lm_layout_release(&l);
    return op_norm(t, x, &m->norm);
}

Tensor *lm_logp(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, hidden, &m->head.weight, targets, entropy);
}

Tensor *lm_logp_entropy(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, Tensor **entropy)
{
    return op_token_logp_entropy(t, hidden, &m->tokens, targets, entropy);
}
