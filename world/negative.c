/* Hard negatives: true captions with one detail changed; see language.h. */
#include <limits.h>
#include <string.h>

#include "world/language.h"
#include "world/reading.h"
#include "world/sentence.h"

enum { ATTEMPTS = 60 };

static bool judged(Verdict *v, const Scene *s, const char *caption)
{
    Reading r;
    if (!caption_read(&r, caption) || !r.grammatical)
        return false;
    *v = scene_judge(s, &r);
    return true;
}

int caption_wrong(const Scene *s, const char *caption)
{
    Verdict v;
    return judged(&v, s, caption) ? verdict_wrong(&v) : INT_MAX;
}

double caption_told(const Scene *s, const char *caption)
{
    Reading r;
    if (!caption_read(&r, caption))
        return 0;
    const Verdict v = scene_judge(s, &r);
    int found = 0, there = 0;
    for (int i = 0; i < DETAILS; i++) {
        found += v.found[i];
        there += v.there[i];
    }
    return (double)found / there;
}

static bool is_detail(const Word *w)
{
    return w->kind == WORD_SHAPE || w->kind == WORD_HUE || w->kind == WORD_SIZE || w->kind == WORD_FILL ||
           w->kind == WORD_TEXTURE || w->kind == WORD_RELATION || w->kind == WORD_SIDE;
}

/* Whether the colour at `at` is the background's: then another of the backgrounds' colours replaces it. */
static bool of_ground(const Sentence *s, int at)
{
    for (int i = at; i < s->n; i++) {
        WordKind kind = word_find(s->word[i], strlen(s->word[i])).kind;
        if (kind == WORD_SHAPE || kind == WORD_GROUND)
            return kind == WORD_GROUND;
    }
    return false;
}

static bool fits(const Sentence *s, int at, const Word *old, const Word *fresh)
{
    if (fresh->kind != old->kind || fresh->value == old->value)
        return false;
    if (old->kind == WORD_SIDE) /* "left of" for "right of"; "next to" has another second word and its own place in a phrase */
        return (fresh->value == BESIDE) == (old->value == BESIDE);
    return old->kind != WORD_HUE || (fresh->value >= COLOURS) == of_ground(s, at);
}

/* Whether the word is true of an object of the scene. */
static bool of_object(const Word *w, const Scene *scene)
{
    for (int i = 0; i < scene->n_objects; i++) {
        const Object *o = &scene->objects[i];
        if ((w->kind == WORD_SHAPE && w->value == o->shape) || (w->kind == WORD_HUE && w->value == o->colour) ||
            (w->kind == WORD_SIZE && w->value == o->size) || (w->kind == WORD_FILL && w->value == o->fill))
            return true;
    }
    return false;
}

/*
 * Another word of the same kind for the word at `at`, one not yet said where there is one; NULL when there is none. With a scene,
 * one that is true of an object of it.
 */
static const char *word_other(const Sentence *s, int at, const Scene *scene, Dice *d)
{
    Word old = word_find(s->word[at], strlen(s->word[at]));
    const Word *fitting[64];
    int n = 0;
    for (size_t i = 0; i < n_words && n < 64; i++)
        if (fits(s, at, &old, &words[i]) && (!scene || of_object(&words[i], scene)) &&
            (word_may_repeat(&words[i]) || !sentence_has(s, words[i].text)))
            fitting[n++] = &words[i];
    return n ? fitting[dice_below(d, n)]->text : NULL;
}

static bool is_relation(const Word *w)
{
    return w->kind == WORD_RELATION || w->kind == WORD_SIDE;
}

/* Where a detail stands, of relations alone or of any kind; -1 when there is none. */
static int detail_pick(const Sentence *s, bool relation, Dice *d)
{
    int at[SENTENCE_MAX], n = 0;
    for (int i = 0; i < s->n; i++) {
        Word w = word_find(s->word[i], strlen(s->word[i]));
        if (relation ? is_relation(&w) : is_detail(&w))
            at[n++] = i;
    }
    return n ? at[dice_below(d, n)] : -1;
}

bool caption_falsify(char out[CAPTION_MAX], const Scene *s, const char *caption, Falsehood falsehood, Dice *d)
{
    Sentence sentence;
    Verdict before, after;
    if (!judged(&before, s, caption) || !sentence_split(&sentence, caption))
        return false;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int at = detail_pick(&sentence, falsehood == FALSE_RELATION, d);
        const char *old = at < 0 ? NULL : sentence.word[at],
                   *fresh = at < 0 ? NULL : word_other(&sentence, at, falsehood == FALSE_BORROWED ? s : NULL, d);
        if (!fresh)
            continue;
        sentence.word[at] = fresh;
        bool clean = !sentence_repeats(&sentence) || attempt > ATTEMPTS / 2;
        sentence_join(out, &sentence);
        sentence.word[at] = old;
        if (clean && judged(&after, s, out) && verdict_said(&after) == verdict_said(&before) &&
            verdict_wrong(&after) == verdict_wrong(&before) + 1)
            return true;
    }
    return false;
}

bool caption_exchange(char out[CAPTION_MAX], const Scene *s, const char *caption, Dice *d)
{
    Sentence sentence;
    Verdict before, after;
    if (!judged(&before, s, caption) || !sentence_split(&sentence, caption))
        return false;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int a = detail_pick(&sentence, false, d), b = detail_pick(&sentence, false, d);
        if (a < 0)
            return false;
        const char *first = sentence.word[a], *second = sentence.word[b];
        Word wa = word_find(first, strlen(first)), wb = word_find(second, strlen(second));
        bool same_kind = wa.kind == wb.kind && wa.value != wb.value && !is_relation(&wa);
        if (!same_kind || (wa.kind == WORD_HUE && of_ground(&sentence, a) != of_ground(&sentence, b)))
            continue;
        sentence.word[a] = second;
        sentence.word[b] = first;
        sentence_join(out, &sentence);
        sentence.word[a] = first;
        sentence.word[b] = second;
        if (judged(&after, s, out) && verdict_wrong(&after) > verdict_wrong(&before))
            return true;
    }
    return false;
}
