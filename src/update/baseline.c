/* What returns are compared with; see baseline.h. */
#include "update/baseline.h"

#include <math.h>
#include <stdlib.h>

#include "update/objective.h"

/* What GRPO adds to the deviation that it divides by, as TRL does. */
static const double group_epsilon = 1e-4;

/* R(t_1) over the captions of each group. */
typedef struct GroupReturns {
    double *mean, *std; /* [n_groups]; std unbiased, 0 for a group of one */
} GroupReturns;

static GroupReturns group_returns(const Batch *b)
{
    GroupReturns g = {xcalloc(b->n_groups + 1, sizeof(double)), xcalloc(b->n_groups + 1, sizeof(double))};
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        g.mean[e->group] += b->returns[e->first] / (double)b->groups[e->group].members;
    }
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        const double d = b->returns[e->first] - g.mean[e->group];
        g.std[e->group] += d * d;
    }
    for (size_t i = 0; i < b->n_groups; i++)
        g.std[i] = b->groups[i].members > 1 ? sqrt(g.std[i] / (double)(b->groups[i].members - 1)) : 0;
    return g;
}

static void group_returns_release(GroupReturns *g)
{
    free(g->mean);
    free(g->std);
}

/* ---- what is compared with ---- */

/* b of a whole caption. */
static double caption_baseline(Baseline kind, const Batch *b, const Episode *e, const GroupReturns *g)
{
    const double own = b->returns[e->first], mean = g->mean[e->group], members = (double)b->groups[e->group].members;
    if (kind == BASELINE_GREEDY)
        return b->groups[e->group].greedy;
    return kind == BASELINE_RLOO && members > 1 ? (mean * members - own) / (members - 1) : mean;
}

static void fill_by_caption(double *values, Baseline kind, const Batch *b)
{
    GroupReturns g = group_returns(b);
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        const double value = caption_baseline(kind, b, e, &g);
        for (size_t k = 0; k < e->n; k++)
            values[e->first + k] = value;
    }
    group_returns_release(&g);
}

/* Means over the tokens of each place; `longest` places. */
static void fill_by_position(double *values, const Batch *b)
{
    size_t longest = 0;
    for (size_t i = 0; i < b->n; i++)
        longest = b->episodes[i].n > longest ? b->episodes[i].n : longest;
    double *sum = xcalloc(longest + 1, sizeof *sum), *count = xcalloc(longest + 1, sizeof *count);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->episodes[i].n; k++) {
            sum[k] += b->returns[b->episodes[i].first + k];
            count[k]++;
        }
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->episodes[i].n; k++)
            values[b->episodes[i].first + k] = sum[k] / count[k];
    free(sum);
    free(count);
}

void baseline_find(double *values, Baseline kind, const Batch *b)
{
    if (kind == BASELINE_POSITION) {
        fill_by_position(values, b);
    } else if (kind == BASELINE_BATCH) {
        const double mean = moments(b->returns, b->n_tokens).mean;
        for (size_t k = 0; k < b->n_tokens; k++)
            values[k] = mean;
    } else {
        fill_by_caption(values, kind, b);
    }
}

size_t baseline_missing(Baseline kind, const Batch *b)
{
    size_t missing = 0;
    for (size_t i = 0; i < b->n && kind == BASELINE_GREEDY; i++)
        missing += isnan(b->groups[b->episodes[i].group].greedy);
    return missing;
}

/* ---- scaling ---- */

static void scale_by_group(double *m, const Batch *b)
{
    GroupReturns g = group_returns(b);
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        const double std = g.std[e->group], factor = std > SPREAD_LEAST ? 1 / (std + group_epsilon) : 0;
        for (size_t k = 0; k < e->n; k++)
            m[e->first + k] *= factor;
    }
    group_returns_release(&g);
}

/* Equation 3, over the tokens that are compared with something. */
static void scale_by_batch(double *m, const double *values, size_t n)
{
    double *compared = xmalloc((n + 1) * sizeof *compared);
    size_t count = 0;
    for (size_t k = 0; k < n; k++)
        if (!isnan(values[k]))
            compared[count++] = m[k];
    const Moments s = moments(compared, count);
    for (size_t k = 0; k < n; k++)
        m[k] = s.std > SPREAD_LEAST && !isnan(values[k]) ? (m[k] - s.mean) / s.std : 0;
    free(compared);
}

void advantages(double *a, double *m, double *values, GroupScale scale, const Batch *b)
{
    for (size_t k = 0; k < b->n_tokens; k++)
        m[k] = a[k] = isnan(values[k]) ? 0 : b->returns[k] - values[k];
    if (scale == SCALE_GROUP || scale == SCALE_BOTH)
        scale_by_group(m, b);
    if (scale == SCALE_BATCH || scale == SCALE_BOTH)
        scale_by_batch(m, values, b->n_tokens);
    for (size_t k = 0; k < b->n_tokens; k++)
        values[k] = isnan(values[k]) ? b->returns[k] : values[k];
}

GroupSpread group_spread(const Batch *b)
{
    GroupReturns g = group_returns(b);
    GroupSpread s = {0, 0};
    size_t groups = 0;
    for (size_t i = 0; i < b->n_groups; i++) {
        if (b->groups[i].members == 0)
            continue;
        groups++;
        s.mean_std += g.std[i];
        s.zero_share += g.std[i] <= SPREAD_LEAST;
    }
    group_returns_release(&g);
    return groups ? (GroupSpread){s.mean_std / (double)groups, s.zero_share / (double)groups} : (GroupSpread){0, 0};
}
