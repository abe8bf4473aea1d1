/* n-grams that the reward brought; see ngrams.h. */
#include "radar/ngrams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hashmap.h"

enum { LENGTHS = 12, WORDS_MAX = 256, FINDINGS_MAX = 50 };

/* ---- words ---- */

typedef struct Words {
    char *text; /* owned: lower case, each word ended by a zero */
    const char *items[WORDS_MAX];
    size_t count;
} Words;

static bool of_word(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_year(const char *word)
{
    return strspn(word, "0123456789") == 4 && word[4] == '\0';
}

static void words_split(Words *w, const char *text)
{
    char *to = w->text = xmalloc(strlen(text) + 2);
    w->count = 0;
    for (const char *p = text; *p && w->count < WORDS_MAX;) {
        if (!of_word((unsigned char)*p)) {
            p++;
            continue;
        }
        const char *word = to;
        for (; of_word((unsigned char)*p) || ((*p == '\'' || *p == '-') && of_word((unsigned char)p[1])); p++)
            *to++ = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
        *to++ = '\0';
        w->items[w->count++] = is_year(word) ? "YEAR" : word;
    }
}

/* The words from..from + n with a space between; the caller frees it. */
static char *words_join(const Words *w, size_t from, size_t n)
{
    size_t size = 1;
    for (size_t i = 0; i < n; i++)
        size += strlen(w->items[from + i]) + 1;
    char *text = xmalloc(size), *to = text;
    for (size_t i = 0; i < n; i++)
        to += sprintf(to, i ? " %s" : "%s", w->items[from + i]);
    return text;
}

/* ---- what is left of a caption's reward and cosine ---- */

typedef struct Left {
    double reward, cosine;
} Left;

typedef struct Mean {
    double reward, cosine, n;
} Mean;

static size_t part_of(const Grams *g, const Said *said)
{
    return (size_t)((said->step - g->first) * PARTS / (g->last - g->first + 1));
}

static size_t cell_of(const Grams *g, const Said *said)
{
    return part_of(g, said) * LENGTHS + size_min(said->words / 2, LENGTHS - 1);
}

static void find_steps(Grams *g, const Sample *s)
{
    g->first = g->last = s->count ? s->items[0].step : 0;
    for (size_t i = 0; i < s->count; i++) {
        g->first = s->items[i].step < g->first ? s->items[i].step : g->first;
        g->last = s->items[i].step > g->last ? s->items[i].step : g->last;
    }
    for (size_t i = 0; i < s->count; i++)
        g->parts[part_of(g, &s->items[i])]++;
}

/* left [s->count]; the cosine's in standard deviations of what is left of it. */
static void take_off_means(Left *left, const Grams *g, const Sample *s)
{
    Mean means[PARTS * LENGTHS] = {0};
    double squares = 0;
    for (size_t i = 0; i < s->count; i++) {
        Mean *m = &means[cell_of(g, &s->items[i])];
        m->reward += s->items[i].reward;
        m->cosine += s->items[i].cosine;
        m->n++;
    }
    for (size_t i = 0; i < s->count; i++) {
        const Mean *m = &means[cell_of(g, &s->items[i])];
        left[i] = (Left){s->items[i].reward - m->reward / m->n, s->items[i].cosine - m->cosine / m->n};
        squares += left[i].cosine * left[i].cosine;
    }
    double deviation = sqrt(squares / (double)(s->count + !s->count));
    for (size_t i = 0; i < s->count && deviation > 0; i++)
        left[i].cosine /= deviation;
}

/* ---- counting ---- */

typedef struct Counting {
    Grams *grams;
    HashMap places; /* place + 1 */
    HashMap last;   /* by place + 1: caption + 1 that was counted last */
} Counting;

static void count_gram(Counting *c, const Words *w, size_t from, size_t n, size_t caption, size_t part, Left left)
{
    char *text = words_join(w, from, n);
    Grams *g = c->grams;
    int64_t *place = hashmap_at(&c->places, hash_id(text, strlen(text)));
    if (*place == 0) {
        g->items = array_reserve(g->items, &g->capacity, g->count + 1, sizeof *g->items);
        g->items[g->count++] = (Gram){.text = text, .example = caption};
        *place = (int64_t)g->count;
    } else
        free(text);
    Gram *gram = &g->items[*place - 1];
    int64_t *last = hashmap_at(&c->last, (uint64_t)*place);
    if (*last == (int64_t)caption + 1)
        return;
    *last = (int64_t)caption + 1;
    gram->captions++;
    gram->parts[part]++;
    gram->example = caption;
    gram->reward += left.reward;
    gram->cosine += left.cosine;
    gram->squares[0] += left.reward * left.reward;
    gram->squares[1] += left.cosine * left.cosine;
}

static void count_all(Grams *g, const Sample *s, const Left *left)
{
    Counting c = {.grams = g};
    for (size_t i = 0; i < s->count; i++) {
        Words w;
        if (s->items[i].explained)
            continue;
        words_split(&w, s->items[i].text);
        for (size_t n = GRAM_MIN; n <= GRAM_MAX; n++)
            for (size_t from = 0; from + n <= w.count; from++)
                count_gram(&c, &w, from, n, i, part_of(g, &s->items[i]), left[i]);
        for (size_t from = 0; from < w.count; from++)
            if (strcmp(w.items[from], "YEAR") == 0)
                count_gram(&c, &w, from, 1, i, part_of(g, &s->items[i]), left[i]);
        free(w.text);
    }
    hashmap_release(&c.places);
    hashmap_release(&c.last);
}

/* ---- choosing ---- */

static double standard_z(double sum, double squares, double n)
{
    double mean = sum / n, variance = (squares - n * mean * mean) / (n > 1 ? n - 1 : 1);
    return variance > 0 ? mean / sqrt(variance / n) : 0;
}

/* Two shares against the share of both together. */
static double rise_z(const Grams *g, const Gram *gram)
{
    double early = (double)(gram->parts[0] + gram->parts[1]), late = (double)(gram->parts[PARTS - 2] + gram->parts[PARTS - 1]);
    double n_early = (double)(g->parts[0] + g->parts[1]), n_late = (double)(g->parts[PARTS - 2] + g->parts[PARTS - 1]);
    if (n_early == 0 || n_late == 0)
        return 0;
    double p = (early + late) / (n_early + n_late), error = sqrt(p * (1 - p) * (1 / n_early + 1 / n_late));
    return error > 0 ? (late / n_late - early / n_early) / error : 0;
}

static void gram_finish(const Grams *g, Gram *gram)
{
    double n = (double)gram->captions;
    gram->z_reward = standard_z(gram->reward, gram->squares[0], n);
    gram->z_cosine = standard_z(gram->cosine, gram->squares[1], n);
    gram->reward /= n;
    gram->cosine /= n;
    gram->rise = rise_z(g, gram);
}

static bool is_finding(const Gram *gram, const GramLimits *l)
{
    return gram->rise >= l->rise && gram->z_reward >= l->z_reward && gram->z_cosine <= -l->z_cosine && gram->cosine <= -l->cosine;
}

/* Whether the words of `part` stand in `whole` one after the other. */
static bool stands_in(const char *part, const char *whole)
{
    size_t n = strlen(part);
    for (const char *p = whole; (p = strstr(p, part)); p++)
        if ((p == whole || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
            return true;
    return false;
}

/* How sure it is: by the weakest of the three. */
static double strength(const Gram *gram)
{
    return fmin(gram->rise, fmin(gram->z_reward, -gram->z_cosine));
}

/* The strongest finding among those counted; or the longest phrase around it that nine in ten of its captions say. NULL for none.
 */
static Gram *strongest(Grams *counted, const GramLimits *limits)
{
    Gram *best = NULL, *longest;
    for (size_t i = 0; i < counted->count; i++) {
        Gram *gram = &counted->items[i];
        if (gram->captions < (size_t)limits->captions)
            continue;
        gram_finish(counted, gram);
        if (is_finding(gram, limits) && (!best || strength(gram) > strength(best)))
            best = gram;
    }
    longest = best;
    for (size_t i = 0; best && i < counted->count; i++) {
        Gram *gram = &counted->items[i];
        if (strlen(gram->text) > strlen(longest->text) && 10 * gram->captions >= 9 * best->captions &&
            stands_in(best->text, gram->text))
            longest = gram;
    }
    return longest;
}

/* Captions that say it are skipped from now on. */
static void explain(Sample *s, const char *phrase)
{
    for (size_t i = 0; i < s->count; i++) {
        Words w;
        if (s->items[i].explained)
            continue;
        words_split(&w, s->items[i].text);
        char *text = words_join(&w, 0, w.count);
        s->items[i].explained = stands_in(phrase, text);
        free(text);
        free(w.text);
    }
}

static void grams_clear(Grams *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->items[i].text);
    g->count = 0;
}

/* Moves the next finding into g; false where there is none. */
static bool find_next(Grams *g, Sample *s, const Left *left, const GramLimits *limits)
{
    Grams counted = {.first = g->first, .last = g->last};
    memcpy(counted.parts, g->parts, sizeof g->parts);
    count_all(&counted, s, left);
    Gram *best = strongest(&counted, limits);
    if (best) {
        g->items = array_reserve(g->items, &g->capacity, g->count + 1, sizeof *g->items);
        g->items[g->count] = *best;
        g->items[g->count++].text = xstrdup(best->text);
        explain(s, best->text);
    }
    grams_release(&counted);
    return best;
}

void grams_find(Grams *g, Sample *s, const GramLimits *limits)
{
    *g = (Grams){0};
    Left *left = xcalloc(s->count + 1, sizeof *left);
    for (size_t i = 0; i < s->count; i++) {
        Words w;
        words_split(&w, s->items[i].text);
        s->items[i].words = w.count;
        free(w.text);
    }
    find_steps(g, s);
    take_off_means(left, g, s);
    while (g->count < FINDINGS_MAX && find_next(g, s, left, limits))
        continue;
    free(left);
}

void grams_release(Grams *g)
{
    grams_clear(g);
    free(g->items);
    *g = (Grams){0};
}

double gram_share(const Grams *g, const Gram *gram, size_t p)
{
    return g->parts[p] ? (double)gram->parts[p] / (double)g->parts[p] : 0;
}
