/* OPT: binding and the teacher-forced pass; decoding is in opt_decode.c. See opt.h. */
#include "models/opt.h"

#include <stdlib.h>

#define POSITION_OFFSET 2 /* OPT's table begins with two rows that nobody uses */

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
    const size_t d = config->hidden, rows = config->positions + POSITION_OFFSET;
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

/* ---- teacher forcing ---- */

/*
 * How a batch of sequences lies in the matrices: each run of neighbours with one prefix begins with that prefix's rows, then come
 * the own rows of each, BOS t_1 .. t_{n-1}. Spans and `own` are on the tape, which needs them until the backward pass; the other
 * arrays are on the heap.
 */
typedef struct OptLayout {
    size_t rows, own_rows, n_spans, n_own_spans;
    Span *spans, *own_spans;  /* of all rows; of own rows alone as queries, counted among themselves */
    RowRef *own;              /* [own_rows]: where they lie among all */
    RowRef *refs;             /* [rows]: source 0 the prefixes', 1 the token embeddings' */
    int32_t *ids, *positions; /* [own_rows], [rows] */
} OptLayout;

static bool same_prefix(const OptSequence *a, const OptSequence *b)
{
    return a->n_prefix == b->n_prefix && (a->n_prefix == 0 || a->prefix == b->prefix);
}

static void lay_prefix(OptLayout *l, const OptSequence *s, size_t row)
{
    for (size_t j = 0; j < s->n_prefix; j++) {
        l->refs[row + j] = (RowRef){0, (uint32_t)(s->prefix + j)};
        l->positions[row + j] = (int32_t)j + POSITION_OFFSET;
    }
    l->spans[l->n_spans++] = (Span){.q = row, .nq = s->n_prefix, .k = row, .nk = s->n_prefix};
}

static void lay_own(OptLayout *l, const OptSequence *s, size_t row, size_t prefix_row, size_t own, int32_t bos)
{
    for (size_t j = 0; j < s->n; j++) {
        l->refs[row + j] = (RowRef){1, (uint32_t)(own + j)};
        l->own[own + j] = (RowRef){0, (uint32_t)(row + j)};
        l->ids[own + j] = j == 0 ? bos : s->tokens[j - 1];
        l->positions[row + j] = (int32_t)(s->n_prefix + j) + POSITION_OFFSET;
    }
    Span span = {.q = row, .nq = s->n, .prefix = prefix_row, .n_prefix = s->n_prefix, .k = row, .nk = s->n};
    l->spans[l->n_spans++] = span;
    span.q = own;
    l->own_spans[l->n_own_spans++] = span;
}

static OptLayout layout_new(Tape *t, const Opt *o, const OptSequence *s, size_t n)
{
    OptLayout l = {0};
    for (size_t i = 0; i < n; i++) {
        if (!opt_fits(o, s[i].n_prefix, s[i].n))
            bug("a sequence of %zu and %zu rows, positions end at %zu", s[i].n_prefix, s[i].n, o->config.positions);
        l.own_rows += s[i].n;
        l.rows += s[i].n + (i == 0 || !same_prefix(&s[i], &s[i - 1]) ? s[i].n_prefix : 0);
    }
    l.spans = tape_alloc(t, 2 * n * sizeof *l.spans);
    l.own_spans = tape_alloc(t, n * sizeof *l.own_spans);
    l.own = tape_alloc(t, l.own_rows * sizeof *l.own);
    l.refs = xmalloc(l.rows * sizeof *l.refs);
    l.ids = xmalloc(l.own_rows * sizeof *l.ids);
    l.positions = xmalloc(l.rows * sizeof *l.positions);
    size_t row = 0, own = 0, prefix_row = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i].n_prefix > 0 && (i == 0 || !same_prefix(&s[i], &s[i - 1]))) {
            prefix_row = row;
            lay_prefix(&l, &s[i], row);
            row += s[i].n_prefix;
        }
        if (s[i].n > 0)
            lay_own(&l, &s[i], row, s[i].n_prefix ? prefix_row : 0, own, o->config.bos);
        row += s[i].n;
        own += s[i].n;
    }
    return l;
}

static void layout_release(OptLayout *l)
{
    free(l->refs);
    free(l->ids);
    free(l->positions);
}

Tensor *opt_hidden(Tape *t, const Opt *o, const Tensor *prefixes, const OptSequence *sequences, size_t n)
{
    OptLayout l = layout_new(t, o, sequences, n);
    const Tensor *tokens = op_embed(t, &o->tokens, l.ids, l.own_rows);
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
    layout_release(&l);
    return op_layernorm(t, x, &o->norm);
}

Tensor *opt_logp(Tape *t, const Opt *o, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, hidden, &o->tokens, targets, entropy);
}
