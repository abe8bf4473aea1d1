/* Claims held against a scene; see reading.h. */
#include "world/reading.h"

/* Which said object stands for each of the scene's: -1 none. */
typedef struct Match {
    int said[OBJECTS_MAX];
} Match;

const char *detail_name(Detail k)
{
    static const char *const names[DETAILS] = {"shape", "colour", "size", "fill", "relation", "background", "texture", "side"};
    return names[k];
}

static int bits(uint32_t mask)
{
    return __builtin_popcount(mask);
}

static int sum(const int *counts)
{
    int n = 0;
    for (int k = 0; k < DETAILS; k++)
        n += counts[k];
    return n;
}

int verdict_there(const Verdict *v)
{
    return sum(v->there);
}

int verdict_found(const Verdict *v)
{
    return sum(v->found);
}

int verdict_said(const Verdict *v)
{
    return sum(v->said);
}

int verdict_wrong(const Verdict *v)
{
    return sum(v->wrong);
}

/* ---- claims that hold under a match ---- */

static int true_of(const Match *m, int n, int said)
{
    for (int i = 0; i < n; i++)
        if (m->said[i] == said)
            return i;
    return -1;
}

static bool relation_holds(const Scene *s, const Match *m, const SaidRelation *r)
{
    int a = true_of(m, s->n_objects, r->from), b = true_of(m, s->n_objects, r->to);
    return a >= 0 && b >= 0 && scene_relation(s, a, r->relation, b);
}

static bool side_holds(const Object *o, Relation side)
{
    return side == LEFT_OF ? o->x < 0.5 : o->x > 0.5;
}

/* Of one kind: how many values were said, and whether the true one is among them. */
static void count(Verdict *v, Detail k, uint32_t said, bool holds)
{
    v->said[k] += bits(said);
    v->wrong[k] += bits(said) - holds;
}

static void object_judge(Verdict *v, const SaidObject *said, const Object *o)
{
    bool shape = o && said->shapes >> o->shape & 1, hue = o && said->hues >> o->colour & 1;
    bool size = o && said->sizes >> o->size & 1, fill = o && said->fills >> o->fill & 1;
    bool left = o && said->sides >> LEFT_OF & 1 && side_holds(o, LEFT_OF);
    bool right = o && said->sides >> RIGHT_OF & 1 && side_holds(o, RIGHT_OF);
    count(v, DETAIL_SHAPE, said->shapes, shape);
    count(v, DETAIL_COLOUR, said->hues, hue);
    count(v, DETAIL_SIZE, said->sizes, size);
    count(v, DETAIL_FILL, said->fills, fill);
    count(v, DETAIL_SIDE, said->sides, left || right);
    v->said[DETAIL_TEXTURE] += said->odd;
    v->wrong[DETAIL_TEXTURE] += said->odd;
    v->found[DETAIL_SHAPE] += shape;
    v->found[DETAIL_COLOUR] += hue;
    v->found[DETAIL_SIZE] += size;
    v->found[DETAIL_FILL] += fill;
}

static void relations_judge(Verdict *v, const Scene *s, const Reading *r, const Match *m)
{
    bool pair[OBJECTS_MAX][OBJECTS_MAX] = {{false}};
    int found = 0;
    for (int i = 0; i < r->n_relations; i++) {
        bool holds = relation_holds(s, m, &r->relations[i]);
        count(v, DETAIL_RELATION, 1, holds);
        if (!holds)
            continue;
        int a = true_of(m, s->n_objects, r->relations[i].from), b = true_of(m, s->n_objects, r->relations[i].to);
        found += !pair[a][b];
        pair[a][b] = pair[b][a] = true;
    }
    v->found[DETAIL_RELATION] += found < s->n_objects - 1 ? found : s->n_objects - 1;
}

static void objects_judge(Verdict *v, const Scene *s, const Reading *r, const Match *m)
{
    for (int i = 0; i < r->n_objects; i++) {
        int t = true_of(m, s->n_objects, i);
        object_judge(v, &r->objects[i], t < 0 ? 0 : &s->objects[t]);
    }
    relations_judge(v, s, r, m);
}

/* ---- the best match ---- */

static int match_worth(const Scene *s, const Reading *r, const Match *m)
{
    Verdict v = {0};
    objects_judge(&v, s, r, m);
    return verdict_said(&v) - verdict_wrong(&v);
}

/* Match number `code`, of (said + 1) for each of the scene's objects; false when it uses a said object twice. */
static bool match_number(Match *m, int64_t code, int n_true, int n_said)
{
    *m = (Match){{-1, -1, -1}};
    for (int t = 0; t < n_true && t < OBJECTS_MAX; t++, code /= n_said + 1) {
        int said = (int)(code % (n_said + 1)) - 1;
        if (said >= 0 && true_of(m, t, said) >= 0)
            return false;
        m->said[t] = said;
    }
    return true;
}

static Match match_best(const Scene *s, const Reading *r)
{
    Match best = {{-1, -1, -1}}, m;
    int worth = -1;
    int64_t codes = 1;
    for (int t = 0; t < s->n_objects; t++)
        codes *= r->n_objects + 1;
    for (int64_t code = 0; code < codes; code++) {
        int w = match_number(&m, code, s->n_objects, r->n_objects) ? match_worth(s, r, &m) : -1;
        if (w > worth) {
            worth = w;
            best = m;
        }
    }
    return best;
}

void scene_match(int *out, const Scene *s, const Reading *r)
{
    const Match best = match_best(s, r);
    for (int i = 0; i < r->n_objects; i++)
        out[i] = true_of(&best, s->n_objects, i);
}

static void hues_judge(Verdict *v, const Scene *s, const Reading *r)
{
    uint32_t there = 1u << s->ground, named = r->grounds;
    for (int i = 0; i < s->n_objects; i++)
        there |= 1u << s->objects[i].colour;
    for (int i = 0; i < r->n_objects; i++)
        named |= r->objects[i].hues;
    v->hues_there = bits(there);
    v->hues_found = bits(there & named);
}

Verdict scene_judge(const Scene *s, const Reading *r)
{
    Match best = match_best(s, r);
    Verdict v = {.there = {s->n_objects, s->n_objects, s->n_objects, s->n_objects, s->n_objects - 1, 1, 1, 0}};
    objects_judge(&v, s, r, &best);
    bool ground = r->grounds >> s->ground & 1, texture = r->textures >> s->texture & 1;
    count(&v, DETAIL_GROUND, r->grounds, ground);
    count(&v, DETAIL_TEXTURE, r->textures, texture);
    v.said[DETAIL_SIZE] += r->odd;
    v.wrong[DETAIL_SIZE] += r->odd;
    v.found[DETAIL_GROUND] = ground;
    v.found[DETAIL_TEXTURE] = texture;
    hues_judge(&v, s, r);
    return v;
}
