/*
 * Image-text matching models other than BLIP-2's (test_parity) against transformers: BLIP, whole texts and cut ones. Fixtures:
 * tests/golden/blip-itm; VLRM_SCORER_PARITY names another folder that make_blip_itm.py wrote.
 */
#include <jansson.h>

#include "parity.h"
#include "stage/scorer.h"

typedef struct MatcherCase {
    Tape *tape;
    ItmScorer scorer;
    Case golden; /* of which golden() needs the checkpoint alone */
    real *features;
    size_t images;
} MatcherCase;

/* All images through the encoder. */
static void encode_images(MatcherCase *c)
{
    const StoredTensor *pixels = golden(&c->golden, "pixels");
    c->images = pixels->shape.dim[0];
    c->features = xcalloc(c->images * itm_scorer_values(&c->scorer), sizeof *c->features);
    const Tensor *seen = vit_blocks(c->tape, &c->scorer.model->vit, pixels->data, c->images);
    tape_kernels(c->tape)->download(c->features, seen->data, tensor_size(seen) * sizeof *c->features);
    tape_reset(c->tape);
}

static int open_matcher_case(void **state)
{
    static MatcherCase c;
    Error err = {0};
    char *path = path_join(folder, "parity.safetensors");
    const Kernels *kernels = kernels_cpu(COMPUTE_F32);
    c = (MatcherCase){.tape = tape_new(kernels)};
    bool ok = itm_scorer_open(&c.scorer, folder, 512, false, kernels, &err) && (c.golden.golden = checkpoint_open(path, &err));
    free(path);
    if (ok)
        encode_images(&c);
    else
        print_error("%s\n", err.text);
    *state = &c;
    return ok ? 0 : -1;
}

static int close_matcher_case(void **state)
{
    MatcherCase *c = *state;
    itm_scorer_release(&c->scorer);
    checkpoint_free(c->golden.golden);
    tape_free(c->tape);
    free(c->features);
    return 0;
}

/* The fixture's ids, each text cut to at most `limit` with its last id kept. */
static MatcherText *texts_cut(MatcherCase *c, size_t limit, size_t *n)
{
    size_t *counts = widen(&c->golden, "ids.counts", true), first = 0;
    int32_t *ids = widen(&c->golden, "ids", false);
    *n = golden(&c->golden, "ids.counts")->shape.dim[0];
    MatcherText *texts = xcalloc(*n, sizeof *texts);
    for (size_t i = 0; i < *n; first += counts[i++]) {
        int32_t *own = xcalloc(counts[i], sizeof *own);
        texts[i] = (MatcherText){i % c->images, own, counts[i] < limit ? counts[i] : limit};
        memcpy(own, ids + first, counts[i] * sizeof *own);
        own[texts[i].n - 1] = own[counts[i] - 1];
    }
    free(counts);
    free(ids);
    return texts;
}

static void texts_free(MatcherText *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((int32_t *)texts[i].ids);
    free(texts);
}

static void check_logits(MatcherCase *c, size_t limit, const char *name)
{
    size_t n;
    MatcherText *texts = texts_cut(c, limit, &n);
    const Vit *vit = &c->scorer.model->vit;
    Tensor *x = tape_input(c->tape, c->images * vit_rows(vit), vit->config.hidden, c->features, false);
    compare(&c->golden, name, matcher_logits(c->tape, c->scorer.model, x, c->images, texts, n));
    tape_reset(c->tape);
    texts_free(texts, n);
}

static void test_logits(void **state)
{
    check_logits(*state, 512, "itm_logits");
    check_logits(*state, 35, "itm_logits_35");
}

/* What the tokenizer makes of the texts are the fixture's ids, whole and cut. */
static void check_tokens(MatcherCase *c, size_t limit)
{
    char line[8192], *path = path_join(folder, "captions.jsonl");
    size_t n, i = 0;
    MatcherText *want = texts_cut(c, limit, &n), got;
    Arena arena = {0};
    Error err = {0};
    FILE *captions = fopen(path, "r");
    assert_non_null(captions);
    c->scorer.max_tokens = limit;
    for (; fgets(line, sizeof line, captions); i++) {
        json_t *record = json_loads(line, 0, NULL);
        const json_t *words = json_object_get(json_object_get(record, "caption"), "text");
        if (!itm_scorer_text(&c->scorer, &got, 0, (Slice){json_string_value(words), json_string_length(words)}, &arena, &err))
            fail_msg("%s", err.text);
        assert_int_equal(got.n, want[i].n);
        assert_memory_equal(got.ids, want[i].ids, got.n * sizeof *got.ids);
        json_decref(record);
    }
    assert_int_equal(i, n);
    fclose(captions);
    free(path);
    texts_free(want, n);
    arena_release(&arena);
}

static void test_tokens(void **state)
{
    check_tokens(*state, 512);
    check_tokens(*state, 35);
}

int main(void)
{
    static const char *const kinds[] = {"tiny", "odd"};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logits), cmocka_unit_test(test_tokens)};
    const char *other = getenv("VLRM_SCORER_PARITY");
    int failed = 0;
    pool_init(2);
    for (size_t i = 0; i < (other ? 1 : sizeof kinds / sizeof kinds[0]); i++) {
        char *path = other ? xstrdup(other) : path_join("tests/golden/blip-itm", kinds[i]);
        folder = path;
        failed += _cmocka_run_group_tests(path, tests, sizeof tests / sizeof tests[0], open_matcher_case, close_matcher_case);
        free(path);
    }
    return failed;
}
