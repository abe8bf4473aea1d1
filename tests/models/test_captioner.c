/*
 * Captioners of other families than BLIP-2 against the reference: encoder, connector, log-probabilities behind the whole prompt,
 * and the gradients of the policy's loss (equation 4): of the connector alone, then of LoRA beside it.
 * Folders: tests/golden/models/captioner/NAME, made by make.sh there; or VLRM_CAPTIONER, one such folder.
 *
 * Values to 1e-5 of the largest one, gradients to 1e-4 in L2, both to 1e-9 in the double build: float has 24 bits, through some
 * layers; in the reference's own float a gradient is off by up to 6e-6.
 */
#include "parity.h"

#include "models/language.h"

#define VALUES (sizeof(real) == 8 ? 1e-9 : 1e-5)

typedef struct Seen {
    Case c; /* captioner, golden and tape alone */
    size_t captions;
} Seen;

static int open_captioner(void **state)
{
    static Seen s;
    Error err = {0};
    s = (Seen){.c = {.kernels = kernels_cpu(COMPUTE_F32)}};
    s.c.tape = tape_new(s.c.kernels);
    char *parity = path_join(folder, "parity.safetensors"), *model = path_join(folder, "model");
    s.c.golden = checkpoint_open(parity, &err);
    s.c.captioner = s.c.golden ? captioner_open(model, s.c.kernels, &err) : NULL;
    free(parity);
    free(model);
    if (!s.c.captioner) {
        print_error("%s\n", err.text);
        return -1;
    }
    s.c.items = golden(&s.c, "pixel_values")->shape.dim[0];
    s.c.tokens = widen(&s.c, "tokens", false);
    s.c.token_counts = widen(&s.c, "tokens.counts", true);
    s.captions = shape_size(&golden(&s.c, "tokens.counts")->shape);
    int32_t *prompt = widen(&s.c, "prompt", false);
    bool ok = captioner_prompt(s.c.captioner, prompt, shape_size(&golden(&s.c, "prompt")->shape), &err);
    free(prompt);
    if (ok && s.c.captioner->family->reader) {
        int32_t *request = widen(&s.c, "request", false);
        ok = captioner_request(s.c.captioner, request, shape_size(&golden(&s.c, "request")->shape), &err);
        free(request);
    }
    if (!ok)
        print_error("%s\n", err.text);
    *state = &s;
    return ok ? 0 : -1;
}

static int close_captioner(void **state)
{
    Seen *s = *state;
    captioner_free(s->c.captioner);
    checkpoint_free(s->c.golden);
    tape_free(s->c.tape);
    free(s->c.tokens);
    free(s->c.token_counts);
    return 0;
}

/* Largest difference, relative to the largest value. */
static void assert_values(const Case *c, const char *name, const Tensor *found)
{
    const StoredTensor *t = golden(c, name);
    const size_t n = shape_size(&t->shape);
    double worst = 0, largest = 0;
    assert_int_equal(n, tensor_size(found));
    for (size_t i = 0; i < n; i++) {
        double expected = dtype_load(t->type, t->data, i);
        worst = fmax(worst, fabs((double)tensor_data(found)[i] - expected));
        largest = fmax(largest, fabs(expected));
    }
    print_message("%s: relative difference %.2g\n", name, worst / largest);
    if (!(worst <= VALUES * largest))
        fail_msg("%s: differs by %g of %g", name, worst, largest);
}

/* The reference's gradient of a parameter. */
static const StoredTensor *gradient_of(const Case *c, const char *prefix, const Parameter *p)
{
    char *name = xasprintf("%s.grad.%s", prefix, p->name);
    const StoredTensor *t = golden(c, name);
    assert_int_equal(shape_size(&t->shape), tensor_size(&p->value));
    free(name);
    return t;
}

/* Its L2 norm, and that of what was found less it. */
static double gradient_size(const StoredTensor *t, const Parameter *p, double *off)
{
    double size = 0;
    *off = 0;
    for (size_t i = 0; i < tensor_size(&p->value); i++) {
        double expected = dtype_load(t->type, t->data, i), d = (double)p->value.grad[i] - expected;
        *off += d * d;
        size += expected * expected;
    }
    *off = sqrt(*off);
    return sqrt(size);
}

/* A key's bias has no influence on a softmax: its gradient is 0, and what either side computes is rounding. */
static bool is_key_bias(const char *name)
{
    static const char end[] = "key.bias";
    const size_t n = strlen(name);
    return n >= strlen(end) && strcmp(name + n - strlen(end), end) == 0;
}

static bool is_of(const Parameter *p, const char *group)
{
    return !group || strcmp(p->group, group) == 0;
}

/* Of the parameters of a group (NULL: all), in L2. */
static void assert_gradients(const Case *c, const char *prefix, const Parameters *p, const char *group)
{
    double off, all = 0;
    for (size_t i = 0; i < p->count; i++)
        if (is_of(p->items[i], group))
            all = hypot(all, gradient_size(gradient_of(c, prefix, p->items[i]), p->items[i], &off));
    assert_true(all > 0);
    for (size_t i = 0; i < p->count; i++) {
        if (!is_of(p->items[i], group))
            continue;
        const double size = gradient_size(gradient_of(c, prefix, p->items[i]), p->items[i], &off);
        if (!is_key_bias(p->items[i]->name) && !(off <= TOLERANCE * (size + 1e-6 * all)))
            fail_msg("%s.grad.%s: differs by %g of %g, all is %g", prefix, p->items[i]->name, off, size, all);
    }
}

static Tensor *features_of(const Case *c)
{
    return captioner_features(c->tape, c->captioner, golden(c, "pixel_values")->data, c->items);
}

/* The rows that predict the tokens of all captions; caption i is of image i mod the number of them. */
static Tensor *hidden_of(const Seen *s)
{
    const Case *c = &s->c;
    const size_t rows = c->captioner->n_prefix;
    const Tensor *prefix = captioner_prefix(c->tape, c->captioner, features_of(c), c->items);
    LmSequence *sequences = tape_alloc(c->tape, s->captions * sizeof *sequences);
    for (size_t i = 0, first = 0; i < s->captions; first += c->token_counts[i++])
        sequences[i] = (LmSequence){i % c->items * rows, rows, c->tokens + first, c->token_counts[i]};
    return lm_hidden(c->tape, &c->captioner->lm, prefix, sequences, s->captions);
}

static Tensor *logp_of(const Seen *s)
{
    return lm_logp(s->c.tape, &s->c.captioner->lm, hidden_of(s), s->c.tokens, NULL);
}

static void test_values(void **state)
{
    const Seen *s = *state;
    const Case *c = &s->c;
    const CaptionerFamily *family = c->captioner->family;
    const Tensor *seen = features_of(c);
    if (family == &smolvlm_family) /* what others' reference holds is a part of this */
        assert_values(c, "vision", vit_norm(c->tape, &c->captioner->vit, seen));
    assert_values(c, "connector", family->rows(c->tape, c->captioner, seen, c->items));
    assert_values(c, "logp", logp_of(s));
    tape_reset(c->tape);
}

/* Entropies as a result are those that are only reported, also of a head that is not the embedding. */
static void test_entropies(void **state)
{
    const Seen *s = *state;
    const Lm *lm = &s->c.captioner->lm;
    const Tensor *h = hidden_of(s);
    Tensor *entropy;
    double *reported = xcalloc(h->rows, sizeof *reported);
    lm_logp(s->c.tape, lm, h, s->c.tokens, reported);
    lm_logp_entropy(s->c.tape, lm, h, s->c.tokens, &entropy);
    for (size_t i = 0; i < h->rows; i++)
        assert_true(fabs((double)tensor_data(entropy)[i] - reported[i]) <= VALUES * reported[i]);
    tape_reset(s->c.tape);
    free(reported);
}

/* Runs equation 4 with the M given, backwards; the loss. */
static double learn(const Seen *s)
{
    const Case *c = &s->c;
    const StoredTensor *m = golden(c, "normalised");
    double loss = 0;
    tape_record(c->tape, true);
    Tensor *logp = logp_of(s);
    for (size_t i = 0, k = 0; i < s->captions; i++)
        for (size_t j = 0; j < c->token_counts[i]; j++, k++) {
            double part = -exp((double)tensor_data(logp)[k]) * dtype_load(m->type, m->data, k) /
                          ((double)c->token_counts[i] * (double)s->captions);
            logp->grad[k] = (real)part;
            loss += part;
        }
    tape_backward(c->tape);
    tape_reset(c->tape);
    tape_record(c->tape, false);
    return loss;
}

static void assert_learned(const Seen *s, const Parameters *p, const char *prefix, const char *group)
{
    char *name = xasprintf("%s.loss", prefix);
    const StoredTensor *t = golden(&s->c, name);
    const double expected = dtype_load(t->type, t->data, 0), loss = learn(s);
    if (!(fabs(loss - expected) <= TOLERANCE * fabs(expected)))
        fail_msg("%s is %g, expected %g", name, loss, expected);
    assert_gradients(&s->c, prefix, p, group);
    print_message("%s: gradients of %zu values\n", prefix, parameters_count(p, group));
    free(name);
}

static void test_gradients(void **state)
{
    Seen *s = *state;
    Captioner *c = s->c.captioner;
    Error err = {0};
    Parameters p;
    parameters_init(&p, s->c.kernels);
    for (const CaptionerPart *part = c->family->parts; part->name; part++)
        assert_true(parameters_train(&p, part->name, &c->binder, part->prefix) > 0);
    assert_learned(s, &p, "policy", NULL);
    LoraSet *lora = lora_new(&c->binder, ADAPTER_POLICY);
    size_t n_targets = 0;
    const char *const *targets = c->lm.config.family->targets;
    while (targets[n_targets])
        n_targets++;
    if (!lora_train(lora, &p, "lora-llm", c->family->language, targets, n_targets, 4, 8, 1, &err) ||
        !parameters_load(&p, "lora-llm", PARAMETER_VALUE, "", s->c.golden, false, &err))
        fail_msg("%s", err.text);
    tape_adapter(s->c.tape, ADAPTER_POLICY);
    parameters_zero_grad(&p);
    assert_learned(s, &p, "policy-lora", "lora-llm");
    lora_free(lora);
    parameters_release(&p);
}

/* Adapters are read back by the names that they are written under, and by those of their weights. */
static void test_adapter_names(void **state)
{
    const Captioner *c = ((Seen *)*state)->c.captioner;
    Binder *binder = &((Seen *)*state)->c.captioner->binder;
    const char *targets[] = {c->family->vision_targets[0]};
    char where[] = "/tmp/vlrm-test-adapters-XXXXXX", *command;
    Error err = {0};
    Parameters p;
    assert_non_null(mkdtemp(where));
    for (int old = 0; old < 2; old++) {
        parameters_init(&p, ((Seen *)*state)->c.kernels);
        LoraSet *lora = lora_new(binder, ADAPTER_POLICY), *again;
        assert_true(lora_train(lora, &p, "lora-vision", c->family->vision, targets, 1, 4, 8, 1, &err));
        const size_t n = lora_count(lora);
        binder->adapters = old ? NULL : c->family->adapters;
        assert_true(lora_write(lora, where, "", &err));
        binder->adapters = c->family->adapters;
        lora_free(lora);
        again = lora_new(binder, ADAPTER_POLICY);
        if (!lora_open(again, where, &err))
            fail_msg("%s", err.text);
        assert_int_equal(lora_count(again), n);
        lora_free(again);
        parameters_release(&p);
    }
    command = xasprintf("rm -r %s", where);
    assert_int_equal(system(command), 0);
    free(command);
}

/* Of a captioner whose images stand in no sequence: nothing at all, more than there are positions, an id that it has not. */
static void refuse_words(Captioner *c)
{
    const size_t n = c->n_prompt, most = c->lm.config.positions;
    int32_t *ids = xcalloc(most, sizeof *ids);
    for (int wrong = 0; wrong < 3; wrong++) {
        Error err = {0};
        ids[1] = wrong == 2 ? (int32_t)c->lm.config.vocabulary : 0;
        assert_false(captioner_prompt(c, ids, wrong == 0 ? 0 : wrong == 1 ? most : 2, &err));
        assert_int_equal(err.status, STATUS_MISMATCH);
        assert_int_equal(c->n_prompt, n);
    }
    free(ids);
}

/* A prompt that does not have the image's rows side by side, and text behind them, is refused. */
static void test_prompts(void **state)
{
    Captioner *c = ((Seen *)*state)->c.captioner;
    if (c->lm.config.memory > 0) {
        refuse_words(c);
        return;
    }
    const size_t n = c->n_prompt;
    int32_t *ids = xmalloc((n + 1) * sizeof *ids), first = 0;
    while (c->prompt[first] != c->image_token)
        first++;
    for (int wrong = 0; wrong < 4; wrong++) {
        Error err = {0};
        memcpy(ids, c->prompt, n * sizeof *ids);
        ids[wrong == 0 ? (size_t)first : n - 1] = wrong == 2 ? (int32_t)c->lm.config.vocabulary : wrong == 0 ? 0 : c->image_token;
        assert_false(captioner_prompt(c, ids, wrong == 3 ? (size_t)first + c->image_rows : n, &err));
        assert_int_equal(err.status, STATUS_MISMATCH);
        assert_int_equal(c->n_prompt, n);
    }
    free(ids);
}

int main(void)
{
    const char *where[] = {"tests/golden/models/captioner/smolvlm",    "tests/golden/models/captioner/smolvlm-odd",
                           "tests/golden/models/captioner/llava",      "tests/golden/models/captioner/instructblip",
                           "tests/golden/models/captioner/joycaption", "tests/golden/models/captioner/blip"};
    size_t folders = sizeof where / sizeof where[0];
    int failed = 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_entropies),
                                       cmocka_unit_test(test_prompts), cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_adapter_names)};
    if (getenv("VLRM_CAPTIONER")) {
        where[0] = getenv("VLRM_CAPTIONER");
        folders = 1;
    }
    pool_init(2);
    for (size_t i = 0; i < folders; i++) {
        folder = where[i];
        failed += _cmocka_run_group_tests(folder, tests, sizeof tests / sizeof tests[0], open_captioner, close_captioner);
    }
    return failed;
}
