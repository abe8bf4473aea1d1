/* Samples of kernel calls; see tempo.h. */
#include "stage/tempo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tensor/kernels_idle.h"

/* A product of more multiplications is sampled by a part of its columns and rows, which takes that part of its time. */
enum { PRODUCT_MOST = 1 << 28, COLUMNS_LEAST = 1024, ROWS_LEAST = 128, VALUES_MOST = 1 << 22 };
/* Weights are read from a stretch of so many bytes at most: more than any cache. */
enum { STRETCH_MOST = 1 << 28 };

typedef struct Sampler {
    const Kernels *kernels;
    char *weights; /* owned: [stretch], what products go through one after the other */
    size_t stretch, at;
} Sampler;

static real *values_new(const Sampler *s, size_t n)
{
    real *p = s->kernels->memory_new((n + 1) * sizeof *p);
    s->kernels->zero(p, (n + 1) * sizeof *p);
    return p;
}

/* ---- one call of each kind ---- */

/* What calls work on: any of a, b, c, d is large enough for any operand, w are weights. */
typedef struct Work {
    real *a, *b, *c, *d;
    const void *w;
    int32_t *ids; /* [rows, k], like what follows on the host */
    real *values; /* [rows, k] */
    double *sums; /* [rows] */
    Span *spans;  /* [spans] of an attention */
} Work;

static void run_product(const Kernels *k, const IdleCall *c, const Work *w)
{
    switch (c->slot) {
    case IDLE_MATMUL:
        k->matmul(w->a, w->b, c->type, w->w, NULL, false, c->m, c->n, c->k);
        break;
    case IDLE_MATMUL_STEP:
        k->matmul_step(w->a, w->b, c->type, w->w, NULL, false, c->m, c->n, c->k);
        break;
    case IDLE_MATMUL_DX:
        k->matmul_dx(w->a, w->b, c->type, w->w, c->m, c->n, c->k);
        break;
    default:
        k->matmul_dw(w->a, w->b, w->c, c->m, c->n, c->k);
    }
}

static void run_attention(const Kernels *k, const IdleCall *c, const Work *w)
{
    const Span *last = &w->spans[c->k - 1];
    const AttentionShape shape = {.spans = w->spans,
                                  .n_spans = c->k,
                                  .heads = c->m,
                                  .cols = c->n,
                                  .q_rows = last->q + last->nq,
                                  .scale = 1,
                                  .step = c->step};
    if (c->slot == IDLE_ATTENTION)
        k->attention(w->a, NULL, w->b, w->c, w->c, &shape);
    else
        k->attention_backward(w->a, w->a, w->a, w->b, w->b, w->d, w->c, w->c, w->c, &shape);
}

static void run_rows(const Kernels *k, const IdleCall *c, const Work *w)
{
    const AdamStep step = {.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
    switch (c->slot) {
    case IDLE_NORM:
        k->layernorm(w->a, w->d, w->d, w->b, w->c, w->c, 1e-5, c->m, c->n);
        break;
    case IDLE_NORM_BACKWARD:
        k->layernorm_backward(w->a, NULL, NULL, w->b, w->c, w->d, w->d, w->c, c->m, c->n);
        break;
    case IDLE_LOGP:
        k->token_logp(w->d, w->a, NULL, w->b, w->ids, c->m, c->n);
        break;
    case IDLE_LOGP_BACKWARD:
        k->token_logp_backward(w->a, w->d, w->b, w->d, w->ids, c->m, c->n);
        break;
    case IDLE_TOP_K:
        k->top_k(w->values, w->ids, w->sums, w->b, c->m, c->n, c->k);
        break;
    case IDLE_GELU:
        k->gelu(w->a, w->b, c->m);
        break;
    case IDLE_GELU_BACKWARD:
        k->gelu_backward(w->a, w->b, w->c, c->m);
        break;
    case IDLE_ADAM:
        k->adam(w->a, w->b, w->c, w->d, &step, c->m);
        break;
    default:
        k->add(w->a, w->b, w->c, c->m);
    }
}

static bool is_product(const IdleCall *c)
{
    return c->slot <= IDLE_MATMUL_DW;
}

static bool is_attention(const IdleCall *c)
{
    return c->slot == IDLE_ATTENTION || c->slot == IDLE_ATTENTION_BACKWARD;
}

static void run(const Kernels *k, const IdleCall *c, const Work *w)
{
    (is_product(c) ? run_product : is_attention(c) ? run_attention : run_rows)(k, c, w);
}

/* ---- a sample of a call ---- */

/* Multiplications, or values, of one such call. */
static double amount(const IdleCall *c)
{
    if (is_product(c))
        return (double)c->m * (double)c->n * (double)c->k;
    if (is_attention(c))
        return 2 * c->pairs / c->times * (double)c->n;
    return (double)c->m * (double)c->n;
}

/* The call with fewer columns, rows or spans, so that it takes no long time; its amount over that of the whole is its share. */
static IdleCall smaller(const IdleCall *call)
{
    IdleCall c = *call;
    while (is_product(&c) && amount(&c) > PRODUCT_MOST && (c.n > COLUMNS_LEAST || c.m > ROWS_LEAST))
        *(c.n > COLUMNS_LEAST ? &c.n : &c.m) /= 2;
    while (is_attention(&c) && amount(&c) > PRODUCT_MOST && c.k > 1) {
        c.pairs *= (double)(c.k / 2) / (double)c.k;
        c.queries *= (double)(c.k / 2) / (double)c.k;
        c.k /= 2;
    }
    while (!is_product(&c) && !is_attention(&c) && amount(&c) > VALUES_MOST && c.m > 1)
        c.m /= 2;
    return c;
}

/* Spans of the mean length, behind one another. */
static void spans_make(Span *spans, const IdleCall *c)
{
    const double queries = c->queries / c->times / (double)c->k, keys = c->pairs / c->queries;
    const size_t nq = (size_t)fmax(1, round(queries)), nk = (size_t)fmax(1, round(keys));
    for (size_t i = 0; i < c->k; i++)
        spans[i] = (Span){.q = i * nq, .nq = nq, .k = i * nk, .nk = nk};
}

/* Values of the largest operand. */
static size_t room(const IdleCall *c, const Span *spans)
{
    if (is_product(c))
        return size_max(size_max(c->m * c->n, c->m * c->k), c->slot == IDLE_MATMUL_DW ? c->n * c->k : 0);
    if (is_attention(c))
        return c->k * size_max(spans->nq, spans->nk) * size_max(c->n, 2 * c->m);
    return c->m * c->n;
}

static const void *weights_next(Sampler *s, size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    if (s->at + bytes > s->stretch)
        s->at = 0;
    const void *w = s->weights + s->at;
    s->at += bytes;
    return w;
}

/* Calls one after the other, as they come: seconds of one of them. */
static double seconds_of_some(Sampler *s, const IdleCall *c, Work *w, int n)
{
    const size_t bytes = is_product(c) ? c->n * c->k * dtype_size(c->type) : 0;
    const double start = seconds_now();
    for (int i = 0; i < n; i++) {
        w->w = weights_next(s, bytes);
        run(s->kernels, c, w);
    }
    kernels_wait(s->kernels, w->a);
    return (seconds_now() - start) / n;
}

/* Of several tries the fastest, behind one that does not count: others who use the machine are not in it. */
static double seconds_of(Sampler *s, const IdleCall *c, Work *w)
{
    const double enough = 4e-3, start = seconds_now();
    double best = seconds_of_some(s, c, w, 1);
    const int together = best > enough ? 1 : 4;
    best = seconds_of_some(s, c, w, together);
    for (int i = 0; i < 5 || (i < 40 && seconds_now() - start < enough); i++)
        best = fmin(best, seconds_of_some(s, c, w, together));
    return best;
}

static double sample(Sampler *s, const IdleCall *whole)
{
    const IdleCall c = smaller(whole);
    const size_t rows = is_product(&c) || is_attention(&c) ? 1 : c.m, k = c.slot == IDLE_TOP_K ? c.k : 1;
    Span *spans = xcalloc(is_attention(&c) ? c.k : 1, sizeof *spans);
    if (is_attention(&c))
        spans_make(spans, &c);
    const size_t n = size_max(room(&c, spans), 2 * rows);
    Work w = {.a = values_new(s, n),
              .b = values_new(s, n),
              .c = values_new(s, n),
              .d = values_new(s, n),
              .ids = xcalloc(rows * k, sizeof *w.ids),
              .values = xcalloc(rows * k, sizeof *w.values),
              .sums = xcalloc(rows, sizeof *w.sums),
              .spans = spans};
    const double seconds = seconds_of(s, &c, &w) * amount(whole) / amount(&c);
    real *const all[] = {w.a, w.b, w.c, w.d};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        s->kernels->memory_free(all[i]);
    free(w.ids);
    free(w.values);
    free(w.sums);
    free(spans);
    return seconds;
}

/* ---- all of them ---- */

/* What a call may take: a guess, by which the order of samples is chosen and what is not sampled is scaled. */
static double guess(const IdleCall *c)
{
    const double call = 2e-6, product = 1e-11, value = 1e-9;
    return c->times * (call + amount(c) * (is_product(c) || is_attention(c) ? product : value));
}

static int compare_guesses(const void *a, const void *b)
{
    const double x = guess(a), y = guess(b);
    return (x < y) - (x > y);
}

static size_t largest_weights(const IdleCall *calls, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const IdleCall c = smaller(&calls[i]);
        if (is_product(&c))
            most = size_max(most, c.n * c.k * dtype_size(c.type) + 64);
    }
    return most;
}

double tempo_seconds(const Kernels *kernels, double weights, double budget)
{
    size_t n;
    const IdleCall *noted = idle_calls(&n);
    IdleCall *calls = xmalloc((n + 1) * sizeof *calls);
    memcpy(calls, noted, n * sizeof *calls);
    qsort(calls, n, sizeof *calls, compare_guesses);
    Sampler s = {.kernels = kernels, .stretch = size_max((size_t)fmin(weights, STRETCH_MOST), largest_weights(calls, n))};
    s.weights = kernels->memory_new(s.stretch + 64);
    kernels->zero(s.weights, s.stretch + 64);
    const double start = seconds_now();
    double guessed = 0, found = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && seconds_now() - start > budget) {
            rest += guess(&calls[i]);
            continue;
        }
        guessed += guess(&calls[i]);
        found += calls[i].times * sample(&s, &calls[i]);
    }
    kernels->memory_free(s.weights);
    free(calls);
    return guessed > 0 ? found + rest * found / guessed : 0;
}
