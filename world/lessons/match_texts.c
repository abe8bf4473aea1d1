/* Texts to match with an image; see match_texts.h. */
#include "world/lessons/match_texts.h"

#include <string.h>

#include "world/lessons/lesson.h"

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

static QformerText encode(const Tokenizer *t, size_t image, const char *text, Arena *arena)
{
    const Tokens tokens = lesson_tokens(t, text, ENCODE_SPECIAL, tokenizer_limit(t), arena);
    return (QformerText){image, tokens.ids, tokens.count};
}

/* One detail changed, or up to five, for the sake of the words. */
static bool falsify(char out[CAPTION_MAX], const Scene *s, const char *text, Dice *d)
{
    char last[CAPTION_MAX];
    int more = dice_chance(d, 0.5) ? 0 : 1 + dice_below(d, 4);
    bool changed = caption_falsify(out, s, text, d);
    for (bool again = changed; again && more > 0; more--) {
        memcpy(last, out, sizeof last);
        again = caption_falsify(out, s, last, d);
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

static QformerText hide(const Tokenizer *t, const QformerText *whole, double share, Dice *d, Arena *arena)
{
    const int32_t mask = tokenizer_id(t, (TextSlice){"[MASK]", 6});
    int32_t *ids = arena_alloc(arena, whole->n * sizeof *ids);
    for (size_t i = 0; i < whole->n; i++) {
        bool special = i == 0 || i + 1 == whole->n;
        ids[i] = !special && dice_chance(d, share) ? mask : whole->ids[i];
    }
    return (QformerText){whole->image, ids, whole->n};
}

/* A caption of everything, or of one object: what is hidden there is known to who knows which object the rest is about. */
static void draw_masked(MatchTexts *out, const Tokenizer *t, size_t image, const Scene *s, Dice *d, Arena *arena)
{
    char text[CAPTION_MAX];
    const bool one = dice_chance(d, 0.5);
    caption_write(text, s, one ? &plan_one : &plan_long, d);
    const QformerText whole = encode(t, image, text, arena);
    out->text[MASKED] = hide(t, &whole, one ? HIDDEN_OF_ONE : HIDDEN, d, arena);
    out->whole = whole.ids;
}

static bool make_wrong(char wrong[CAPTION_MAX], const Scene *s, const char *text, const Hardness *h, Dice *d)
{
    return (dice_chance(d, h->borrowed) && caption_borrow(wrong, s, text, d)) || falsify(wrong, s, text, d);
}

MatchTexts match_texts_draw(const Gallery *g, const Tokenizer *t, size_t image, const Scene *s, const Hardness *h, Dice *d,
                            Arena *arena)
{
    MatchTexts out = {0};
    char text[CAPTION_MAX], wrong[CAPTION_MAX];
    Plan plan;
    bool changed = false;
    while (!changed) { /* made-up talk can leave no detail to change */
        plan = draw_plan(d);
        caption_write(text, s, &plan, d);
        out.exchanged = dice_chance(d, h->exchanged) && caption_exchange(wrong, s, text, d);
        changed = out.exchanged || make_wrong(wrong, s, text, h, d);
    }
    out.told = caption_told(s, text);
    out.text[TRUE_ONE] = encode(t, image, text, arena);
    out.text[CHANGED] = encode(t, image, wrong, arena);
    draw_other(g, text, s, &plan, h, d);
    out.text[OTHERS] = encode(t, image, text, arena);
    draw_masked(&out, t, image, s, d, arena);
    return out;
}
