/* Rewards that are of their whole batch; see whole.h. */
#include "update/whole.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stage/frame.h"
#include "stage/phi.h"

void whole_release(WholeRewards *w)
{
    free(w->entries);
    free(w->marks);
    free(w->returns);
    free(w->images);
    free(w->texts);
    *w = (WholeRewards){0};
}

void whole_forget(WholeRewards *w)
{
    w->rule = (WholeRule){0};
    w->n_tokens = 0;
}

/* ---- records ---- */

static bool read_weight(double *out, const json_t *header, const char *option, Error *err)
{
    const json_t *value = header_param(header, "reward", option);
    *out = json_number_value(value);
    return json_is_number(value) ||
           error_set_status(err, STATUS_MISMATCH,
                            "reward.deferred: the input's header has no stage reward with --%s, by which rewards are completed",
                            option);
}

static bool read_rule(WholeRule *rule, const json_t *header, Error *err)
{
    static const char *const scopes[] = {
        [STANDARDISE_NONE] = "none", [STANDARDISE_BATCH] = "batch", [STANDARDISE_GROUP] = "group"};
    const char *scope = json_string_value(header_param(header, "reward", "standardise"));
    Weights *w = &rule->weights;
    for (int64_t i = 0; scope && i < (int64_t)(sizeof scopes / sizeof scopes[0]); i++)
        if (strcmp(scope, scopes[i]) == 0)
            rule->scope = i;
    return read_weight(&w->sim, header, "sim-weight", err) && read_weight(&w->clip, header, "clip-weight", err) &&
           read_weight(&w->ref, header, "ref-weight", err) && read_weight(&w->noeos, header, "noeos-weight", err) &&
           read_weight(&w->bad, header, "bad-weight", err) && read_weight(&w->repeat, header, "repeat-weight", err) &&
           read_weight(&w->good, header, "good-weight", err) && read_weight(&w->length, header, "length-weight", err) &&
           read_weight(&w->gamma, header, "gamma", err);
}

/* Room for one more, of n tokens. */
static void reserve(WholeRewards *w, size_t n)
{
    const size_t more = w->rule.n + 1, tokens = w->n_tokens + n;
    w->entries = array_reserve(w->entries, &w->entries_capacity, more, sizeof *w->entries);
    w->marks = array_reserve(w->marks, &w->marks_capacity, tokens * WHOLE_MARKS + 1, sizeof *w->marks);
    w->returns = array_reserve(w->returns, &w->returns_capacity, tokens + 1, sizeof *w->returns);
    w->images = array_reserve(w->images, &w->images_capacity, more * w->rule.cols + 1, sizeof *w->images);
    w->texts = array_reserve(w->texts, &w->texts_capacity, more * w->rule.cols + 1, sizeof *w->texts);
}

/* Adds one whose marks are set by the caller: w->marks + the result. */
static size_t append(WholeRewards *w, WholeEntry entry, const double *returns, const real *image, const real *text)
{
    const size_t cols = w->rule.cols, at = w->n_tokens;
    reserve(w, entry.n);
    entry.first = at;
    memcpy(w->returns + at, returns, entry.n * sizeof *returns);
    if (cols > 0) {
        memcpy(w->images + w->rule.n * cols, image, cols * sizeof *image);
        memcpy(w->texts + w->rule.n * cols, text, cols * sizeof *text);
    }
    w->entries[w->rule.n++] = entry;
    w->n_tokens += entry.n;
    return at * WHOLE_MARKS;
}

static void add(WholeRewards *w, const Reward *reward, const Deferred *d, const GroupInfo *group, const double *returns)
{
    const WordMarks *m = &reward->marks;
    const WholeEntry entry = {.itm = reward->itm,
                              .phi = NAN,
                              .ref = reward->ref,
                              .group = hash_id(group->name.data, group->name.size),
                              .n = m->count,
                              .noeos = reward->noeos,
                              .baseline = group->baseline};
    const size_t at = append(w, entry, returns, d->image, d->text);
    uint8_t *marks = w->marks + at;
    for (size_t k = 0; k < m->count; k++) {
        marks[k] = m->bad[k];
        marks[m->count + k] = m->repeat[k];
        marks[2 * m->count + k] = m->good ? m->good[k] : 0;
    }
}

bool whole_add(WholeRewards *w, const Record *r, size_t before, const GroupInfo *group, const double *returns, size_t n,
               const json_t *header, Error *err)
{
    Deferred d;
    Reward reward = {0};
    Arena arena = {0};
    const Field found = deferred_read(&d, r, &arena, err);
    bool ok = found != FIELD_WRONG;
    if (ok && before > 0 && (found == FIELD_OK) != (w->rule.n > 0))
        ok = error_set_status(err, STATUS_MISMATCH, "reward.deferred: of the batch some rewards are whole and others are not");
    if (ok && found == FIELD_OK) {
        if (w->rule.n == 0) {
            w->rule.cols = d.cols;
            ok = read_rule(&w->rule, header, err);
        }
        if (ok && d.cols != w->rule.cols)
            ok = error_set_status(err, STATUS_MISMATCH, "reward.deferred: vectors of %zu numbers, expected %zu", d.cols,
                                  w->rule.cols);
        ok = ok && reward_read_parts(&reward, r, err) && reward_read_marks(&reward, r, n, &arena, err);
        if (ok)
            add(w, &reward, &d, group, returns);
    }
    arena_release(&arena);
    return ok;
}

void whole_append(WholeRewards *w, const WholeRewards *from, size_t i)
{
    const size_t cols = from->rule.cols;
    const WholeEntry *e = &from->entries[i];
    if (w->rule.n == 0) {
        w->rule = from->rule;
        w->rule.n = 0;
    }
    const size_t at = append(w, *e, from->returns + e->first, from->images + i * cols, from->texts + i * cols);
    memcpy(w->marks + at, from->marks + e->first * WHOLE_MARKS, e->n * WHOLE_MARKS);
}

/* ---- completing ---- */

static Rewarded rewarded_of(const WholeRewards *w, size_t i)
{
    const WholeEntry *e = &w->entries[i];
    uint8_t *marks = w->marks + e->first * WHOLE_MARKS;
    const WordMarks m = {.bad = marks, .repeat = marks + e->n, .good = marks + 2 * e->n, .count = e->n};
    const Reward reward = {.itm = e->itm, .phi = e->phi, .cosine = NAN, .ref = e->ref, .noeos = e->noeos, .marks = m};
    return (Rewarded){reward, e->group, e->baseline, false};
}

/* What a program has added to the returns that vlrm-reward gave before the batch was known; in place of them. */
static void keep_added(WholeRewards *w)
{
    double *given = xmalloc((w->n_tokens + 1) * sizeof *given);
    for (size_t i = 0; i < w->rule.n; i++) {
        const Rewarded r = rewarded_of(w, i);
        reward_returns(given + w->entries[i].first, &r.reward, &w->rule.weights);
    }
    for (size_t k = 0; k < w->n_tokens; k++)
        w->returns[k] -= given[k];
    free(given);
}

static void find_phi(WholeRewards *w, const Kernels *kernels)
{
    double *phi = xcalloc(w->rule.n + 1, sizeof *phi);
    phi_compute(phi, kernels, w->images, w->texts, w->rule.n, w->rule.cols);
    for (size_t i = 0; i < w->rule.n; i++)
        w->entries[i].phi = phi[i];
    free(phi);
}

/* Adds the reward's returns, as vlrm-reward would have written them. */
static void add_returns(WholeRewards *w, size_t i, const Rewarded *r, Arena *arena)
{
    WholeEntry *e = &w->entries[i];
    double *returns = r->reward.returns;
    if (!returns) {
        returns = arena_alloc(arena, (e->n + 1) * sizeof *returns);
        reward_returns(returns, &r->reward, &w->rule.weights);
    }
    for (size_t k = 0; k < e->n; k++)
        w->returns[e->first + k] += returns[k];
    e->sim = reward_sim(&r->reward, &w->rule.weights);
}

void whole_complete(WholeRewards *w, const Kernels *kernels)
{
    Arena arena = {0};
    Rewarded *rewards = xcalloc(w->rule.n + 1, sizeof *rewards);
    keep_added(w);
    if (w->rule.cols > 0)
        find_phi(w, kernels);
    for (size_t i = 0; i < w->rule.n; i++)
        rewards[i] = rewarded_of(w, i);
    if (w->rule.scope != STANDARDISE_NONE)
        rewards_standardise(rewards, w->rule.n, &w->rule.weights, (Standardise)w->rule.scope, &arena);
    for (size_t i = 0; i < w->rule.n; i++)
        add_returns(w, i, &rewards[i], &arena);
    free(rewards);
    arena_release(&arena);
}
