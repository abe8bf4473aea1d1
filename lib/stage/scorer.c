/* ITM and CLIP with their tokenizers; see scorer.h. */
#include "stage/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "models/config_fields.h"
#include "stage/inputs.h"

/* Whether the model has a row for each id: a folder may hold another model's tokenizer of the right kind. */
static bool ids_fit(const int32_t *ids, size_t n, size_t rows, Error *err)
{
    for (size_t i = 0; i < n; i++)
        if ((size_t)ids[i] >= rows)
            return error_set(err, "the tokenizer's id %d has no row in the model's table of %zu", (int)ids[i], rows);
    return true;
}

bool scorer_finite(const real *made, size_t n, const char *who, Error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(made[i]))
            return error_set(err, "%s gives %g, expected a number: some of its weights are none", who, (double)made[i]);
    return true;
}

/* ---- ITM ---- */

bool itm_scorer_open(ItmScorer *s, const char *folder, size_t max_tokens, bool crop, const Kernels *kernels, Error *err)
{
    *s = (ItmScorer){.folder = folder};
    if (!(s->model = matcher_open(folder, kernels, err)) || !(s->tokenizer = tokenizer_open_kind(folder, TOKENIZER_BERT, err)))
        return false;
    s->max_tokens = max_tokens < s->model->positions ? max_tokens : s->model->positions;
    s->encoder = digest_text(vit_digest(s->model->checkpoint, "vision_model"));
    ImageInput input = {.side = s->model->vit.config.image};
    memcpy(input.mean, PREPROCESS_MEAN, sizeof input.mean);
    memcpy(input.std, PREPROCESS_STD, sizeof input.std);
    if (!config_pixels_file(&input, folder, err))
        return false;
    s->images = image_preprocess(&input);
    s->images.crop |= crop;
    return true;
}

void itm_scorer_release(ItmScorer *s)
{
    matcher_free(s->model);
    tokenizer_free(s->tokenizer);
    *s = (ItmScorer){0};
}

void itm_scorer_inputs(const ItmScorer *s, json_t *inputs)
{
    if (!s->model)
        return;
    inputs_add(inputs, "itm", checkpoint_digest(s->model->checkpoint, NULL, 0));
    inputs_add(inputs, "itm-tokenizer", tokenizer_digest(s->tokenizer));
}

size_t itm_scorer_values(const ItmScorer *s)
{
    return vit_rows(&s->model->vit) * s->model->vit.config.hidden;
}

/* The encoder's blocks on the record's image. */
static bool features_compute(ItmScorer *s, Tape *t, real *out, const Record *r, Error *err)
{
    const Vit *vit = &s->model->vit;
    const size_t image = vit->config.image;
    float *pixels = xmalloc(3 * image * image * sizeof *pixels);
    bool ok = frame_pixels(pixels, r, &s->images, err);
    if (ok) {
        TapeMark mark = tape_mark(t);
        tape_kernels(t)->download(out, vit_blocks(t, vit, pixels, 1)->data, itm_scorer_values(s) * sizeof *out);
        tape_release(t, mark);
        s->n_encoded++;
    }
    free(pixels);
    return ok;
}

bool itm_scorer_features(ItmScorer *s, Tape *t, real *out, const Record *r, Error *err)
{
    const Vit *vit = &s->model->vit;
    Field found = features_read(out, r, s->encoder.text, vit_rows(vit), vit->config.hidden);
    if (found == FIELD_OK) {
        s->n_shared++;
        return true;
    }
    if (found == FIELD_WRONG && !s->said_other_encoder) {
        warn("record %.*s: its features are of another encoder than %s's: not used, computed here (said once)", (int)r->id.size,
             (const char *)r->id.data, s->folder);
        s->said_other_encoder = true;
    }
    return features_compute(s, t, out, r, err);
}

bool itm_scorer_text(const ItmScorer *s, MatcherText *out, size_t image, Slice text, Arena *arena, Error *err)
{
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, s->tokenizer, text, ENCODE_SPECIAL | ENCODE_LITERAL, s->max_tokens, err))
        return false;
    *out = (MatcherText){.image = image, .ids = tokens.ids, .n = tokens.count};
    return ids_fit(tokens.ids, tokens.count, s->model->vocabulary, err);
}

void itm_scorer_run(const ItmScorer *s, Tape *t, real *out, const real *features, size_t n_images, const MatcherText *texts,
                    size_t n)
{
    const Vit *vit = &s->model->vit;
    real *logits = xmalloc(2 * n * sizeof *logits);
    Tensor *x = tape_input(t, n_images * vit_rows(vit), vit->config.hidden, features, false);
    tape_kernels(t)->download(logits, matcher_logits(t, s->model, x, n_images, texts, n)->data, 2 * n * sizeof *logits);
    for (size_t i = 0; i < n; i++)
        out[i] = logits[2 * i + 1];
    tape_reset(t);
    free(logits);
}

/* ---- CLIP ---- */

bool clip_scorer_open(ClipScorer *s, const char *folder, const Kernels *kernels, Error *err)
{
    *s = (ClipScorer){0};
    if (!(s->model = scorer_open(folder, kernels, err)))
        return false;
    s->tokenizer = s->model->traits.words == SCORER_WORDS_CLIP ? tokenizer_open_kind(folder, TOKENIZER_CLIP, err)
                                                               : tokenizer_open_siglip(folder, err);
    if (!s->tokenizer)
        return false;
    if (s->model->traits.padded && tokenizer_ids(s->tokenizer).pad < 0)
        return error_set(err, "%s/tokenizer_config.json names no pad_token of the vocabulary, which ends its texts", folder);
    s->max_tokens = s->model->traits.positions;
    s->images = image_preprocess(&s->model->traits.images);
    return true;
}

void clip_scorer_release(ClipScorer *s)
{
    scorer_free(s->model);
    tokenizer_free(s->tokenizer);
    *s = (ClipScorer){0};
}

void clip_scorer_inputs(const ClipScorer *s, json_t *inputs)
{
    if (!s->model)
        return;
    inputs_add(inputs, "clip", checkpoint_digest(s->model->checkpoint, NULL, 0));
    inputs_add(inputs, "clip-tokenizer", tokenizer_digest(s->tokenizer));
}

size_t clip_scorer_cols(const ClipScorer *s)
{
    return s->model ? s->model->traits.cols : 0;
}

/* What is on the tape, as numbers of the caller's. */
static void take(Tape *t, real *rows, const Tensor *x)
{
    tape_kernels(t)->download(rows, x->data, tensor_size(x) * sizeof *rows);
    tape_reset(t);
}

void clip_scorer_images(const ClipScorer *s, Tape *t, real *rows, const float *pixels, size_t n)
{
    take(t, rows, scorer_images(t, s->model, pixels, n));
}

/* The ids with padding behind up to what the model looks at. */
static ScorerText pad(const ClipScorer *s, Arena *arena, const Tokens *tokens)
{
    if (!s->model->traits.padded)
        return (ScorerText){tokens->ids, tokens->count};
    int32_t *ids = arena_alloc(arena, s->max_tokens * sizeof *ids);
    for (size_t i = 0; i < s->max_tokens; i++)
        ids[i] = i < tokens->count ? tokens->ids[i] : tokenizer_ids(s->tokenizer).pad;
    return (ScorerText){ids, s->max_tokens};
}

bool clip_scorer_text(const ClipScorer *s, ScorerText *out, Slice text, Arena *arena, Error *err)
{
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, s->tokenizer, text, ENCODE_SPECIAL | ENCODE_LITERAL, s->max_tokens, err))
        return false;
    *out = pad(s, arena, &tokens);
    return ids_fit(out->ids, out->n, s->model->traits.vocabulary, err);
}

void clip_scorer_texts(const ClipScorer *s, Tape *t, real *rows, const ScorerText *texts, size_t n)
{
    take(t, rows, scorer_texts(t, s->model, texts, n));
}
