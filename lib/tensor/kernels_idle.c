/* Kernels that compute nothing; see kernels_idle.h. */
#include "tensor/kernels_idle.h"

#include <stdlib.h>
#include <string.h>

static struct {
    IdleCall *calls;                          /* owned */
    size_t n, capacity, last, largest_factor; /* last: noted */
    double weight;
} noted = {.weight = 1};

void idle_reset(void)
{
    noted.n = 0;
    noted.weight = 1;
}

void idle_weigh(double times)
{
    noted.weight = times;
}

const IdleCall *idle_calls(size_t *n)
{
    *n = noted.n;
    return noted.calls;
}

size_t idle_largest_factor(void)
{
    return noted.largest_factor;
}

static bool same_call(const IdleCall *a, const IdleCall *b)
{
    return a->slot == b->slot && a->type == b->type && a->m == b->m && a->n == b->n && a->k == b->k && a->step == b->step &&
           a->causal == b->causal && a->rows == b->rows && a->keys == b->keys;
}

/* NULL where it is new. Looked for from the last one on: layers are alike. */
static IdleCall *find_call(const IdleCall *call)
{
    for (size_t i = 1; i <= noted.n; i++) {
        IdleCall *c = &noted.calls[(noted.last + i) % noted.n];
        if (same_call(c, call))
            return c;
    }
    return NULL;
}

static void note_place(IdlePlaces *places, const void *at)
{
    for (size_t i = 0; i < places->n; i++)
        if (places->seen[i] == at)
            return;
    if (at && places->n < IDLE_PLACES)
        places->seen[places->n++] = at;
}

/* The call of this kind and size, new or known, once more. result, input: where they lie; NULL: of no matter. */
static IdleCall *note_call(IdleCall call, const void *result, const void *input)
{
    IdleCall *c = find_call(&call);
    if (!c) {
        noted.calls = array_reserve(noted.calls, &noted.capacity, noted.n + 1, sizeof *noted.calls);
        c = &noted.calls[noted.n++];
        *c = call;
    }
    noted.last = (size_t)(c - noted.calls);
    c->times += noted.weight;
    note_place(&c->results, result);
    note_place(&c->inputs, input);
    return c;
}

static void note_rows(IdleSlot slot, size_t rows, size_t cols, const void *result, const void *input)
{
    note_call((IdleCall){.slot = slot, .m = rows, .n = cols}, result, input);
}

static void note_stream(size_t values, const void *result)
{
    note_rows(IDLE_STREAM, values, 1, result, NULL);
}

static void note_attention(IdleSlot slot, const AttentionShape *shape, const void *result, const void *k)
{
    IdleCall call = {
        .slot = slot, .m = shape->heads, .n = shape->cols, .k = shape->n_spans, .step = shape->step, .causal = shape->causal};
    double queries = 0, prefixed = 0, keys = 0, pairs = 0;
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        const double nq = (double)s->nq, seen = (double)(s->n_prefix + s->nk);
        queries += nq;
        prefixed += (double)s->n_prefix;
        keys += seen;
        pairs += nq * (seen - (shape->causal ? (nq - 1) / 2 : 0));
    }
    if (!shape->step) { /* steps differ by a row each, and cost by rows */
        call.rows = (size_t)queries;
        call.keys = (size_t)keys;
    }
    IdleCall *c = note_call(call, result, shape->step || slot == IDLE_ATTENTION_BACKWARD ? k : NULL);
    c->queries += noted.weight * queries;
    c->prefixed += noted.weight * prefixed;
    c->pairs += noted.weight * pairs;
}

/* Nothing is written to it, so what is large takes no memory. */
static void *idle_new(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", bytes);
    return p;
}

static void idle_move(void *dst, const void *src, size_t bytes)
{
    (void)src;
    note_stream(bytes / sizeof(real), dst);
}

static void idle_download(void *host, const void *src, size_t bytes)
{
    (void)src;
    memset(host, 0, bytes);
}

static void idle_zero(void *p, size_t bytes)
{
    note_rows(IDLE_ZERO, bytes / sizeof(real), 1, p, NULL);
}

static const void *idle_weights(const void *host, size_t bytes)
{
    (void)bytes;
    return host;
}

static void count_factor(size_t m, size_t k)
{
    noted.largest_factor = m * k > noted.largest_factor ? m * k : noted.largest_factor;
}

static void idle_matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                        size_t k)
{
    (void)x, (void)w, (void)bias, (void)add;
    note_call((IdleCall){.slot = IDLE_MATMUL, .type = type, .m = m, .n = n, .k = k}, y, NULL);
    count_factor(m, k);
}

static void idle_matmul_step(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                             size_t k)
{
    (void)x, (void)w, (void)bias, (void)add;
    note_call((IdleCall){.slot = IDLE_MATMUL_STEP, .type = type, .m = m, .n = n, .k = k}, y, NULL);
    count_factor(m, k);
}

static void idle_matmul_dx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    (void)dy, (void)w;
    note_call((IdleCall){.slot = IDLE_MATMUL_DX, .type = type, .m = m, .n = n, .k = k}, dx, NULL);
    count_factor(m, n);
}

static void idle_matmul_dw(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    (void)dy;
    note_call((IdleCall){.slot = IDLE_MATMUL_DW, .type = DTYPE_F32, .m = m, .n = n, .k = k}, dw, x);
}

static void idle_column_sums(real *db, const real *dy, size_t m, size_t n)
{
    (void)db;
    note_stream(m * n, dy);
}

static void idle_layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                           size_t rows, size_t cols)
{
    (void)mean, (void)rstd, (void)x, (void)gamma, (void)beta, (void)eps;
    note_rows(IDLE_NORM, rows, cols, y, NULL);
}

static void idle_layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                                    const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    (void)dgamma, (void)dbeta, (void)dy, (void)mean, (void)rstd, (void)gamma;
    note_rows(IDLE_NORM_BACKWARD, rows, cols, dx, x);
}

static void idle_rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    (void)rstd, (void)x, (void)gamma, (void)eps;
    note_rows(IDLE_NORM, rows, cols, y, NULL);
}

static void idle_rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                                  size_t rows, size_t cols)
{
    (void)dgamma, (void)dy, (void)rstd, (void)gamma;
    note_rows(IDLE_NORM_BACKWARD, rows, cols, dx, x);
}

static void idle_gelu(real *y, const real *x, size_t n)
{
    (void)x;
    note_rows(IDLE_GELU, n, 1, y, NULL);
}

static void idle_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    (void)dy;
    note_rows(IDLE_GELU_BACKWARD, n, 1, dx, x);
}

static void idle_relu(real *y, const real *x, size_t n)
{
    (void)x;
    note_stream(n, y);
}

static void idle_add(real *y, const real *a, const real *b, size_t n)
{
    (void)a, (void)b;
    note_stream(n, y);
}

static void idle_swiglu(real *y, const real *gate, const real *up, size_t n)
{
    (void)gate, (void)up;
    note_rows(IDLE_GELU, n, 1, y, NULL);
}

static void idle_swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    (void)dup, (void)dy, (void)up;
    note_rows(IDLE_GELU_BACKWARD, n, 1, dgate, gate);
}

static void idle_rotate(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim)
{
    (void)angles, (void)back;
    note_stream(rows * heads * dim, x);
}

static void idle_axpy(real *y, double alpha, const real *x, size_t n)
{
    (void)alpha, (void)x;
    note_stream(n, y);
}

static void idle_axpy_rows(real *y, const real *alpha, const real *x, size_t rows, size_t cols)
{
    (void)alpha, (void)x;
    note_stream(rows * cols, y);
}

static void idle_attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    (void)stats, (void)q, (void)v;
    note_attention(IDLE_ATTENTION, shape, out, k);
}

static void idle_attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats,
                                    const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    (void)dk, (void)dv, (void)dout, (void)out, (void)stats, (void)q, (void)v;
    note_attention(IDLE_ATTENTION_BACKWARD, shape, dq, k);
}

static void idle_embed(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols)
{
    (void)table, (void)ids;
    note_call((IdleCall){.slot = IDLE_EMBED, .type = type, .m = n, .n = cols}, y, NULL);
}

static void idle_embed_backward(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    (void)dtable, (void)ids;
    note_rows(IDLE_GATHER, n, cols, dy, NULL);
}

static void idle_gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    (void)sources, (void)refs;
    note_rows(IDLE_GATHER, n, cols, y, NULL);
}

static void idle_gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    (void)dsources, (void)refs;
    note_rows(IDLE_GATHER, n, cols, dy, NULL);
}

static void idle_scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    (void)src, (void)rows;
    note_rows(IDLE_GATHER, n, cols, dst, NULL);
}

static void idle_mean_rows(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    (void)x, (void)first, (void)count;
    note_stream(n * cols, y);
}

static void idle_normalise(real *y, real *norm, const real *x, size_t rows, size_t cols)
{
    (void)norm, (void)x;
    note_stream(rows * cols, y);
}

static void idle_normalise_backward(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols)
{
    (void)dy, (void)y, (void)norm;
    note_stream(rows * cols, dx);
}

static void idle_token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows,
                            size_t cols)
{
    (void)logp, (void)lse, (void)entropy, (void)targets;
    note_rows(IDLE_LOGP, rows, cols, logits, NULL);
}

static void idle_token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse,
                                     const int32_t *targets, size_t rows, size_t cols)
{
    (void)dlogp, (void)logits, (void)lse, (void)targets;
    note_rows(IDLE_LOGP_BACKWARD, rows, cols, dlogits, NULL);
}

static void idle_entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                                  size_t rows, size_t cols)
{
    (void)dentropy, (void)entropy, (void)logits, (void)lse;
    note_rows(IDLE_LOGP_BACKWARD, rows, cols, dlogits, NULL);
}

/* As if the last columns were by far the largest: no end of a caption is among them, and nobody needs more than these. */
static void idle_top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    note_call((IdleCall){.slot = IDLE_TOP_K, .m = rows, .n = cols, .k = k}, logits, NULL);
    for (size_t i = 0; i < rows; i++) {
        lse[i] = 0;
        for (size_t j = 0; j < k; j++) {
            values[i * k + j] = (real)(-1 - (double)j);
            ids[i * k + j] = (int32_t)(j < cols ? cols - 1 - j : 0);
        }
    }
}

static double idle_sum_squares(const real *x, size_t n)
{
    note_stream(n, x);
    return 0;
}

static void idle_scale(real *x, double factor, size_t n)
{
    (void)factor;
    note_stream(n, x);
}

static void idle_integers_add(int64_t *sums, const real *x, size_t n, int64_t most, double *worst)
{
    (void)sums, (void)x, (void)n, (void)most, (void)worst;
}

static void idle_integers_get(real *x, const int64_t *sums, size_t n)
{
    (void)x, (void)sums, (void)n;
}

static bool idle_always(void)
{
    return true;
}

static void idle_adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    (void)grad, (void)v, (void)step;
    note_rows(IDLE_ADAM, n, 1, p, m);
}

const Kernels *kernels_idle(void)
{
    static const Kernels table = {
        .name = "idle",
        .compute = COMPUTE_F32,
        .memory_new = idle_new,
        .memory_free = free,
        .upload = idle_move,
        .download = idle_download,
        .copy = idle_move,
        .zero = idle_zero,
        .weights = idle_weights,
        .matmul = idle_matmul,
        .matmul_step = idle_matmul_step,
        .matmul_dx = idle_matmul_dx,
        .matmul_dw = idle_matmul_dw,
        .column_sums = idle_column_sums,
        .layernorm = idle_layernorm,
        .layernorm_backward = idle_layernorm_backward,
        .rmsnorm = idle_rmsnorm,
        .rmsnorm_backward = idle_rmsnorm_backward,
        .gelu = idle_gelu,
        .gelu_backward = idle_gelu_backward,
        .quick_gelu = idle_gelu,
        .quick_gelu_backward = idle_gelu_backward,
        .gelu_tanh = idle_gelu,
        .gelu_tanh_backward = idle_gelu_backward,
        .relu = idle_relu,
        .relu_backward = idle_relu,
        .swiglu = idle_swiglu,
        .swiglu_backward = idle_swiglu_backward,
        .rotate = idle_rotate,
        .add = idle_add,
        .axpy = idle_axpy,
        .axpy_rows = idle_axpy_rows,
        .attention = idle_attention,
        .attention_backward = idle_attention_backward,
        .embed = idle_embed,
        .embed_backward = idle_embed_backward,
        .gather = idle_gather,
        .gather_backward = idle_gather_backward,
        .scatter = idle_scatter,
        .mean_rows = idle_mean_rows,
        .mean_rows_backward = idle_mean_rows,
        .normalise = idle_normalise,
        .normalise_backward = idle_normalise_backward,
        .token_logp = idle_token_logp,
        .token_logp_backward = idle_token_logp_backward,
        .entropy_backward = idle_entropy_backward,
        .top_k = idle_top_k,
        .sum_squares = idle_sum_squares,
        .clamp = idle_scale,
        .scale = idle_scale,
        .adam = idle_adam,
        .integers_add = idle_integers_add,
        .integers_get = idle_integers_get,
        .idle = idle_always,
    };
    return &table;
}
