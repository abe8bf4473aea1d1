/* CLIP and ITM; see models.h. */
#include "eval/models.h"

#include <stdlib.h>
#include <string.h>

#include "eval/statistics.h"

bool models_open(Models *m, const char *clip, const char *itm, size_t itm_max_tokens, const Kernels *kernels, Error *err)
{
    *m = (Models){.kernels = kernels, .tape = tape_new(kernels)};
    if (clip && !clip_scorer_open(&m->clip, clip, kernels, err))
        return false;
    if (!itm)
        return true;
    if (!itm_scorer_open(&m->itm, itm, itm_max_tokens, false, kernels, err))
        return false;
    m->features = xcalloc(itm_scorer_values(&m->itm), sizeof *m->features);
    return true;
}

void models_release(Models *m)
{
    clip_scorer_release(&m->clip);
    itm_scorer_release(&m->itm);
    tape_free(m->tape);
    arena_release(&m->arena);
    free(m->features);
    *m = (Models){0};
}

bool models_look(const Models *m)
{
    return m->clip.model || m->itm.model;
}

void models_inputs(const Models *m, json_t *inputs)
{
    clip_scorer_inputs(&m->clip, inputs);
    itm_scorer_inputs(&m->itm, inputs);
}

bool models_clip_image(Models *m, real *row, const float *pixels, Error *err)
{
    clip_scorer_images(&m->clip, m->tape, row, pixels, 1);
    return scorer_finite(row, clip_scorer_cols(&m->clip), "CLIP", err);
}

/* The text as it is to be read, in the arena. */
static Slice text_used(Models *m, Slice text, TextUse use)
{
    const Slice prompt = SLICE("A photo depicts ");
    if (use == TEXT_IC3)
        return text_cut(text, IC3_CHARACTERS);
    if (use == TEXT_FULL)
        return text;
    char *both = arena_alloc(&m->arena, prompt.size + text.size);
    memcpy(both, prompt.data, prompt.size);
    memcpy(both + prompt.size, text.data, text.size);
    return (Slice){both, prompt.size + text.size};
}

bool models_clip_cuts(Models *m, Slice text, TextUse use)
{
    Tokens all;
    Error ignored = {0};
    const Slice used = text_used(m, text, use);
    bool cut = (use == TEXT_IC3 && used.size < text.size) ||
               (tokenizer_encode(&all, &m->arena, m->clip.tokenizer, used, ENCODE_SPECIAL, 0, &ignored) &&
                all.count > m->clip.max_tokens);
    arena_reset(&m->arena);
    return cut;
}

bool models_clip_texts(Models *m, real *rows, const Slice *texts, size_t n, TextUse use, Error *err)
{
    ScorerText *ids = arena_alloc(&m->arena, (n + 1) * sizeof *ids);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = clip_scorer_text(&m->clip, &ids[i], text_used(m, texts[i], use), &m->arena, err);
    if (ok && n > 0) {
        clip_scorer_texts(&m->clip, m->tape, rows, ids, n);
        ok = scorer_finite(rows, n * clip_scorer_cols(&m->clip), "CLIP", err);
    }
    arena_reset(&m->arena);
    return ok;
}

/* Fills m->features; those of the image before are still there. */
static bool features_fill(Models *m, const Record *r, uint64_t key, Error *err)
{
    if (key == m->features_of && key != 0)
        return true;
    bool ok = itm_scorer_features(&m->itm, m->tape, m->features, r, err);
    m->features_of = ok ? key : 0;
    return ok;
}

bool models_itm(Models *m, double *logit, const Record *r, uint64_t key, Slice text, Error *err)
{
    MatcherText one;
    real match;
    bool ok = features_fill(m, r, key, err) && itm_scorer_text(&m->itm, &one, 0, text, &m->arena, err);
    if (ok) {
        itm_scorer_run(&m->itm, m->tape, &match, m->features, 1, &one, 1);
        *logit = match;
        ok = scorer_finite(&match, 1, "ITM", err);
    }
    arena_reset(&m->arena);
    return ok;
}
