/* Models against torch's results; see golden.h. */
#include "doctor/golden.h"

#include <math.h>
#include <stdlib.h>

#include "models/captioner.h"
#include "models/itm.h"
#include "models/scorer.h"

/* Largest difference over a tensor, relative to its largest value. f32 has 24 bits and bf16 8, through some layers: on a Sapphire
 * Rapids 4e-7 and 1e-2 were found. */
static const double bound_f32 = 1e-5, bound_bf16 = 0.03;

typedef struct Golden {
    Checks *checks;
    const char *table;
    double bound;
    Tape *tape;
    Checkpoint *expected;
    Captioner *captioner;
    Itm *itm;
    Scorer *clip;
    size_t items;
} Golden;

static const StoredTensor *expected(const Golden *g, const char *name)
{
    return checkpoint_find(g->expected, name);
}

/* What was computed against the tensor of that name; the part is what the check is called. */
static void compare(Golden *g, const char *part, const char *name, const Tensor *found)
{
    const StoredTensor *t = expected(g, name);
    size_t n = shape_size(&t->shape);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double a = tensor_data(found)[i], b = dtype_load(t->type, t->data, i), off = fabs(a - b);
        worst = off > worst || isnan(off) ? off : worst;
        largest = fmax(largest, fabs(b));
    }
    char *check = xasprintf("%s: %s", g->table, part);
    double error = worst / largest;
    check_add(g->checks, check, n == tensor_size(found) && error <= g->bound, error, g->bound, "largest error over %zu values",
              n);
    free(check);
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

static Tensor *features(const Golden *g, const Vit *v)
{
    return vit_norm(g->tape, v, vit_blocks(g->tape, v, expected(g, "pixels")->data, g->items));
}

/* Log-probabilities of the captions, behind their images or alone. */
static Tensor *logp(const Golden *g, Tensor *prefixes, const int32_t *tokens, const size_t *counts)
{
    LmSequence *s = xcalloc(g->items, sizeof *s);
    size_t first = 0, queries = prefixes ? g->captioner->n_prefix : 0;
    for (size_t i = 0; i < g->items; i++) {
        s[i] = (LmSequence){.prefix = i * queries, .n_prefix = queries, .tokens = tokens + first, .n = counts[i]};
        first += counts[i];
    }
    Tensor *out = lm_logp(g->tape, &g->captioner->lm, lm_hidden(g->tape, &g->captioner->lm, prefixes, s, g->items), tokens, NULL);
    free(s);
    return out;
}

static void check_captioner(Golden *g)
{
    size_t *counts;
    int32_t *tokens = ids_of(g, "tokens", &counts);
    const Tensor *seen = captioner_features(g->tape, g->captioner, expected(g, "pixels")->data, g->items);
    compare(g, "vision encoder", "vision", vit_norm(g->tape, &g->captioner->vit, seen));
    Tensor *prefixes = captioner_prefix(g->tape, g->captioner, seen, g->items);
    compare(g, "Q-Former", "prefix", prefixes);
    compare(g, "language model, captions", "logp", logp(g, prefixes, tokens, counts));
    compare(g, "language model, text alone", "ref_logp", logp(g, NULL, tokens, counts));
    tape_reset(g->tape);
    free(tokens);
    free(counts);
}

static void check_itm(Golden *g)
{
    size_t *counts, first = 0;
    int32_t *ids = ids_of(g, "itm_ids", &counts);
    QformerText *texts = xcalloc(g->items, sizeof *texts);
    for (size_t i = 0; i < g->items; i++) {
        texts[i] = (QformerText){.image = i, .ids = ids + first, .n = counts[i]};
        first += counts[i];
    }
    QformerMemory m = qformer_memory(g->tape, &g->itm->qformer, features(g, &g->itm->vit), g->items);
    compare(g, "ITM", "itm_logits", itm_logits(g->tape, g->itm, &m, texts, g->items));
    tape_reset(g->tape);
    free(texts);
    free(ids);
    free(counts);
}

static void check_clip(Golden *g)
{
    size_t *counts, first = 0;
    int32_t *ids = ids_of(g, "clip_ids", &counts);
    ScorerText *texts = xcalloc(g->items, sizeof *texts);
    for (size_t i = 0; i < g->items; i++) {
        texts[i] = (ScorerText){.ids = ids + first, .n = counts[i]};
        first += counts[i];
    }
    compare(g, "CLIP, images", "clip_image", scorer_images(g->tape, g->clip, expected(g, "clip_pixels")->data, g->items));
    compare(g, "CLIP, texts", "clip_text", scorer_texts(g->tape, g->clip, texts, g->items));
    tape_reset(g->tape);
    free(texts);
    free(ids);
    free(counts);
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

static char *part_of(const char *folder, const char *name)
{
    return path_join(folder, name);
}

void golden_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16)
{
    Error err = {0};
    char *table = xasprintf("%s %s", kernels->name, bf16 ? "bf16" : "f32"), *paths[4];
    Golden g = {.checks = c, .table = table, .bound = bf16 ? bound_bf16 : bound_f32, .tape = tape_new(kernels)};
    paths[0] = part_of(folder, "parity.safetensors");
    paths[1] = part_of(folder, "blip2");
    paths[2] = part_of(folder, "itm");
    paths[3] = part_of(folder, "clip");
    bool ok = (g.expected = checkpoint_open(paths[0], &err)) && (g.captioner = captioner_open(paths[1], kernels, &err)) &&
              (g.itm = itm_open(paths[2], kernels, &err)) && (g.clip = scorer_open(paths[3], kernels, &err)) && whole(&g, &err);
    if (ok) {
        g.items = expected(&g, "pixels")->shape.dim[0];
        check_captioner(&g);
        check_itm(&g);
        check_clip(&g);
    } else
        check_add(c, table, false, NAN, NAN, "%s", err.text);
    captioner_free(g.captioner);
    itm_free(g.itm);
    scorer_free(g.clip);
    checkpoint_free(g.expected);
    tape_free(g.tape);
    for (size_t i = 0; i < 4; i++)
        free(paths[i]);
    free(table);
}
