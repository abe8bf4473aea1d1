/* The rules over one caption; reading the lists is in word_lists.c. */
#include "text/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/unicode/unicode.h"
#include "text/word_rules.h"

/* A caption as code points: character i is code[i], bytes [at[i], at[i + 1]), of a letter, mark or digit if inside[i]. */
typedef struct View {
    const CaptionText *caption;
    uint32_t *code, *at;
    bool *inside;
    size_t n;
} View;

/* Characters [start, end) of a view, and the rule they broke. */
typedef struct Match {
    WordRule rule;
    uint32_t start, end, phrase; /* phrase: its number, of WORD_BAD */
} Match;

typedef struct Matches {
    Match *items; /* owned by the arena */
    size_t n, capacity;
} Matches;

const char *word_rule_name(WordRule rule)
{
    static const char *const names[] = {[WORD_BAD] = "bad", [WORD_YEAR] = "year", [WORD_REPEAT] = "repeat", [WORD_GOOD] = "good"};
    return names[rule];
}

static void view_init(View *v, Arena *arena, const CaptionText *caption)
{
    size_t size = caption->whole.size;
    const char *start = caption->whole.data, *end = start + size;
    int step;
    bool valid;
    *v = (View){caption, arena_alloc(arena, (size + 1) * 4), arena_alloc(arena, (size + 1) * 4), arena_alloc(arena, size + 1), 0};
    for (const char *p = start; p < end; p += step) {
        v->at[v->n] = (uint32_t)(p - start);
        v->code[v->n] = utf8_decode(p, end, &step, &valid);
        v->inside[v->n] = unicode_flags(v->code[v->n]) & UNICODE_WORD;
        v->n++;
    }
    v->at[v->n] = (uint32_t)size;
}

static void matches_add(Matches *m, Arena *arena, WordRule rule, size_t start, size_t end, uint32_t phrase)
{
    if (m->n == m->capacity) {
        Match *more = arena_alloc(arena, (2 * m->capacity + 8) * sizeof *more);
        if (m->n)
            memcpy(more, m->items, m->n * sizeof *more);
        m->items = more;
        m->capacity = 2 * m->capacity + 8;
    }
    m->items[m->n++] = (Match){rule, (uint32_t)start, (uint32_t)end, phrase};
}

/*
 * Of the letters i, regex's IGNORECASE takes i and I, i and U+0130, I and U+0131 for equal, but no others: not an equivalence.
 * The automaton knows one letter i; this tells which of them a phrase and a text may both be.
 */
static bool equal_i(uint32_t phrase, uint32_t text)
{
    if (phrase == text || symbol_of(phrase) != 'I' || symbol_of(text) != 'I')
        return true;
    bool upper = phrase == 'I' || text == 'I', lower = phrase == 'i' || text == 'i';
    bool dotted = phrase == 0x130 || text == 0x130, dotless = phrase == 0x131 || text == 0x131;
    return (upper && lower) || (lower && dotted) || (upper && dotless);
}

/* Whether the letters i of a candidate agree; its other symbols do. places[] has the character of each symbol. */
static bool letters_agree(const Phrase *p, const View *v, const uint32_t *places)
{
    for (size_t i = 0; i < p->size; i++)
        if (!equal_i(p->codes[i], v->code[places[i]]))
            return false;
    return true;
}

/* Every phrase that ends with the symbol at places[n - 1]. */
static void phrases_ending(Matches *out, Arena *arena, const WordRules *rules, const View *v, const uint32_t *places, size_t n,
                           uint32_t state)
{
    size_t end = places[n - 1] + 1;
    if (end < v->n && v->inside[end])
        return;
    for (uint32_t k = automaton_first(rules->automaton, &state); k != AUTOMATON_NONE;
         k = automaton_next(rules->automaton, &state, k)) {
        const Phrase *p = &rules->phrases[k];
        size_t start = places[n - p->size];
        if ((start == 0 || !v->inside[start - 1]) && letters_agree(p, v, places + n - p->size))
            matches_add(out, arena, WORD_BAD, start, end, k);
    }
}

static void find_phrases(Matches *out, Arena *arena, const WordRules *rules, const View *v)
{
    uint32_t state = 0, *places = arena_alloc(arena, (v->n + 1) * sizeof *places);
    size_t n = 0;
    bool spaced = false;
    for (size_t i = 0; i < v->n; i++) {
        bool space = unicode_flags(v->code[i]) & UNICODE_SPACE;
        if (space && spaced)
            continue; /* a run is one space */
        spaced = space;
        places[n++] = (uint32_t)i;
        state = automaton_step(rules->automaton, state, space ? ' ' : symbol_of(v->code[i]));
        phrases_ending(out, arena, rules, v, places, n, state);
    }
}

static void find_years(Matches *out, Arena *arena, const View *v)
{
    for (size_t i = 0, end; i < v->n; i = end + 1) {
        for (end = i; end < v->n && v->code[end] - '0' < 10; end++)
            continue;
        if (end - i == 4)
            matches_add(out, arena, WORD_YEAR, i, end, 0);
    }
}

/* The end of the word that begins at i. */
static size_t word_end(const View *v, size_t i)
{
    for (;;) {
        while (i < v->n && v->inside[i])
            i++;
        bool joint = i + 1 < v->n && (v->code[i] == '\'' || v->code[i] == 0x2019 || v->code[i] == '-') && v->inside[i + 1];
        if (!joint)
            return i;
        i++;
    }
}

/* Every word but the first of its kind. The set of words seen is a table of twice as many slots as there can be words. */
static void find_repeats(Matches *out, Arena *arena, const WordRules *rules, const View *v)
{
    size_t slots = 16;
    while (slots < v->n + 2)
        slots *= 2;
    Folded *seen = arena_calloc(arena, slots, sizeof *seen);
    uint32_t *fold = arena_alloc(arena, 3 * (v->n + 1) * sizeof *fold);
    for (size_t i = 0, end; i < v->n; i = end) {
        end = i + 1;
        if (!v->inside[i])
            continue;
        end = word_end(v, i);
        Folded word = {fold, 0};
        for (size_t k = i; k < end; k++)
            word.size += (size_t)unicode_to_fold(fold + word.size, v->code[k]);
        Folded *slot = folded_slot(seen, slots - 1, &word);
        if (slot->size == 0)
            *slot = word;
        else if (folded_slot(rules->exempt, rules->exempt_mask, &word)->size == 0)
            matches_add(out, arena, WORD_REPEAT, i, end, 0);
        fold += word.size;
    }
}

static int compare_matches(const void *a, const void *b)
{
    const Match *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return (int)x->rule - (int)y->rule;
}

/* Marks the tokens a match touches and tells of it. Both ends of tokens grow, so they are neighbours. */
static void mark(WordMarks *out, const View *v, const Match *m)
{
    size_t start = v->at[m->start], end = v->at[m->end], low = 0, high = out->count;
    const TextRange *tokens = v->caption->tokens;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tokens[middle].end > start)
            high = middle;
        else
            low = middle + 1;
    }
    size_t last = low;
    while (last < out->count && tokens[last].start < end)
        (m->rule == WORD_REPEAT ? out->repeat : m->rule == WORD_GOOD ? out->good : out->bad)[last++] = 1;
    Slice text = {v->caption->whole.data + start, end - start};
    out->fired[out->n_fired++] = (WordFired){m->rule, text, low, last};
}

void word_rules_apply(WordMarks *out, Arena *arena, const WordRules *rules, const CaptionText *caption)
{
    View v;
    Matches m = {0};
    size_t n = caption->count;
    *out = (WordMarks){.bad = arena_calloc(arena, n + 1, 1), .repeat = arena_calloc(arena, n + 1, 1), .count = n};
    view_init(&v, arena, caption);
    find_phrases(&m, arena, rules, &v);
    find_years(&m, arena, &v);
    find_repeats(&m, arena, rules, &v);
    if (m.n > 1)
        qsort(m.items, m.n, sizeof *m.items, compare_matches);
    out->fired = arena_alloc(arena, (m.n + 1) * sizeof *out->fired);
    for (size_t i = 0; i < m.n; i++)
        if (i == 0 || compare_matches(&m.items[i], &m.items[i - 1]))
            mark(out, &v, &m.items[i]);
}

void word_gains_apply(WordMarks *out, Arena *arena, const WordRules *gains, const CaptionText *caption)
{
    View v;
    Matches m = {0};
    bool *said = arena_calloc(arena, gains->n_phrases + 1, sizeof *said);
    view_init(&v, arena, caption);
    find_phrases(&m, arena, gains, &v);
    if (m.n > 1)
        qsort(m.items, m.n, sizeof *m.items, compare_matches);
    WordFired *fired = arena_alloc(arena, (out->n_fired + m.n + 1) * sizeof *fired);
    if (out->n_fired > 0)
        memcpy(fired, out->fired, out->n_fired * sizeof *fired);
    out->fired = fired;
    out->good = arena_calloc(arena, out->count + 1, 1);
    for (size_t i = 0; i < m.n; i++) {
        m.items[i].rule = WORD_GOOD;
        if (!said[m.items[i].phrase])
            mark(out, &v, &m.items[i]);
        said[m.items[i].phrase] = true;
    }
}
