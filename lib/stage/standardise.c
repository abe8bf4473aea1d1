/* Parts standardised over a batch or a group; see standardise.h. */
#include "stage/standardise.h"

#include <math.h>
#include <stdlib.h>

#include "base/hashmap.h"

static const double epsilon = 1e-4, least_spread = 1e-6;

/* Of the captions that are standardised together. */
typedef struct PartMoments {
    double count, mean[REWARD_PARTS], squares[REWARD_PARTS];
} PartMoments;

/* The captions of a batch by what they are standardised with. */
typedef struct Scope {
    HashMap index_of; /* of a group's hash; index + 1 */
    PartMoments *moments;
    size_t n;
} Scope;

static PartMoments *moments_of(Scope *s, const Rewarded *item, Standardise scope)
{
    int64_t *at = hashmap_at(&s->index_of, scope == STANDARDISE_GROUP ? item->group : 1);
    if (*at == 0)
        *at = (int64_t)++s->n;
    return &s->moments[*at - 1];
}

/* What a part gives from the first token on, which is what captions are compared by. */
static double whole_part(const Reward *r, const Weights *w, int part, Arena *arena)
{
    const ArenaMark mark = arena_mark(arena);
    double *x = arena_alloc(arena, (r->marks.count + 1) * sizeof *x);
    reward_part(x, r, w, part);
    const double first = x[0];
    arena_release_to(arena, mark);
    return first;
}

/* Two passes: means, then squares of what differs from them. */
static void scope_fill(Scope *s, const Rewarded *items, size_t n, const Weights *w, Standardise scope, Arena *arena)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++) {
            if (items[i].failed || items[i].baseline)
                continue;
            PartMoments *m = moments_of(s, &items[i], scope);
            m->count += pass == 0;
            for (int p = 0; p < REWARD_PARTS; p++) {
                const double x = whole_part(&items[i].reward, w, p, arena), d = x - (pass == 0 ? 0 : m->mean[p] / m->count);
                *(pass == 0 ? &m->mean[p] : &m->squares[p]) += pass == 0 ? x : d * d;
            }
        }
}

/* Adds a part's share of the returns. */
static void add_part(double *returns, const Reward *r, const Weights *w, int part, const PartMoments *m, Arena *arena)
{
    const double std = m->count > 1 ? sqrt(m->squares[part] / (m->count - 1)) : 0;
    if (!(std > least_spread))
        return;
    const ArenaMark mark = arena_mark(arena);
    double *x = arena_alloc(arena, (r->marks.count + 1) * sizeof *x);
    reward_part(x, r, w, part);
    for (size_t k = 0; k < r->marks.count; k++)
        returns[k] += reward_weight(w, part) * (x[k] - m->mean[part] / m->count) / (std + epsilon);
    arena_release_to(arena, mark);
}

void rewards_standardise(Rewarded *items, size_t n, const Weights *w, Standardise scope, Arena *arena)
{
    Scope s = {.moments = xcalloc(n + 1, sizeof *s.moments)};
    scope_fill(&s, items, n, w, scope, arena);
    for (size_t i = 0; i < n; i++) {
        if (items[i].failed)
            continue;
        Reward *r = &items[i].reward;
        const PartMoments *m = moments_of(&s, &items[i], scope);
        r->returns = arena_calloc(arena, r->marks.count + 1, sizeof *r->returns);
        for (int p = 0; p < REWARD_PARTS; p++)
            add_part(r->returns, r, w, p, m, arena);
    }
    hashmap_release(&s.index_of);
    free(s.moments);
}
