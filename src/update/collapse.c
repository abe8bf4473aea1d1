/* Signs of a collapse; see collapse.h. */
#include "update/collapse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "update/objective.h"

Signs signs_of(const Learner *l, const Batch *b, const StepReport *r)
{
    return (Signs){moments(r->entropy, b->n_tokens).mean, b->n ? (double)b->n_tokens / (double)b->n : NAN,
                   l->head ? r->value_loss : NAN};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef double Sign(const Signs *s);

static double entropy_of(const Signs *s)
{
    return s->entropy;
}

static double loss_of(const Signs *s)
{
    return s->value_loss;
}

static double median(const Signs steps[static COLLAPSE_STEPS], Sign *sign)
{
    double x[COLLAPSE_STEPS];
    for (size_t i = 0; i < COLLAPSE_STEPS; i++)
        x[i] = sign(&steps[i]);
    qsort(x, COLLAPSE_STEPS, sizeof x[0], ascending);
    return (x[(COLLAPSE_STEPS - 1) / 2] + x[COLLAPSE_STEPS / 2]) / 2;
}

void signs_add(RunSigns *run, Signs step)
{
    if (run->steps < COLLAPSE_STEPS)
        run->first[run->steps] = step;
    run->last[run->steps++ % COLLAPSE_STEPS] = step;
    if (run->steps < COLLAPSE_STEPS || isnan(step.value_loss))
        return;
    double loss = median(run->last, loss_of);
    run->lowest_loss = run->lowest_loss > 0 ? fmin(run->lowest_loss, loss) : loss;
}

/* ---- in state.json ---- */

static json_t *one_json(Signs s)
{
    return json_pack("[f, f, o]", s.entropy, s.length, isfinite(s.value_loss) ? json_real(s.value_loss) : json_null());
}

static Signs one_from_json(const json_t *s)
{
    const json_t *loss = json_array_get(s, 2);
    return (Signs){json_number_value(json_array_get(s, 0)), json_number_value(json_array_get(s, 1)),
                   json_is_number(loss) ? json_number_value(loss) : NAN};
}

static int64_t known(const RunSigns *run)
{
    return run->steps < COLLAPSE_STEPS ? run->steps : COLLAPSE_STEPS;
}

json_t *signs_json(const RunSigns *run)
{
    json_t *first = json_array(), *last = json_array();
    for (int64_t i = 0; i < known(run); i++) {
        json_array_append_new(first, one_json(run->first[i]));
        json_array_append_new(last, one_json(run->last[(run->steps - known(run) + i) % COLLAPSE_STEPS]));
    }
    return json_pack("{s:I, s:f, s:o, s:o}", "steps", (json_int_t)run->steps, "lowest_value_loss", run->lowest_loss, "first",
                     first, "last", last);
}

RunSigns signs_from_json(const json_t *signs)
{
    RunSigns run = {.steps = json_integer_value(json_object_get(signs, "steps")),
                    .lowest_loss = json_number_value(json_object_get(signs, "lowest_value_loss"))};
    const json_t *first = json_object_get(signs, "first"), *last = json_object_get(signs, "last");
    for (int64_t i = 0; i < known(&run); i++) {
        run.first[i] = one_from_json(json_array_get(first, (size_t)i));
        run.last[(run.steps - known(&run) + i) % COLLAPSE_STEPS] = one_from_json(json_array_get(last, (size_t)i));
    }
    return run;
}

/* ---- limits ---- */

static const char entropy_name[] = "entropy", length_name[] = "length", value_loss_name[] = "value_loss";

/* Fixed limits, of one step. */
static Collapse fixed(const CollapseLimits *limits, Signs step)
{
    if (step.entropy < limits->min_entropy)
        return (Collapse){entropy_name, step.entropy, limits->min_entropy, 0};
    if (step.length < limits->min_length)
        return (Collapse){length_name, step.length, limits->min_length, 0};
    if (step.value_loss > limits->max_value_loss)
        return (Collapse){value_loss_name, step.value_loss, limits->max_value_loss, 0};
    return (Collapse){0};
}

/* The median of the last steps against `times` what it was before; above: whether more or less is outside. */
static Collapse relative(const char *metric, double found, double before, double times, bool above)
{
    double limit = times * before;
    bool outside = limit > 0 && (above ? found > limit : found < limit);
    return outside ? (Collapse){metric, found, limit, times} : (Collapse){0};
}

Collapse collapse_find(const CollapseLimits *limits, const RunSigns *run, Signs step)
{
    RunSigns with = *run;
    Collapse c = fixed(limits, step);
    signs_add(&with, step);
    if (c.metric || with.steps < 2 * COLLAPSE_STEPS)
        return c;
    double entropy = median(with.last, entropy_of), first = median(with.first, entropy_of), loss = median(with.last, loss_of);
    c = relative(entropy_name, entropy, first, limits->entropy_rise, true);
    c = c.metric ? c : relative(entropy_name, entropy, first, limits->entropy_fall, false);
    return c.metric ? c : relative(value_loss_name, loss, run->lowest_loss, limits->value_loss_rise, true);
}

char *collapse_text(const Collapse *c)
{
    const char *side = c->found > c->limit ? "at most" : "at least";
    if (c->times == 0)
        return xasprintf("%s is outside its limits: %.4g, expected %s %.4g", c->metric, c->found, side, c->limit);
    return xasprintf("%s is outside its limits: in the last %d steps its median is %.4g, expected %s %.4g, %.4g times %s",
                     c->metric, COLLAPSE_STEPS, c->found, side, c->limit, c->times,
                     strcmp(c->metric, value_loss_name) == 0 ? "the lowest before" : "that of the first");
}

void collapse_report(const Collapse *c, json_t *metrics)
{
    if (!c->metric)
        return;
    char *text = collapse_text(c);
    json_object_set_new(metrics, "collapse", json_string(c->metric));
    json_object_set_new(metrics, "warning", json_string(text));
    free(text);
}
