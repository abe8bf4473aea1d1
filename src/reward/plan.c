/* Memory of the scorers; see plan.h. Each model runs as scorers.c runs it, over kernels that compute nothing. */
#include "reward/plan.h"

#include <stdlib.h>

#include "base/clock.h"
#include "models/captioner.h"
#include "stage/frame.h"
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
    const double start = seconds_of_thread();
    vit_blocks(t, &m->vit, pixels, 1);
    tape_reset(t);
    const Preprocess how = frame_preprocess(&m->vit.config, false);
    plan_besides(p, seconds_of_thread() - start + plan_picture(&how));
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
    const double start = seconds_of_thread();
    Tensor *x = tape_input(t, n * vit_rows(v), v->config.hidden, features, false);
    matcher_logits(t, m, x, n, texts, n);
    tape_reset(t);
    plan_besides(p, seconds_of_thread() - start +
                        (double)n * plan_features(v->blocks[0].fc1.weight.type, vit_rows(v), v->config.hidden));
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
    const double start = seconds_of_thread();
    lm_logp(t, &m->lm, lm_hidden(t, &m->lm, NULL, sequences, n), ids, NULL);
    tape_reset(t);
    plan_besides(p, seconds_of_thread() - start);
    plan_model(p, "ref", m->checkpoint);
    free(ids);
    free(sequences);
}

static void plan_clip(Plan *p, Tape *t, const Scorer *m, const Tokenizer *tokenizer, size_t n)
{
    size_t image = m->traits.images.side, positions = m->traits.positions;
    float *pixels = xcalloc(n * 3 * image * image, sizeof *pixels);
    int32_t *ids = xcalloc(positions, sizeof *ids);
    ScorerText *texts = xcalloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = (ScorerText){ids, positions};
    const Preprocess how = image_preprocess(&m->traits.images);
    const double start = seconds_of_thread();
    scorer_images(t, m, pixels, n);
    tape_reset(t);
    scorer_texts(t, m, texts, n);
    tape_reset(t);
    plan_besides(p, seconds_of_thread() - start + (double)n * plan_picture(&how));
    plan_model(p, "clip", m->checkpoint);
    plan_memory(p, "images", 2 * (double)(n * 3 * image * image * sizeof *pixels)); /* and once more, cut into patches */
    plan_memory(p, "words", (double)tokenizer_memory(tokenizer));
    free(pixels);
    free(ids);
    free(texts);
}

/* Records have a picture, of the size that the encoder takes, and features in the type of its weights. */
static void plan_waiting(Plan *p, const Vit *v, const Expected *e)
{
    const size_t value = v->blocks[0].fc1.weight.type == DTYPE_F32 ? 4 : 2;
    const size_t record = vit_rows(v) * v->config.hidden * value + 3 * v->config.image * v->config.image;
    plan_spool(p, (double)(e->waiting * record), (double)e->spool);
}

/* Where there is no ITM, whose encoder has the shape of the captioner's. */
static bool plan_waiting_alone(Plan *p, const Expected *e, Error *err)
{
    Captioner *c = captioner_open(e->model, kernels_idle(), err);
    if (c)
        plan_waiting(p, &c->vit, e);
    captioner_free(c);
    return c != NULL;
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
            plan_clip(p, t, m.clip, m.clip_tokenizer, n);
        if (m.itm)
            plan_itm(p, t, m.itm, n, n_tokens + 2 < options->itm_max_tokens ? n_tokens + 2 : options->itm_max_tokens);
        if (m.ref)
            plan_ref(p, t, m.ref, n, n_tokens);
        if (m.itm && e->waiting > 0)
            plan_waiting(p, &m.itm->vit, e);
        else if (e->waiting > 0)
            ok = plan_waiting_alone(p, e, err);
        plan_activations(p, t, kernels);
        plan_seconds(p, "seconds a caption", kernels, 1 / (double)n);
        tape_free(t);
    }
    models_release(&m);
    return ok;
}
