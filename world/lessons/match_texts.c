/* Texts to match with an image; see match_texts.h. */
#include "world/lessons/match_texts.h"

#include <math.h>
#include <string.h>

#include "world/draw.h"
#include "world/lessons/lesson.h"
#include "world/reading.h"
#include "world/sentence.h"

/* Share of the pieces of a masked text; of one about one object. */
static const double HIDDEN = 0.12, HIDDEN_OF_ONE = 0.25;
/* One object, with all its details. */
static const Plan plan_one = {.size = 1, .colour = 1, .fill = 1};

size_t sight_draw(const Gallery *g, bool easy, Dice *d)
{
    size_t number;
    do
        gallery_draw(g, &number, 1, d);
    while (easy && g->sights[number].scene->n_objects > 1);
    return number;
}

/* The whole range of captions, some of them such as the web writes. */
static Plan draw_plan(Dice *d)
{
    double kind = dice_between(d, 0, 1);
    Plan plan = kind < 0.35 ? plan_long : kind < 0.75 ? plan_range(d) : plan_web(&web_default, d);
    if (kind < 0.75 && dice_chance(d, 0.15))
        plan.place = 0.5;
    return plan;
}

static Tokens tokens_of(const MatchWriter *w, const char *text)
{
    return lesson_tokens(w->tokenizer, text, ENCODE_SPECIAL, tokenizer_limit(w->tokenizer), w->arena);
}

static MatcherText about(size_t image, Tokens tokens)
{
    return (MatcherText){image, tokens.ids, tokens.count};
}

static int32_t patch_of(const MatchWriter *w, const Sight *sight, int object)
{
    double x, y, side = (double)w->patches;
    if (object < 0)
        return -1;
    scene_place(sight->scene, &sight->scene->objects[object], sight->moment, &x, &y);
    return (int32_t)(fmin(fmax(floor(y * side), 0), side - 1) * side + fmin(fmax(floor(x * side), 0), side - 1));
}

/* Every piece of a word is about what the word is about. */
static Places places_of(const MatchWriter *w, const Sight *sight, const char *text, Tokens tokens)
{
    WordObjects objects[SENTENCE_MAX];
    const int n = caption_objects(objects, SENTENCE_MAX, sight->scene, text);
    int32_t *before = arena_alloc(w->arena, tokens.count * sizeof *before),
            *after = arena_alloc(w->arena, tokens.count * sizeof *after);
    int word = 0;
    for (size_t i = 0, at = 0; i < tokens.count; i++) {
        const bool special = tokens.bytes[i].start == tokens.bytes[i].end;
        for (; at < tokens.bytes[i].start; at++)
            word += text[at] == ' ';
        before[i] = special || word >= n ? -1 : patch_of(w, sight, objects[word].before);
        after[i] = special || word >= n ? -1 : patch_of(w, sight, objects[word].after);
    }
    return (Places){before, after};
}

/* One detail changed, or up to five, for the sake of the words. */
static bool falsify(char out[CAPTION_MAX], const Scene *s, const char *text, Dice *d)
{
    char last[CAPTION_MAX];
    int more = dice_chance(d, 0.5) ? 0 : 1 + dice_below(d, 4);
    bool changed = caption_falsify(out, s, text, FALSE_ANY, d);
    for (bool again = changed; again && more > 0; more--) {
        memcpy(last, out, sizeof last);
        again = caption_falsify(out, s, last, FALSE_ANY, d);
        if (!again)
            memcpy(out, last, sizeof last);
    }
    return changed;
}

/*
 * BLIP-2 mines its negatives among what is alike, and so does this: a short caption of another image is then often just as true
 * of this one, a long one never. So what a caption says counts for the more, the fewer images it is true of.
 */
static void draw_other(const Gallery *g, char hardest[CAPTION_MAX], const Scene *s, const Plan *plan, const Hardness *h, Dice *d)
{
    char text[CAPTION_MAX];
    for (int i = 0, least = 1; i < h->mined && least > 0; i++) {
        caption_write(text, g->sights[sight_draw(g, h->easy, d)].scene, plan, d);
        int wrong = caption_wrong(s, text);
        if (i > 0 && wrong >= least)
            continue;
        memcpy(hardest, text, sizeof text);
        least = wrong;
    }
}

static MatcherText hide(const MatchWriter *w, const MatcherText *whole, double share)
{
    const int32_t mask = tokenizer_id(w->tokenizer, SLICE("[MASK]"));
    int32_t *ids = arena_alloc(w->arena, whole->n * sizeof *ids);
    for (size_t i = 0; i < whole->n; i++) {
        bool special = i == 0 || i + 1 == whole->n;
        ids[i] = !special && dice_chance(w->dice, share) ? mask : whole->ids[i];
    }
    return (MatcherText){whole->image, ids, whole->n};
}

/* A caption of everything, or of one object: what is hidden there is known to who knows which object the rest is about. */
static void draw_masked(MatchTexts *out, const MatchWriter *w, size_t image, const Sight *sight)
{
    char text[CAPTION_MAX];
    const bool one = dice_chance(w->dice, 0.5);
    caption_write(text, sight->scene, one ? &plan_one : &plan_long, w->dice);
    const Tokens tokens = tokens_of(w, text);
    const MatcherText whole = about(image, tokens);
    out->text[MASKED] = hide(w, &whole, one ? HIDDEN_OF_ONE : HIDDEN);
    out->masked_places = places_of(w, sight, text, tokens);
    out->whole = whole.ids;
}

/* The wrong caption beside a true one; false where nothing in that can be changed. */
static bool draw_wrong(MatchTexts *out, char wrong[CAPTION_MAX], const Scene *s, const char *text, const Hardness *h, Dice *d)
{
    out->exchanged = dice_chance(d, h->exchanged) && caption_exchange(wrong, s, text, d);
    out->related = !out->exchanged && dice_chance(d, h->related) && caption_falsify(wrong, s, text, FALSE_RELATION, d);
    return out->exchanged || out->related ||
           (dice_chance(d, h->borrowed) && caption_falsify(wrong, s, text, FALSE_BORROWED, d)) || falsify(wrong, s, text, d);
}

MatchTexts match_texts_draw(const MatchWriter *w, size_t image, const Sight *sight, const Hardness *h)
{
    const Scene *s = sight->scene;
    Dice *d = w->dice;
    MatchTexts out = {0};
    char text[CAPTION_MAX], wrong[CAPTION_MAX];
    Plan plan;
    do { /* made-up talk can leave no detail to change */
        plan = draw_plan(d);
        caption_write(text, s, &plan, d);
    } while (!draw_wrong(&out, wrong, s, text, h, d));
    out.told = caption_told(s, text);
    const Tokens tokens = tokens_of(w, text);
    out.text[TRUE_ONE] = about(image, tokens);
    out.places = places_of(w, sight, text, tokens);
    out.text[CHANGED] = about(image, tokens_of(w, wrong));
    draw_other(w->gallery, text, s, &plan, h, d);
    out.text[OTHERS] = about(image, tokens_of(w, text));
    draw_masked(&out, w, image, sight);
    return out;
}
