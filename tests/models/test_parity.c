/* Every model against the reference, decoding with a cache against teacher forcing, and deltas over a checkpoint. */
#include "parity.h"

#include "models/families/blip2/blip2.h"

/* ---- values ---- */

static void test_captioner(void **state)
{
    Case *c = *state;
    compare(c, "vision", features(c, &c->captioner->vit));
    compare(c, "prefix", prefixes(c));
    compare(c, "logp", lm_logp(c->tape, &c->captioner->lm, hidden(c, true), c->tokens, NULL));
    compare(c, "ref_logp", lm_logp(c->tape, &c->captioner->lm, hidden(c, false), c->tokens, NULL));
    tape_reset(c->tape);
}

static void test_scorer(void **state)
{
    Case *c = *state;
    compare(c, "itm_logits", itm_scores(c));
    tape_reset(c->tape);
    /* The published checkpoints share the encoder's blocks; so do these. */
    assert_int_equal(captioner_encoder_digest(c->captioner), vit_digest(c->itm->checkpoint, "vision_model"));
}

static void test_clip(void **state)
{
    Case *c = *state;
    compare(c, "clip_image", scorer_images(c->tape, c->clip, golden(c, "clip_pixels")->data, c->items));
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
    ValueHead *head = value_head_new("residual:blocks=2,width=2", c->captioner->lm.config.hidden, &p, 1, &err);
    if (!head || !parameters_load(&p, NULL, PARAMETER_VALUE, "", c->golden, false, &err))
        fail_msg("%s", err.text);
    tape_adapter(c->tape, ADAPTER_VALUE);
    Tensor *h = lm_hidden(c->tape, &c->captioner->lm, NULL, &(LmSequence){.tokens = c->tokens, .n = c->token_counts[0]}, 1);
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
    assert_int_equal(lora_count(lora), 6 * c->captioner->lm.config.layers);
    tape_adapter(c->tape, ADAPTER_POLICY);
    compare(c, "values", value_head_forward(c->tape, head, hidden(c, true)));
    tape_adapter(c->tape, ADAPTER_NONE);
    compare(c, "logp", lm_logp(c->tape, &c->captioner->lm, hidden(c, true), c->tokens, NULL));
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

/* Hidden rows of sequences, and the gradients of prefixes that are asked for all of them alike: in a host array, freed by caller.
 */
static real *hidden_and_gradients(Case *c, const LmSequence *s, size_t n, const real *prefix, size_t rows, size_t *size)
{
    const size_t d = c->captioner->lm.config.hidden;
    tape_record(c->tape, true);
    const Tensor *p = tape_input(c->tape, rows, d, prefix, true);
    const Tensor *h = lm_hidden(c->tape, &c->captioner->lm, p, s, n);
    real *out = xcalloc(*size = tensor_size(h) + rows * d, sizeof *out);
    memcpy(out, h->data, tensor_size(h) * sizeof *out);
    for (size_t i = 0; i < tensor_size(h) && h->grad; i++)
        h->grad[i] = (real)cos((double)(i % d)); /* the same for every row */
    tape_backward(c->tape);
    memcpy(out + tensor_size(h), p->grad, rows * d * sizeof *out);
    tape_reset(c->tape);
    tape_record(c->tape, false);
    return out;
}

/* Laid side by side, sequences share what neighbours begin with; their rows are those of each alone, gradients the sums. */
static void assert_together_as_alone(Case *c, const LmSequence *s, size_t n)
{
    const size_t rows = c->items * c->captioner->n_prefix, d = c->captioner->lm.config.hidden;
    real *prefix = xcalloc(rows * d, sizeof *prefix);
    memcpy(prefix, prefixes(c)->data, rows * d * sizeof *prefix);
    tape_reset(c->tape);
    size_t size, one, at = 0;
    real *together = hidden_and_gradients(c, s, n, prefix, rows, &size), *sum = together + size - rows * d;
    for (size_t i = 0; i < n; i++) {
        real *alone = hidden_and_gradients(c, &s[i], 1, prefix, rows, &one);
        for (size_t j = 0; j < s[i].n * d; j++, at++)
            assert_true(fabs((double)alone[j] - (double)together[at]) < TOLERANCE * (1 + fabs((double)alone[j])));
        for (size_t j = 0; j < rows * d; j++)
            sum[j] -= alone[s[i].n * d + j];
        free(alone);
    }
    assert_int_equal(at, size - rows * d);
    for (size_t j = 0; j < rows * d; j++)
        assert_true(fabs((double)sum[j]) < 20 * TOLERANCE);
    free(together);
    free(prefix);
}

/* Two captions behind one image. */
static void test_shared_prefix(void **state)
{
    Case *c = *state;
    LmSequence *s = sequences(c, true);
    for (size_t i = 0; i < c->items; i++)
        s[i].prefix = 0;
    assert_together_as_alone(c, s, c->items);
    free(s);
}

/* Captions that begin alike, behind an image and without: equal ones, a beginning of another, none, one token, other ends. */
static void test_shared_beginnings(void **state)
{
    Case *c = *state;
    const size_t q = c->captioner->n_prefix;
    LmSequence *given = sequences(c, true), a = given[0];
    int32_t other[8] = {5, 6, 7, 8, 9, 10, 11, 12};
    assert_true(a.n >= 4);
    memcpy(other, a.tokens, 2 * sizeof *other);
    for (size_t n_prefix = 0; n_prefix <= q; n_prefix += q) {
        a.n_prefix = n_prefix;
        LmSequence s[] = {a, a, a, a, a, a, a, a, a};
        s[2].n = 2;
        s[3].n = 0;
        s[4].n = 1;
        s[5].tokens = s[6].tokens = other;
        s[5].n = 8;
        s[6].n = 4;
        s[7].tokens = other + 2;
        s[7].n = 5;
        s[8].prefix = n_prefix ? q : 0; /* of another image, the same words */
        assert_together_as_alone(c, s, sizeof s / sizeof s[0]);
    }
    free(given);
}

/*
 * All captions decoded side by side: prompts once per image, each caption's own rows behind them, and between steps the captions'
 * rows change places, as beams do. Every step's log-probabilities must be those of the teacher-forced pass.
 */
static void test_cache(void **state)
{
    Case *c = *state;
    const Lm *o = &c->captioner->lm;
    const size_t q = c->captioner->n_prefix, prompt = q + 1, n = c->items, vocabulary = o->config.vocabulary;
    size_t longest = 0, *first = xcalloc(n + 1, sizeof *first);
    for (size_t i = 0; i < n; i++) {
        longest = c->token_counts[i] > longest ? c->token_counts[i] : longest;
        first[i + 1] = first[i] + c->token_counts[i];
    }
    KvCache *cache = kv_cache_new(c->kernels, o, n * (prompt + longest));
    size_t *at = xcalloc(n * prompt, sizeof *at), *slot = xcalloc(n, sizeof *slot);
    Span *spans = xcalloc(n, sizeof *spans);
    for (size_t i = 0; i < n * prompt; i++)
        at[i] = i;
    for (size_t i = 0; i < n; i++) {
        spans[i] = (Span){.q = i * prompt, .nq = prompt, .k = i * prompt, .nk = prompt};
        slot[i] = i; /* whose caption's rows lie where */
    }
    Tensor *x = lm_advance(c->tape, o, cache, lm_prompts(c->tape, o, prefixes(c), q, n), at, spans, n, NULL, NULL);
    const Tensor *logits = lm_logits(c->tape, o, x);
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
            spans[i] = (Span){.q = i, .nq = 1, .prefix = i * prompt, .n_prefix = prompt, .k = own, .nk = step + 1};
        }
        x = lm_advance(c->tape, o, cache, lm_embed(c->tape, o, ids, positions, n), at, spans, n, NULL, NULL);
        logits = lm_logits(c->tape, o, x);
        free(ids);
        free(positions);
    }
    kv_cache_free(cache);
    free(first);
    free(at);
    free(slot);
    free(spans);
    tape_reset(c->tape);
}

/* ---- a delta over the checkpoint, and back ---- */

static double projection_bias(const Case *c)
{
    const Blip2 *own = c->captioner->own;
    return tensor_data(&own->projection.bias)[0];
}

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
    double before = projection_bias(c);
    assert_true(before != 0);
    assert_true(binder_overlay(&c->captioner->binder, delta, &err));
    assert_true(projection_bias(c) == 0);
    binder_restore(&c->captioner->binder);
    checkpoint_free(delta);
    assert_true(projection_bias(c) == before);
    compare(c, "prefix", prefixes(c));
    tape_reset(c->tape);
    unlink(path);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captioner),
        cmocka_unit_test(test_scorer),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_shared_prefix),
        cmocka_unit_test(test_shared_beginnings),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_overlay),
    };
    const struct CMUnitTest clip_tests[] = {cmocka_unit_test(test_clip)};
    return run_cases(tests, sizeof tests / sizeof tests[0], clip_tests, 1);
}
