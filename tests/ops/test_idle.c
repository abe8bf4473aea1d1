/* Kernels that compute nothing: what they note of calls, and that a sample of each kind can be run over every table there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "stage/tempo.h"
#include "tensor/kernels_idle.h"

static const Span spans[] = {{.q = 0, .nq = 3, .k = 0, .nk = 3}, {.q = 3, .nq = 1, .prefix = 0, .n_prefix = 2, .k = 3, .nk = 4}};
static const AttentionShape shape = {
    .spans = spans, .n_spans = 2, .heads = 2, .cols = 8, .q_rows = 4, .scale = 1, .causal = true};

static const IdleCall *call_of(IdleSlot slot)
{
    size_t n;
    const IdleCall *calls = idle_calls(&n);
    for (size_t i = 0; i < n; i++)
        if (calls[i].slot == slot)
            return &calls[i];
    return NULL;
}

static void calls_of_one_kind_and_size_are_one(void **state)
{
    (void)state;
    const Kernels *idle = kernels_idle();
    size_t n;
    idle_reset();
    idle->matmul(NULL, NULL, DTYPE_F16, NULL, NULL, false, 5, 7, 11);
    idle_weigh(2.5);
    idle->matmul(NULL, NULL, DTYPE_F16, NULL, NULL, true, 5, 7, 11);
    idle->attention(NULL, NULL, NULL, NULL, NULL, &shape);
    idle->matmul(NULL, NULL, DTYPE_F32, NULL, NULL, false, 5, 7, 11);
    idle_calls(&n);
    assert_int_equal(n, 3);
    assert_true(call_of(IDLE_MATMUL)->times == 3.5);
    assert_int_equal(call_of(IDLE_MATMUL)->type, DTYPE_F16);
    const IdleCall *a = call_of(IDLE_ATTENTION);
    assert_true(a->queries == 2.5 * 4 && a->prefixed == 2.5 * 2);
    assert_true(a->pairs == 2.5 * (1 + 2 + 3 + 6)); /* each query sees itself and what is before it */
    idle_reset();
    idle_calls(&n);
    assert_int_equal(n, 0);
    assert_true(idle_largest_factor() >= 55);
}

/* A result that comes to the same place again is in a cache maybe; what a backward pass reads was written long before. */
static void places_are_counted_once(void **state)
{
    (void)state;
    const Kernels *idle = kernels_idle();
    real y[2], x[3];
    idle_reset();
    for (size_t i = 0; i < 6; i++) {
        idle->gelu(&y[i % 2], x, 1000);
        idle->gelu_backward(y, y, &x[i % 3], 1000);
    }
    assert_int_equal(call_of(IDLE_GELU)->results.n, 2);
    assert_int_equal(call_of(IDLE_GELU)->inputs.n, 0);
    assert_int_equal(call_of(IDLE_GELU_BACKWARD)->results.n, 1);
    assert_int_equal(call_of(IDLE_GELU_BACKWARD)->inputs.n, 3);
}

static void call_each(const Kernels *k)
{
    int32_t ids[4];
    real values[4];
    double lse[4];
    k->matmul(NULL, NULL, DTYPE_BF16, NULL, NULL, false, 64, 96, 32);
    k->matmul_step(NULL, NULL, DTYPE_BF16, NULL, NULL, false, 2, 96, 32);
    k->matmul_dx(NULL, NULL, DTYPE_F16, NULL, 64, 96, 32);
    k->matmul_dw(NULL, NULL, NULL, 64, 96, 32);
    k->attention(NULL, NULL, NULL, NULL, NULL, &shape);
    k->attention_backward(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &shape);
    k->layernorm(NULL, NULL, NULL, NULL, NULL, NULL, 1e-5, 3, 32);
    k->layernorm_backward(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3, 32);
    k->token_logp(NULL, NULL, NULL, NULL, NULL, 3, 100);
    k->token_logp_backward(NULL, NULL, NULL, NULL, NULL, 3, 100);
    k->top_k(values, ids, lse, NULL, 2, 100, 2);
    k->gelu(NULL, NULL, 1000);
    k->gelu_backward(NULL, NULL, NULL, 1000);
    k->adam(NULL, NULL, NULL, NULL, NULL, 1000);
    k->embed(NULL, DTYPE_F16, NULL, NULL, 3, 32);
    k->gather(NULL, NULL, NULL, 3, 32);
    k->zero(NULL, 1000);
    k->add(NULL, NULL, NULL, 1000);
}

static void each_kind_can_be_sampled_over_every_table(void **state)
{
    (void)state;
    const Kernels *tables[24];
    const size_t n_tables = kernels_cpu_all(tables, 24);
    size_t n;
    idle_reset();
    call_each(kernels_idle());
    idle_calls(&n);
    assert_int_equal(n, IDLE_SLOTS);
    for (size_t i = 0; i < n_tables; i++) {
        const double all = tempo_seconds(tables[i], 1e6, 60), first = tempo_seconds(tables[i], 0, 0);
        assert_true(isfinite(all) && all > 0);
        assert_true(isfinite(first) && first > 0); /* of one sample, the rest guessed */
    }
    idle_reset();
    assert_true(tempo_seconds(tables[0], 1e6, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_one_kind_and_size_are_one),
        cmocka_unit_test(places_are_counted_once),
        cmocka_unit_test(each_kind_can_be_sampled_over_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
