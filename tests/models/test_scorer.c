/*
 * Image-text scorers against those who publish them: CLIP, OpenAI's (quick_gelu, the row of the largest id), Long-CLIP's (248
 * positions) and open_clip's own layout; SigLIP. Fixtures: tests/golden/clip and siglip; VLRM_SCORER_PARITY names another folder
 * that make_clip.py or make_siglip.py wrote.
 */
#include <jansson.h>

#include "parity.h"
#include "stage/scorer.h"

typedef struct ScorerCase {
    Tape *tape;
    Scorer *scorer;
    Case golden; /* of which compare() needs the checkpoint alone */
} ScorerCase;

static int open_scorer_case(void **state)
{
    static ScorerCase c;
    Error err = {0};
    char *path = path_join(folder, "parity.safetensors");
    const Kernels *kernels = kernels_cpu(COMPUTE_F32);
    c = (ScorerCase){.tape = tape_new(kernels), .scorer = scorer_open(folder, kernels, &err)};
    c.golden.golden = c.scorer ? checkpoint_open(path, &err) : NULL;
    free(path);
    if (err.text[0])
        print_error("%s\n", err.text);
    *state = &c;
    return c.golden.golden ? 0 : -1;
}

static int close_scorer_case(void **state)
{
    ScorerCase *c = *state;
    scorer_free(c->scorer);
    checkpoint_free(c->golden.golden);
    tape_free(c->tape);
    return 0;
}

static void test_images(void **state)
{
    ScorerCase *c = *state;
    const StoredTensor *pixels = golden(&c->golden, "pixels");
    compare(&c->golden, "image", scorer_images(c->tape, c->scorer, pixels->data, pixels->shape.dim[0]));
    tape_reset(c->tape);
}

static void test_texts(void **state)
{
    ScorerCase *c = *state;
    size_t n = golden(&c->golden, "ids.counts")->shape.dim[0], longest = 0, *counts = widen(&c->golden, "ids.counts", true);
    int32_t *ids = widen(&c->golden, "ids", false), *next = ids;
    ScorerText *texts = xcalloc(n, sizeof *texts);
    for (size_t i = 0; i < n; next += counts[i++]) {
        texts[i] = (ScorerText){next, counts[i]};
        longest = longest > counts[i] ? longest : counts[i];
    }
    assert_int_equal(longest, c->scorer->traits.positions); /* the table's last row is looked at */
    compare(&c->golden, "text", scorer_texts(c->tape, c->scorer, texts, n));
    tape_reset(c->tape);
    free(texts);
    free(counts);
    free(ids);
}

/* Images to pixels: resized, cut and normalised as the folder says, to the last place of a float. */
static void test_pixels(void **state)
{
    ScorerCase *c = *state;
    Error err = {0};
    ClipScorer scorer;
    const StoredTensor *want = golden(&c->golden, "pixels");
    const size_t n = shape_size(&want->shape) / want->shape.dim[0];
    float *pixels = xmalloc(n * sizeof *pixels);
    if (!clip_scorer_open(&scorer, folder, tape_kernels(c->tape), &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < want->shape.dim[0]; i++) {
        Image image = {0};
        size_t size;
        char *path = xasprintf("%s/images/%04zu.png", folder, i), *data = file_read(path, &size, &err);
        if (!data || !image_decode(&image, NULL, data, size, &err))
            fail_msg("%s: %s", path, err.text);
        preprocess(pixels, &image, &scorer.images);
        for (size_t k = 0; k < n; k++) /* of at most 3: one unit in the last place is 2.4e-7 */
            if (fabs(pixels[k] - dtype_load(want->type, want->data, i * n + k)) > 1e-6)
                fail_msg("%s: value %zu is %g, expected %g", path, k, pixels[k], dtype_load(want->type, want->data, i * n + k));
        image_release(&image);
        free(data);
        free(path);
    }
    clip_scorer_release(&scorer);
    free(pixels);
}

/* The texts to ids, cut where the model's table of positions ends. */
static void test_tokens(void **state)
{
    ScorerCase *c = *state;
    Error err = {0};
    Arena arena = {0};
    ClipScorer scorer;
    char line[8192], *path = path_join(folder, "captions.jsonl");
    size_t *counts = widen(&c->golden, "ids.counts", true), i = 0;
    int32_t *ids = widen(&c->golden, "ids", false), *next = ids;
    FILE *captions = fopen(path, "r");
    assert_non_null(captions);
    if (!clip_scorer_open(&scorer, folder, tape_kernels(c->tape), &err))
        fail_msg("%s", err.text);
    for (; fgets(line, sizeof line, captions); next += counts[i++]) {
        ScorerText text;
        json_t *record = json_loads(line, 0, NULL);
        const json_t *words = json_object_get(json_object_get(record, "caption"), "text");
        const Slice given = {json_string_value(words), json_string_length(words)};
        if (!clip_scorer_text(&scorer, &text, given, &arena, &err))
            fail_msg("%s", err.text);
        assert_int_equal(text.n, counts[i]);
        assert_memory_equal(text.ids, next, counts[i] * sizeof *next);
        json_decref(record);
    }
    assert_int_equal(i, golden(&c->golden, "ids.counts")->shape.dim[0]);
    fclose(captions);
    clip_scorer_release(&scorer);
    arena_release(&arena);
    free(counts);
    free(ids);
    free(path);
}

int main(void)
{
    static const char *const kinds[] = {"clip/openai", "clip/long",  "clip/open-clip", "clip/open-clip-text",
                                        "siglip/tiny", "siglip/odd", "siglip/v2"};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pixels), cmocka_unit_test(test_images), cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_tokens)};
    const char *other = getenv("VLRM_SCORER_PARITY");
    int failed = 0;
    pool_init(2);
    for (size_t i = 0; i < (other ? 1 : sizeof kinds / sizeof kinds[0]); i++) {
        char *path = other ? xstrdup(other) : path_join("tests/golden", kinds[i]);
        folder = path;
        failed += _cmocka_run_group_tests(path, tests, sizeof tests / sizeof tests[0], open_scorer_case, close_scorer_case);
        free(path);
    }
    return failed;
}
