/* Which rows sequences share, and where all of them lie; see lm_layout.h. */
#include "models/lm_layout.h"

#include <stdlib.h>

/* With how many rows both begin. */
static size_t rows_alike(const LmSequence *a, const LmSequence *b)
{
    if (a->n_prefix != b->n_prefix || (a->n_prefix > 0 && a->prefix != b->prefix))
        return 0;
    size_t most = a->n < b->n ? a->n : b->n, own = most > 0;
    while (own < most && a->tokens[own - 1] == b->tokens[own - 1])
        own++;
    return a->n_prefix + own;
}

/* A run that ends here: its first sequence, the rows it shares, and what all up to here save at most. */
typedef struct LmRun {
    size_t first, shared, saved;
} LmRun;

/* runs[i]: the last run of the best partition of the first i sequences. runs has n + 1 items. */
static void find_runs(LmRun *runs, const LmSequence *s, size_t n)
{
    runs[0] = (LmRun){0};
    for (size_t i = 1; i <= n; i++) {
        size_t shared = SIZE_MAX;
        runs[i] = (LmRun){i - 1, s[i - 1].n_prefix, runs[i - 1].saved};
        for (size_t first = i - 1; first > 0; first--) {
            size_t alike = rows_alike(&s[first - 1], &s[first]), length = i - first + 1;
            shared = alike < shared ? alike : shared;
            if (shared == 0)
                break;
            size_t saved = runs[first - 1].saved + (length - 1) * shared;
            if (saved > runs[i].saved)
                runs[i] = (LmRun){first - 1, shared, saved};
        }
    }
}

/* The next row: own row j of a sequence. */
static void lay_own_row(LmLayout *l, const LmSequence *s, size_t j, int32_t bos)
{
    l->refs[l->rows] = (RowRef){1, (uint32_t)l->n_ids};
    l->ids[l->n_ids++] = j == 0 ? bos : s->tokens[j - 1];
    l->positions[l->rows++] = (int32_t)(s->n_prefix + j);
}

/* What the sequences of a run begin with. */
static void lay_shared(LmLayout *l, const LmSequence *s, size_t shared, int32_t bos)
{
    if (shared == 0)
        return;
    l->spans[l->n_spans++] = (Span){.q = l->rows, .nq = shared, .k = l->rows, .nk = shared};
    for (size_t j = 0; j < s->n_prefix; j++) {
        l->refs[l->rows] = (RowRef){0, (uint32_t)(s->prefix + j)};
        l->positions[l->rows++] = (int32_t)j;
    }
    for (size_t j = s->n_prefix; j < shared; j++)
        lay_own_row(l, s, j - s->n_prefix, bos);
}

/* A sequence behind the `shared` rows of its run, which lie from row `run` on. */
static void lay_rest(LmLayout *l, const LmSequence *s, size_t run, size_t shared, int32_t bos)
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
            bug("a sequence of %zu and %zu rows, positions end at %zu", s[i].n_prefix, s[i].n, m->config.positions);
        own_rows += s[i].n;
        rows += s[i].n_prefix + s[i].n;
    }
    l.spans = tape_alloc(t, 2 * n * sizeof *l.spans);
    l.own_spans = tape_alloc(t, 2 * n * sizeof *l.own_spans);
    l.own = tape_alloc(t, own_rows * sizeof *l.own);
    l.refs = xmalloc(rows * sizeof *l.refs);
    l.ids = xmalloc(own_rows * sizeof *l.ids);
    l.positions = xmalloc(rows * sizeof *l.positions);
    LmRun *runs = xmalloc((n + 1) * sizeof *runs);
    size_t *ends = xmalloc((n + 1) * sizeof *ends);
    find_runs(runs, s, n);
    for (size_t r = 0, count = run_ends(ends, runs, n); r < count; r++) {
        const LmRun *run = &runs[ends[r]];
        size_t row = l.rows;
        lay_shared(&l, &s[run->first], run->shared, m->config.bos);
        for (size_t i = run->first; i < ends[r]; i++)
            lay_rest(&l, &s[i], row, run->shared, m->config.bos);
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
