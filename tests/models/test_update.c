/*
 * The step of vlrm-update itself: what a loss must not move has a gradient of exactly zero, in every bit; and how a batch is cut
 * into micro-batches changes rounding alone. Values are compared with the reference by tests/update/vlrm-update.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "update/learner.h"
#include "update/plan.h"

enum { CAPTIONS = 8 };

static const char *paper_names[] = {"query", "qformer", "projection"};
static const char *everything_names[] = {"query", "qformer", "projection", "lora-vision", "lora-llm"};
static const char *lora_targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
static const char *vision_targets[] = {"qkv", "projection", "fc1", "fc2"};

static const StringList paper = {paper_names, 3}, everything = {everything_names, 5};

static LearnerOptions options(StringList train)
{
    return (LearnerOptions){.model = "../blip2",
                            .value_head = "residual:blocks=2,width=2",
                            .train = train,
                            .lora_targets = {lora_targets, 6},
                            .vision_targets = {vision_targets, 4},
                            .lora_rank = 2,
                            .lora_alpha = 4,
                            .seed = 1,
                            .learning_rate = 1e-3,
                            .value_learning_rate = 1e-3,
                            .beta1 = 0.9,
                            .beta2 = 0.999,
                            .eps = 1e-8,
                            .memory = 256};
}

/* Small numbers without symmetry in place of every value that is 0: where B of LoRA is 0, A has no gradient. */
static void stir(Parameters *p)
{
    for (size_t i = 0; i < p->count; i++) {
        size_t n = tensor_size(&p->items[i]->value);
        real *values = xmalloc(n * sizeof *values);
        parameter_get(p, p->items[i], values);
        for (size_t k = 0; k < n; k++)
            values[k] += values[k] == 0 ? (real)(0.05 * sin(1 + 0.7 * (double)(k + i))) : 0;
        parameter_set(p, p->items[i], values);
        free(values);
    }
}

static Learner *open_learner(const LearnerOptions *o)
{
    Error err = {0};
    Learner *l = learner_new(o, kernels_cpu(COMPUTE_F32), &err);
    if (!l)
        fail_msg("%s", err.text);
    stir(&l->policy);
    stir(&l->value);
    return l;
}

/* Captions of the reference with returns of ours. */
static void read_batch(Batch *b, const Learner *l)
{
    Error err = {0};
    Record r;
    const LmConfig *text = &l->captioner->lm.config;
    BatchNeeds needs = {false, text->vocabulary, text->positions - l->captioner->n_prefix - 1, l->captioner, NULL};
    batch_init(b, "/tmp", (size_t)16 << 20);
    Reader *reader = reader_open_json("captions.jsonl", &err);
    while (reader && b->n < CAPTIONS && reader_next(reader, &r) != RECORD_NONE)
        if (r.kind == RECORD_DATA && !batch_add(b, &r, &needs, &err))
            break;
    reader_free(reader);
    if (b->n != CAPTIONS)
        fail_msg("%zu captions read: %s", b->n, err.text);
    for (size_t i = 0; i < b->n_tokens; i++)
        b->returns[i] = 3 * sin(1 + 1.3 * (double)i) - 1;
}

/* Parameters of which some gradient is not zero: not even a zero with a sign counts as none. */
static size_t count_touched(const Parameters *p)
{
    size_t touched = 0;
    for (size_t i = 0; i < p->count; i++) {
        const Tensor *t = &p->items[i]->value;
        const unsigned char *bytes = (const unsigned char *)t->grad;
        size_t n = tensor_size(t) * sizeof(real), k = 0;
        while (k < n && bytes[k] == 0)
            k++;
        touched += k < n;
    }
    return touched;
}

/* A learner at the beginning of a step on the captions above. */
static Learner *begin_step(StringList train, Batch *batch, StepReport *report, Arena *arena)
{
    LearnerOptions o = options(train);
    Learner *l = open_learner(&o);
    read_batch(batch, l);
    learner_begin(l, batch, report, arena);
    return l;
}

static void check_apart(StringList train)
{
    Error err = {0};
    Arena arena = {0};
    Batch batch;
    StepReport report;
    Learner *l = begin_step(train, &batch, &report, &arena);
    assert_int_equal(count_touched(&l->policy) + count_touched(&l->value), 0);
    if (!learner_values(l, &batch, &report, &err))
        fail_msg("%s", err.text);
    assert_true(report.value_loss > 0);
    print_message("L_v: of %zu tensors of the policy and %zu of the value, gradients reach %zu and %zu\n", l->policy.count,
                  l->value.count, count_touched(&l->policy), count_touched(&l->value));
    assert_int_equal(count_touched(&l->policy), 0);
    assert_int_equal(count_touched(&l->value), l->value.count);

    parameters_zero_grad(&l->value);
    if (!learner_policy(l, &batch, &report, &err))
        fail_msg("%s", err.text);
    assert_true(report.policy_loss != 0);
    print_message("L_p: %zu and %zu\n", count_touched(&l->policy), count_touched(&l->value));
    assert_int_equal(count_touched(&l->policy), l->policy.count);
    assert_int_equal(count_touched(&l->value), 0);

    batch_release(&batch);
    arena_release(&arena);
    learner_free(l);
}

static void test_losses_apart(void **state)
{
    (void)state;
    check_apart(paper);
}

static void test_losses_apart_with_adapters(void **state)
{
    (void)state;
    check_apart(everything);
}

/* A step of both passes; dropped: what the value pass kept of the images for the policy's is not used. The policy's gradients. */
static real *step_gradients(size_t *n, double *loss, StringList train, bool dropped)
{
    Error err = {0};
    Arena arena = {0};
    Batch batch;
    StepReport report;
    Learner *l = begin_step(train, &batch, &report, &arena);
    assert_true(learner_values(l, &batch, &report, &err));
    assert_non_null(l->kept_prefix);
    if (dropped) {
        l->kept_prefix = NULL;
        tape_reset(l->tape);
    }
    assert_true(learner_policy(l, &batch, &report, &err));
    assert_null(l->kept_prefix);
    *loss = report.policy_loss;
    *n = 0;
    for (size_t i = 0; i < l->policy.count; i++)
        *n += tensor_size(&l->policy.items[i]->value);
    real *all = xmalloc(*n * sizeof *all), *at = all;
    for (size_t i = 0; i < l->policy.count; i++) {
        const Tensor *t = &l->policy.items[i]->value;
        memcpy(at, t->grad, tensor_size(t) * sizeof *at);
        at += tensor_size(t);
    }
    batch_release(&batch);
    arena_release(&arena);
    learner_free(l);
    return all;
}

/* Prefixes computed once for both passes are what the policy's pass would have computed. */
static void test_kept_prefixes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        StringList train = i == 0 ? paper : everything;
        size_t n, m;
        double loss, other_loss;
        real *kept = step_gradients(&n, &loss, train, false);
        real *computed = step_gradients(&m, &other_loss, train, true);
        assert_int_equal(n, m);
        assert_memory_equal(kept, computed, n * sizeof *kept);
        assert_true(loss != 0 && loss == other_loss);
        free(kept);
        free(computed);
    }
}

/* Bytes on the tape at most, of a step of this head, and what was planned for it. */
static void planned(const char *head, StringList train, size_t *peak, size_t *plan)
{
    Error err = {0};
    Arena arena = {0};
    Batch batch;
    StepReport report;
    LearnerOptions o = options(train);
    o.value_head = head;
    Learner *l = open_learner(&o);
    read_batch(&batch, l);
    learner_begin(l, &batch, &report, &arena);
    assert_true(learner_values(l, &batch, &report, &err));
    assert_int_equal(report.micro_batches, 1);
    assert_true(learner_policy(l, &batch, &report, &err));
    *peak = tape_peak(l->tape);
    *plan = 0;
    for (size_t i = 0; i < batch.n; i++)
        *plan += plan_bytes(l, batch.episodes[i].grid, batch.episodes[i].n, false, false);
    batch_release(&batch);
    arena_release(&arena);
    learner_free(l);
}

/* What is planned is enough for the tape, and not a multiple of it, whatever the head's shape. */
static void test_plan(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "residual", "residual:blocks=1,width=1", "residual:blocks=8,width=16", "residual:blocks=40,width=1", "linear",
        "mlp",      "mlp:layers=1,width=1",      "mlp:layers=4,width=40",      "mlp:layers=30,width=2"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int all = 0; all < 2; all++) {
            size_t peak, plan;
            planned(heads[i], all ? everything : paper, &peak, &plan);
            print_message("%s%s: %zu bytes of %zu planned\n", heads[i], all ? ", all parts" : "", peak, plan);
            /* Tensors this small are padded, and have statistics of rows: a tenth. Adapters of so small a model are no trifle. */
            assert_true((double)peak <= (all ? 1.3 : 1.1) * (double)plan && (double)plan < 1.5 * (double)peak);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_losses_apart),
        cmocka_unit_test(test_losses_apart_with_adapters),
        cmocka_unit_test(test_kept_prefixes),
    };
    if (chdir("tests/golden/oracle/tiny/f64") != 0)
        return 1;
    pool_init(2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
