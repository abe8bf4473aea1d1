/*
 * The tape's promises: what leads to no gradient leaves nothing, memory is given back and kept, growth can be forbidden,
 * checkpoints save memory; number types round to nearest even; wrong shapes and unknown devices are refused.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tensor/ops.h"

static Tape *tape;

static int start(void **state)
{
    (void)state;
    tape = tape_new(kernels_cpu(COMPUTE_F32));
    return 0;
}

static int end(void **state)
{
    (void)state;
    tape_free(tape);
    return 0;
}

/* What a child that runs `f` exits with; 128 and the signal where one ended it. */
static int status_of(void (*f)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(99);
        f();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum { WAS_A_BUG = 128 + SIGABRT };

static const real ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void count_call(Tape *t, void *context)
{
    (void)t;
    ++*(int *)context;
}

static void test_only_gradients_are_recorded(void **state)
{
    (void)state;
    tape_record(tape, true);
    Tensor *x = tape_input(tape, 2, 4, ones, false);
    assert_null(op_gelu_inplace(tape, op_add(tape, x, x))->grad);
    Tensor *p = tape_input(tape, 2, 4, ones, true);
    assert_non_null(op_gelu_inplace(tape, p)->grad);
    tape_record(tape, false);
    assert_null(op_gelu_inplace(tape, x)->grad);
    assert_null(tape_input(tape, 2, 4, ones, true)->grad);
}

static void test_notes_run_once_backwards(void **state)
{
    (void)state;
    int *calls = tape_alloc(tape, 3 * sizeof *calls);
    memset(calls, 0, 3 * sizeof *calls);
    tape_node(tape, count_call, &calls[0]); /* not recording: ignored */
    tape_record(tape, true);
    tape_node(tape, count_call, &calls[1]);
    TapeMark mark = tape_mark(tape);
    tape_node(tape, count_call, &calls[2]);
    tape_release(tape, mark); /* and its note with it */
    tape_backward(tape);
    tape_backward(tape);
    assert_true(calls[0] == 0 && calls[1] == 1 && calls[2] == 0);
    assert_true(tape_recording(tape));
}

/* A gradient used twice is the sum. */
static void test_gradients_add(void **state)
{
    (void)state;
    tape_record(tape, true);
    const Tensor *x = tape_input(tape, 1, 4, ones, true);
    const Tensor *y = op_add(tape, op_relu_inplace(tape, op_add(tape, x, x)), x);
    memcpy(y->grad, ones, 4 * sizeof(real));
    tape_backward(tape);
    for (size_t i = 0; i < 4; i++)
        assert_true(x->grad[i] == 3);
}

static void test_memory_is_kept(void **state)
{
    (void)state;
    TapeMark mark = tape_mark(tape);
    void *first = NULL, *last = NULL;
    size_t peak = 0;
    for (int round = 0; round < 5; round++) {
        void *a = tape_tensor(tape, 100, 100, false)->data, *b = tape_tensor(tape, 3000, 1000, false)->data;
        tape_tensor(tape, 10, 10, false);
        assert_int_equal((uintptr_t)a % 64, 0);
        assert_true(round == 0 || (a == first && b == last && tape_peak(tape) == peak));
        first = a;
        last = b;
        peak = tape_peak(tape);
        tape_release(tape, mark);
        if (round == 2)
            tape_forbid_growth(tape, true);
    }
    assert_true(peak >= 3010100 * sizeof(real) && peak < 3100000 * sizeof(real));
}

static void grow(void)
{
    tape_forbid_growth(tape, true);
    tape_tensor(tape, 5000, 5000, false);
}

static void grow_host(void)
{
    tape_forbid_growth(tape, true);
    tape_alloc(tape, 100 << 20);
}

static void test_growth_forbidden(void **state)
{
    (void)state;
    tape_tensor(tape, 1, 1, false);
    assert_int_equal(status_of(grow), WAS_A_BUG);
    assert_int_equal(status_of(grow_host), WAS_A_BUG);
}

/* Segments */

static Tensor *wide(Tape *t, void *context, Tensor *x)
{
    (void)context;
    Tensor *y = x;
    for (int i = 0; i < 10; i++)
        y = op_gelu_inplace(t, y);
    return y;
}

static size_t peak_of(bool checkpointing)
{
    Tape *t = tape_new(kernels_cpu(COMPUTE_F32));
    tape_checkpointing(t, checkpointing);
    tape_record(t, true);
    real *zeros = calloc(100 * 1000, sizeof *zeros);
    Tensor *x = tape_input(t, 100, 1000, zeros, true), *y = x;
    for (int i = 0; i < 10; i++)
        y = tape_checkpoint(t, wide, NULL, y, y->rows);
    memset(y->grad, 0, tensor_size(y) * sizeof(real));
    tape_backward(t);
    size_t peak = tape_peak(t);
    free(zeros);
    tape_free(t);
    return peak;
}

static void test_checkpointing_saves_memory(void **state)
{
    (void)state;
    size_t with = peak_of(true), without = peak_of(false);
    assert_true(without > 110 * 100000 * sizeof(real)); /* 100 results, 11 with gradients, and one segment's 9 gradients more */
    assert_true(without < 130 * 100000 * sizeof(real));
    assert_true(with < 45 * 100000 * sizeof(real)); /* 11 of each, and one segment's 10 of each */
}

/* Not recorded, a stack of checkpoints is as large as one of them, and what was computed is the same. */
static void test_unrecorded_checkpoints_take_turns(void **state)
{
    (void)state;
    real values[1000], recorded[1000];
    for (size_t i = 0; i < 1000; i++)
        values[i] = (real)i / 250 - 2;
    tape_checkpointing(tape, false);
    tape_record(tape, true);
    Tensor *y = tape_input(tape, 10, 100, values, true);
    for (int i = 0; i < 10; i++)
        y = tape_checkpoint(tape, wide, NULL, y, 10);
    memcpy(recorded, y->data, sizeof recorded);
    for (int checkpointing = 0; checkpointing < 2; checkpointing++) {
        Tape *t = tape_new(kernels_cpu(COMPUTE_F32));
        tape_checkpointing(t, checkpointing);
        Tensor *x = y = tape_input(t, 10, 100, values, false);
        for (int i = 0; i < 10; i++)
            y = tape_checkpoint(t, wide, NULL, y, 10);
        assert_true(y->data == x->data && tape_peak(t) < 2 * sizeof recorded);
        assert_memory_equal(y->data, recorded, sizeof recorded);
        tape_free(t);
    }
}

static Tensor *same(Tape *t, void *context, Tensor *x)
{
    (void)t, (void)context;
    return x;
}

/* Not recorded, a sum is its residual and leaves nothing on the stack, unless the residual has a gradient: then it is kept. */
static void test_unrecorded_sums_are_in_place(void **state)
{
    (void)state;
    Linear layer = {.weight = *tape_input(tape, 4, 4, ones, false), .bias = *tape_input(tape, 1, 4, ones, false)};
    const Tensor *x = tape_input(tape, 2, 4, ones, false);
    Tensor *residual = tape_input(tape, 2, 4, ones, false);
    void *top = tape_tensor(tape, 1, 1, false)->data;
    assert_ptr_equal(op_linear_add_inplace(tape, residual, x, &layer), residual);
    assert_ptr_equal(tape_tensor(tape, 1, 1, false)->data, (char *)top + 64);
    for (size_t i = 0; i < 8; i++)
        assert_true(tensor_data(residual)[i] == 6);
    tape_record(tape, true);
    Tensor *trained = tape_input(tape, 2, 4, ones, true);
    tape_record(tape, false);
    assert_true(tensor_data(op_linear_add_inplace(tape, trained, x, &layer))[0] == 6 && tensor_data(trained)[0] == 1);
    assert_true(op_gelu_inplace(tape, trained) != trained && tape_checkpoint(tape, same, NULL, trained, 2) != trained);
    for (size_t i = 0; i < 8; i++)
        assert_true(tensor_data(trained)[i] == 1);
}

static void test_checkpoint_of_nothing(void **state)
{
    (void)state;
    tape_record(tape, true);
    Tensor *x = tape_input(tape, 1, 4, ones, true), *frozen = tape_input(tape, 1, 4, ones, false);
    assert_null(tape_checkpoint(tape, wide, NULL, frozen, 1)->grad);
    const Tensor *y = tape_checkpoint(tape, same, NULL, x, 1);
    memcpy(y->grad, ones, 4 * sizeof(real));
    tape_backward(tape);
    for (size_t i = 0; i < 4; i++)
        assert_true(x->grad[i] == 1);
}

/* Not recorded, the vocabulary is taken in parts: the same log-probabilities, in less memory than the logits; first, last words.
 */
static void test_unrecorded_log_probabilities(void **state)
{
    (void)state;
    enum { ROWS = 600, COLS = 4, WORDS = 20000 };
    real *values = malloc(WORDS * COLS * sizeof *values), recorded[ROWS];
    int32_t targets[ROWS];
    for (size_t i = 0; i < WORDS * COLS; i++)
        values[i] = (real)(i * 7919 % 1009) / 250 - 2;
    for (size_t i = 0; i < ROWS; i++)
        targets[i] = (int32_t)(i % 5 == 0 ? WORDS - 1 : i % 5 == 1 ? 8191 : i % 5 == 2 ? 8192 : i * 97 % WORDS);
    const Tensor *table = tape_input(tape, WORDS, COLS, values, false), *bias = tape_input(tape, 1, WORDS, values + 7, false);
    tape_record(tape, true);
    const Tensor *x = tape_input(tape, ROWS, COLS, values, true);
    memcpy(recorded, op_token_logp(tape, x, table, bias, targets, NULL)->data, sizeof recorded);
    tape_record(tape, false);
    Tape *t = tape_new(kernels_cpu(COMPUTE_F32));
    const real *streamed = tensor_data(op_token_logp(t, x, table, bias, targets, NULL));
    for (size_t i = 0; i < ROWS; i++)
        assert_true(fabs((double)streamed[i] - (double)recorded[i]) <= 4e-7 * (1 + fabs((double)recorded[i])));
    assert_true(tape_peak(t) < (size_t)256 * WORDS * sizeof(real));
    tape_free(t);
    free(values);
}

/* Number types */

static void test_f16_all(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h, out;
        double v = dtype_load(DTYPE_F16, &in, 0);
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        double expected = exponent == 31  ? (fraction ? NAN : INFINITY)
                          : exponent == 0 ? ldexp(fraction, -24)
                                          : ldexp(1024 + fraction, exponent - 25);
        assert_true(isnan(expected) ? isnan(v) : v == (h & 0x8000 ? -expected : expected));
        dtype_store(DTYPE_F16, &out, 0, v);
        assert_true(isnan(v) ? isnan(dtype_load(DTYPE_F16, &out, 0)) : out == in);
    }
}

static void test_bf16_all(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h, out;
        uint32_t bits = h << 16;
        float f, v = (float)dtype_load(DTYPE_BF16, &in, 0);
        memcpy(&f, &bits, 4);
        assert_true(isnan(f) ? isnan(v) : v == f);
        dtype_convert(DTYPE_BF16, &out, DTYPE_F32, &f, 1);
        assert_true(isnan(f) ? isnan(dtype_load(DTYPE_BF16, &out, 0)) : out == in);
    }
}

/* Between two neighbours: below half, the tie, above half; also where a float in between would make a false tie. */
static void test_rounding(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F16, DTYPE_BF16};
    for (size_t t = 0; t < 2; t++)
        for (uint32_t h = 1; h < (t == 0 ? 0x7bffu : 0x7f7fu); h += 7) {
            if (t == 1 && h < 0x80)
                continue; /* subnormal floats are flushed in our threads */
            uint16_t low = (uint16_t)h, high = (uint16_t)(h + 1), even = (uint16_t)(h + (h & 1)), out;
            double a = dtype_load(types[t], &low, 0), b = dtype_load(types[t], &high, 0), half = a + (b - a) / 2;
            const struct {
                double value;
                uint16_t expected;
            } points[] = {{half, even}, {half * (1 + 1e-12), high}, {half * (1 - 1e-12), low}, {-half, even | 0x8000}};
            for (size_t i = 0; i < 4; i++) {
                dtype_store(types[t], &out, 0, points[i].value);
                assert_int_equal(out, points[i].expected);
            }
        }
    static const struct {
        double value;
        uint16_t f16, bf16;
    } ends[] = {{65519.99, 0x7bff, 0x4780},
                {65520, 0x7c00, 0x4780},
                {1e39, 0x7c00, 0x7f80},
                {-1e39, 0xfc00, 0xff80},
                {2.9e-8, 0, 0x32f9}};
    for (size_t i = 0; i < 5; i++) {
        uint16_t out;
        dtype_store(DTYPE_F16, &out, 0, ends[i].value);
        assert_int_equal(out, ends[i].f16);
        dtype_store(DTYPE_BF16, &out, 0, ends[i].value);
        assert_int_equal(out, ends[i].bf16);
    }
}

static void test_convert_everywhere(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64};
    static const double values[] = {0, 1, -2.5, 0.0078125, -65504, 3};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            _Alignas(8) unsigned char from[48], to[48], odd[49], again[48];
            for (size_t v = 0; v < 6; v++)
                dtype_store(types[i], from, v, values[v]);
            dtype_convert(types[j], to, types[i], from, 6);
            memcpy(odd + 1, from, 6 * dtype_size(types[i]));
            dtype_convert_bytes(types[j], again, types[i], odd + 1, 6); /* as in a record (UBSan looks on) */
            assert_memory_equal(again, to, 6 * dtype_size(types[j]));
            for (size_t v = 0; v < 6; v++) { /* only -65504 is not exact in bf16: it becomes -65536, which is no half */
                double got = dtype_load(types[j], to, v);
                assert_true(v == 4 ? got <= -65504 : got == values[v]);
            }
        }
}

/* Refusals */

static void wrong_linear(void)
{
    real w[6] = {0};
    Linear layer = {.weight = {.data = w, .rows = 2, .cols = 3, .type = DTYPE_REAL}};
    op_linear(tape, tape_input(tape, 2, 4, ones, false), &layer);
}

static void wrong_id(void)
{
    real w[6] = {0};
    const Tensor table = {.data = w, .rows = 2, .cols = 3, .type = DTYPE_REAL};
    op_embed(tape, &table, (const int32_t[]){0, 2}, 2);
}

static void wrong_span(void)
{
    const Tensor *x = tape_input(tape, 2, 4, ones, false);
    op_attention(tape, x, x, x, &(Span){0, 2, 0, 0, 1, 2}, 1, 2, false);
}

static void wrong_heads(void)
{
    const Tensor *x = tape_input(tape, 2, 4, ones, false);
    op_attention(tape, x, x, x, &(Span){0, 2, 0, 0, 0, 2}, 1, 3, false);
}

static void wrong_add(void)
{
    op_add(tape, tape_input(tape, 2, 4, ones, false), tape_input(tape, 4, 2, ones, false));
}

static void wrong_variant(void)
{
    setenv("VLRM_CPU", "z80", 1);
    kernels_cpu(COMPUTE_F32);
}

static void test_wrong_shapes(void **state)
{
    (void)state;
    void (*wrong[])(void) = {wrong_linear, wrong_id, wrong_span, wrong_heads, wrong_add};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(status_of(wrong[i]), WAS_A_BUG);
    assert_int_equal(status_of(wrong_variant), STATUS_USAGE);
}

static void test_devices(void **state)
{
    (void)state;
    const Kernels *k = NULL;
    Error err = {0};
    assert_true(kernels_find("cpu", COMPUTE_F32, &k, &err));
    assert_int_equal(k->compute, COMPUTE_F32);
    assert_false(kernels_find("gpu", COMPUTE_F32, &k, &err));
    assert_non_null(strstr(err.text, "gpu"));
    err = (Error){0};
    assert_false(kernels_find("cuda:x", COMPUTE_F32, &k, &err));
    setenv("VLRM_CPU", "plain", 1);
    assert_string_equal(kernels_cpu(COMPUTE_AUTO)->name, "plain");
    unsetenv("VLRM_CPU");
}

#define ON_A_TAPE(TEST) cmocka_unit_test_setup_teardown(TEST, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_TAPE(test_only_gradients_are_recorded),
        ON_A_TAPE(test_notes_run_once_backwards),
        ON_A_TAPE(test_gradients_add),
        ON_A_TAPE(test_memory_is_kept),
        ON_A_TAPE(test_growth_forbidden),
        cmocka_unit_test(test_checkpointing_saves_memory),
        ON_A_TAPE(test_unrecorded_checkpoints_take_turns),
        ON_A_TAPE(test_unrecorded_sums_are_in_place),
        ON_A_TAPE(test_checkpoint_of_nothing),
        ON_A_TAPE(test_unrecorded_log_probabilities),
        cmocka_unit_test(test_f16_all),
        cmocka_unit_test(test_bf16_all),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_convert_everywhere),
        ON_A_TAPE(test_wrong_shapes),
        cmocka_unit_test(test_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
