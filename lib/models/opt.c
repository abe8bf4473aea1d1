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
 * How a batch of sequences lies in the matrices. Neighbours whose rows [prefix, BOS, t_1 .. t_{n-1}] begin alike form a run: the
 * rows that all of them begin with come first and once, then the rest of each. Spans and `own` are on the tape, which needs them
 * until the backward pass; the other arrays are on the heap.
 */
typedef struct OptLayout {
    size_t rows, own_rows, n_ids, n_spans, n_own_spans;
    Span *spans, *own_spans;  /* of all rows; of own rows alone as queries, counted among themselves */
    RowRef *own;              /* [own_rows]: where the rows BOS .. t_{n-1} of every sequence lie among all */
    RowRef *refs;             /* [rows]: source 0 the prefixes', 1 the token embeddings' */
    int32_t *ids, *positions; /* [n_ids], [rows] */
} OptLayout;

/* With how many rows both begin. */
static size_t rows_alike(const OptSequence *a, const OptSequence *b)
{
    if (a->n_prefix != b->n_prefix || (a->n_prefix > 0 && a->prefix != b->prefix))
        return 0;
    size_t most = a->n < b->n ? a->n : b->n, own = most > 0;
    while (own < most && a->tokens[own - 1] == b->tokens[own - 1])
        own++;
    return a->n_prefix + own;
}

/* A run that ends here: its first sequence, the rows it shares, and what all up to here save at most. */
typedef struct OptRun {
    size_t first, shared, saved;
} OptRun;

/* runs[i]: the last run of the best partition of the first i sequences. runs has n + 1 items. */
static void find_runs(OptRun *runs, const OptSequence *s, size_t n)
{
    runs[0] = (OptRun){0};
    for (size_t i = 1; i <= n; i++) {
        size_t shared = SIZE_MAX;
        runs[i] = (OptRun){i - 1, s[i - 1].n_prefix, runs[i - 1].saved};
        for (size_t first = i - 1; first > 0; first--) {
            size_t alike = rows_alike(&s[first - 1], &s[first]), length = i - first + 1;
            shared = alike < shared ? alike : shared;
            if (shared == 0)
                break;
            size_t saved = runs[first - 1].saved + (length - 1) * shared;
            if (saved > runs[i].saved)
                runs[i] = (OptRun){first - 1, shared, saved};
        }
    }
}

/* The next row: own row j of a sequence. */
static void lay_own_row(OptLayout *l, const OptSequence *s, size_t j, int32_t bos)
{
    l->refs[l->rows] = (RowRef){1, (uint32_t)l->n_ids};
    l->ids[l->n_ids++] = j == 0 ? bos : s->tokens[j - 1];
    l->positions[l->rows++] = (int32_t)(s->n_prefix + j) + POSITION_OFFSET;
}

/* What the sequences of a run begin with. */
static void lay_shared(OptLayout *l, const OptSequence *s, size_t shared, int32_t bos)
{
    if (shared == 0)
        return;
    l->spans[l->n_spans++] = (Span){.q = l->rows, .nq = shared, .k = l->rows, .nk = shared};
    for (size_t j = 0; j < s->n_prefix; j++) {
        l->refs[l->rows] = (RowRef){0, (uint32_t)(s->prefix + j)};
        l->positions[l->rows++] = (int32_t)j + POSITION_OFFSET;
    }
    for (size_t j = s->n_prefix; j < shared; j++)
        lay_own_row(l, s, j - s->n_prefix, bos);
}

/* A sequence behind the `shared` rows of its run, which lie from row `run` on. */
static void lay_rest(OptLayout *l, const OptSequence *s, size_t run, size_t shared, int32_t bos)
{
    size_t begun = shared - s->n_prefix, row = l->rows, own = l->own_rows;
    for (size_t j = 0; j < s->n; j++)
        l->own[l->own_rows++] = (RowRef){0, (uint32_t)(j < begun ? run + s->n_prefix + j : row + j - begun)};
    for (size_t j = begun; j < s->n; j++)
        lay_own_row(l, s, j, bos);
    if (begun > 0)
        l->own_spans[l->n_own_spans++] =
            (Span){.q = own, .nq = begun, .prefix = run, .n_prefix = s->n_prefix, .k = run + s->n_prefix, .nk = begun};
    if (s->n == begun)
        return;
    Span span = {.q = row, .nq = s->n - begun, .prefix = run, .n_prefix = shared, .k = row, .nk = s->n - begun};
    l->spans[l->n_spans++] = span;
    span.q = own + begun;
    l->own_spans[l->n_own_spans++] = span;
}

/* The runs of the best partition of all n, in order, say where they end; how many there are. */
static size_t run_ends(size_t *ends, const OptRun *runs, size_t n)
{
    size_t count = 0;
    for (size_t end = n; end > 0; end = runs[end].first)
        count++;
    for (size_t end = n, r = count; end > 0; end = runs[end].first)
        ends[--r] = end;
    return count;
}

static OptLayout layout_new(Tape *t, const Opt *o, const OptSequence *s, size_t n)
{
    OptLayout l = {0};
    size_t rows = 0, own_rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (!opt_fits(o, s[i].n_prefix, s[i].n))
            bug("a sequence of %zu and %zu rows, positions end at %zu", s[i].n_prefix, s[i].n, o->config.positions);
        own_rows += s[i].n;
        rows += s[i].n_prefix + s[i].n;
    }
    l.spans = tape_alloc(t, 2 * n * sizeof *l.spans);
    l.own_spans = tape_alloc(t, 2 * n * sizeof *l.own_spans);
    l.own = tape_alloc(t, own_rows * sizeof *l.own);
    l.refs = xmalloc(rows * sizeof *l.refs);
    l.ids = xmalloc(own_rows * sizeof *l.ids);
    l.positions = xmalloc(rows * sizeof *l.positions);
    OptRun *runs = xmalloc((n + 1) * sizeof *runs);
    size_t *ends = xmalloc((n + 1) * sizeof *ends);
    find_runs(runs, s, n);
    for (size_t r = 0, count = run_ends(ends, runs, n); r < count; r++) {
        const OptRun *run = &runs[ends[r]];
        size_t row = l.rows;
        lay_shared(&l, &s[run->first], run->shared, o->config.bos);
        for (size_t i = run->first; i < ends[r]; i++)
            lay_rest(&l, &s[i], row, run->shared, o->config.bos);
    }
    free(ends);
    free(runs);
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
    layout_release(&l);
    return op_layernorm(t, x, &o->norm);
}

Tensor *opt_logp(Tape *t, const Opt *o, const Tensor *hidden, const int32_t *targets, double *entropy)
{
    return op_token_logp(t, hidden, &o->tokens, targets, entropy);
}
