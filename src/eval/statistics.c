/* Counting words; see statistics.h. */
#include "eval/statistics.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

/* A word of a text: its place and the hash of its case-folded form. */
typedef struct Word {
    TextRange bytes;
    uint64_t hash;
} Word;

static bool is_word(const char *p, const char *end, int *size)
{
    bool valid;
    uint32_t code = utf8_decode(p, end, size, &valid);
    return valid && (unicode_flags(code) & UNICODE_WORD);
}

static bool is_joint(const char *p, const char *end, int *size)
{
    bool valid;
    uint32_t code = utf8_decode(p, end, size, &valid);
    return valid && (code == '\'' || code == '-' || code == 0x2019);
}

/* The end of the word that begins at p: [\p{L}\p{M}\p{N}]+(['’-][\p{L}\p{M}\p{N}]+)* */
static const char *word_end(const char *p, const char *end)
{
    int size, next;
    while (p < end) {
        if (is_word(p, end, &size))
            p += size;
        else if (is_joint(p, end, &size) && p + size < end && is_word(p + size, end, &next))
            p += size + next;
        else
            break;
    }
    return p;
}

static uint64_t folded_hash(const char *p, const char *end, Arena *scratch)
{
    uint32_t *codes = arena_alloc(scratch, 3 * (size_t)(end - p) * sizeof *codes);
    size_t n = 0;
    while (p < end) {
        int size;
        bool valid;
        n += (size_t)unicode_to_fold(codes + n, utf8_decode(p, end, &size, &valid));
        p += size;
    }
    return hash_id(codes, n * sizeof *codes);
}

static size_t find_words(Word *out, Slice text, Arena *scratch)
{
    const char *end = text.data + text.size;
    size_t n = 0;
    for (const char *p = text.data; p < end;) {
        int size;
        if (!is_word(p, end, &size)) {
            p += size;
            continue;
        }
        const char *stop = word_end(p, end);
        out[n++] = (Word){{(size_t)(p - text.data), (size_t)(stop - text.data)}, folded_hash(p, stop, scratch)};
        p = stop;
    }
    return n;
}

/* The word rules take marks for tokens; here every word is one. */
static void count_rules(TextCounts *c, Slice text, const Word *words, size_t n, const WordRules *rules, Arena *scratch)
{
    CaptionText caption = {text, text, arena_alloc(scratch, (n + 1) * sizeof(TextRange)), n};
    WordMarks marks;
    for (size_t i = 0; i < n; i++)
        caption.tokens[i] = words[i].bytes;
    word_rules_apply(&marks, scratch, rules, &caption);
    for (size_t i = 0; i < marks.n_fired; i++)
        *(marks.fired[i].rule == WORD_REPEAT ? &c->repeats : &c->bad) += 1;
}

static void add_grams(TextTotals *t, const Word *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t gram[NGRAMS];
        for (size_t k = 0; k < NGRAMS && i + k < n; k++) {
            gram[k] = words[i + k].hash;
            t->all[k]++;
            places_add(&t->grams[k], hash_id(gram, (k + 1) * sizeof gram[0]), 0);
        }
    }
}

TextCounts statistics_add(TextTotals *totals, Slice text, const WordRules *rules, const WordList *colours, Arena *scratch)
{
    TextCounts c = {0};
    Word *words = arena_alloc(scratch, (text.size + 1) * sizeof *words);
    c.words = find_words(words, text, scratch);
    for (size_t i = 0; i < c.words; i++)
        c.colours += places_find(&colours->words, words[i].hash) != SIZE_MAX;
    count_rules(&c, text, words, c.words, rules, scratch);
    add_grams(totals, words, c.words);
    totals->empty += c.words == 0;
    return c;
}

bool word_list_read(WordList *list, const char *path, Error *err)
{
    size_t size;
    char *text = file_read(path, &size, err), *rest = text;
    Arena scratch = {0};
    if (!text)
        return false;
    list->digest = hash_id(text, size);
    for (char *line; (line = strsep(&rest, "\r\n"));) {
        size_t n = strlen(line);
        if (n > 0 && line[0] != '#')
            places_add(&list->words, folded_hash(line, line + n, &scratch), 0);
    }
    free(text);
    arena_release(&scratch);
    return places_count(&list->words) > 0 || error_set(err, "%s: no words in it", path);
}

void word_list_release(WordList *list)
{
    places_release(&list->words);
}

Slice text_cut(Slice text, size_t characters)
{
    const char *p = text.data, *end = text.data + text.size;
    for (size_t n = 0; p < end && n < characters; n++) {
        int size;
        bool valid;
        utf8_decode(p, end, &size, &valid);
        p += size;
    }
    return (Slice){text.data, (size_t)(p - text.data)};
}

void totals_release(TextTotals *totals)
{
    for (size_t k = 0; k < NGRAMS; k++)
        places_release(&totals->grams[k]);
    *totals = (TextTotals){0};
}
