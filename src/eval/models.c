/* CLIP and ITM; see models.h. */
#include "eval/models.h"

#include <stdlib.h>

#include "eval/statistics.h"

static Tokenizer *tokenizer_of_kind(const char *folder, TokenizerKind kind, const char *name, Error *err)
{
    Tokenizer *t = tokenizer_open(folder, err);
    if (!t || tokenizer_kind(t) == kind)
        return t;
    error_set_status(err, STATUS_MISMATCH, "%s: its tokenizer is not %s", folder, name);
    tokenizer_free(t);
    return NULL;
}

bool models_open(Models *m, const char *clip, const char *itm, size_t itm_max_tokens, const Kernels *kernels, Error *err)
{
    *m = (Models){.kernels = kernels, .tape = tape_new(kernels), .itm_max_tokens = itm_max_tokens};
    if (!(m->clip = clip_open(clip, kernels, err)) ||
        !(m->clip_tokenizer = tokenizer_of_kind(clip, TOKENIZER_CLIP, "CLIP's BPE", err)))
        return false;
    m->clip_images = frame_preprocess(&m->clip->config.vision, true);
    if (!itm)
        return true;
    if (!(m->itm = itm_open(itm, kernels, err)) ||
        !(m->itm_tokenizer = tokenizer_of_kind(itm, TOKENIZER_BERT, "BERT's WordPiece", err)))
        return false;
    digest_text(vit_digest(m->itm->checkpoint), m->encoder);
    m->itm_images = frame_preprocess(&m->itm->config.vision, false);
    m->features = xcalloc(vit_rows(&m->itm->vit) * m->itm->vit.config.hidden, sizeof *m->features);
    return true;
}

void models_release(Models *m)
{
    clip_free(m->clip);
    itm_free(m->itm);
    tokenizer_free(m->clip_tokenizer);
    tokenizer_free(m->itm_tokenizer);
    tape_free(m->tape);
    arena_release(&m->arena);
    free(m->features);
    *m = (Models){0};
}

void models_inputs(const Models *m, json_t *inputs)
{
    inputs_add(inputs, "clip", checkpoint_digest(m->clip->checkpoint, NULL, 0));
    inputs_add(inputs, "clip-tokenizer", tokenizer_digest(m->clip_tokenizer));
    if (m->itm) {
        inputs_add(inputs, "itm", checkpoint_digest(m->itm->checkpoint, NULL, 0));
        inputs_add(inputs, "itm-tokenizer", tokenizer_digest(m->itm_tokenizer));
    }
}

void models_clip_image(Models *m, real *row, const float *pixels)
{
    Tensor *x = clip_images(m->tape, m->clip, pixels, 1);
    m->kernels->download(row, x->data, x->cols * sizeof *row);
    tape_reset(m->tape);
}

bool models_clip_texts(Models *m, real *rows, const TextSlice *texts, size_t n, Error *err)
{
    size_t limit = tokenizer_limit(m->clip_tokenizer);
    ClipText *cut = arena_alloc(&m->arena, (n + 1) * sizeof *cut);
    bool ok = true;
    if (limit == 0 || limit > m->clip->config.text.positions)
        limit = m->clip->config.text.positions;
    for (size_t i = 0; i < n && ok; i++) {
        Tokens tokens;
        ok = tokenizer_encode(&tokens, &m->arena, m->clip_tokenizer, text_cut(texts[i], IC3_CHARACTERS), ENCODE_SPECIAL, limit,
                              err);
        if (ok)
            cut[i] = (ClipText){tokens.ids, tokens.count};
    }
    if (ok && n > 0) {
        Tensor *x = clip_texts(m->tape, m->clip, cut, n);
        m->kernels->download(rows, x->data, n * x->cols * sizeof *rows);
        tape_reset(m->tape);
    }
    arena_reset(&m->arena);
    return ok;
}

/* Fills m->features: from the record, else by ITM's encoder; those of the image before are still there. */
static bool features_fill(Models *m, const Record *r, uint64_t key, Error *err)
{
    const Vit *vit = &m->itm->vit;
    size_t rows = vit_rows(vit), cols = vit->config.hidden, side = vit->config.image;
    if (key == m->features_of && key != 0)
        return true;
    Field found = features_read(m->features, r, m->encoder, rows, cols);
    if (found == FIELD_WRONG && !m->said_other_encoder) {
        warn("record %.*s: its features are of another encoder: not used, computed here (said once)", (int)r->id.size,
             (const char *)r->id.data);
        m->said_other_encoder = true;
    }
    bool ok = true;
    if (found != FIELD_OK) {
        float *pixels = arena_alloc(&m->arena, 3 * side * side * sizeof *pixels);
        ok = frame_pixels(pixels, r, &m->itm_images, err);
        if (ok) {
            Tensor *x = vit_blocks(m->tape, vit, pixels, 1);
            m->kernels->download(m->features, x->data, rows * cols * sizeof *m->features);
            tape_reset(m->tape);
        }
    }
    m->features_of = ok ? key : 0;
    return ok;
}

bool models_itm(Models *m, double *logit, const Record *r, uint64_t key, TextSlice text, Error *err)
{
    Tokens tokens;
    bool ok = features_fill(m, r, key, err) &&
              tokenizer_encode(&tokens, &m->arena, m->itm_tokenizer, text, ENCODE_SPECIAL, m->itm_max_tokens, err);
    if (ok) {
        real logits[2];
        QformerText one = {.image = 0, .ids = tokens.ids, .n = tokens.count};
        Tensor *x = tape_input(m->tape, vit_rows(&m->itm->vit), m->itm->vit.config.hidden, m->features, false);
        QformerMemory memory = qformer_memory(m->tape, &m->itm->qformer, vit_norm(m->tape, &m->itm->vit, x), 1);
        m->kernels->download(logits, itm_logits(m->tape, m->itm, &memory, &one, 1)->data, sizeof logits);
        *logit = logits[1];
        tape_reset(m->tape);
    }
    arena_reset(&m->arena);
    return ok;
}
