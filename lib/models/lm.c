/* The language model: binding and the teacher-forced pass; how its rows lie is in lm_layout.c, decoding in lm_decode.c. See lm.h.
 */
#include "models/lm.h"

#include <stdlib.h>

#include "models/kind.h"
#include "models/lm_layout.h"

static void bind_layer(Lm *m, Binder *b, size_t i, const char *prefix)
{
    const LmConfig *c = &m->config;
    Block *x = &m->blocks[i];
    char *name = xasprintf("%s.layers.%zu", prefix, i);
    bind_norm(b, &x->norm1, c->hidden, 1e-5, "%s.self_attn_layer_norm", name); /* torch's default eps; not in any config */
    bind_linear(b, &x->q, c->hidden, c->hidden, true, "%s.self_attn.q_proj", name);
    bind_linear(b, &x->k, c->hidden, c->hidden, true, "%s.self_attn.k_proj", name);
    bind_linear(b, &x->v, c->hidden, c->hidden, true, "%s.self_attn.v_proj", name);
    bind_linear(b, &x->out, c->hidden, c->hidden, true, "%s.self_attn.out_proj", name);
    bind_norm(b, &x->norm2, c->hidden, 1e-5, "%s.final_layer_norm", name); /* per layer, despite its name */
    bind_linear(b, &x->fc1, c->ffn, c->hidden, true, "%s.fc1", name);
    bind_linear(b, &x->fc2, c->hidden, c->ffn, true, "%s.fc2", name);
    free(name);
}

void lm_bind(Lm *m, Binder *b, const LmConfig *config, const char *prefix)
{
    const size_t d = config->hidden, rows = config->positions + OPT_POSITION_OFFSET;
    *m = (Lm){.config = *config};
    m->blocks = xcalloc(config->layers, sizeof m->blocks[0]);
    bind_matrix(b, &m->tokens, config->vocabulary, d, SHAPE(config->vocabulary, d), "%s.embed_tokens.weight", prefix);
    bind_matrix(b, &m->head.weight, config->vocabulary, d, SHAPE(config->vocabulary, d), "%s.embed_tokens.weight", prefix);
    bind_matrix(b, &m->positions, rows, d, SHAPE(rows, d), "%s.embed_positions.weight", prefix);
    for (size_t i = 0; i < config->layers; i++)
        bind_layer(m, b, i, prefix);
    bind_norm(b, &m->norm, d, 1e-5, "%s.final_layer_norm", prefix);
}

void lm_release(Lm *m)
{
    free(m->blocks);
    m->blocks = NULL;
}

bool lm_fits(const Lm *m, size_t n_prefix, size_t n)
{
    return n_prefix + n <= m->config.positions;
}

/* ---- alone ---- */

LanguageModel *language_model_open(const char *folder, const Kernels *kernels, Error *err)
{
    LmConfig config;
    bool inside;
    if (!model_kind_check(folder, MODEL_LANGUAGE, err) || !lm_config_read(&config, &inside, folder, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    LanguageModel *m = xcalloc(1, sizeof *m);
    m->checkpoint = checkpoint;
    binder_init(&m->binder, kernels, checkpoint);
    bool bare = checkpoint_find(checkpoint, "decoder.embed_tokens.weight") != NULL; /* OPTModel without a head */
    lm_bind(&m->lm, &m->binder, &config, inside ? "language_model.model.decoder" : bare ? "decoder" : "model.decoder");
    if (binder_ok(&m->binder, err))
        return m;
    language_model_free(m);
    return NULL;
}

void language_model_free(LanguageModel *m)
{
    if (!m)
        return;
    lm_release(&m->lm);
    binder_release(&m->binder);
    checkpoint_free(m->checkpoint);
    free(m);
}

uint64_t language_model_digest(const LanguageModel *m)
{
    static const char inside[] = "language_model.";
    bool found = checkpoint_find(m->checkpoint, "language_model.model.decoder.embed_tokens.weight") != NULL;
    return checkpoint_digest(m->checkpoint, (const char *const[]){inside}, found ? 1 : 0);
}

/* ---- teacher forcing ---- */

Tensor *lm_hidden(Tape *t, const Lm *m, const Tensor *prefixes, const LmSequence *sequences, size_t n)
{
    LmLayout l = lm_layout_new(t, m, sequences, n);
    const Tensor *tokens = op_embed(t, &m->tokens, l.ids, l.n_ids);
    Tensor *x = op_gather(t, (const Tensor *const[]){prefixes ? prefixes : tokens, tokens}, 2, l.refs, l.rows);
    x = op_add(t, x, op_embed(t, &m->positions, l.positions, l.rows));
    BlockPass pass = {
        .spans = l.spans, .n_spans = l.n_spans, .heads = m->config.heads, .causal = true, .activation = ACTIVATION_RELU};
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
    return op_layernorm(t, x, &m->norm);
}

Tensor *lm_logp(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, hidden, &m->tokens, targets, entropy);
}
