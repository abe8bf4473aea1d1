/* A course of training; see lesson.h. */
#include "world/lessons/lesson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "base/signals.h"
#include "learn/draw.h"
#include "tensor/tape.h"

static const double WARM = 0.04, COLD = 0.02, GAIN = 0.8; /* shares of the steps and of the peak rate; of fan-in scaling */
enum { LOG_EVERY = 200 };

void lesson_begin(Lesson *l, const LessonOptions *options, Binder *binder)
{
    *l = (Lesson){.options = *options, .binder = binder, .tape = tape_new(binder->kernels), .step = -1};
    tape_checkpointing(l->tape, false); /* small models: memory is there, time is not */
    parameters_init(&l->parameters, binder->kernels);
}

void lesson_release(Lesson *l)
{
    parameters_release(&l->parameters);
    tape_free(l->tape);
    *l = (Lesson){0};
}

/* ---- what is taught ---- */

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool is_norm(const char *name)
{
    return strstr(name, "norm") || strstr(name, "Norm");
}

static bool is_table(const char *name)
{
    return strstr(name, "embed") || strstr(name, "query_tokens");
}

/* Uniform values of standard deviation s lie within sqrt(3) s. */
static void draw(Lesson *l, Parameter *p)
{
    const uint64_t seed = l->options.seed;
    if (ends(p->name, "logit_scale"))
        draw_constant(&l->parameters, p, log(1 / 0.07));
    else if (is_norm(p->name))
        draw_constant(&l->parameters, p, ends(p->name, "weight") ? 1 : 0);
    else if (ends(p->name, "bias"))
        draw_constant(&l->parameters, p, 0);
    else if (is_table(p->name) && !strstr(p->name, "patch"))
        draw_uniform(&l->parameters, p, sqrt(3) * (strstr(p->name, "embed_tokens") ? 0.05 : 0.3), seed);
    else
        draw_uniform(&l->parameters, p, sqrt(3 / (double)p->value.cols) * GAIN, seed);
}

void lesson_teach(Lesson *l, const char *prefix, bool anew)
{
    size_t first = l->parameters.count;
    if (parameters_train(&l->parameters, "taught", l->binder, prefix) == 0)
        bug("no tensor to teach within %s", prefix);
    for (size_t i = first; anew && i < l->parameters.count; i++)
        draw(l, l->parameters.items[i]);
}

Tensor *lesson_table(Lesson *l, const char *name, size_t classes, size_t cols)
{
    Parameter *p = parameters_add(&l->parameters, "classifier", name, SHAPE(classes, cols), classes, cols);
    draw_uniform(&l->parameters, p, 0.05, l->options.seed);
    return &p->value;
}

/* ---- steps ---- */

static double rate_now(const Lesson *l)
{
    double done = (double)(l->step + 1) / (double)l->options.steps;
    if (done < WARM)
        return l->options.rate * done / WARM;
    double wave = 0.5 + 0.5 * cos(acos(-1) * (done - WARM) / (1 - WARM));
    return l->options.rate * (COLD + (1 - COLD) * wave);
}

static void say(Lesson *l)
{
    if ((l->step + 1) % LOG_EVERY != 0 && l->step + 1 != l->options.steps)
        return;
    note("%s: step %lld of %lld: loss %.4f, rate %.2g, %.0f s", l->options.name, (long long)l->step + 1,
         (long long)l->options.steps, l->loss / l->seen, rate_now(l), seconds_now() - l->started);
    l->loss = l->seen = 0;
}

bool lesson_step(Lesson *l)
{
    if (l->step < 0) {
        parameters_moments(&l->parameters);
        l->started = seconds_now();
        progress_goal((double)l->options.steps, 0);
    }
    if (interrupted())
        die_status(STATUS_INTERRUPTED, "interrupted; the model's folder is as it was");
    progress_step(l->step + 1, l->options.steps);
    progress_reached((double)l->step + 1);
    progress_show();
    if (++l->step >= l->options.steps)
        return false;
    parameters_zero_grad(&l->parameters);
    tape_record(l->tape, true);
    return true;
}

static double clip_factor(const Parameters *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->count; i++)
        sum += p->kernels->sum_squares(p->items[i]->value.grad, tensor_size(&p->items[i]->value));
    if (!isfinite(sum))
        die("pretraining has diverged: a gradient of norm %g", sqrt(sum));
    return fmin(1, 1 / (sqrt(sum) + 1e-6));
}

void lesson_learn(Lesson *l, double loss)
{
    Parameters *p = &l->parameters;
    tape_backward(l->tape);
    tape_reset(l->tape);
    double factor = clip_factor(p);
    for (size_t i = 0; i < p->count; i++) {
        Parameter *item = p->items[i];
        size_t n = tensor_size(&item->value);
        bool decays = item->value.rows > 1 && !is_table(item->name);
        AdamStep step = {rate_now(l), 0.9, 0.98, 1e-8, decays ? l->options.decay : 0, l->step + 1};
        p->kernels->scale(item->value.grad, factor, n);
        p->kernels->adam(item->value.data, item->value.grad, item->m, item->v, &step, n);
    }
    l->loss += loss;
    l->seen++;
    say(l);
}

Tokens lesson_tokens(const Tokenizer *t, const char *caption, int flags, size_t limit, Arena *arena)
{
    Error err = {0};
    Tokens tokens;
    if (!tokenizer_encode(&tokens, arena, t, (Slice){caption, strlen(caption)}, flags, limit, &err))
        bug("%s", err.text);
    return tokens;
}

double lesson_likely(Lesson *l, Tensor *logp, double weight)
{
    const Kernels *k = l->parameters.kernels;
    size_t n = tensor_size(logp);
    real *host = xmalloc((n + 1) * sizeof *host);
    double sum = 0;
    k->download(host, logp->data, n * sizeof *host);
    for (size_t i = 0; i < n; i++) {
        sum -= host[i];
        host[i] = (real)(-weight / (double)n);
    }
    k->upload(logp->grad, host, n * sizeof *host);
    free(host);
    return n ? weight * sum / (double)n : 0;
}

double lesson_captions(Lesson *l, const Lm *lm, const Tensor *prefix, const LmSequence *captions, size_t n, double weight)
{
    size_t tokens = 0;
    for (size_t i = 0; i < n; i++)
        tokens += captions[i].n;
    int32_t *targets = xmalloc(tokens * sizeof *targets);
    for (size_t i = 0, at = 0; i < n; at += captions[i++].n)
        memcpy(targets + at, captions[i].tokens, captions[i].n * sizeof *targets);
    Tensor *h = lm_hidden(l->tape, lm, prefix, captions, n);
    double loss = lesson_likely(l, lm_logp(l->tape, lm, h, targets, NULL), weight);
    free(targets);
    return loss;
}

/* ---- saving ---- */

bool lesson_save(const Lesson *l, const char *folder, Error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    const Binder *b = l->binder;
    TensorSource *sources = xcalloc(b->n_bindings, sizeof *sources);
    for (size_t i = 0; i < b->n_bindings; i++) {
        const Binding *bound = &b->bindings[i];
        const Parameter *p = bound->trained ? parameters_find(&l->parameters, bound->name) : NULL;
        sources[i] = (TensorSource){.name = bound->name,
                                    .shape = bound->shape,
                                    .dtype = "F32",
                                    .type = p ? DTYPE_REAL : bound->type,
                                    .data = p ? p->value.data : bound->stored};
    }
    char *path = path_join(folder, "model.safetensors");
    bool ok = safetensors_write(path, sources, b->n_bindings, metadata, err);
    free(path);
    free(sources);
    return ok;
}
