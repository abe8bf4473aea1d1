/* Samples of kernel calls; see tempo.h. */
#include "stage/tempo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tensor/kernels_idle.h"

/*
 * A product of more multiplications is sampled by a part of its columns and rows, which takes that part of its time: down to
 * so many of both, as from there on it would be computed in another way; what is long even then by fewer rows.
 */
enum { PRODUCT_MOST = 1 << 25, COLUMNS_LEAST = 1024, ROWS_LEAST = 1024, PRODUCT_LONG = 1 << 29, ROWS_FEWEST = 128 };
/* Values of any other call, of which the first rows or spans are a sample. */
enum { VALUES_MOST = 1 << 20 };
/* Bytes of memory that is gone through, more than caches hold. */
enum { WEIGHTS_MOST = 1 << 27, SPREAD_MOST = 1 << 26 };
/* Bytes of numbers that are made; the rest are copies. */
enum { MADE = 1 << 20 };

/* Memory that calls of a kind go through, a place a call. */
typedef struct Stretch {
    char *memory; /* owned */
    size_t bytes, at;
} Stretch;

/*
 * What calls work on: their result; what was computed just before; numbers of rows; what was computed long before, which is in
 * no cache any more; weights.
 */
typedef struct Sampler {
    const Kernels *kernels;
    bool device; /* computes what the host's processors do not */
    Stretch results, inputs, weights;
    real *fresh, *few; /* owned */
} Sampler;

/* Values that a call has of each. */
typedef struct Rooms {
    size_t result, input, fresh, few, weight; /* weight: in bytes */
} Rooms;

/* One call's; what the host knows of it beside. */
typedef struct Work {
    real *y, *few;
    const real *x, *old;
    const void *w;
    int32_t *ids;   /* owned: [rows, k] */
    RowRef *refs;   /* owned: [rows] */
    real *values;   /* owned: [rows, k] */
    double *sums;   /* owned: [rows] */
    Span *spans;    /* owned: of an attention */
    size_t queries; /* rows that its spans come to */
    size_t keys;
} Work;

static bool is_product(const IdleCall *c)
{
    return c->slot <= IDLE_MATMUL_DW;
}

static bool is_attention(const IdleCall *c)
{
    return c->slot == IDLE_ATTENTION || c->slot == IDLE_ATTENTION_BACKWARD;
}

/* ---- one call of each kind ---- */

static void run_product(const Kernels *k, const IdleCall *c, const Work *w)
{
    switch (c->slot) {
    case IDLE_MATMUL:
        k->matmul(w->y, w->x, c->type, w->w, NULL, false, c->m, c->n, c->k);
        break;
    case IDLE_MATMUL_STEP:
        k->matmul_step(w->y, w->x, c->type, w->w, NULL, false, c->m, c->n, c->k);
        break;
    case IDLE_MATMUL_DX:
        k->matmul_dx(w->y, w->x, c->type, w->w, c->m, c->n, c->k);
        break;
    default:
        k->matmul_dw(w->y, w->x, w->old, c->m, c->n, c->k);
    }
}

static void run_attention(const Kernels *k, const IdleCall *c, const Work *w)
{
    const AttentionShape shape = {.spans = w->spans,
                                  .n_spans = c->k,
                                  .heads = c->m,
                                  .cols = c->n,
                                  .q_rows = w->queries,
                                  .scale = 1,
                                  .causal = c->causal,
                                  .step = c->step};
    const size_t q = w->queries * c->n, kv = w->keys * c->n;
    const real *keys = c->step || c->slot == IDLE_ATTENTION_BACKWARD ? w->old : w->x;
    if (c->slot == IDLE_ATTENTION)
        k->attention(w->y, NULL, w->x, keys, keys + kv, &shape);
    else
        k->attention_backward(w->y, w->y + q, w->y + q + kv, w->x, w->x, w->few, keys, keys, keys + kv, &shape);
}

static void run_rows(const Kernels *k, const IdleCall *c, const Work *w)
{
    const AdamStep step = {.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
    switch (c->slot) {
    case IDLE_NORM:
        k->layernorm(w->y, w->few, w->few, w->x, w->few, w->few, 1e-5, c->m, c->n);
        break;
    case IDLE_NORM_BACKWARD:
        k->layernorm_backward(w->y, NULL, NULL, w->x, w->old, w->few, w->few, w->few, c->m, c->n);
        break;
    case IDLE_LOGP:
        k->token_logp(w->few, w->few + c->m, NULL, w->x, w->ids, c->m, c->n);
        break;
    case IDLE_LOGP_BACKWARD:
        k->token_logp_backward(w->y, w->few, w->y, w->few, w->ids, c->m, c->n);
        break;
    case IDLE_TOP_K:
        k->top_k(w->values, w->ids, w->sums, w->x, c->m, c->n, c->k);
        break;
    case IDLE_GELU:
        k->gelu(w->y, w->x, c->m);
        break;
    case IDLE_GELU_BACKWARD:
        k->gelu_backward(w->y, w->x, w->old, c->m);
        break;
    case IDLE_ADAM:
        k->adam(w->y, w->x, (real *)w->old, (real *)w->old + c->m, &step, c->m);
        break;
    case IDLE_EMBED:
        k->embed(w->y, c->type, w->w, w->ids, c->m, c->n);
        break;
    case IDLE_GATHER:
        k->gather(w->y, &w->x, w->refs, c->m, c->n);
        break;
    case IDLE_ZERO:
        k->zero(w->y, c->m * sizeof *w->y);
        break;
    default:
        k->add(w->y, w->y, w->x, c->m);
    }
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

/* With fewer spans. */
static void halve_attention(IdleCall *c)
{
    const double part = (double)(c->k / 2) / (double)c->k;
    c->queries *= part;
    c->prefixed *= part;
    c->pairs *= part;
    c->k /= 2;
}

/* The call with fewer columns, rows or spans, so that it takes no long time; its amount over that of the whole is its share. */
static IdleCall smaller(const IdleCall *call)
{
    IdleCall c = *call;
    while (is_product(&c) && amount(&c) > PRODUCT_MOST && (c.n >= 2 * COLUMNS_LEAST || c.m >= 2 * ROWS_LEAST))
        *(c.n >= 2 * COLUMNS_LEAST ? &c.n : &c.m) /= 2;
    while (is_product(&c) && amount(&c) > PRODUCT_LONG && c.m >= 2 * ROWS_FEWEST)
        c.m /= 2;
    while (is_attention(&c) && amount(&c) > PRODUCT_MOST && c.k > 1)
        halve_attention(&c);
    while (!is_product(&c) && !is_attention(&c) && amount(&c) > VALUES_MOST && c.m > 1)
        c.m /= 2;
    return c;
}

/* Spans of the mean length, behind one another. */
static void spans_make(Work *w, const IdleCall *c)
{
    const double spans = c->times * (double)c->k, queries = c->queries / spans, prefixed = c->prefixed / spans,
                 owned = c->pairs / c->queries - prefixed + (c->causal ? (queries - 1) / 2 : 0);
    const size_t nq = (size_t)fmax(1, round(queries)), prefix = (size_t)round(prefixed),
                 own = size_max((size_t)fmax(0, round(owned)), c->causal ? nq : prefix == 0), each = prefix + own;
    w->spans = xcalloc(c->k, sizeof *w->spans);
    for (size_t i = 0; i < c->k; i++)
        w->spans[i] = (Span){.q = i * nq, .nq = nq, .prefix = i * each, .n_prefix = prefix, .k = i * each + prefix, .nk = own};
    w->queries = c->k * nq;
    w->keys = c->k * each;
}

static Rooms rooms_of(const IdleCall *c, const Work *w)
{
    const size_t all = c->m * c->n;
    switch (c->slot) {
    case IDLE_MATMUL:
    case IDLE_MATMUL_STEP:
        return (Rooms){.result = all, .fresh = c->m * c->k, .weight = c->n * c->k * dtype_size(c->type)};
    case IDLE_MATMUL_DX:
        return (Rooms){.result = c->m * c->k, .fresh = all, .weight = c->n * c->k * dtype_size(c->type)};
    case IDLE_MATMUL_DW:
        return (Rooms){.result = c->n * c->k, .fresh = all, .input = c->m * c->k};
    case IDLE_ATTENTION:
    case IDLE_ATTENTION_BACKWARD:
        return (Rooms){.result = (w->queries + (c->slot == IDLE_ATTENTION ? 0 : 2 * w->keys)) * c->n,
                       .fresh = size_max(w->queries, 2 * w->keys) * c->n,
                       .few = 2 * c->m * w->queries,
                       .input = size_max(w->queries, 2 * w->keys) * c->n};
    case IDLE_EMBED:
        return (Rooms){.result = all, .weight = all * dtype_size(c->type)};
    default:
        return (Rooms){.result = all, .fresh = all, .input = 2 * all, .few = 2 * c->m + c->n};
    }
}

/* The next place of so many bytes, of so many different ones. */
static void *stretch_next(Stretch *s, size_t bytes, size_t places)
{
    bytes = (bytes + 63) / 64 * 64;
    if (s->at + bytes > s->bytes || s->at + bytes > bytes * size_max(places, 1))
        s->at = 0;
    void *place = s->memory + s->at;
    s->at += bytes;
    return place;
}

/*
 * The clock is the processor time of the thread that calls, which shares the work with its helpers and does not sleep while it
 * waits for them: it is the time of the call on a machine at rest, whoever else is at work on it. A device has its own.
 */
static double now(const Sampler *s)
{
    return s->device ? seconds_now() : seconds_of_thread();
}

/* Calls one after the other, as they come: seconds of one of them. */
static double seconds_of_some(Sampler *s, const IdleCall *c, const Rooms *rooms, Work *w, int n)
{
    const double start = now(s);
    for (int i = 0; i < n; i++) {
        w->y = stretch_next(&s->results, rooms->result * sizeof(real), c->results.n);
        w->old = stretch_next(&s->inputs, rooms->input * sizeof(real), c->inputs.n);
        w->w = stretch_next(&s->weights, rooms->weight, SIZE_MAX / (rooms->weight + 64));
        run(s->kernels, c, w);
    }
    kernels_wait(s->kernels, w->y);
    return (now(s) - start) / n;
}

/* Of several tries the fastest, behind one that does not count. */
static double seconds_of(Sampler *s, const IdleCall *c, const Rooms *rooms, Work *w)
{
    enum { TRIES_LEAST = 3, TRIES_MOST = 20, TOGETHER_MOST = 64 };
    const double enough = 3e-3, window = 3e-4, start = now(s);
    double best = seconds_of_some(s, c, rooms, w, 1);
    const int together = (int)fmin(TOGETHER_MOST, fmax(1, window / best));
    best = INFINITY;
    for (int i = 0; i < TRIES_LEAST || (i < TRIES_MOST && now(s) - start < enough); i++)
        best = fmin(best, seconds_of_some(s, c, rooms, w, together));
    return best;
}

/* Rows that are picked, of as many, in no order. */
static void rows_make(Work *w, const IdleCall *c)
{
    const size_t k = c->slot == IDLE_TOP_K ? c->k : 1;
    w->ids = xcalloc(c->m * k, sizeof *w->ids);
    w->refs = xcalloc(c->m, sizeof *w->refs);
    w->values = xcalloc(c->m * k, sizeof *w->values);
    w->sums = xcalloc(c->m, sizeof *w->sums);
    for (size_t i = 0; i < c->m && (c->slot == IDLE_EMBED || c->slot == IDLE_GATHER); i++)
        w->refs[i].row = (uint32_t)(w->ids[i] = (int32_t)(i * 7919 % c->m));
}

static void work_init(Work *w, const IdleCall *c)
{
    *w = (Work){0};
    if (is_attention(c))
        spans_make(w, c);
    else if (!is_product(c) && c->n > 1)
        rows_make(w, c);
}

static void work_release(Work *w)
{
    free(w->ids);
    free(w->refs);
    free(w->values);
    free(w->sums);
    free(w->spans);
}

static double sample(Sampler *s, const IdleCall *whole)
{
    const IdleCall c = smaller(whole);
    Work w;
    work_init(&w, &c);
    w.x = s->fresh;
    w.few = s->few;
    const Rooms rooms = rooms_of(&c, &w);
    const double seconds = seconds_of(s, &c, &rooms, &w) * amount(whole) / amount(&c);
    work_release(&w);
    return seconds;
}

/* ---- memory ---- */

/* Numbers in so many bytes: the made ones again and again. */
static void *memory_make(const Kernels *k, size_t bytes, const void *made)
{
    char *p = k->memory_new(bytes + 64);
    k->upload(p, made, size_min(bytes, MADE));
    for (size_t at = MADE; at < bytes; at += MADE)
        k->copy(p + at, p, size_min(bytes - at, MADE));
    return p;
}

/* Numbers between -1 and 1, no two runs of them alike; as weights in f16, which are numbers in every other type, too. */
static void numbers_make(real *values, uint16_t *weights)
{
    uint32_t state = 1;
    for (size_t i = 0; i < MADE / sizeof *values; i++) {
        state = state * 1664525 + 1013904223;
        values[i] = (real)((double)(state >> 8) / (1 << 23) - 1);
    }
    for (size_t i = 0; i < MADE / sizeof *weights; i++) {
        state = state * 1664525 + 1013904223;
        weights[i] = (uint16_t)((state >> 16 & 0x9fff) | 0x2000); /* 2^-7 .. 2 */
    }
}

/* Room for the samples of all calls; `weights`: bytes of the models' files. */
static void sampler_init(Sampler *s, const Kernels *kernels, const IdleCall *calls, size_t n, double weights)
{
    size_t results = 0, inputs = 0, most = (size_t)fmin(weights, WEIGHTS_MOST), fresh = 0, few = 0;
    for (size_t i = 0; i < n; i++) {
        Work w;
        const IdleCall c = smaller(&calls[i]);
        work_init(&w, &c);
        const Rooms r = rooms_of(&c, &w);
        const size_t result = r.result * sizeof(real) + 64, input = r.input * sizeof(real) + 64;
        results = size_max(results, size_max(result, size_min(result * c.results.n, SPREAD_MOST)));
        inputs = size_max(inputs, size_max(input, size_min(input * c.inputs.n, SPREAD_MOST)));
        most = size_max(most, r.weight + 64);
        fresh = size_max(fresh, r.fresh);
        few = size_max(few, r.few);
        work_release(&w);
    }
    real *values = xmalloc(MADE);
    uint16_t *halves = xmalloc(MADE);
    numbers_make(values, halves);
    *s = (Sampler){.kernels = kernels,
                   .device = strcmp(kernels->name, "cuda") == 0,
                   .results = {.memory = memory_make(kernels, results, values), .bytes = results},
                   .inputs = {.memory = memory_make(kernels, inputs, values), .bytes = inputs},
                   .weights = {.memory = memory_make(kernels, most, halves), .bytes = most},
                   .fresh = memory_make(kernels, fresh * sizeof(real), values),
                   .few = memory_make(kernels, few * sizeof(real), values)};
    free(values);
    free(halves);
}

static void sampler_release(Sampler *s)
{
    void *const all[] = {s->results.memory, s->inputs.memory, s->weights.memory, s->fresh, s->few};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        s->kernels->memory_free(all[i]);
}

/* ---- all of them ---- */

/* What a call may take: a guess, by which the order of samples is chosen and what is not sampled is scaled. */
static double guess(const IdleCall *c)
{
    const double call = 2e-6, product = 1e-11, pair = 5e-11, value = 1e-9;
    return c->times * (call + amount(c) * (is_product(c) ? product : is_attention(c) ? pair : value));
}

static int compare_guesses(const void *a, const void *b)
{
    const double x = guess(a), y = guess(b);
    return (x < y) - (x > y);
}

double tempo_seconds(const Kernels *kernels, double weights, double budget)
{
    size_t n;
    const IdleCall *noted = idle_calls(&n);
    IdleCall *calls = xmalloc((n + 1) * sizeof *calls);
    memcpy(calls, noted, n * sizeof *calls);
    qsort(calls, n, sizeof *calls, compare_guesses);
    Sampler s;
    sampler_init(&s, kernels, calls, n, weights);
    const double start = now(&s), begun = seconds_now(), patience = 4 * budget;
    double guessed[IDLE_SLOTS] = {0}, found[IDLE_SLOTS] = {0}, rest[IDLE_SLOTS] = {0}, all_guessed = 0, all_found = 0,
           seconds = 0;
    for (size_t i = 0; i < n; i++) {
        const IdleSlot slot = calls[i].slot;
        if (i > 0 && (now(&s) - start > budget || seconds_now() - begun > patience)) {
            rest[slot] += guess(&calls[i]);
            continue;
        }
        const double took = calls[i].times * sample(&s, &calls[i]);
        guessed[slot] += guess(&calls[i]);
        found[slot] += took;
        all_guessed += guess(&calls[i]);
        all_found += took;
    }
    for (size_t i = 0; i < IDLE_SLOTS; i++) /* those left over are as those of their kind, if there were any */
        seconds += found[i] + rest[i] * (guessed[i] > 0 ? found[i] / guessed[i] : all_guessed > 0 ? all_found / all_guessed : 0);
    sampler_release(&s);
    free(calls);
    return seconds;
}
