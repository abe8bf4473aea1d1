/* The Q-Former; see qformer.h. Rows of a pair: its queries, then its text. */
#include "models/families/blip2/qformer.h"

#include <math.h>
#include <stdlib.h>

#include "models/reals.h"

/* ---- binding ---- */

static void bind_layer(Qformer *q, Binder *b, size_t i)
{
    const QformerConfig *c = &q->config;
    const BertSizes sizes = {c->hidden, c->mlp, c->eps};
    QformerLayer *l = &q->layers[i];
    char *name = xasprintf("qformer.encoder.layer.%zu", i);
    char *self = xasprintf("%s.attention", name), *cross = xasprintf("%s.crossattention", name);
    bert_bind_attention(b, &l->self, &sizes, c->hidden, self, "attention");
    l->has_cross = i % c->cross_frequency == 0;
    if (l->has_cross)
        bert_bind_attention(b, &l->cross, &sizes, c->encoder_hidden, cross, "attention");
    bert_bind_ffn(b, &l->ffn_query, &sizes, name, "_query");
    if (q->text)
        bert_bind_ffn(b, &l->ffn_text, &sizes, name, "");
    free(cross);
    free(self);
    free(name);
}

void qformer_bind(Qformer *q, Binder *b, const QformerConfig *config, size_t queries, QformerReads reads)
{
    const size_t d = config->hidden;
    *q = (Qformer){.config = *config, .queries = queries, .text = reads != QFORMER_NO_TEXT};
    const bool within = reads == QFORMER_TEXT_WITHIN;
    q->layers = xcalloc(config->layers, sizeof q->layers[0]);
    bind_vector(b, &q->query, queries, d, SHAPE(1, queries, d), "query_tokens");
    if (q->text) {
        const char *at = within ? "qformer." : "";
        const size_t words = config->vocabulary, positions = config->positions;
        bind_matrix(b, &q->word_table, words, d, SHAPE(words, d), "%sembeddings.word_embeddings.weight", at);
        bind_matrix(b, &q->position_table, positions, d, SHAPE(positions, d), "%sembeddings.position_embeddings.weight", at);
    }
    bind_norm(b, &q->norm, d, config->eps, within ? "qformer.embeddings.layernorm" : "qformer.layernorm");
    for (size_t i = 0; i < config->layers; i++)
        bind_layer(q, b, i);
}

void qformer_release(Qformer *q)
{
    free(q->layers);
    q->layers = NULL;
}

/* ---- forward ---- */

QformerMemory qformer_memory(Tape *t, const Qformer *q, const Tensor *features, size_t images)
{
    const size_t n = q->config.layers;
    if (images == 0 || features->rows % images != 0)
        bug("%zu rows of features for %zu images", features->rows, images);
    QformerMemory m = {.features = features, .images = images, .rows = features->rows / images};
    if (!tape_recording(t))
        return m;
    m.k = tape_alloc(t, n * sizeof(Tensor *));
    m.v = tape_alloc(t, n * sizeof(Tensor *));
    for (size_t i = 0; i < n; i++) {
        const QformerLayer *l = &q->layers[i];
        m.k[i] = l->has_cross ? op_linear(t, features, &l->cross.key) : NULL;
        m.v[i] = l->has_cross ? op_linear(t, features, &l->cross.value) : NULL;
    }
    return m;
}

/* Cross-attention (where layer i has it) and feed-forward of the query rows [n * queries, hidden]; set j reads image image[j]. */
static Tensor *query_half(Tape *t, const Qformer *q, size_t i, const QformerMemory *m, Tensor *x, const Span *cross, size_t n)
{
    const QformerLayer *l = &q->layers[i];
    if (l->has_cross) {
        const Tensor *k = m->k ? m->k[i] : op_linear(t, m->features, &l->cross.key);
        const Tensor *v = m->v ? m->v[i] : op_linear(t, m->features, &l->cross.value);
        x = bert_attend(t, &l->cross, x, k, v, cross, n, q->config.heads, false);
    }
    return bert_feed_forward(t, &l->ffn_query, x);
}

/* One layer of queries alone; lives on the tape until the backward pass. */
typedef struct QueryLayer {
    const Qformer *q;
    size_t i, n;
    QformerMemory memory;
    const Span *self, *cross;
} QueryLayer;

static Tensor *query_layer(Tape *t, void *context, Tensor *x)
{
    const QueryLayer *l = context;
    x = bert_self_attend(t, &l->q->layers[l->i].self, x, l->self, l->n, l->q->config.heads, false);
    return query_half(t, l->q, l->i, &l->memory, x, l->cross, l->n);
}

Tensor *qformer_queries(Tape *t, const Qformer *q, const QformerMemory *memory)
{
    const size_t n = memory->images, nq = q->queries;
    RowRef *refs = xmalloc(n * nq * sizeof *refs);
    Span *self = tape_alloc(t, n * sizeof *self), *cross = tape_alloc(t, n * sizeof *cross);
    for (size_t i = 0; i < n * nq; i++)
        refs[i] = (RowRef){0, (uint32_t)(i % nq)};
    for (size_t i = 0; i < n; i++) {
        self[i] = (Span){.q = i * nq, .nq = nq, .k = i * nq, .nk = nq};
        cross[i] = (Span){.q = i * nq, .nq = nq, .k = i * memory->rows, .nk = memory->rows};
    }
    /* The norm first: it is the same for every image. */
    const Tensor *query = op_norm(t, &q->query, &q->norm);
    Tensor *x = op_gather(t, &query, 1, refs, n * nq);
    for (size_t i = 0; i < q->config.layers; i++) {
        QueryLayer *l = tape_alloc(t, sizeof *l);
        *l = (QueryLayer){q, i, n, *memory, self, cross};
        x = tape_checkpoint(t, query_layer, l, x, x->rows);
    }
    free(refs);
    return x;
}

/* ---- queries with text ---- */

/* How n pairs lie in the matrices of one pass. Everything on the heap, freed by layout_release. */
typedef struct PairLayout {
    size_t rows, text_rows;         /* of joined matrices; of text-only ones */
    Span *self, *cross;             /* [n] over joined rows; over query rows and the memory */
    RowRef *join;                   /* [rows]: source 0 the queries', 1 the texts' */
    RowRef *query_rows, *text_refs; /* where they lie in a joined matrix */
    int32_t *ids, *positions;       /* [text_rows] */
} PairLayout;

static PairLayout layout_new(const Qformer *q, const QformerMemory *m, const MatcherText *texts, size_t n)
{
    const size_t nq = q->queries;
    PairLayout l = {0};
    for (size_t i = 0; i < n; i++)
        l.text_rows += texts[i].n;
    l.rows = n * nq + l.text_rows;
    l.self = xmalloc(n * sizeof *l.self);
    l.cross = xmalloc(n * sizeof *l.cross);
    l.join = xmalloc(l.rows * sizeof *l.join);
    l.query_rows = xmalloc(n * nq * sizeof *l.query_rows);
    l.text_refs = xmalloc(l.text_rows * sizeof *l.text_refs);
    l.ids = xmalloc(l.text_rows * sizeof *l.ids);
    l.positions = xmalloc(l.text_rows * sizeof *l.positions);
    size_t row = 0, text = 0;
    for (size_t i = 0; i < n; i++) {
        if (texts[i].image >= m->images || texts[i].n == 0 || texts[i].n > q->config.positions)
            bug("text %zu: image %zu of %zu, %zu word pieces (1 to %zu)", i, texts[i].image, m->images, texts[i].n,
                q->config.positions);
        size_t count = nq + texts[i].n;
        l.self[i] = (Span){.q = row, .nq = count, .k = row, .nk = count};
        l.cross[i] = (Span){.q = i * nq, .nq = nq, .k = texts[i].image * m->rows, .nk = m->rows};
        for (size_t j = 0; j < nq; j++, row++) {
            l.join[row] = (RowRef){0, (uint32_t)(i * nq + j)};
            l.query_rows[i * nq + j] = (RowRef){0, (uint32_t)row};
        }
        for (size_t j = 0; j < texts[i].n; j++, row++, text++) {
            l.join[row] = (RowRef){1, (uint32_t)text};
            l.text_refs[text] = (RowRef){0, (uint32_t)row};
            l.ids[text] = texts[i].ids[j];
            l.positions[text] = (int32_t)j;
        }
    }
    return l;
}

static void layout_release(PairLayout *l)
{
    free(l->self);
    free(l->cross);
    free(l->join);
    free(l->query_rows);
    free(l->text_refs);
    free(l->ids);
    free(l->positions);
}

/* The first input: norm of [query tokens; word + position] of every pair, joined: [rows, hidden]. */
static Tensor *embed_pairs(Tape *t, const Qformer *q, const PairLayout *l)
{
    Tensor *text =
        op_add(t, op_embed(t, &q->word_table, l->ids, l->text_rows), op_embed(t, &q->position_table, l->positions, l->text_rows));
    const Tensor *sources[] = {op_norm(t, &q->query, &q->norm), op_norm(t, text, &q->norm)};
    RowRef *refs = xmalloc(l->rows * sizeof *refs);
    for (size_t i = 0; i < l->rows; i++) {
        refs[i] = l->join[i];
        if (refs[i].source == 0)
            refs[i].row %= (uint32_t)q->queries;
    }
    Tensor *x = op_gather(t, sources, 2, refs, l->rows);
    free(refs);
    return x;
}

/* One layer of pairs: joined rows to joined rows, those of the last layer to the queries' rows: nobody reads its text. */
typedef struct PairLayer {
    const Qformer *q;
    const QformerMemory *memory;
    const PairLayout *layout;
    size_t i, n;
} PairLayer;

static Tensor *pair_layer(Tape *t, void *context, Tensor *x)
{
    const PairLayer *p = context;
    const Qformer *q = p->q;
    const QformerLayer *layer = &q->layers[p->i];
    const PairLayout *l = p->layout;
    const Tensor *joined = bert_self_attend(t, &layer->self, x, l->self, p->n, q->config.heads, false);
    Tensor *queries = op_gather(t, &joined, 1, l->query_rows, p->n * q->queries);
    queries = query_half(t, q, p->i, p->memory, queries, l->cross, p->n);
    if (p->i + 1 == q->config.layers)
        return queries;
    const Tensor *text = bert_feed_forward(t, &layer->ffn_text, op_gather(t, &joined, 1, l->text_refs, l->text_rows));
    return op_gather(t, (const Tensor *const[]){queries, text}, 2, l->join, l->rows);
}

/* Not recorded, a layer leaves nothing behind but its result: the next one computes in the same memory. */
Tensor *qformer_pairs(Tape *t, const Qformer *q, const QformerMemory *memory, const MatcherText *texts, size_t n, Tensor **words)
{
    if (!q->text)
        bug("this Q-Former has no text branch");
    PairLayout l = layout_new(q, memory, texts, n);
    Tensor *x = embed_pairs(t, q, &l);
    for (size_t i = 0; i < q->config.layers; i++) {
        bool last = i + 1 == q->config.layers;
        const Tensor *joined = x;
        if (last && words)
            *words = op_gather(t, &joined, 1, l.text_refs, l.text_rows);
        PairLayer layer = {q, memory, &l, i, n};
        x = tape_recording(t) ? pair_layer(t, &layer, x)
                              : tape_checkpoint(t, pair_layer, &layer, x, last ? n * q->queries : l.rows);
    }
    layout_release(&l);
    return x;
}

Tensor *qformer_texts(Tape *t, const Qformer *q, const MatcherText *texts, size_t n)
{
    if (!q->text)
        bug("this Q-Former has no text branch");
    size_t rows = 0;
    for (size_t i = 0; i < n; i++)
        rows += texts[i].n;
    int32_t *ids = xmalloc(2 * rows * sizeof *ids), *positions = ids + rows;
    Span *self = xmalloc(n * sizeof *self);
    RowRef *first = xmalloc(n * sizeof *first);
    for (size_t i = 0, row = 0; i < n; i++) {
        self[i] = (Span){.q = row, .nq = texts[i].n, .k = row, .nk = texts[i].n};
        first[i] = (RowRef){0, (uint32_t)row};
        for (size_t j = 0; j < texts[i].n; j++, row++) {
            ids[row] = texts[i].ids[j];
            positions[row] = (int32_t)j;
        }
    }
    Tensor *x = op_add(t, op_embed(t, &q->word_table, ids, rows), op_embed(t, &q->position_table, positions, rows));
    x = op_norm(t, x, &q->norm);
    for (size_t i = 0; i < q->config.layers; i++)
        x = bert_feed_forward(t, &q->layers[i].ffn_text,
                              bert_self_attend(t, &q->layers[i].self, x, self, n, q->config.heads, false));
    const Tensor *all = x;
    x = op_gather(t, &all, 1, first, n);
    free(ids);
    free(self);
    free(first);
    return x;
}

/* Of the image's keys and values there are as many as it has rows, and gradients of them. */
double qformer_reals(const Qformer *q, size_t image_rows, size_t rows, bool checkpointing)
{
    const QformerConfig *c = &q->config;
    double h = (double)c->hidden, layers = (double)c->layers, crosses = ceil(layers / (double)c->cross_frequency);
    return (double)rows *
               (stack_reals(h, 2 * (double)c->mlp, layers, checkpointing) + (checkpointing ? 2 : crosses + 1) * 4 * h) +
           (double)image_rows * crosses * 4 * h;
}
