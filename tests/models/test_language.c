/*
 * Language models of other families than OPT against the reference: log-probabilities of texts, teacher-forced and with a cache.
 * Folders: tests/golden/models/language/, made by make.sh there; or VLRM_LANGUAGE, one such folder.
 */
#include "parity.h"

#include "models/language.h"

typedef struct Language {
    const Kernels *kernels;
    Tape *tape;
    Checkpoint *golden;
    LanguageModel *model;
    int32_t *tokens;
    size_t *counts, texts;
} Language;

static void *numbers(const Language *l, const char *name, size_t size, size_t *n)
{
    const StoredTensor *t = checkpoint_find(l->golden, name);
    if (!t)
        fail_msg("no tensor %s", name);
    *n = shape_size(&t->shape);
    char *out = xmalloc((*n + 1) * size);
    for (size_t i = 0; i < *n; i++)
        if (size == sizeof(int32_t))
            ((int32_t *)(void *)out)[i] = (int32_t)((const int64_t *)t->data)[i];
        else
            ((size_t *)(void *)out)[i] = (size_t)((const int64_t *)t->data)[i];
    return out;
}

static int open_language(void **state)
{
    static Language l;
    Error err = {0};
    size_t n;
    l = (Language){.kernels = kernels_cpu(COMPUTE_F32)};
    l.tape = tape_new(l.kernels);
    char *parity = path_join(folder, "parity.safetensors"), *model = path_join(folder, "model");
    l.golden = checkpoint_open(parity, &err);
    l.model = l.golden ? language_model_open(model, l.kernels, &err) : NULL;
    free(parity);
    free(model);
    if (!l.model) {
        print_error("%s\n", err.text);
        return -1;
    }
    l.tokens = numbers(&l, "tokens", sizeof *l.tokens, &n);
    l.counts = numbers(&l, "tokens.counts", sizeof *l.counts, &l.texts);
    *state = &l;
    return 0;
}

static int close_language(void **state)
{
    Language *l = *state;
    language_model_free(l->model);
    checkpoint_free(l->golden);
    tape_free(l->tape);
    free(l->tokens);
    free(l->counts);
    return 0;
}

/* The largest difference from the reference's log-probabilities so far, and the largest of those. */
typedef struct Worst {
    double difference, size;
} Worst;

static void judge(const Language *l, Worst *w, size_t i, double found)
{
    const StoredTensor *t = checkpoint_find(l->golden, "logp");
    double expected = dtype_load(t->type, t->data, i);
    w->difference = fmax(w->difference, isfinite(found) ? fabs(found - expected) : INFINITY);
    w->size = fmax(w->size, fabs(expected));
}

static void assert_close(const Worst *w)
{
    print_message("logp: relative difference %.2g\n", w->difference / w->size);
    if (w->size == 0 || !(w->difference <= TOLERANCE * w->size))
        fail_msg("logp differs by %g of %g, allowed %g", w->difference, w->size, TOLERANCE * w->size);
}

static void test_texts(void **state)
{
    Language *l = *state;
    LmSequence *s = xcalloc(l->texts, sizeof *s);
    size_t n = 0;
    for (size_t i = 0; i < l->texts; n += l->counts[i++])
        s[i] = (LmSequence){.tokens = l->tokens + n, .n = l->counts[i]};
    const Tensor *h = lm_hidden(l->tape, &l->model->lm, NULL, s, l->texts);
    const Tensor *logp = lm_logp(l->tape, &l->model->lm, h, l->tokens, NULL);
    Worst worst = {0};
    assert_int_equal(n, shape_size(&checkpoint_find(l->golden, "logp")->shape));
    for (size_t i = 0; i < n; i++)
        judge(l, &worst, i, (double)tensor_data(logp)[i]);
    assert_close(&worst);
    tape_reset(l->tape);
    free(s);
}

static double log_softmax_of(const real *logits, size_t n, int32_t target)
{
    double largest = logits[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - largest);
    return (double)logits[target] - largest - log(sum);
}

/* Some rows of a text, from `done` on, into the cache; the logits of the last. */
static const real *advance(Language *l, KvCache *cache, const int32_t *tokens, size_t done, size_t rows)
{
    const Lm *m = &l->model->lm;
    int32_t *ids = tape_alloc(l->tape, rows * sizeof *ids), *positions = tape_alloc(l->tape, rows * sizeof *positions);
    size_t *at = tape_alloc(l->tape, rows * sizeof *at);
    for (size_t k = 0; k < rows; k++) {
        at[k] = done + k;
        positions[k] = (int32_t)(done + k);
        ids[k] = at[k] == 0 ? m->config.bos : tokens[at[k] - 1];
    }
    const Span span = {.q = 0, .nq = rows, .k = 0, .nk = done + rows};
    Tensor *x = lm_advance(l->tape, m, cache, lm_embed(l->tape, m, ids, positions, rows), at, &span, 1, NULL, NULL);
    return tensor_data(lm_logits(l->tape, m, x));
}

/* Text after text through the cache: BOS and half of the tokens at once, then a token at a time. */
static void test_cache(void **state)
{
    Language *l = *state;
    Worst worst = {0};
    for (size_t i = 0, first = 0; i < l->texts; first += l->counts[i++]) {
        const int32_t *tokens = l->tokens + first;
        const size_t n = l->counts[i];
        KvCache *cache = kv_cache_new(l->kernels, &l->model->lm, n + 1);
        for (size_t done = 0, rows = n / 2 + 1; done + rows <= n; done += rows, rows = 1) {
            const real *logits = advance(l, cache, tokens, done, rows);
            size_t next = done + rows - 1;
            judge(l, &worst, first + next, log_softmax_of(logits, l->model->lm.config.vocabulary, tokens[next]));
            tape_reset(l->tape);
        }
        kv_cache_free(cache);
    }
    assert_close(&worst);
}

int main(void)
{
    const char *where[] = {"tests/golden/models/language/llama", "tests/golden/models/language/llama-grouped"};
    size_t folders = 2;
    int failed = 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_cache)};
    if (getenv("VLRM_LANGUAGE")) {
        where[0] = getenv("VLRM_LANGUAGE");
        folders = 1;
    }
    pool_init(2);
    for (size_t i = 0; i < folders; i++) {
        folder = where[i];
        failed += _cmocka_run_group_tests(folder, tests, sizeof tests / sizeof tests[0], open_language, close_language);
    }
    return failed;
}
