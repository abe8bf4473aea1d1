/* Which rows sequences share, and where all of them lie; see lm_layout.h. */
#include "models/lm_layout.h"

#include <stdlib.h>

#include "models/lm_memory.h"

/* Rows of a sequence before BOS. */
static size_t front_of(const Lm *m, const LmSequence *s)
{
    return lm_front(m, s->n_prefix);
}

/* With how many rows both begin. */
static size_t rows_alike(const Lm *m, const LmSequence *a, const LmSequence *b)
{
    if (a->n_prefix != b->n_prefix || (a->n_prefix > 0 && a->prefix != b->prefix))
        return 0;
    size_t most = a->n < b->n ? a->n : b->n, own = most > 0;
    while (own < most && a->tokens[own - 1] == b->tokens[own - 1])
        own++;
    return front_of(m, a) + own;
}

/* A run that ends here: its first sequence, the rows it shares, and what all up to here save at most. */
typedef struct LmRun {
    size_t first, shared, saved;
} LmRun;

/* runs[i]: the last run of the best partition of the first i sequences. runs has n + 1 items. */
static void find_runs(LmRun *runs, const Lm *m, const LmSequence *s, size_t n)
{
    runs[0] = (LmRun){0};
    for (size_t i = 1; i <= n; i++) {
        size_t shared = SIZE_MAX;
        runs[i] = (LmRun){i - 1, front_of(m, &s[i - 1]), runs[i - 1].saved};
        for (size_t first = i - 1; first > 0; first--) {
            size_t alike = rows_alike(m, &s[first - 1], &s[first]), length = i - first + 1;
            shared = alike < shared ? alike : shared;
            if (shared == 0)
                break;
            size_t saved = runs[first - 1].saved + (length - 1) * shared;
            if (saved > runs[i].saved)
                runs[i] = (LmRun){first - 1, shared, saved};
        }
    }
}

/* The next row: of a token. */
static void lay_token(LmLayout *l, int32_t id, size_t position)
{
    l->refs[l->rows] = (RowRef){1, (uint32_t)l->n_ids};
    l->ids[l->n_ids++] = id;
    l->positions[l->rows++] = (int32_t)position;
}

/* The next row: row j of a sequence. */
static void lay_row(LmLayout *l, const Lm *m, const LmSequence *s, size_t j)
{
    const size_t front = front_of(m, s);
    if (j >= front) {
        lay_token(l, j == front ? m->config.bos : s->tokens[j - front - 1], j);
    } else if (m->layers) {
        lay_token(l, m->lead[j], j);
    } else {
        l->refs[l->rows] = (RowRef){0, (uint32_t)(s->prefix + j)};
        l->positions[l->rows++] = (int32_t)j;
    }
}

static void add_span(LmLayout *l, const Lm *m, const LmSequence *s, Span span)
{
    if (l->cross)
        l->cross[l->n_spans] = lm_cross(m, span, s->prefix / s->n_prefix);
    l->spans[l->n_spans++] = span;
}

static void add_own_span(LmLayout *l, const Lm *m, const LmSequence *s, Span span)
{
    if (l->own_cross)
        l->own_cross[l->n_own_spans] = lm_cross(m, span, s->prefix / s->n_prefix);
    l->own_spans[l->n_own_spans++] = span;
}

/* What the sequences of a run begin with. */
static void lay_shared(LmLayout *l, const Lm *m, const LmSequence *s, size_t shared)
{
    if (shared == 0)
        return;
    add_span(l, m, s, (Span){.q = l->rows, .nq = shared, .k = l->rows, .nk = shared});
    for (size_t j = 0; j < shared; j++)
        lay_row(l, m, s, j);
}

/* A sequence behind the `shared` rows of its run, which lie from row `run` on. */
static void lay_rest(LmLayout *l, const Lm *m, const LmSequence *s, size_t run, size_t shared)
{
    const size_t front = front_of(m, s), begun = shared - front, row = l->rows, own = l->own_rows;
    for (size_t j = 0; j < s->n; j++)
        l->own[l->own_rows++] = (RowRef){0, (uint32_t)(j < begun ? run + front + j : row + j - begun)};
    for (size_t j = begun; j < s->n; j++)
        lay_row(l, m, s, front + j);
    if (begun > 0)
        add_own_span(l, m, s, (Span){.q = own, .nq = begun, .prefix = run, .n_prefix = front, .k = run + front, .nk = begun});
    if (s->n == begun)
        return;
    Span span = {.q = row, .nq = s->n - begun, .prefix = run, .n_prefix = shared, .k = row, .nk = s->n - begun};
    add_span(l, m, s, span);
    span.q = own + begun;
    add_own_span(l, m, s, span);
}

/* The runs of the best partition of all n, in order, say where they end; how many there are. */
static size_t run_ends(size_t *ends, const LmRun *runs, size_t n)
{
    size_t count = 0;
    for (size_t end = n; end > 0; end = runs[end].first)
        count++;
    for (size_t end = n, r = count; end > 0; end = runs[end].first)
        ends[--r] = end;
    return count;
}

LmLayout lm_layout_new(Tape *t, const Lm *m, const LmSequence *s, size_t n)
{
    LmLayout l = {0};
    size_t rows = 0, own_rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (!lm_fits(m, s[i].n_prefix, s[i].n))
            bug("a sequence of %zu and %zu rows, positions end at %zu", front_of(m, &s[i]), s[i].n, m->config.positions);
        if (m->layers && s[i].n_prefix == 0)
            bug("a sequence without an image");
        own_rows += s[i].n;
        rows += front_of(m, &s[i]) + s[i].n;
    }
    l.spans = tape_alloc(t, 2 * n * sizeof *l.spans);
    l.own_spans = tape_alloc(t, 2 * n * sizeof *l.own_spans);
    if (m->layers) {
        l.cross = tape_alloc(t, 2 * n * sizeof *l.cross);
        l.own_cross = tape_alloc(t, 2 * n * sizeof *l.own_cross);
    }
    l.own = tape_alloc(t, own_rows * sizeof *l.own);
    l.refs = xmalloc(rows * sizeof *l.refs);
    l.ids = xmalloc((m->layers ? rows : own_rows) * sizeof *l.ids);
    l.positions = xmalloc(rows * sizeof *l.positions);
    LmRun *runs = xmalloc((n + 1) * sizeof *runs);
    size_t *ends = xmalloc((n + 1) * sizeof *ends);
    find_runs(runs, m, s, n);
    for (size_t r = 0, count = run_ends(ends, runs, n); r < count; r++) {
        const LmRun *run = &runs[ends[r]];
        size_t row = l.rows;
        lay_shared(&l, m, &s[run->first], run->shared);
        for (size_t i = run->first; i < ends[r]; i++)
            lay_rest(&l, m, &s[i], row, run->shared);
    }
    free(ends);
    free(runs);
    return l;
}

void lm_layout_release(LmLayout *l)
{
    free(l->refs);
    free(l->ids);
    free(l->positions);
}
