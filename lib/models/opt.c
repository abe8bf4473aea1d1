/* OPT: binding and the teacher-forced pass; how its rows lie is in opt_layout.c, decoding in opt_decode.c. See opt.h. */
#include "models/opt.h"

#include <stdlib.h>

#include "models/opt_layout.h"

static void bind_layer(Opt *o, Binder *b, size_t i, const char *prefix)
{
    const OptConfig *c = &o->config;
    Block *x = &o->blocks[i];
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

void opt_bind(Opt *o, Binder *b, const OptConfig *config, const char *prefix)
{
    const size_t d = config->hidden, rows = config->positions + OPT_POSITION_OFFSET;
    *o = (Opt){.config = *config};
    o->blocks = xcalloc(config->layers, sizeof o->blocks[0]);
    bind_matrix(b, &o->tokens, config->vocabulary, d, SHAPE(config->vocabulary, d), "%s.embed_tokens.weight", prefix);
    bind_matrix(b, &o->head.weight, config->vocabulary, d, SHAPE(config->vocabulary, d), "%s.embed_tokens.weight", prefix);
    bind_matrix(b, &o->positions, rows, d, SHAPE(rows, d), "%s.embed_positions.weight", prefix);
    for (size_t i = 0; i < config->layers; i++)
        bind_layer(o, b, i, prefix);
    bind_norm(b, &o->norm, d, 1e-5, "%s.final_layer_norm", prefix);
}

void opt_release(Opt *o)
{
    free(o->blocks);
    o->blocks = NULL;
}

bool opt_fits(const Opt *o, size_t n_prefix, size_t n)
{
    return n_prefix + n <= o->config.positions;
}

/* ---- alone ---- */

LanguageModel *language_model_open(const char *folder, const Kernels *kernels, Error *err)
{
    OptConfig config;
    bool inside;
    if (!opt_config_read(&config, &inside, folder, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    LanguageModel *m = xcalloc(1, sizeof *m);
    m->checkpoint = checkpoint;
    binder_init(&m->binder, kernels, checkpoint);
    bool bare = checkpoint_find(checkpoint, "decoder.embed_tokens.weight") != NULL; /* OPTModel without a head */
    opt_bind(&m->opt, &m->binder, &config, inside ? "language_model.model.decoder" : bare ? "decoder" : "model.decoder");
    if (binder_ok(&m->binder, err))
        return m;
    language_model_free(m);
    return NULL;
}

void language_model_free(LanguageModel *m)
{
    if (!m)
        return;
    opt_release(&m->opt);
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

Tensor *opt_hidden(Tape *t, const Opt *o, const Tensor *prefixes, const OptSequence *sequences, size_t n)
{
    OptLayout l = opt_layout_new(t, o, sequences, n);
    const Tensor *tokens = op_embed(t, &o->tokens, l.ids, l.n_ids);
    Tensor *x = op_gather(t, (const Tensor *const[]){prefixes ? prefixes : tokens, tokens}, 2, l.refs, l.rows);
    x = op_add(t, x, op_embed(t, &o->positions, l.positions, l.rows));
    BlockPass pass = {
        .spans = l.spans, .n_spans = l.n_spans, .heads = o->config.heads, .causal = true, .activation = ACTIVATION_RELU};
    for (size_t i = 0; i < o->config.layers; i++) {
        if (i + 1 == o->config.layers) { /* of the last one only what predicts a token */
            pass.spans = l.own_spans;
            pass.n_spans = l.n_own_spans;
            pass.wanted = l.own;
            pass.n_wanted = l.own_rows;
        }
        x = block_forward(t, &o->blocks[i], &pass, x);
    }
    opt_layout_release(&l);
    return op_layernorm(t, x, &o->norm);
}

Tensor *opt_logp(Tape *t, const Opt *o, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, hidden, &o->tokens, targets, entropy);
}
