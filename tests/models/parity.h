/*
 * What the tests of models share: a folder of models with the reference's results (tests/golden/models, made by make.sh there, or
 * VLRM_PARITY: see parity.sh), its inputs, and the forward passes over them.
 *
 * The largest difference over a tensor, relative to its largest value, must be below 1e-4 in float and 1e-9 in the double build.
 */
#ifndef TESTS_MODELS_PARITY_H
#define TESTS_MODELS_PARITY_H

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
#include "models/captioner.h"
#include "models/matcher.h"
#include "models/scorer.h"
#include "learn/lora.h"
#include "learn/value_head.h"

#define TOLERANCE (sizeof(real) == 8 ? 1e-9 : 1e-4)

/* One folder of models and what the reference makes of its inputs. */
typedef struct Case {
    const Kernels *kernels;
    Tape *tape;
    Checkpoint *golden;
    Captioner *captioner;
    Matcher *itm;
    Scorer *clip; /* NULL where the folder has none */
    size_t items;
    int32_t *tokens, *itm_ids, *clip_ids;
    size_t *token_counts, *itm_counts, *clip_counts;
} Case;

static const char *folder;

static inline const StoredTensor *golden(const Case *c, const char *name)
{
    const StoredTensor *t = checkpoint_find(c->golden, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

static inline void compare(const Case *c, const char *name, const Tensor *found)
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

static inline void *widen(const Case *c, const char *name, bool as_size)
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

static inline int open_case(void **state)
{
    static Case c;
    Error err = {0};
    c = (Case){.kernels = kernels_cpu(COMPUTE_F32)};
    c.tape = tape_new(c.kernels);
    char *blip2 = path_join(folder, "blip2"), *itm = path_join(folder, "itm"), *clip = path_join(folder, "clip");
    char *parity = path_join(folder, "parity.safetensors");
    c.golden = checkpoint_open(parity, &err);
    c.captioner = captioner_open(blip2, c.kernels, &err);
    c.itm = matcher_open(itm, c.kernels, &err);
    c.clip = access(clip, F_OK) == 0 ? scorer_open(clip, c.kernels, &err) : NULL;
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

static inline int close_case(void **state)
{
    Case *c = *state;
    captioner_free(c->captioner);
    matcher_free(c->itm);
    scorer_free(c->clip);
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

static inline Tensor *features(const Case *c, const Vit *v)
{
    return vit_norm(c->tape, v, vit_blocks(c->tape, v, golden(c, "pixels")->data, c->items));
}

static inline Tensor *prefixes(const Case *c)
{
    return captioner_prefix(c->tape, c->captioner, captioner_features(c->tape, c->captioner, golden(c, "pixels")->data, c->items),
                            c->items);
}

/* The captions as sequences behind their images; the caller frees them. */
static inline LmSequence *sequences(const Case *c, bool with_images)
{
    LmSequence *s = xcalloc(c->items, sizeof *s);
    const size_t q = c->captioner->n_prefix;
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        s[i] = (LmSequence){.prefix = with_images ? i * q : 0, .n_prefix = with_images ? q : 0, .tokens = c->tokens + first};
        s[i].n = c->token_counts[i];
        first += s[i].n;
    }
    return s;
}

static inline Tensor *hidden(const Case *c, bool with_images)
{
    LmSequence *s = sequences(c, with_images);
    Tensor *h = lm_hidden(c->tape, &c->captioner->lm, with_images ? prefixes(c) : NULL, s, c->items);
    free(s);
    return h;
}

static inline Tensor *itm_scores(const Case *c)
{
    MatcherText *texts = xcalloc(c->items, sizeof *texts);
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        texts[i] = (MatcherText){.image = i, .ids = c->itm_ids + first, .n = c->itm_counts[i]};
        first += texts[i].n;
    }
    const Tensor *seen = vit_blocks(c->tape, &c->itm->vit, golden(c, "pixels")->data, c->items);
    Tensor *logits = matcher_logits(c->tape, c->itm, seen, c->items, texts, c->items);
    free(texts);
    return logits;
}

static inline Tensor *clip_text_rows(const Case *c)
{
    ScorerText *texts = xcalloc(c->items, sizeof *texts);
    size_t first = 0;
    for (size_t i = 0; i < c->items; i++) {
        texts[i] = (ScorerText){.ids = c->clip_ids + first, .n = c->clip_counts[i]};
        first += texts[i].n;
    }
    Tensor *rows = scorer_texts(c->tape, c->clip, texts, c->items);
    free(texts);
    return rows;
}

/* Runs tests over each folder of fixtures, clip_tests over those that have a clip. */
static inline int run_cases(const struct CMUnitTest *tests, size_t n, const struct CMUnitTest *clip_tests, size_t n_clip)
{
    const char *where[] = {"tests/golden/models/tiny", "share/doctor"};
    size_t folders = 2;
    int failed = 0;
    if (getenv("VLRM_PARITY")) {
        where[0] = getenv("VLRM_PARITY");
        folders = 1;
    }
    pool_init(2);
    for (size_t i = 0; i < folders; i++) {
        char *clip = path_join(where[i], "clip");
        folder = where[i];
        failed += _cmocka_run_group_tests(where[i], tests, n, open_case, close_case);
        if (access(clip, F_OK) == 0)
            failed += _cmocka_run_group_tests(clip, clip_tests, n_clip, open_case, close_case);
        free(clip);
    }
    return failed;
}

#endif
