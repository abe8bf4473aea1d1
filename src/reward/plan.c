/* Memory of the scorers; see plan.h. Each model runs as scorers.c runs it, over kernels that compute nothing. */
#include "reward/plan.h"

#include <stdlib.h>

#include "stage/machine.h"
#include "tensor/kernels_idle.h"

typedef struct Models {
    Matcher *itm;
    Scorer *clip;
    LanguageModel *ref;
    Tokenizer *captions, *itm_tokenizer, *clip_tokenizer;
} Models;

static bool models_open(Models *m, const ScorerOptions *o, Error *err)
{
    const Kernels *idle = kernels_idle();
    return (!o->itm || ((m->itm = matcher_open(o->itm, idle, err)) && (m->itm_tokenizer = tokenizer_open(o->itm, err)))) &&
           (!o->clip || ((m->clip = scorer_open(o->clip, idle, err)) && (m->clip_tokenizer = tokenizer_open(o->clip, err)))) &&
           (!o->ref || ((m->ref = language_model_open(o->ref, idle, err)) && (m->captions = tokenizer_open(o->ref, err))));
}

static void models_release(Models *m)
{
    matcher_free(m->itm);
    scorer_free(m->clip);
    language_model_free(m->ref);
    tokenizer_free(m->captions);
    tokenizer_free(m->itm_tokenizer);
    tokenizer_free(m->clip_tokenizer);
}

/* One image at a time through ITM's encoder: where rollout's features are not its own. */
static void plan_encoder(Plan *p, Tape *t, const Matcher *m, const Kernels *kernels)
{
    const size_t image = m->vit.config.image;
    float *pixels = xcalloc(3 * image * image, sizeof *pixels);
    vit_blocks(t, &m->vit, pixels, 1);
    tape_reset(t);
    plan_model(p, "itm", m->checkpoint);
    plan_seconds(p, "seconds an image", kernels, 1);
    idle_reset();
    free(pixels);
}

/* All features of some images, and their captions. */
static void plan_itm(Plan *p, Tape *t, const Matcher *m, size_t n, size_t n_tokens)
{
    const Vit *v = &m->vit;
    size_t values = vit_rows(v) * v->config.hidden;
    real *features = xcalloc(n * values, sizeof *features);
    int32_t *ids = xcalloc(n_tokens, sizeof *ids);
    MatcherText *texts = xcalloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = (MatcherText){.image = i, .ids = ids, .n = n_tokens};
    Tensor *x = tape_input(t, n * vit_rows(v), v->config.hidden, features, false);
    matcher_logits(t, m, x, n, texts, n);
    tape_reset(t);
    plan_memory(p, "features", (double)(n * values * sizeof *features));
    free(features);
    free(ids);
    free(texts);
}

/* No two captions begin alike. */
static void plan_ref(Plan *p, Tape *t, const LanguageModel *m, size_t n, size_t n_tokens)
{
    int32_t *ids = xcalloc(n * n_tokens, sizeof *ids);
    LmSequence *sequences = xcalloc(n, sizeof *sequences);
    for (size_t i = 0; i < n; i++) {
        ids[i * n_tokens] = (int32_t)(i % m->lm.config.vocabulary);
        sequences[i] = (LmSequence){.tokens = ids + i * n_tokens, .n = n_tokens};
    }
    lm_logp(t, &m->lm, lm_hidden(t, &m->lm, NULL, sequences, n), ids, NULL);
    tape_reset(t);
    plan_model(p, "ref", m->checkpoint);
    free(ids);
    free(sequences);
}

static void plan_clip(Plan *p, Tape *t, const Scorer *m, size_t n)
{
    size_t image = m->traits.images.side, positions = m->traits.positions;
    float *pixels = xcalloc(n * 3 * image * image, sizeof *pixels);
    int32_t *ids = xcalloc(positions, sizeof *ids);
    ScorerText *texts = xcalloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = (ScorerText){ids, positions};
    scorer_images(t, m, pixels, n);
    tape_reset(t);
    scorer_texts(t, m, texts, n);
    tape_reset(t);
    plan_model(p, "clip", m->checkpoint);
    plan_memory(p, "images", (double)(n * 3 * image * image * sizeof *pixels));
    free(pixels);
    free(ids);
    free(texts);
}

/* ITM's encoder has the shape of the captioner's, whose features the records have; in the type of its weights. */
static void plan_waiting(Plan *p, const Matcher *m, const Expected *e)
{
    const Vit *v = &m->vit;
    const size_t value = v->blocks[0].fc1.weight.type == DTYPE_F32 ? 4 : 2;
    plan_spool(p, (double)(e->waiting * vit_rows(v) * v->config.hidden * value), (double)e->spool);
}

bool scorers_plan(Plan *p, const ScorerOptions *options, const Kernels *kernels, const Expected *e, Error *err)
{
    const size_t n = (size_t)machine_batch((int64_t)e->together, kernels), n_tokens = e->n_tokens;
    Models m = {0};
    bool ok = models_open(&m, options, err);
    if (ok) {
        Tape *t = tape_new(kernels_idle());
        plan_init(p);
        if (m.itm)
            plan_encoder(p, t, m.itm, kernels);
        if (m.clip)
            plan_clip(p, t, m.clip, n);
        if (m.itm)
            plan_itm(p, t, m.itm, n, n_tokens + 2 < options->itm_max_tokens ? n_tokens + 2 : options->itm_max_tokens);
        if (m.ref)
            plan_ref(p, t, m.ref, n, n_tokens);
        if (m.itm && e->waiting > 0)
            plan_waiting(p, m.itm, e);
        plan_activations(p, t, kernels);
        plan_seconds(p, "seconds a caption", kernels, 1 / (double)n);
        tape_free(t);
    }
    models_release(&m);
    return ok;
}
