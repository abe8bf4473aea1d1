/* Models against torch's results; see golden.h. */
#include "doctor/golden.h"

#include <math.h>
#include <stdlib.h>

#include "doctor/measured.h"
#include "models/captioner.h"
#include "models/families/blip2/blip2.h"
#include "models/families/blip2/itm.h"
#include "models/families/clip/clip.h"

typedef struct Golden {
    Checks *checks;
    const char *table;
    double bound;
    Tape *tape;
    Checkpoint *expected, *layers; /* of whole models; of models that end after fewer layers */
    Captioner *captioner;
    Itm *itm;
    Clip *clip;
    size_t items;
} Golden;

/* What a part of a model gives, on the tape; of as many layers as its configuration says now. */
typedef Tensor *Part(const Golden *g);

static const StoredTensor *expected(const Golden *g, const char *name)
{
    return checkpoint_find(g->expected, name);
}

/* What is expected of the part with its first n layers; NULL where it is not there. */
static const StoredTensor *expected_after(const Golden *g, const char *name, size_t n, size_t whole)
{
    if (n == whole)
        return expected(g, name);
    char *of_layer = xasprintf("%s.%zu", name, n);
    const StoredTensor *t = checkpoint_find(g->layers, of_layer);
    free(of_layer);
    return t;
}

/* The part after each of its layers: a model that ends there is compared with torch's that does. layers: of its configuration. */
static void compare(Golden *g, const char *part, const char *name, size_t *layers, Part *compute)
{
    const size_t whole = layers ? *layers : 1;
    double *errors = xcalloc(whole, sizeof *errors);
    for (size_t n = 1; n <= whole; n++) {
        const StoredTensor *t = expected_after(g, name, n, whole);
        if (layers)
            *layers = n;
        errors[n - 1] = t ? measured_error(t, compute(g)) : NAN;
        tape_reset(g->tape);
    }
    measured_add(g->checks, g->table, g->bound, part, errors, whole, shape_size(&expected(g, name)->shape));
    free(errors);
}

/* The integers of a tensor; the caller frees them. */
static int32_t *ids_of(const Golden *g, const char *name, size_t **counts)
{
    char *of_counts = xasprintf("%s.counts", name);
    const StoredTensor *t = expected(g, name), *c = expected(g, of_counts);
    int32_t *ids = xcalloc(shape_size(&t->shape), sizeof *ids);
    *counts = xcalloc(g->items, sizeof **counts);
    for (size_t i = 0; i < shape_size(&t->shape); i++)
        ids[i] = (int32_t)((const int64_t *)t->data)[i];
    for (size_t i = 0; i < g->items; i++)
        (*counts)[i] = (size_t)((const int64_t *)c->data)[i];
    free(of_counts);
    return ids;
}

static Tensor *seen(const Golden *g)
{
    return captioner_features(g->tape, g->captioner, expected(g, "pixels")->data, g->items);
}

static Tensor *vision(const Golden *g)
{
    return vit_norm(g->tape, &g->captioner->vit, seen(g));
}

static Tensor *prefix(const Golden *g)
{
    return captioner_prefix(g->tape, g->captioner, seen(g), g->items);
}

/* Log-probabilities of the captions, behind their images or alone. */
static Tensor *logp(const Golden *g, Tensor *prefixes)
{
    const Lm *lm = &g->captioner->lm;
    size_t *counts, first = 0, queries = prefixes ? g->captioner->n_prefix : 0;
    int32_t *tokens = ids_of(g, "tokens", &counts);
    LmSequence *s = xcalloc(g->items, sizeof *s);
    for (size_t i = 0; i < g->items; i++) {
        s[i] = (LmSequence){.prefix = i * queries, .n_prefix = queries, .tokens = tokens + first, .n = counts[i]};
        first += counts[i];
    }
    Tensor *out = lm_logp(g->tape, lm, lm_hidden(g->tape, lm, prefixes, s, g->items), tokens, NULL);
    free(s);
    free(tokens);
    free(counts);
    return out;
}

static Tensor *logp_of_captions(const Golden *g)
{
    return logp(g, prefix(g));
}

static Tensor *logp_of_text(const Golden *g)
{
    return logp(g, NULL);
}

static Tensor *itm_of_texts(const Golden *g)
{
    const Itm *m = g->itm;
    size_t *counts, first = 0;
    int32_t *ids = ids_of(g, "itm_ids", &counts);
    MatcherText *texts = xcalloc(g->items, sizeof *texts);
    for (size_t i = 0; i < g->items; i++) {
        texts[i] = (MatcherText){.image = i, .ids = ids + first, .n = counts[i]};
        first += counts[i];
    }
    const Tensor *x = vit_blocks(g->tape, &m->base.vit, expected(g, "pixels")->data, g->items);
    Tensor *out = matcher_logits(g->tape, &m->base, x, g->items, texts, g->items);
    free(texts);
    free(ids);
    free(counts);
    return out;
}

static Tensor *clip_images(const Golden *g)
{
    return scorer_images(g->tape, &g->clip->base, expected(g, "clip_pixels")->data, g->items);
}

static Tensor *clip_texts(const Golden *g)
{
    size_t *counts, first = 0;
    int32_t *ids = ids_of(g, "clip_ids", &counts);
    ScorerText *texts = xcalloc(g->items, sizeof *texts);
    for (size_t i = 0; i < g->items; i++) {
        texts[i] = (ScorerText){.ids = ids + first, .n = counts[i]};
        first += counts[i];
    }
    Tensor *out = scorer_texts(g->tape, &g->clip->base, texts, g->items);
    free(texts);
    free(ids);
    free(counts);
    return out;
}

/* In the order in which one feeds the next. */
static void compare_all(Golden *g)
{
    Captioner *c = g->captioner;
    compare(g, "vision encoder", "vision", &c->vit.config.layers, vision);
    compare(g, "Q-Former", "prefix", &((Blip2 *)c->own)->qformer.config.layers, prefix);
    compare(g, "language model, captions", "logp", &c->lm.config.layers, logp_of_captions);
    compare(g, "language model, text alone", "ref_logp", NULL, logp_of_text);
    compare(g, "ITM", "itm_logits", &g->itm->qformer.config.layers, itm_of_texts);
    compare(g, "CLIP, images", "clip_image", &g->clip->vit.config.layers, clip_images);
    compare(g, "CLIP, texts", "clip_text", &g->clip->text.config.layers, clip_texts);
}

/* Whether every tensor that is read above is there. */
static bool whole(const Golden *g, Error *err)
{
    static const char *const names[] = {"pixels",   "tokens",          "tokens.counts", "itm_ids",    "itm_ids.counts",
                                        "clip_ids", "clip_ids.counts", "vision",        "prefix",     "logp",
                                        "ref_logp", "itm_logits",      "clip_pixels",   "clip_image", "clip_text"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!expected(g, names[i]))
            return error_set_status(err, STATUS_CORRUPT, "%s: no tensor %s", checkpoint_path(g->expected), names[i]);
    return true;
}

void golden_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16)
{
    static const char *const names[] = {"parity.safetensors", "layers.safetensors", "blip2", "itm", "clip"};
    enum { NAMES = sizeof names / sizeof *names };
    Error err = {0};
    char *table = xasprintf("%s %s", kernels->name, bf16 ? "bf16" : "f32"), *paths[NAMES];
    Golden g = {.checks = c, .table = table, .bound = measured_bound(bf16), .tape = tape_new(kernels)};
    for (size_t i = 0; i < NAMES; i++)
        paths[i] = path_join(folder, names[i]);
    bool ok = (g.expected = checkpoint_open(paths[0], &err)) && (g.layers = checkpoint_open(paths[1], &err)) &&
              (g.captioner = captioner_open(paths[2], kernels, &err)) && (g.itm = itm_open(paths[3], kernels, &err)) &&
              (g.clip = clip_open(paths[4], kernels, &err)) && whole(&g, &err);
    if (ok) {
        g.items = expected(&g, "pixels")->shape.dim[0];
        compare_all(&g);
    } else
        check_add(c, table, false, NAN, NAN, "%s", err.text);
    captioner_free(g.captioner);
    matcher_free(g.itm ? &g.itm->base : NULL);
    scorer_free(g.clip ? &g.clip->base : NULL);
    checkpoint_free(g.expected);
    checkpoint_free(g.layers);
    tape_free(g.tape);
    for (size_t i = 0; i < NAMES; i++)
        free(paths[i]);
    free(table);
}
