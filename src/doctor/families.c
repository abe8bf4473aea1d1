/* A folder for each family, with expected/values.safetensors beside the model; see families.h. */
#include "doctor/families.h"

#include <math.h>
#include <stdlib.h>

#include "doctor/measured.h"
#include "models/captioner.h"
#include "models/families/blip2/blip2.h"
#include "models/families/siglip/siglip.h"
#include "models/language.h"
#include "models/matcher.h"
#include "models/scorer.h"

typedef struct Family {
    Checks *checks;
    const Kernels *kernels;
    const char *table, *name;
    double bound;
    Checkpoint *expected;
    Tape *tape;
    Captioner *captioner; /* the model: one of these */
    LanguageModel *language;
    Scorer *scorer;
    Matcher *matcher;
} Family;

/* What a part of the model gives, on the tape; of as many layers as its configuration says now. */
typedef Tensor *Part(const Family *f);

static const StoredTensor *expected(const Family *f, const char *name)
{
    return checkpoint_find(f->expected, name);
}

/*
 * The part after each of its layers: a model that ends there is compared with torch's that does, NAME + of + ".1" and so on.
 * layers: of its configuration; NULL: as a whole alone.
 */
static void compare(const Family *f, const char *part, const char *name, const char *of, size_t *layers, Part *compute)
{
    const size_t whole = layers ? *layers : 1;
    double *errors = xcalloc(whole, sizeof *errors);
    for (size_t n = 1; n <= whole; n++) {
        char *ending = xasprintf("%s%s.%zu", name, of, n);
        const StoredTensor *t = expected(f, n == whole ? name : ending);
        if (layers)
            *layers = n;
        errors[n - 1] = t ? measured_error(t, compute(f)) : NAN;
        tape_reset(f->tape);
        free(ending);
    }
    char *called = xasprintf("%s, %s", f->name, part);
    measured_add(f->checks, f->table, f->bound, called, errors, whole, shape_size(&expected(f, name)->shape));
    free(called);
    free(errors);
}

/* The integers of a tensor, on the tape; *n of them. */
static int32_t *ids(const Family *f, const char *name, size_t *n)
{
    const StoredTensor *t = expected(f, name);
    *n = shape_size(&t->shape);
    int32_t *out = tape_alloc(f->tape, *n * sizeof *out);
    for (size_t i = 0; i < *n; i++)
        out[i] = (int32_t)((const int64_t *)t->data)[i];
    return out;
}

/* Log-probabilities of all texts; text i stands behind image i mod n_images, or behind nothing where there are no prefixes. */
static Tensor *logp(const Family *f, const Lm *lm, const Tensor *prefixes, size_t n_images)
{
    size_t n_tokens, n, rows = prefixes ? prefixes->rows / n_images : 0;
    const int32_t *tokens = ids(f, "tokens", &n_tokens), *counts = ids(f, "tokens.counts", &n);
    LmSequence *s = tape_alloc(f->tape, n * sizeof *s);
    for (size_t i = 0, first = 0; i < n; first += (size_t)counts[i++])
        s[i] = (LmSequence){prefixes ? i % n_images * rows : 0, rows, tokens + first, (size_t)counts[i]};
    return lm_logp(f->tape, lm, lm_hidden(f->tape, lm, prefixes, s, n), tokens, NULL);
}

static Tensor *seen(const Family *f)
{
    const StoredTensor *pixels = expected(f, "pixel_values");
    return captioner_features(f->tape, f->captioner, pixels->data, pixels->shape.dim[0]);
}

static Tensor *vision(const Family *f)
{
    return vit_norm(f->tape, &f->captioner->vit, seen(f));
}

static Tensor *connector(const Family *f)
{
    const Captioner *c = f->captioner;
    return c->family->rows(f->tape, c, seen(f), expected(f, "pixel_values")->shape.dim[0]);
}

static Tensor *captions(const Family *f)
{
    const size_t n = expected(f, "pixel_values")->shape.dim[0];
    return logp(f, &f->captioner->lm, captioner_prefix(f->tape, f->captioner, seen(f), n), n);
}

static bool check_captioner(Family *f, const char *folder, Error *err)
{
    Captioner *c = f->captioner = captioner_open(folder, f->kernels, err);
    size_t n, n_request;
    const int32_t *prompt = ids(f, "prompt", &n);
    const int32_t *request = expected(f, "request") ? ids(f, "request", &n_request) : NULL;
    const bool ok = c && captioner_prompt(c, prompt, n, err) && (!request || captioner_request(c, request, n_request, err));
    tape_reset(f->tape);
    if (ok) {
        if (c->family == &instructblip_family) { /* whose connector is a network of its own */
            compare(f, "vision encoder", "vision", "", &c->vit.config.layers, vision);
            compare(f, "Q-Former", "connector", ".qformer", &((Blip2 *)c->own)->qformer.config.layers, connector);
        } else
            compare(f, "images", "connector", ".encoder", &c->vit.config.layers, connector);
        compare(f, "language model", "logp", "", &c->lm.config.layers, captions);
    }
    captioner_free(c);
    return ok;
}

static Tensor *texts_alone(const Family *f)
{
    return logp(f, &f->language->lm, NULL, 0);
}

static bool check_language(Family *f, const char *folder, Error *err)
{
    LanguageModel *m = f->language = language_model_open(folder, f->kernels, err);
    if (m)
        compare(f, "texts", "logp", "", &m->lm.config.layers, texts_alone);
    language_model_free(m);
    return m != NULL;
}

static Tensor *images(const Family *f)
{
    const StoredTensor *pixels = expected(f, "pixels");
    return scorer_images(f->tape, f->scorer, pixels->data, pixels->shape.dim[0]);
}

static Tensor *texts(const Family *f)
{
    size_t n, n_ids;
    const int32_t *all = ids(f, "ids", &n_ids), *counts = ids(f, "ids.counts", &n);
    ScorerText *of = tape_alloc(f->tape, n * sizeof *of);
    for (size_t i = 0, first = 0; i < n; first += (size_t)counts[i++])
        of[i] = (ScorerText){.ids = all + first, .n = (size_t)counts[i]};
    return scorer_texts(f->tape, f->scorer, of, n);
}

static bool check_scorer(Family *f, const char *folder, Error *err)
{
    Scorer *s = f->scorer = scorer_open(folder, f->kernels, err);
    Siglip *siglip = s && s->family == &siglip_family ? (Siglip *)s : NULL;
    if (s) {
        compare(f, "images", "image", "", siglip ? &siglip->vit.config.layers : NULL, images);
        compare(f, "texts", "text", "", siglip ? &siglip->text.config.layers : NULL, texts);
    }
    scorer_free(s);
    return s != NULL;
}

/* Text i is about image i mod the number of images. */
static Tensor *pairs(const Family *f)
{
    const StoredTensor *pixels = expected(f, "pixels");
    size_t n, n_ids, n_images = pixels->shape.dim[0];
    const int32_t *all = ids(f, "ids", &n_ids), *counts = ids(f, "ids.counts", &n);
    MatcherText *of = tape_alloc(f->tape, n * sizeof *of);
    for (size_t i = 0, first = 0; i < n; first += (size_t)counts[i++])
        of[i] = (MatcherText){.image = i % n_images, .ids = all + first, .n = (size_t)counts[i]};
    const Tensor *features = vit_blocks(f->tape, &f->matcher->vit, pixels->data, n_images);
    return matcher_logits(f->tape, f->matcher, features, n_images, of, n);
}

static bool check_matcher(Family *f, const char *folder, Error *err)
{
    Matcher *m = f->matcher = matcher_open(folder, f->kernels, err);
    if (m)
        compare(f, "images and texts", "itm_logits", "", &m->vit.config.layers, pairs);
    matcher_free(m);
    return m != NULL;
}

/* Whether every tensor that a check reads is there. names: the last is NULL. */
static bool whole(const Checkpoint *expected, const char *const *names, Error *err)
{
    for (; *names; names++)
        if (!checkpoint_find(expected, *names))
            return error_set_status(err, STATUS_CORRUPT, "%s: no tensor %s", checkpoint_path(expected), *names);
    return true;
}

void families_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16)
{
    static const char *const of_captioner[] = {"prompt", "tokens", "tokens.counts", "pixel_values", "connector", "logp", NULL};
    static const char *const of_instructblip[] = {"prompt",    "request", "tokens", "tokens.counts", "pixel_values", "vision",
                                                  "connector", "logp",    NULL};
    static const char *const of_scorer[] = {"pixels", "ids", "ids.counts", "image", "text", NULL};
    static const char *const of_matcher[] = {"pixels", "ids", "ids.counts", "itm_logits", NULL};
    static const char *const of_language[] = {"tokens", "tokens.counts", "logp", NULL};
    static const struct {
        const char *name, *said, *const *reads;
        bool (*check)(Family *f, const char *folder, Error *err);
    } families[] = {{"llava", "LLaVA", of_captioner, check_captioner},
                    {"smolvlm", "SmolVLM", of_captioner, check_captioner},
                    {"instructblip", "InstructBLIP", of_instructblip, check_captioner},
                    {"blip", "BLIP", of_captioner, check_captioner},
                    {"siglip", "SigLIP", of_scorer, check_scorer},
                    {"blip-itm", "BLIP ITM", of_matcher, check_matcher},
                    {"llama", "LLaMa", of_language, check_language}};
    char *table = xasprintf("%s %s", kernels->name, bf16 ? "bf16" : "f32");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        Error err = {0};
        char *model = xasprintf("%s/families/%s", folder, families[i].name),
             *path = path_join(model, "expected/values.safetensors");
        Family f = {.checks = c,
                    .kernels = kernels,
                    .table = table,
                    .name = families[i].said,
                    .bound = measured_bound(bf16),
                    .expected = checkpoint_open(path, &err),
                    .tape = tape_new(kernels)};
        if (!f.expected || !whole(f.expected, families[i].reads, &err) || !families[i].check(&f, model, &err))
            check_add(c, table, false, NAN, NAN, "%s", err.text);
        checkpoint_free(f.expected);
        tape_free(f.tape);
        free(model);
        free(path);
    }
    free(table);
}
