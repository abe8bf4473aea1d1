/*
 * The models against the reference: tests/golden/models (made by make.sh there), or the folder in VLRM_PARITY (see parity.sh).
 *
 * The largest difference over a tensor, relative to its largest value, must be below 1e-4 in float and 1e-9 in the double build.
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
#include "models/blip2.h"
#include "models/clip.h"
#include "models/itm.h"
#include "models/lora.h"
#include "models/value_head.h"

#define TOLERANCE (sizeof(real) == 8 ? 1e-9 : 1e-4)

/* One folder of models and what the reference makes of its inputs. */
typedef struct Case {
    const Kernels *kernels;
    Tape *tape;
    Checkpoint *golden;
    Captioner *captioner;
    Itm *itm;
    Clip *clip; /* NULL where the folder has none */
    size_t items;
    int32_t *tokens, *itm_ids, *clip_ids;
    size_t *token_counts, *itm_counts, *clip_counts;
} Case;

static const char *folder;

static const StoredTensor *golden(const Case *c, const char *name)
{
    const StoredTensor *t = checkpoint_find(c->golden, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

static void compare(const Case *c, const char *name, const Tensor *found)
{
    const StoredTensor *t = golden(c, name);
    const size_t n = shape_size(&t->shape);
    double worst = 0, largest = 0;
    assert_int_equal(n, tensor_size(found));
    for (size_t i = 0; i < n; i++) {
        double a = tensor_data(found)[i], b = dtype_load(t->type, t->data, i);
        if (!isfinite(a))
            fail_msg("%s[%zu] is %g", name, i, a);
        worst = fmax(worst, fabs(a - b));
        largest = fmax(largest, fabs(b));
    }
    print_message("%s: relative difference %.2g\n", name, worst / largest);
    if (worst > TOLERANCE * largest)
        fail_msg("%s: differs by %g of %g, allowed %g", name, worst, largest, TOLERANCE * largest);
}

/* ---- reading a case ---- */

static void *widen(const Case *c, const char *name, bool as_size)
{
    const StoredTensor *t = golden(c, name);
    const size_t n = shape_size(&t->shape);
    const int64_t *in = t->data;
    assert_string_equal(t->dtype, "I64");
    void *out = xmalloc(n * 8);
    for (size_t i = 0; i < n; i++) {
        if (as_size)
            ((size_t *)out)[i] = (size_t)in[i];
        else
            ((int32_t *)out)[i] = (int32_t)in[i];
    }
    return out;
}

static int open_case(void **state)
{
    static Case c;
    Error err = {0};
    c = (Case){.kernels = kernels_cpu(COMPUTE_F32)};
    c.tape = tape_new(c.kernels);
    char *blip2 = path_join(folder, "blip2"), *itm = path_join(folder, "itm"), *clip = path_join(folder, "clip");
    char *parity = path_join(folder, "parity.safetensors");
    c.golden = checkpoint_open(parity, &err);
    c.captioner = captioner_open(blip2, c.kernels, &err);
    c.itm = itm_open(itm, c.kernels, &err);
    c.clip = access(clip, F_OK) == 0 ? clip_open(clip, c.kernels, &err) : NULL;
    free(blip2);
    free(itm);
    free(clip);
    free(parity);
    if (err.text[0]) {
        print_error("%s\n", err.text);
        return -1;
    }
    c.items = golden(&c, "pixels")->shape.dim[0];
    c.tokens = widen(&c, "tokens", false);
    c.token_counts = widen(&c, "tokens.counts", true);
    c.itm_ids = widen(&c, "itm_ids", false);
    c.itm_counts = widen(&c, "itm_ids.counts", true);
    c.clip_ids = c.clip ? widen(&c, "clip_ids", false) : NULL;
    c.clip_counts = c.clip ? widen(&c, "clip_ids.counts", true) : NULL;
    *state = &c;
    return 0;
}

static int close_case(void **state)
{
    Case *c = *state;
    captioner_free(c->captioner);
    itm_free(c->itm);
    clip_free(c->clip);
    checkpoint_free(c->golden);
    tape_free(c->tape);
    free(c->tokens);
    free(c->itm_ids);
    free(c->clip_ids);
    free(c->token_counts);
    free(c->itm_counts);
    free(c->clip_counts);
    return 0;
}

/* ---- pieces ---- */

static Tensor *features(const Case *c, const Vit *v)
{
    return vit_norm(c->tape, v, vit_blocks(c->tape, v, golden(c, "pixels")->data, c->items));
}

static Tensor *prefixes(const Case *c)
{
    return blip2_prefix(c->tape, c->captioner, features(c, &c->captioner->vit), c->items);
}

/* The captions as sequences behind their images; the caller frees them. */
static OptSequence *sequences(const Case *c, bool with_images)
{
    OptSequence *s = xcalloc(c->items, sizeof *s);
    const size_t q = c->captioner->config.queries;
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        s[i] = (OptSequence){.prefix = with_images ? i * q : 0, .n_prefix = with_images ? q : 0, .tokens = c->tokens + first};
        s[i].n = c->token_counts[i];
        first += s[i].n;
    }
    return s;
}

static Tensor *hidden(const Case *c, bool with_images)
{
    OptSequence *s = sequences(c, with_images);
    Tensor *h = opt_hidden(c->tape, &c->captioner->opt, with_images ? prefixes(c) : NULL, s, c->items);
    free(s);
    return h;
}

static Tensor *itm_scores(const Case *c)
{
    QformerText *texts = xcalloc(c->items, sizeof *texts);
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        texts[i] = (QformerText){.image = i, .ids = c->itm_ids + first, .n = c->itm_counts[i]};
        first += texts[i].n;
    }
    QformerMemory m = qformer_memory(c->tape, &c->itm->qformer, features(c, &c->itm->vit), c->items);
    Tensor *logits = itm_logits(c->tape, c->itm, &m, texts, c->items);
    free(texts);
    return logits;
}

static Tensor *clip_text_rows(const Case *c)
{
    ClipText *texts = xcalloc(c->items, sizeof *texts);
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        texts[i] = (ClipText){.ids = c->clip_ids + first, .n = c->clip_counts[i]};
        first += texts[i].n;
    }
    Tensor *rows = clip_texts(c->tape, c->clip, texts, c->items);
    free(texts);
    return rows;
}

/* ---- values ---- */

static void test_captioner(void **state)
{
    Case *c = *state;
    compare(c, "vision", features(c, &c->captioner->vit));
    compare(c, "prefix", prefixes(c));
    compare(c, "logp", opt_logp(c->tape, &c->captioner->opt, hidden(c, true), c->tokens, NULL));
    compare(c, "ref_logp", opt_logp(c->tape, &c->captioner->opt, hidden(c, false), c->tokens, NULL));
    tape_reset(c->tape);
}

static void test_scorer(void **state)
{
    Case *c = *state;
    compare(c, "itm_logits", itm_scores(c));
    tape_reset(c->tape);
    /* The published checkpoints share the encoder's blocks; so do these. */
    assert_int_equal(vit_digest(c->captioner->checkpoint), vit_digest(c->itm->checkpoint));
}

static void test_clip(void **state)
{
    Case *c = *state;
    compare(c, "clip_image", clip_images(c->tape, c->clip, golden(c, "clip_pixels")->data, c->items));
    compare(c, "clip_text", clip_text_rows(c));
    tape_reset(c->tape);
}

/* Adapters and value head with the reference's parameters; and the adapters again through PEFT's files. */
static void test_values(void **state)
{
    Case *c = *state;
    Error err = {0};
    Parameters p;
    parameters_init(&p, c->kernels);
    LoraSet *lora = lora_new(&c->captioner->binder, ADAPTER_VALUE);
    static const char *const targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
    if (!lora_train(lora, &p, "lora", "language_model", targets, 6, 2, 6.0, 1, &err))
        fail_msg("%s", err.text);
    ValueHead *head = value_head_new("residual:blocks=2,width=2", c->captioner->config.text.hidden, &p, 1, &err);
    if (!head || !parameters_load(&p, NULL, PARAMETER_VALUE, "", c->golden, false, &err))
        fail_msg("%s", err.text);
    tape_adapter(c->tape, ADAPTER_VALUE);
    Tensor *h = opt_hidden(c->tape, &c->captioner->opt, NULL, &(OptSequence){.tokens = c->tokens, .n = c->token_counts[0]}, 1);
    assert_true(tensor_size(h) > 0);
    compare(c, "values", value_head_forward(c->tape, head, hidden(c, true)));
    char peft[] = "/tmp/vlrm-peft-XXXXXX";
    assert_non_null(mkdtemp(peft));
    if (!lora_write(lora, peft, "base", &err))
        fail_msg("%s", err.text);
    lora_free(lora);
    lora = lora_new(&c->captioner->binder, ADAPTER_POLICY);
    if (!lora_open(lora, peft, &err))
        fail_msg("%s", err.text);
    assert_int_equal(lora_count(lora), 6 * c->captioner->config.text.layers);
    tape_adapter(c->tape, ADAPTER_POLICY);
    compare(c, "values", value_head_forward(c->tape, head, hidden(c, true)));
    tape_adapter(c->tape, ADAPTER_NONE);
    compare(c, "logp", opt_logp(c->tape, &c->captioner->opt, hidden(c, true), c->tokens, NULL));
    lora_free(lora);
    value_head_free(head);
    parameters_release(&p);
    tape_reset(c->tape);
    char *command = xasprintf("rm -r %s", peft);
    assert_int_equal(system(command), 0);
    free(command);
}

/* ---- sharing, decoding ---- */

static double log_softmax_at(const real *logits, size_t n, int32_t target)
{
    double largest = logits[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        largest = fmax(largest, logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(logits[i] - largest);
    return logits[target] - largest - log(sum);
}

/* Two captions behind one image: laid side by side they share its rows, and nothing changes. */
static void test_shared_prefix(void **state)
{
    Case *c = *state;
    const Tensor *p = prefixes(c);
    OptSequence *s = sequences(c, true);
    for (size_t i = 0; i < c->items; i++)
        s[i].prefix = 0;
    const Tensor *together = opt_hidden(c->tape, &c->captioner->opt, p, s, c->items);
    size_t row = 0;
    for (size_t i = 0; i < c->items; i++) {
        const Tensor *alone = opt_hidden(c->tape, &c->captioner->opt, p, &s[i], 1);
        for (size_t j = 0; j < tensor_size(alone); j++) {
            double a = tensor_data(alone)[j], b = tensor_data(together)[row * alone->cols + j];
            assert_true(fabs(a - b) < TOLERANCE * (1 + fabs(a)));
        }
        row += s[i].n;
    }
    assert_int_equal(row, together->rows);
    free(s);
    tape_reset(c->tape);
}

/*
 * All captions decoded side by side: prompts once per image, each caption's own rows behind them, and between steps the captions'
 * rows change places, as beams do. Every step's log-probabilities must be those of the teacher-forced pass.
 */
static void test_cache(void **state)
{
    Case *c = *state;
    const Opt *o = &c->captioner->opt;
    const size_t q = c->captioner->config.queries, prompt = q + 1, n = c->items, vocabulary = o->config.vocabulary;
    size_t longest = 0, *first = xcalloc(n + 1, sizeof *first);
    for (size_t i = 0; i < n; i++) {
        longest = c->token_counts[i] > longest ? c->token_counts[i] : longest;
        first[i + 1] = first[i] + c->token_counts[i];
    }
    KvCache *cache = kv_cache_new(c->kernels, o, n * (prompt + longest));
    size_t *at = xcalloc(n * prompt, sizeof *at), *rows = xcalloc(n, sizeof *rows), *slot = xcalloc(n, sizeof *slot);
    Span *spans = xcalloc(n, sizeof *spans);
    for (size_t i = 0; i < n * prompt; i++)
        at[i] = i;
    for (size_t i = 0; i < n; i++) {
        spans[i] = (Span){.q = i * prompt, .nq = prompt, .k = i * prompt, .nk = prompt};
        rows[i] = i * prompt + q;
        slot[i] = i; /* whose caption's rows lie where */
    }
    Tensor *x = opt_advance(c->tape, o, cache, opt_prompts(c->tape, o, prefixes(c), q, n), at, spans, n);
    const Tensor *logits = opt_logits(c->tape, o, x, rows, n);
    const StoredTensor *expected = golden(c, "logp");
    for (size_t step = 0; step < longest; step++) {
        for (size_t i = 0; i < n; i++) {
            if (step >= c->token_counts[i])
                continue;
            double found = log_softmax_at(tensor_data(logits) + i * vocabulary, vocabulary, c->tokens[first[i] + step]);
            double wanted = dtype_load(expected->type, expected->data, first[i] + step);
            if (fabs(found - wanted) > TOLERANCE * (1 + fabs(wanted)))
                fail_msg("caption %zu, token %zu: log-probability %g, expected %g", i, step, found, wanted);
        }
        /* Rotate the slots, then add the next token of every caption (of the last one for those that have ended). */
        size_t *dst = xcalloc(n * (step + 1), sizeof *dst), *src = xcalloc(n * (step + 1), sizeof *src), moves = 0;
        for (size_t i = 0; i < n; i++) {
            size_t to = (slot[i] + 1) % n;
            for (size_t j = 0; j < step; j++) {
                src[moves] = n * prompt + slot[i] * longest + j;
                dst[moves++] = n * prompt + to * longest + j;
            }
            slot[i] = to;
        }
        kv_cache_move(cache, c->tape, dst, src, moves);
        free(dst);
        free(src);
        int32_t *ids = xcalloc(n, sizeof *ids), *positions = xcalloc(n, sizeof *positions);
        for (size_t i = 0; i < n; i++) {
            size_t own = n * prompt + slot[i] * longest;
            ids[i] = c->tokens[first[i] + (step < c->token_counts[i] ? step : c->token_counts[i] - 1)];
            positions[i] = (int32_t)(prompt + step);
            at[i] = own + step;
            rows[i] = i;
            spans[i] = (Span){.q = i, .nq = 1, .prefix = i * prompt, .n_prefix = prompt, .k = own, .nk = step + 1};
        }
        x = opt_advance(c->tape, o, cache, opt_embed(c->tape, o, ids, positions, n), at, spans, n);
        logits = opt_logits(c->tape, o, x, rows, n);
        free(ids);
        free(positions);
    }
    kv_cache_free(cache);
    free(first);
    free(at);
    free(rows);
    free(slot);
    free(spans);
    tape_reset(c->tape);
}

/* ---- every weight can be trained ---- */

typedef Tensor *(*Forward)(const Case *c);

static Tensor *captioner_output(const Case *c)
{
    return opt_logp(c->tape, &c->captioner->opt, hidden(c, true), c->tokens, NULL);
}

static Tensor *clip_image_output(const Case *c)
{
    return clip_images(c->tape, c->clip, golden(c, "clip_pixels")->data, c->items);
}

/* Weights of the outputs in the loss: anything without symmetry. */
static double weight(size_t i)
{
    return sin(1.0 + 0.7 * (double)i);
}

static double loss(const Case *c, Forward f)
{
    const Tensor *y = f(c);
    double sum = 0;
    for (size_t i = 0; i < tensor_size(y); i++)
        sum += weight(i) * tensor_data(y)[i];
    tape_reset(c->tape);
    return sum;
}

static void gradients(const Case *c, Forward f, Parameters *p)
{
    parameters_zero_grad(p);
    tape_record(c->tape, true);
    Tensor *y = f(c);
    assert_non_null(y->grad);
    for (size_t i = 0; i < tensor_size(y); i++)
        y->grad[i] = (real)weight(i);
    tape_backward(c->tape);
    tape_record(c->tape, false);
    tape_reset(c->tape);
}

/* The derivative along the gradient's own direction plus a fixed one, by central differences. */
static double numeric(const Case *c, Forward f, Parameter *item, const real *direction, double h)
{
    real *w = tensor_data(&item->value), *kept = xmalloc(tensor_size(&item->value) * sizeof *kept);
    const size_t n = tensor_size(&item->value);
    double side[2];
    memcpy(kept, w, n * sizeof *w);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++)
            w[i] = (real)(kept[i] + (s ? h : -h) * direction[i]);
        side[s] = loss(c, f);
    }
    memcpy(w, kept, n * sizeof *w);
    free(kept);
    return (side[1] - side[0]) / (2 * h);
}

static double norm_of(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static void check_gradients(const Case *c, Forward f, Binder *b, const char *what)
{
    Parameters p;
    parameters_init(&p, c->kernels);
    assert_true(parameters_train(&p, "all", b, "") > 0);
    gradients(c, f, &p);
    double whole = 0;
    for (size_t i = 0; i < p.count; i++)
        whole += pow(norm_of(p.items[i]->value.grad, tensor_size(&p.items[i]->value)), 2);
    whole = sqrt(whole);
    assert_true(isfinite(whole) && whole > 0);
    const double h = 1e-5, allowed = 1e-6;
    size_t untouched = 0;
    for (size_t i = 0; i < p.count; i++) {
        Parameter *item = p.items[i];
        const size_t n = tensor_size(&item->value);
        real *direction = xmalloc(n * sizeof *direction);
        double analytic = 0, size = norm_of(item->value.grad, n);
        untouched += size == 0;
        for (size_t j = 0; j < n; j++) {
            direction[j] = (real)((size > 0 ? item->value.grad[j] / size : 0) + 0.5 * sin((double)j) / sqrt((double)n));
            analytic += (double)direction[j] * item->value.grad[j];
        }
        double found = sizeof(real) == 8 ? numeric(c, f, item, direction, h) : analytic;
        free(direction);
        if (fabs(found - analytic) > allowed * (fabs(analytic) + 1e-2 * whole))
            fail_msg("%s: %s: derivative %.10g, by differences %.10g", what, item->name, analytic, found);
    }
    print_message("%s: %zu tensors, gradient norm %.4g, %zu untouched\n", what, p.count, whole, untouched);
    parameters_release(&p);
}

/* After training the model's fields point into freed parameters, so each of these opens its own. */
static void test_train_captioner(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.captioner = captioner_open(checkpoint_path(c->captioner->checkpoint), c->kernels, &err);
    assert_non_null(own.captioner);
    check_gradients(&own, captioner_output, &own.captioner->binder, "captioner");
    captioner_free(own.captioner);
}

static void test_train_scorer(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.itm = itm_open(checkpoint_path(c->itm->checkpoint), c->kernels, &err);
    assert_non_null(own.itm);
    check_gradients(&own, itm_scores, &own.itm->binder, "scorer");
    itm_free(own.itm);
}

static void test_train_clip(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    for (int text = 0; text < 2; text++) {
        own.clip = clip_open(checkpoint_path(c->clip->checkpoint), c->kernels, &err);
        assert_non_null(own.clip);
        check_gradients(&own, text ? clip_text_rows : clip_image_output, &own.clip->binder, text ? "clip text" : "clip image");
        clip_free(own.clip);
    }
}

/* Gradients are the same to the last bit with and without recomputing the layers. */
static void test_segments(void **state)
{
    Case *c = *state, own = *c;
    Error err = {0};
    own.captioner = captioner_open(checkpoint_path(c->captioner->checkpoint), c->kernels, &err);
    assert_non_null(own.captioner);
    Parameters p;
    parameters_init(&p, c->kernels);
    parameters_train(&p, "all", &own.captioner->binder, "");
    gradients(&own, captioner_output, &p);
    real **kept = xcalloc(p.count, sizeof *kept);
    for (size_t i = 0; i < p.count; i++) {
        const size_t bytes = tensor_size(&p.items[i]->value) * sizeof(real);
        kept[i] = memcpy(xmalloc(bytes), p.items[i]->value.grad, bytes);
    }
    tape_segments(c->tape, false);
    gradients(&own, captioner_output, &p);
    tape_segments(c->tape, true);
    for (size_t i = 0; i < p.count; i++) {
        if (memcmp(kept[i], p.items[i]->value.grad, tensor_size(&p.items[i]->value) * sizeof(real)) != 0)
            fail_msg("%s: the gradient changes with recomputation", p.items[i]->name);
        free(kept[i]);
    }
    free(kept);
    captioner_free(own.captioner);
    parameters_release(&p);
}

/* ---- a delta over the checkpoint, and back ---- */

static void test_overlay(void **state)
{
    Case *c = *state;
    Error err = {0};
    Binding *b = binder_find(&c->captioner->binder, "language_projection.bias");
    assert_non_null(b);
    real *zeros = xcalloc(b->rows, sizeof *zeros);
    const TensorSource bias = {.name = b->name, .shape = b->shape, .dtype = "F32", .type = DTYPE_REAL, .data = zeros};
    char path[] = "/tmp/vlrm-delta-XXXXXX.safetensors";
    int fd = mkstemps(path, 12);
    assert_true(fd >= 0);
    close(fd);
    assert_true(safetensors_write(path, &bias, 1, NULL, &err));
    Checkpoint *delta = checkpoint_open(path, &err);
    assert_non_null(delta);
    double before = tensor_data(&c->captioner->projection.bias)[0];
    assert_true(before != 0);
    assert_true(binder_overlay(&c->captioner->binder, delta, &err));
    assert_true(tensor_data(&c->captioner->projection.bias)[0] == 0);
    binder_restore(&c->captioner->binder);
    checkpoint_free(delta);
    assert_true(tensor_data(&c->captioner->projection.bias)[0] == before);
    compare(c, "prefix", prefixes(c));
    tape_reset(c->tape);
    unlink(path);
    free(zeros);
}

static int run(const char *where)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captioner),       cmocka_unit_test(test_scorer),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_shared_prefix),   cmocka_unit_test(test_cache),        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_train_captioner), cmocka_unit_test(test_train_scorer), cmocka_unit_test(test_overlay),
    };
    const struct CMUnitTest clip_tests[] = {cmocka_unit_test(test_clip), cmocka_unit_test(test_train_clip)};
    char *clip = path_join(where, "clip");
    folder = where;
    int failed = cmocka_run_group_tests_name(where, tests, open_case, close_case);
    if (access(clip, F_OK) == 0)
        failed += cmocka_run_group_tests_name(clip, clip_tests, open_case, close_case);
    free(clip);
    return failed;
}

int main(void)
{
    const char *where = getenv("VLRM_PARITY");
    pool_init(2);
    return where ? run(where) : run("tests/golden/models/tiny") + run("tests/golden/models/odd");
}
