/* Captions written by a plan; see language.h. */
#include "world/language.h"

#include <stdio.h>

#include "world/sentence.h"

const Plan plan_bare = {0};
const Plan plan_short = {
    .more = 0.1, .size = 0.15, .colour = 0.35, .fill = 0.1, .relation = 0.5, .ground = 0.05, .hue = 0.5, .texture = 0.5};
const Plan plan_long = {.more = 1, .size = 1, .colour = 1, .fill = 1, .relation = 1, .ground = 1, .hue = 1, .texture = 1};
const Web web_default = {
    .detailed = 0.15, .attribute = 0.2, .opening = 0.12, .year = 0.03, .talk = 0.02, .place = 0.06, .ground = 0.04};

Plan plan_range(Dice *d)
{
    double r = dice_between(d, 0, 1);
    return (Plan){
        .more = r, .size = r, .colour = r, .fill = r, .relation = r, .ground = r, .hue = 0.2 + 0.8 * r, .texture = 0.2 + 0.8 * r};
}

Plan plan_web(const Web *web, Dice *d)
{
    double kind = dice_between(d, 0, 1), a = web->attribute;
    Plan plan = {
        .more = 0.06, .size = a, .colour = a, .fill = a, .relation = 0.5, .ground = web->ground, .hue = 0.6, .texture = 0.4};
    if (kind < web->detailed / 2)
        plan = plan_long;
    else if (kind < web->detailed)
        plan = plan_range(d);
    if (web->neat && kind < web->detailed)
        return plan;
    plan.opening = web->opening;
    plan.year = web->year;
    plan.talk = web->talk;
    plan.place = web->place;
    return plan;
}

/* ---- parts of a caption ---- */

static void add_opening(Sentence *s, Dice *d)
{
    static const char *const media[] = {"image", "video", "photo", "view"};
    int i = dice_below(d, 5);
    if (i == 4) {
        sentence_add(s, "there");
        sentence_add(s, "is");
        return;
    }
    sentence_add(s, "a");
    sentence_add(s, media[i]);
    sentence_add(s, "of");
}

static void add_year(Sentence *s, Dice *d)
{
    snprintf(s->kept, sizeof s->kept, "%d", 1950 + dice_below(d, 70));
    sentence_add(s, "in");
    sentence_add(s, s->kept);
}

static void add_side(Sentence *s, const char *side)
{
    sentence_add(s, "on");
    sentence_add(s, "the");
    sentence_add(s, side);
}

static void add_object(Sentence *s, const Object *o, const Plan *plan, Dice *d)
{
    const struct {
        WordKind kind;
        int value;
        double chance;
    } details[] = {{WORD_SIZE, o->size, plan->size}, {WORD_HUE, o->colour, plan->colour}, {WORD_FILL, o->fill, plan->fill}};
    int order[3];
    dice_shuffle(d, order, 3);
    sentence_add(s, "a");
    for (int i = 0; i < 3; i++)
        if (dice_chance(d, details[order[i]].chance))
            sentence_say(s, details[order[i]].kind, details[order[i]].value, d);
    sentence_say(s, WORD_SHAPE, o->shape, d);
    bool aside = o->x < 0.4 || o->x > 0.6; /* far enough from the middle that the camera's motion cannot make it untrue */
    if (dice_chance(d, plan->place) && aside)
        add_side(s, o->x < 0.5 ? "left" : "right");
}

static void add_ground(Sentence *s, const Scene *scene, const Plan *plan, Dice *d)
{
    bool hue = dice_chance(d, plan->hue), texture = dice_chance(d, plan->texture), hue_first = dice_chance(d, 0.5);
    sentence_add(s, "a");
    if (hue && hue_first)
        sentence_say(s, WORD_HUE, scene->ground, d);
    if (texture)
        sentence_say(s, WORD_TEXTURE, scene->texture, d);
    if (hue && !hue_first)
        sentence_say(s, WORD_HUE, scene->ground, d);
    sentence_say(s, WORD_GROUND, 0, d);
}

/* A true relation of object a to object b, in words not yet said. */
static void add_relation(Sentence *s, const Scene *scene, int a, int b, Dice *d)
{
    const Word *true_ones[16];
    int n = 0;
    for (size_t i = 0; i < n_words; i++)
        if ((words[i].kind == WORD_RELATION || words[i].kind == WORD_SIDE) && !sentence_has(s, words[i].text) &&
            scene_relation(scene, a, (Relation)words[i].value, b))
            true_ones[n++] = &words[i];
    if (n == 0) {
        sentence_add(s, "and");
        return;
    }
    const Word *w = true_ones[dice_below(d, n)];
    sentence_add(s, w->text);
    if (w->kind == WORD_SIDE)
        sentence_add(s, w->value == BESIDE ? "to" : "of");
}

static void add_talk(Sentence *s, Dice *d)
{
    sentence_add(s, "is");
    sentence_add(s, "talking");
    sentence_add(s, "about");
    sentence_add(s, "a");
    sentence_say(s, WORD_SHAPE, dice_below(d, SHAPES), d);
}

/* ---- the whole ---- */

typedef enum GroundPlace { GROUND_NONE, GROUND_FIRST, GROUND_BETWEEN, GROUND_LAST } GroundPlace;

/* Where the background is said. Between objects it takes the place of a relation, so only where none is planned for sure. */
static GroundPlace ground_place(const Plan *plan, Dice *d)
{
    bool said = dice_chance(d, plan->ground);
    double where = dice_between(d, 0, 1);
    if (!said)
        return GROUND_NONE;
    if (where < 0.3)
        return GROUND_FIRST;
    return where < 0.45 && plan->relation < 1 ? GROUND_BETWEEN : GROUND_LAST;
}

static void add_ground_after(Sentence *s, const Scene *scene, const Plan *plan, Dice *d)
{
    sentence_add(s, dice_chance(d, 0.7) ? "on" : "against");
    add_ground(s, scene, plan, d);
}

static void add_objects(Sentence *s, const Scene *scene, const Plan *plan, GroundPlace ground, Dice *d)
{
    int order[OBJECTS_MAX];
    dice_shuffle(d, order, scene->n_objects);
    add_object(s, &scene->objects[order[0]], plan, d);
    for (int i = 1; i < scene->n_objects && dice_chance(d, plan->more); i++) {
        bool between = ground == GROUND_BETWEEN && i == 1;
        if (between)
            add_ground_after(s, scene, plan, d);
        if (dice_chance(d, plan->relation) && !between)
            add_relation(s, scene, order[i - 1], order[i], d);
        else
            sentence_add(s, dice_chance(d, 0.5) ? "and" : "with");
        add_object(s, &scene->objects[order[i]], plan, d);
    }
}

static void sentence_write(Sentence *s, const Scene *scene, const Plan *plan, Dice *d)
{
    s->n = 0;
    if (dice_chance(d, plan->opening))
        add_opening(s, d);
    GroundPlace ground = ground_place(plan, d);
    if (ground == GROUND_FIRST) {
        add_ground(s, scene, plan, d);
        sentence_add(s, "with");
    }
    add_objects(s, scene, plan, ground, d);
    if (dice_chance(d, plan->talk))
        add_talk(s, d);
    if (ground == GROUND_LAST)
        add_ground_after(s, scene, plan, d);
    if (dice_chance(d, plan->year))
        add_year(s, d);
}

/* A sentence that repeats itself is written anew; the meaningless phrases of the web may leave no other way. */
void caption_write(char out[CAPTION_MAX], const Scene *s, const Plan *plan, Dice *d)
{
    Sentence sentence;
    int attempts = 0;
    do
        sentence_write(&sentence, s, plan, d);
    while (sentence_repeats(&sentence) && ++attempts < 200);
    sentence_join(out, &sentence);
}
