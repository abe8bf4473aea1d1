/*
 * One optimizer step: the value pass, the policy pass, Adam; see learner.h.
 *
 * A micro-batch is a run of captions [first, first + n) whose activations fit the memory given. Tape memory is flat: everything
 * of a micro-batch is on the tape's stack and goes with tape_reset.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stage/frame.h"
#include "update/learner.h"
#include "update/losses.h"
#include "update/optimizer.h"
#include "update/plan.h"
#include "update/shared.h"
#include "update/value_units.h"

/* What both passes of one step share. */
typedef struct Step {
    Learner *l;
    Batch *batch;
    StepReport *report;
    Error *err;
    bool base;      /* the pass is the base captioner's: no adapters */
    double *values; /* of the value pass: where they go */
} Step;

/* Takes captions [first, first + n) through a pass; context: the Step. */
typedef bool Pass(void *context, size_t first, size_t n);

/* ---- images to features ---- */

/* Row block `out` of the features of caption i: from its record, or from the spool of those computed before. */
static Field features_find(Step *s, size_t i, real *out, size_t rows, size_t cols)
{
    Record r;
    Arena arena = {0};
    Field found = FIELD_MISSING;
    size_t size;
    if (s->batch->feature_blob[i]) {
        const void *kept = spool_get(&s->batch->features, s->batch->feature_blob[i] - 1, &size, s->err);
        if (kept)
            memcpy(out, kept, rows * cols * sizeof *out);
        found = kept ? FIELD_OK : FIELD_WRONG;
    } else if (!batch_record(s->batch, i, &r, &arena, s->err)) {
        found = FIELD_WRONG;
    } else if (features_read(out, &r, s->l->encoder.text, rows, cols) == FIELD_OK) {
        found = FIELD_OK;
    }
    arena_release(&arena);
    return found;
}

static bool pixels_read(Step *s, size_t i, const Preprocess *p, float *out)
{
    Record r;
    Arena arena = {0};
    bool ok = batch_record(s->batch, i, &r, &arena, s->err) &&
              (frame_tiles_as(out, s->batch->episodes[i].grid, &r, p, s->err) ||
               error_prefix(s->err, "record %.*s", (int)r.id.size, (const char *)r.id.data));
    arena_release(&arena);
    return ok;
}

/* Whether caption i of those from `first` on is the first of its image. */
static bool begins_image(const Step *s, size_t first, size_t i)
{
    return i == first || !batch_same_image(s->batch, i);
}

/* The vision encoder on the images of captions [first, first + n), recorded if the tape records: [images * rows, hidden]; NULL on
 * failure. */
static Tensor *encode(Step *s, size_t first, size_t n)
{
    const Captioner *c = s->l->captioner;
    Preprocess p = captioner_preprocess(c, s->l->options.crop);
    size_t one = 3 * c->images.side * c->images.side, images = 0;
    float *pixels = xmalloc(batch_grids(s->batch, first, n, NULL) * one * sizeof *pixels);
    bool ok = true;
    for (size_t i = first; i < first + n && ok; i++)
        if (begins_image(s, first, i)) {
            ok = pixels_read(s, i, &p, pixels + images * one);
            images += tile_grid_images(s->batch->episodes[i].grid);
        }
    Tensor *x = ok ? captioner_features(s->l->tape, c, pixels, images) : NULL;
    free(pixels);
    return x;
}

/* Features computed here are kept: the second pass needs them again. */
static bool features_compute(Step *s, size_t i, real *out, size_t values)
{
    TapeMark mark = tape_mark(s->l->tape);
    Tensor *x = encode(s, i, 1);
    if (x) {
        s->l->kernels->download(out, x->data, values * sizeof *out);
        s->batch->feature_blob[i] = s->batch->features.n + 1;
    }
    tape_release(s->l->tape, mark);
    return x && spool_add(&s->batch->features, out, values * sizeof *out, s->err);
}

/* Encoder output of the images of captions [first, first + n), a constant: [images * rows, hidden]; NULL on failure. */
static Tensor *features_constant(Step *s, size_t first, size_t n)
{
    const Vit *vit = &s->l->captioner->vit;
    size_t rows = vit_rows(vit), cols = vit->config.hidden, images = 0;
    real *host = xmalloc(batch_grids(s->batch, first, n, NULL) * rows * cols * sizeof *host);
    bool recording = tape_recording(s->l->tape), ok = true;
    tape_record(s->l->tape, false);
    for (size_t i = first; i < first + n && ok; i++) {
        if (!begins_image(s, first, i))
            continue;
        real *out = host + images * rows * cols;
        const size_t own = tile_grid_images(s->batch->episodes[i].grid);
        Field found = features_find(s, i, out, own * rows, cols);
        ok = found == FIELD_OK || (found == FIELD_MISSING && features_compute(s, i, out, own * rows * cols));
        images += own;
    }
    tape_record(s->l->tape, recording);
    Tensor *x = ok ? tape_input(s->l->tape, images * rows, cols, host, false) : NULL;
    free(host);
    return x;
}

static void use_policy(const Step *s)
{
    tape_adapter(s->l->tape, s->l->policy_lora && !s->base ? ADAPTER_POLICY : ADAPTER_NONE);
}

/* The language model's image prefixes: captioner_prefix_rows of each image's grid. Recorded if the tape records. */
static Tensor *prefixes(Step *s, size_t first, size_t n)
{
    Learner *l = s->l;
    double start = seconds_now();
    use_policy(s);
    Tensor *x = l->train_vision ? encode(s, first, n) : features_constant(s, first, n);
    s->report->seconds.encode += seconds_now() - start;
    TileGrid *grids = xcalloc(n, sizeof *grids);
    batch_grids(s->batch, first, n, grids);
    Tensor *prefix = x ? captioner_prefixes(l->tape, l->captioner, x, grids, batch_images(s->batch, first, n)) : NULL;
    free(grids);
    return prefix;
}

static Tensor *hidden(Step *s, const Tensor *prefix, size_t first, size_t n)
{
    size_t prefix_end = 0, rows = 0;
    LmSequence *sequences = tape_alloc(s->l->tape, n * sizeof *sequences);
    for (size_t i = 0; i < n; i++) {
        const Episode *e = &s->batch->episodes[first + i];
        if (begins_image(s, first, first + i)) {
            rows = captioner_prefix_rows(s->l->captioner, e->grid);
            prefix_end += rows;
        }
        sequences[i] = (LmSequence){prefix_end - rows, rows, s->batch->tokens + e->first, e->n};
    }
    return lm_hidden(s->l->tape, &s->l->captioner->lm, prefix, sequences, n);
}

/* Rows of the prefixes of captions [first, first + n). */
static size_t prefix_rows(const Step *s, size_t first, size_t n)
{
    size_t rows = 0;
    for (size_t i = first; i < first + n; i++)
        rows += begins_image(s, first, i) ? captioner_prefix_rows(s->l->captioner, s->batch->episodes[i].grid) : 0;
    return rows;
}

/* ---- between the tape's reals and the host's doubles ---- */

static void to_host(const Learner *l, double *out, const Tensor *x)
{
    size_t n = tensor_size(x);
    real *host = xmalloc(n * sizeof *host);
    l->kernels->download(host, x->data, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        out[i] = host[i];
    free(host);
}

static void seed_gradient(const Learner *l, Tensor *x, const double *gradient)
{
    size_t n = tensor_size(x);
    real *host = xmalloc(n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        host[i] = (real)gradient[i];
    l->kernels->upload(x->grad, host, n * sizeof *host);
    free(host);
}

/* ---- the passes ---- */

/* The prefixes' values. Where the policy's pass needs the same, they stay on the tape as recorded; else nothing stays. */
static bool prefixes_read(Step *s, real *host, size_t first, size_t n)
{
    Learner *l = s->l;
    const bool keep =
        s->values == s->report->values && n == s->batch->n && l->options.gradient_parts < 2 && plan_keeps_images(l, s->batch);
    const TapeMark mark = tape_mark(l->tape);
    tape_record(l->tape, keep);
    Tensor *x = prefixes(s, first, n);
    if (x)
        l->kernels->download(host, x->data, tensor_size(x) * sizeof *host);
    if (keep)
        l->kept_prefix = x;
    else
        tape_release(l->tape, mark);
    return x != NULL;
}

/* Values and their gradient for one micro-batch, of which nothing stays on the tape but what was there. */
static void learn_values(Step *s, const real *prefixes, size_t first, size_t n)
{
    const Learner *l = s->l;
    const Episode *e = s->batch->episodes + first;
    size_t from = e[0].first, tokens = e[n - 1].first + e[n - 1].n - from;
    double *gradient = xmalloc(tokens * sizeof *gradient), *values = s->values + from;
    const ValueUnits units = value_units(&l->options, &s->report->scale);
    const TapeMark mark = tape_mark(l->tape);
    tape_record(l->tape, true);
    tape_adapter(l->tape, ADAPTER_VALUE);
    const Tensor *prefix = tape_input(l->tape, prefix_rows(s, first, n), l->captioner->lm.config.hidden, prefixes, false);
    Tensor *v = value_head_forward(l->tape, l->head, hidden(s, prefix, first, n));
    to_host(l, values, v);
    for (size_t k = 0; k < tokens; k++)
        values[k] = units.mean + units.std * values[k];
    for (size_t i = 0; i < n; i++) {
        size_t at = e[i].first - from;
        value_loss(gradient + at, s->batch->returns + e[i].first, values + at, e[i].n, s->batch->n);
    }
    for (size_t k = 0; k < tokens; k++)
        gradient[k] /= units.std; /* of the loss in the head's own units */
    seed_gradient(l, v, gradient);
    tape_backward_since(l->tape, mark);
    tape_release(l->tape, mark);
    free(gradient);
}

static bool value_pass(void *context, size_t first, size_t n)
{
    Step *s = context;
    real *host = xmalloc(prefix_rows(s, first, n) * s->l->captioner->lm.config.hidden * sizeof *host);
    const bool ok = prefixes_read(s, host, first, n);
    if (ok)
        learn_values(s, host, first, n);
    free(host);
    return ok;
}

/* Log-probabilities of one micro-batch under the base captioner, whose weights are in place. */
static bool reference_pass(void *context, size_t first, size_t n)
{
    Step *s = context;
    Learner *l = s->l;
    const size_t from = s->batch->episodes[first].first;
    const TapeMark mark = tape_mark(l->tape);
    tape_record(l->tape, false);
    const Tensor *prefix = prefixes(s, first, n);
    if (prefix)
        to_host(l, s->report->base_logp + from,
                lm_logp(l->tape, &l->captioner->lm, hidden(s, prefix, first, n), s->batch->tokens + from, NULL));
    tape_release(l->tape, mark);
    return prefix != NULL;
}

/* The gradient of the entropy: the loss has it with the same weight at each of a caption's tokens. */
static void seed_entropy(const Step *s, Tensor *entropy, const Episode *e, size_t n)
{
    const size_t from = e[0].first;
    double *gradient = xmalloc(tensor_size(entropy) * sizeof *gradient);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < e[i].n; k++)
            gradient[e[i].first - from + k] = -s->l->options.entropy_weight / ((double)e[i].n * (double)s->batch->n);
    seed_gradient(s->l, entropy, gradient);
    free(gradient);
}

/* Log-probabilities and entropies of one micro-batch, and the gradient of its part of the policy's loss. */
static void learn_policy(Step *s, const Tensor *prefix, size_t first, size_t n)
{
    const Learner *l = s->l;
    const Episode *e = s->batch->episodes + first;
    const size_t from = e[0].first, tokens = e[n - 1].first + e[n - 1].n - from;
    const int32_t *targets = s->batch->tokens + from;
    double *gradient = xmalloc(tokens * sizeof *gradient);
    Losses ignored = {0, 0, 0}; /* the sums are of the whole batch */
    Tensor *h = hidden(s, prefix, first, n), *entropy = NULL;
    Tensor *p = l->options.entropy_weight != 0 ? lm_logp_entropy(l->tape, &l->captioner->lm, h, targets, &entropy)
                                               : lm_logp(l->tape, &l->captioner->lm, h, targets, s->report->entropy + from);
    to_host(l, s->report->logp + from, p);
    if (entropy)
        to_host(l, s->report->entropy + from, entropy);
    for (size_t i = 0; i < n; i++)
        caption_losses(&ignored, gradient + e[i].first - from, &l->options, s->batch, s->report, &e[i]);
    seed_gradient(l, p, gradient);
    if (entropy)
        seed_entropy(s, entropy, e, n);
    if (policy_moves(l))
        tape_backward(l->tape);
    free(gradient);
}

/* The policy's pass over one micro-batch; with --objective xe the supervised one. */
static bool policy_pass(void *context, size_t first, size_t n)
{
    Step *s = context;
    Learner *l = s->l;
    tape_record(l->tape, true);
    const Tensor *prefix = l->kept_prefix ? l->kept_prefix : prefixes(s, first, n);
    use_policy(s);
    if (prefix)
        learn_policy(s, prefix, first, n);
    l->kept_prefix = NULL;
    tape_reset(l->tape);
    return prefix != NULL;
}

/* ---- the step ---- */

static double *report_array(Arena *arena, size_t n)
{
    return arena_calloc(arena, n ? n : 1, sizeof(double));
}

void learner_begin(Learner *l, const Batch *batch, StepReport *r, Arena *arena)
{
    size_t n = batch->n_tokens;
    *r = (StepReport){.values = report_array(arena, n),
                      .advantages = report_array(arena, n),
                      .normalised = report_array(arena, n),
                      .logp = report_array(arena, n),
                      .entropy = report_array(arena, n),
                      .scale = l->scale,
                      .agreement = NAN,
                      .base_logp = reference_wanted(&l->options) ? report_array(arena, n) : NULL};
    parameters_zero_grad(&l->policy);
    parameters_zero_grad(&l->value);
    l->kept_prefix = NULL;
    tape_reset(l->tape);
}

/* A pass over those of captions [first, last), whole blocks, that are this rank's: gradients are summed as integers. set: whose
 * gradients come of it; NULL: none do. */
static bool blocks_run(Step *s, Pass *pass, size_t first, size_t last, const Parameters *set, FixedSum *sum)
{
    const size_t block = (size_t)s->l->options.block, end = size_min(s->batch->own_end, last);
    bool ok = true;
    if (set)
        fixed_begin(sum, set, ranks_size(s->l->ranks));
    for (first = first > s->batch->own_first ? first : s->batch->own_first; ok && first < end; first += block) {
        ok = plan_run_part(s->l, s->batch, first, size_min(first + block, end), s->report, pass, s);
        if (ok && set)
            fixed_take(sum, set);
    }
    return ok && (!set || fixed_end(sum, set, s->l->ranks, s->err));
}

/* A pass over the batch, by blocks or as one. */
static bool batch_run(Step *s, Pass *pass, const Parameters *set, FixedSum *sum)
{
    if (s->l->options.block == 0)
        return plan_run(s->l, s->batch, s->report, pass, s);
    s->report->micro_batches = 0;
    return blocks_run(s, pass, 0, s->batch->n, set, sum);
}

/* Runs a pass over the batch; the seconds it took but for those of the encoder. False when it failed. */
static bool pass_run(Step *s, Pass *pass, const Parameters *set, FixedSum *sum, double *seconds)
{
    double start = seconds_now(), encoding = s->report->seconds.encode;
    bool ok = batch_run(s, pass, set, sum);
    kernels_wait(s->l->kernels, s->l->policy.items[0]->value.grad);
    *seconds += seconds_now() - start - (s->report->seconds.encode - encoding);
    return ok;
}

bool learner_reference(Learner *l, Batch *batch, StepReport *r, Error *err)
{
    Step s = {.l = l, .batch = batch, .report = r, .err = err, .base = true};
    reference_swap(&l->reference, &l->policy);
    const bool ok = pass_run(&s, reference_pass, NULL, NULL, &r->seconds.reference);
    reference_swap(&l->reference, &l->policy);
    if (ok)
        batch_gather(batch, l->ranks, "log-probabilities under the base captioner", r->base_logp);
    return ok;
}

bool learner_values(Learner *l, Batch *batch, StepReport *r, Error *err)
{
    Step s = {.l = l, .batch = batch, .report = r, .err = err, .values = r->values};
    r->scale = return_scale_with(&l->scale, batch);
    if (!pass_run(&s, value_pass, &l->value, &l->value_sum, &r->seconds.values))
        return false;
    batch_gather(batch, l->ranks, "values", r->values);
    losses_of_values(r, batch);
    advantages(r->advantages, r->normalised, r->values, l->options.scale, batch);
    return true;
}

bool learner_baseline(const Learner *l, const Batch *batch, StepReport *r, Error *err)
{
    const size_t missing = baseline_missing(l->options.baseline, batch);
    if (missing == batch->n && missing > 0)
        return error_set_status(err, STATUS_MISMATCH,
                                "no image has a greedy caption to compare with (caption.baseline): let vlrm-rollout make them, "
                                "--greedy-baseline");
    if (missing > 0)
        warn("step %lld: %zu captions have lost the greedy caption of their image: nothing is learned from them",
             (long long)l->step + 1, missing);
    baseline_find(r->values, l->options.baseline, batch);
    advantages(r->advantages, r->normalised, r->values, l->options.scale, batch);
    return true;
}

/* The first caption of part p of so many: of whole blocks, where there are blocks. */
static size_t part_begin(const Step *s, size_t p, size_t parts)
{
    const size_t n = s->batch->n, block = s->l->options.block > 0 ? (size_t)s->l->options.block : 1;
    return size_min(n, (n + block - 1) / block * p / parts * block);
}

/* The policy's pass over parts of the batch, of which the gradients are compared. */
static bool parts_run(Step *s)
{
    Learner *l = s->l;
    GradientSum sum;
    const double start = seconds_now(), encoding = s->report->seconds.encode;
    const size_t parts = (size_t)l->options.gradient_parts;
    bool ok = true;
    gradient_sum_init(&sum, l);
    s->report->micro_batches = 0;
    for (size_t p = 0; ok && p < parts; p++) {
        const size_t first = part_begin(s, p, parts), last = part_begin(s, p + 1, parts);
        ok = l->options.block > 0 ? blocks_run(s, policy_pass, first, last, policy_moves(l) ? &l->policy : NULL, &l->policy_sum)
                                  : plan_run_part(l, s->batch, first, last, s->report, policy_pass, s);
        gradient_sum_take(&sum, l);
    }
    s->report->agreement = gradient_sum_end(&sum, l);
    s->report->seconds.policy += seconds_now() - start - (s->report->seconds.encode - encoding);
    return ok;
}

bool learner_policy(Learner *l, Batch *batch, StepReport *r, Error *err)
{
    Step s = {.l = l, .batch = batch, .report = r, .err = err};
    const bool ok = l->options.gradient_parts > 1
                        ? parts_run(&s)
                        : pass_run(&s, policy_pass, policy_moves(l) ? &l->policy : NULL, &l->policy_sum, &r->seconds.policy);
    if (!ok)
        return false;
    batch_gather(batch, l->ranks, "log-probabilities", r->logp);
    batch_gather(batch, l->ranks, "entropies", r->entropy);
    losses_of_policy(r, &l->options, batch);
    return true;
}

/* Further updates of the value on the same batch. The policy has its gradient and has not moved: prefixes are the same. */
static bool update_values_again(Learner *l, Batch *batch, StepReport *r, Error *err)
{
    Step s = {.l = l, .batch = batch, .report = r, .err = err, .values = xmalloc((batch->n_tokens + 1) * sizeof(double))};
    bool ok = true;
    for (size_t k = 1; ok && l->head && k < (size_t)l->options.value_updates; k++) {
        parameters_zero_grad(&l->value);
        ok = pass_run(&s, value_pass, &l->value, &l->value_sum, &r->seconds.values);
        if (ok)
            optimizer_value(l, k, optimizer_value_scale(l));
    }
    free(s.values);
    return ok;
}

bool learner_step(Learner *l, Batch *batch, StepReport *r, Arena *arena, GradientHook *hook, void *context, Error *err)
{
    learner_begin(l, batch, r, arena);
    if (r->base_logp && !learner_reference(l, batch, r, err))
        return false;
    const bool compared =
        l->options.objective == OBJECTIVE_XE || (l->head ? learner_values(l, batch, r, err) : learner_baseline(l, batch, r, err));
    if (!compared || !learner_policy(l, batch, r, err))
        return false;
    if (hook)
        hook(context, l);
    double start = seconds_now(), scale;
    if (!optimizer_look(l, r, &scale, err))
        return false;
    optimizer_value(l, 0, scale);
    const double learning = seconds_now();
    if (!update_values_again(l, batch, r, err))
        return false;
    const double learned = seconds_now();
    optimizer_policy(l, r, scale);
    r->seconds.optimizer = seconds_now() - start - (learned - learning);
    l->scale = r->scale;
    l->step++;
    return true;
}
