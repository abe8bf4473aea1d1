/* A folder for each family, with expected.safetensors beside the model; see families.h. */
#include "doctor/families.h"

#include <math.h>
#include <stdlib.h>

#include "doctor/measured.h"
#include "models/captioner.h"
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
} Family;

static const StoredTensor *expected(const Family *f, const char *name)
{
    return checkpoint_find(f->expected, name);
}

static void compare(const Family *f, const char *part, const char *name, const Tensor *found)
{
    const StoredTensor *t = expected(f, name);
    const double error = measured_error(t, found);
    char *whole = xasprintf("%s, %s", f->name, part);
    measured_add(f->checks, f->table, f->bound, whole, &error, 1, shape_size(&t->shape));
    free(whole);
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

static bool check_captioner(const Family *f, const char *folder, Error *err)
{
    Captioner *c = captioner_open(folder, f->kernels, err);
    size_t n_prompt;
    const int32_t *prompt = ids(f, "prompt", &n_prompt);
    const bool ok = c && captioner_prompt(c, prompt, n_prompt, err);
    if (ok) {
        const StoredTensor *pixels = expected(f, "pixel_values");
        const size_t n = pixels->shape.dim[0];
        const Tensor *seen = captioner_features(f->tape, c, pixels->data, n);
        compare(f, "connector", "connector", c->family->rows(f->tape, c, seen, n));
        compare(f, "captions", "logp", logp(f, &c->lm, captioner_prefix(f->tape, c, seen, n), n));
    }
    captioner_free(c);
    return ok;
}

static bool check_language(const Family *f, const char *folder, Error *err)
{
    LanguageModel *m = language_model_open(folder, f->kernels, err);
    if (m)
        compare(f, "texts", "logp", logp(f, &m->lm, NULL, 0));
    language_model_free(m);
    return m != NULL;
}

static bool check_scorer(const Family *f, const char *folder, Error *err)
{
    Scorer *s = scorer_open(folder, f->kernels, err);
    if (!s)
        return false;
    const StoredTensor *pixels = expected(f, "pixels");
    size_t n, n_ids;
    const int32_t *all = ids(f, "ids", &n_ids), *counts = ids(f, "ids.counts", &n);
    ScorerText *texts = tape_alloc(f->tape, n * sizeof *texts);
    for (size_t i = 0, first = 0; i < n; first += (size_t)counts[i++])
        texts[i] = (ScorerText){.ids = all + first, .n = (size_t)counts[i]};
    compare(f, "images", "image", scorer_images(f->tape, s, pixels->data, pixels->shape.dim[0]));
    compare(f, "texts", "text", scorer_texts(f->tape, s, texts, n));
    scorer_free(s);
    return true;
}

/* Text i is about image i mod the number of images. */
static bool check_matcher(const Family *f, const char *folder, Error *err)
{
    Matcher *m = matcher_open(folder, f->kernels, err);
    if (!m)
        return false;
    const StoredTensor *pixels = expected(f, "pixels");
    size_t n, n_ids, n_images = pixels->shape.dim[0];
    const int32_t *all = ids(f, "ids", &n_ids), *counts = ids(f, "ids.counts", &n);
    MatcherText *texts = tape_alloc(f->tape, n * sizeof *texts);
    for (size_t i = 0, first = 0; i < n; first += (size_t)counts[i++])
        texts[i] = (MatcherText){.image = i % n_images, .ids = all + first, .n = (size_t)counts[i]};
    const Tensor *features = vit_blocks(f->tape, &m->vit, pixels->data, n_images);
    compare(f, "images and texts", "itm_logits", matcher_logits(f->tape, m, features, n_images, texts, n));
    matcher_free(m);
    return true;
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
    static const char *const captions[] = {"prompt", "tokens", "tokens.counts", "pixel_values", "connector", "logp", NULL};
    static const char *const pairs[] = {"pixels", "ids", "ids.counts", "image", "text", NULL};
    static const char *const matches[] = {"pixels", "ids", "ids.counts", "itm_logits", NULL};
    static const char *const texts[] = {"tokens", "tokens.counts", "logp", NULL};
    static const struct {
        const char *name, *said, *const *reads;
        bool (*check)(const Family *f, const char *folder, Error *err);
    } families[] = {{"llava", "LLaVA", captions, check_captioner},
                    {"smolvlm", "SmolVLM", captions, check_captioner},
                    {"siglip", "SigLIP", pairs, check_scorer},
                    {"blip-itm", "BLIP ITM", matches, check_matcher},
                    {"llama", "LLaMa", texts, check_language}};
    char *table = xasprintf("%s %s", kernels->name, bf16 ? "bf16" : "f32");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        Error err = {0};
        char *model = xasprintf("%s/families/%s", folder, families[i].name),
             *path = path_join(model, "expected/values.safetensors");
        Family f = {c, kernels, table, families[i].said, measured_bound(bf16), checkpoint_open(path, &err), tape_new(kernels)};
        if (!f.expected || !whole(f.expected, families[i].reads, &err) || !families[i].check(&f, model, &err))
            check_add(c, table, false, NAN, NAN, "%s", err.text);
        checkpoint_free(f.expected);
        tape_free(f.tape);
        free(model);
        free(path);
    }
    free(table);
}
