/* The models that score; see scorers.h. */
#include "reward/scorers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "stage/inputs.h"

/* Whether the reference reads captions by their ids or by their text, which its own tokenizer cuts. */
static bool ref_tokenizer_open(Scorers *s, Error *err)
{
    const char *folder = s->options.ref;
    if (!s->options.captions)
        return true;
    Tokenizer *t = tokenizer_open(folder, err);
    if (!t)
        return error_prefix(err, "what captions are to the reference model");
    if (tokenizer_same(t, s->options.captions)) {
        tokenizer_free(t);
        return true;
    }
    s->ref_tokenizer = t;
    s->ref_model = digest_text(checkpoint_digest(s->ref->checkpoint, NULL, 0));
    note("%s has another tokenizer than the captioner: it scores the captions' text", folder);
    return true;
}

bool scorers_init(Scorers *s, const ScorerOptions *options, const Kernels *kernels, Error *err)
{
    *s = (Scorers){.options = *options, .kernels = kernels};
    s->tape = tape_new(kernels);
    if (options->itm && !itm_scorer_open(&s->itm, options->itm, options->itm_max_tokens, options->crop, kernels, err))
        return false;
    if (options->ref && (!(s->ref = language_model_open(options->ref, kernels, err)) || !ref_tokenizer_open(s, err)))
        return false;
    return !options->clip || clip_scorer_open(&s->clip, options->clip, kernels, err);
}

void scorers_release(Scorers *s)
{
    itm_scorer_release(&s->itm);
    clip_scorer_release(&s->clip);
    language_model_free(s->ref);
    tokenizer_free(s->ref_tokenizer);
    tape_free(s->tape);
    *s = (Scorers){0};
}

void scorers_inputs(const Scorers *s, json_t *inputs)
{
    itm_scorer_inputs(&s->itm, inputs);
    if (s->ref)
        inputs_add(inputs, "ref", language_model_digest(s->ref));
    if (s->ref_tokenizer)
        inputs_add(inputs, "ref-tokenizer", tokenizer_digest(s->ref_tokenizer));
    clip_scorer_inputs(&s->clip, inputs);
}

/* ---- images ---- */

/* What tells two records of one image: the bytes of the frame group and of the features, which may stand alone. */
static uint64_t image_hash(const Record *r)
{
    Slice frame = record_raw(r, "frame"), features = record_raw(r, "features");
    const uint64_t both[] = {hash_id(frame.data, frame.size), hash_id(features.data, features.size)};
    return hash_id(both, sizeof both);
}

/* ---- ITM ---- */

typedef struct ImageSet {
    uint64_t *hashes; /* [n] */
    real *features;   /* [n, rows * cols] */
    size_t n;
} ImageSet;

/* The place of the item's image in the set, added if it is new; SIZE_MAX if it cannot be read. */
static size_t image_place(Scorers *s, ImageSet *set, ScoreItem *item)
{
    uint64_t hash = image_hash(item->record);
    for (size_t i = 0; i < set->n; i++)
        if (set->hashes[i] == hash)
            return i;
    if (!itm_scorer_features(&s->itm, s->tape, set->features + set->n * itm_scorer_values(&s->itm), item->record, &item->err))
        return SIZE_MAX;
    set->hashes[set->n] = hash;
    return set->n++;
}

static void score_itm(Scorers *s, ScoreItem *items, size_t n)
{
    Arena arena = {0};
    size_t n_texts = 0;
    ImageSet set = {arena_alloc(&arena, n * sizeof(uint64_t)), arena_alloc(&arena, n * itm_scorer_values(&s->itm) * sizeof(real)),
                    0};
    MatcherText *texts = arena_calloc(&arena, n, sizeof *texts);
    size_t *owner = arena_calloc(&arena, n, sizeof *owner);
    double start = seconds_now();
    for (size_t i = 0; i < n; i++) {
        size_t place = items[i].failed ? SIZE_MAX : image_place(s, &set, &items[i]);
        items[i].failed = place == SIZE_MAX ||
                          !itm_scorer_text(&s->itm, &texts[n_texts], place, items[i].caption->text.text, &arena, &items[i].err);
        owner[n_texts] = i;
        n_texts += !items[i].failed;
    }
    double encoded = seconds_now();
    s->seconds_encode += encoded - start;
    if (n_texts > 0) {
        real *logits = arena_alloc(&arena, n_texts * sizeof *logits);
        itm_scorer_run(&s->itm, s->tape, logits, set.features, set.n, texts, n_texts);
        for (size_t i = 0; i < n_texts; i++)
            items[owner[i]].itm = logits[i];
    }
    s->seconds_itm += seconds_now() - encoded;
    arena_release(&arena);
}

/* ---- reference ---- */

/* A caption as the reference model reads it: t_1 .. t_n in its own ids. */
typedef struct RefCaption {
    ScoreItem *item;
    const int32_t *ids;
    size_t n;
} RefCaption;

/* The ids of a caption's text under the reference's own tokenizer, and its end if the caption has one. */
static bool ref_retokenize(const Scorers *s, Arena *arena, const Caption *c, RefCaption *out, Error *err)
{
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, s->ref_tokenizer, c->text.text, ENCODE_LITERAL, 0, err))
        return error_prefix(err, "caption.text for the reference model");
    int32_t *ids = arena_alloc(arena, (tokens.count + 1) * sizeof *ids);
    memcpy(ids, tokens.ids, tokens.count * sizeof *ids);
    if (c->eos)
        ids[tokens.count] = tokenizer_ids(s->ref_tokenizer).eos;
    out->ids = ids;
    out->n = tokens.count + c->eos;
    return true;
}

/* Whether the reference model has something to read in the item; a caption that it cannot read is failed. */
static bool ref_caption(const Scorers *s, Arena *arena, ScoreItem *item, RefCaption *out)
{
    const LmConfig *config = &s->ref->lm.config;
    *out = (RefCaption){item, item->caption->ids, item->caption->n};
    if (item->failed)
        return false;
    bool ok = !s->ref_tokenizer || ref_retokenize(s, arena, item->caption, out, &item->err);
    if (ok && out->n > 0 && !lm_fits(&s->ref->lm, 0, out->n))
        ok = error_set(&item->err, "%zu tokens are more than the reference model's %zu positions", out->n, config->positions);
    for (size_t k = 0; k < out->n && ok; k++)
        if ((size_t)out->ids[k] >= config->vocabulary)
            ok = error_set(&item->err, "token %d, the reference model has %zu", out->ids[k], config->vocabulary);
    item->failed = !ok;
    return ok && out->n > 0;
}

/* By tokens, so that captions that begin alike are neighbours: the model computes their beginning once. */
static int compare_tokens(const void *a, const void *b)
{
    const RefCaption *x = a, *y = b;
    for (size_t k = 0; k < x->n && k < y->n; k++)
        if (x->ids[k] != y->ids[k])
            return x->ids[k] < y->ids[k] ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* Mean log-probability of each caption's tokens; a caption without tokens has 0. */
static void score_ref(Scorers *s, ScoreItem *items, size_t n)
{
    Arena arena = {0};
    RefCaption *sorted = arena_calloc(&arena, n, sizeof *sorted);
    LmSequence *sequences = arena_calloc(&arena, n, sizeof *sequences);
    size_t total = 0, count = 0, at = 0;
    double start = seconds_now();
    for (size_t i = 0; i < n; i++) {
        items[i].ref = 0;
        if (ref_caption(s, &arena, &items[i], &sorted[count]))
            total += sorted[count++].n;
    }
    qsort(sorted, count, sizeof *sorted, compare_tokens);
    int32_t *targets = arena_alloc(&arena, total * sizeof *targets);
    for (size_t i = 0; i < count; at += sequences[i++].n) {
        memcpy(targets + at, sorted[i].ids, sorted[i].n * sizeof *targets);
        sequences[i] = (LmSequence){.tokens = targets + at, .n = sorted[i].n};
    }
    if (count > 0) {
        Tensor *hidden = lm_hidden(s->tape, &s->ref->lm, NULL, sequences, count);
        const Tensor *logp = lm_logp(s->tape, &s->ref->lm, hidden, targets, NULL);
        real *next = arena_alloc(&arena, total * sizeof *next);
        s->kernels->download(next, logp->data, total * sizeof *next);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < sequences[i].n; k++)
                sorted[i].item->ref += (double)*next++ / (double)sequences[i].n;
        tape_reset(s->tape);
    }
    s->seconds_ref += seconds_now() - start;
    arena_release(&arena);
}

/* ---- CLIP ---- */

static void score_clip(Scorers *s, ScoreItem *items, size_t n)
{
    Arena arena = {0};
    size_t image = s->clip.model->traits.images.side, one = 3 * image * image, cols = clip_scorer_cols(&s->clip), good = 0;
    float *pixels = arena_alloc(&arena, n * one * sizeof *pixels);
    ScorerText *texts = arena_calloc(&arena, n, sizeof *texts);
    size_t *owner = arena_calloc(&arena, n, sizeof *owner);
    double start = seconds_now();
    for (size_t i = 0; i < n; i++) {
        items[i].failed = items[i].failed ||
                          !frame_pixels(pixels + good * one, items[i].record, &s->clip.images, &items[i].err) ||
                          !clip_scorer_text(&s->clip, &texts[good], items[i].caption->text.text, &arena, &items[i].err);
        owner[good] = i;
        good += !items[i].failed;
    }
    if (good > 0) {
        real *rows_image = arena_alloc(&arena, good * cols * sizeof *rows_image),
             *rows_text = arena_alloc(&arena, good * cols * sizeof *rows_text);
        clip_scorer_images(&s->clip, s->tape, rows_image, pixels, good);
        clip_scorer_texts(&s->clip, s->tape, rows_text, texts, good);
        for (size_t i = 0; i < good; i++) {
            memcpy(items[owner[i]].clip_image, rows_image + i * cols, cols * sizeof *rows_image);
            memcpy(items[owner[i]].clip_text, rows_text + i * cols, cols * sizeof *rows_text);
        }
    }
    s->seconds_clip += seconds_now() - start;
    arena_release(&arena);
}

/* What a model with a broken file gives is no score. */
static bool is_scored(const Scorers *s, ScoreItem *item)
{
    const size_t cols = clip_scorer_cols(&s->clip);
    const real itm = (real)item->itm, ref = (real)item->ref;
    return (!s->itm.model || scorer_finite(&itm, 1, "ITM", &item->err)) &&
           (!s->ref || scorer_finite(&ref, 1, "the reference model", &item->err)) &&
           (!s->clip.model || (scorer_finite(item->clip_image, cols, "CLIP", &item->err) &&
                               scorer_finite(item->clip_text, cols, "CLIP", &item->err)));
}

void scorers_run(Scorers *s, ScoreItem *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i].itm = items[i].ref = NAN;
    if (s->clip.model)
        score_clip(s, items, n);
    if (s->itm.model)
        score_itm(s, items, n);
    if (s->ref)
        score_ref(s, items, n);
    for (size_t i = 0; i < n; i++)
        items[i].failed = items[i].failed || !is_scored(s, &items[i]);
}
