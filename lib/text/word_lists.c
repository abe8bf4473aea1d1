/* Word rules from lists: reading them line by line, phrases into the automaton, exempt words into a table. */
#include "base/hash.h"
#include "base/utf8.h"
#include "text/words.h"

#include <stdlib.h>

#include "base/file.h"
#include "text/word_rules.h"

/* The lines of a list that are neither empty nor comments; slices into text. */
typedef struct List {
    char *text;   /* owned */
    Slice *items; /* owned: [n] */
    size_t n, capacity;
    uint64_t digest; /* of the file's bytes */
} List;

static bool is_space(uint32_t code)
{
    return unicode_flags(code) & UNICODE_SPACE;
}

/* Appends the code points of s without white space at both ends and with single spaces inside. False for invalid UTF-8. */
static bool read_codes(Chars *out, Slice s, Error *err)
{
    const char *end = s.data + s.size;
    int size;
    bool valid, space = false;
    for (const char *p = s.data; p < end; p += size) {
        uint32_t code = utf8_decode(p, end, &size, &valid);
        if (!valid)
            return error_set(err, "invalid UTF-8 at byte %zu", (size_t)(p - s.data));
        bool control = code < 32 || code == 127 || (code >= 0x80 && code < 0xA0) || code == 0x2028 || code == 0x2029;
        if (control && code != '\t')
            return error_set(err, "U+%04X is not part of a phrase", code);
        if (is_space(code)) {
            space = true;
            continue;
        }
        if (space && out->n)
            chars_push(out, ' ', 0);
        space = false;
        chars_push(out, code, 0);
    }
    return true;
}

/* Cuts a file into lines, checking each. */
static bool list_read(List *list, const char *path, Error *err)
{
    size_t size, line = 0;
    Chars codes = {0};
    bool ok = true;
    *list = (List){0};
    if (!path)
        return true;
    list->text = file_read(path, &size, err);
    if (!list->text)
        return false;
    const char *p = list->text, *end = p + size;
    list->digest = hash_id(p, size);
    if (size >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
        p += 3; /* a byte order mark, as some editors write */
    while (ok && p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        Slice s = {p, (size_t)((stop ? stop : end) - p)};
        p = stop ? stop + 1 : end;
        line++;
        if (s.size && s.data[s.size - 1] == '\r')
            s.size--;
        codes.n = 0;
        ok = read_codes(&codes, s, err) || error_prefix(err, "%s:%zu", path, line);
        if (!ok || codes.n == 0 || s.data[0] == '#')
            continue;
        list->items = array_reserve(list->items, &list->capacity, list->n + 1, sizeof *list->items);
        list->items[list->n++] = s;
    }
    chars_release(&codes);
    return ok;
}

static void list_release(List *list)
{
    free(list->text);
    free(list->items);
}

WordRules *word_rules_open(const char *phrases_path, const char *exempt_path, Error *err)
{
    List phrases = {0}, exempt = {0};
    WordRules *rules = NULL;
    if (list_read(&phrases, phrases_path, err) && list_read(&exempt, exempt_path, err))
        rules = word_rules_new(phrases.items, phrases.n, exempt.items, exempt.n, err);
    if (rules)
        rules->digests = (WordListDigests){phrases.digest, exempt.digest};
    list_release(&phrases);
    list_release(&exempt);
    return rules;
}

static bool add_phrases(WordRules *r, const Slice *phrases, size_t n, Error *err)
{
    Chars codes = {0};
    Pattern *patterns = xcalloc(n + 1, sizeof *patterns);
    bool ok = true;
    r->phrases = arena_alloc(&r->arena, (n + 1) * sizeof *r->phrases);
    for (; ok && r->n_phrases < n; r->n_phrases++) {
        Phrase *p = &r->phrases[r->n_phrases];
        codes.n = 0;
        ok = read_codes(&codes, phrases[r->n_phrases], err) && (codes.n || error_set(err, "the phrase is empty"));
        if (!ok) {
            error_prefix(err, "phrase %zu", r->n_phrases + 1);
            break;
        }
        *p = (Phrase){arena_alloc(&r->arena, codes.n * sizeof *p->codes), codes.n};
        memcpy(p->codes, codes.code, codes.n * sizeof *p->codes);
        uint32_t *symbols = arena_alloc(&r->arena, codes.n * sizeof *symbols);
        for (size_t i = 0; i < codes.n; i++)
            symbols[i] = symbol_of(codes.code[i]);
        patterns[r->n_phrases] = (Pattern){symbols, codes.n};
    }
    r->automaton = ok ? automaton_new(patterns, n, err) : NULL;
    chars_release(&codes);
    free(patterns);
    return r->automaton != NULL;
}

static bool add_exempt(WordRules *r, const Slice *words, size_t n, Error *err)
{
    Chars codes = {0};
    bool ok = true;
    for (r->exempt_mask = 15; r->exempt_mask < 2 * n + 1;)
        r->exempt_mask = 2 * r->exempt_mask + 1;
    r->exempt = arena_calloc(&r->arena, r->exempt_mask + 1, sizeof *r->exempt);
    for (size_t i = 0; ok && i < n; i++) {
        codes.n = 0;
        ok = read_codes(&codes, words[i], err) || error_prefix(err, "exempt word %zu", i + 1);
        uint32_t *fold = arena_alloc(&r->arena, (3 * codes.n + 1) * sizeof *fold);
        Folded word = {fold, 0};
        for (size_t k = 0; k < codes.n; k++)
            word.size += (size_t)unicode_to_fold(fold + word.size, codes.code[k]);
        if (ok && word.size)
            *folded_slot(r->exempt, r->exempt_mask, &word) = word;
    }
    chars_release(&codes);
    return ok;
}

WordRules *word_rules_new(const Slice *phrases, size_t n_phrases, const Slice *exempt, size_t n_exempt, Error *err)
{
    WordRules *r = xcalloc(1, sizeof *r);
    if (add_phrases(r, phrases, n_phrases, err) && add_exempt(r, exempt, n_exempt, err))
        return r;
    word_rules_free(r);
    return NULL;
}

WordListDigests word_rules_digests(const WordRules *rules)
{
    return rules->digests;
}

void word_rules_free(WordRules *rules)
{
    if (!rules)
        return;
    automaton_free(rules->automaton);
    arena_release(&rules->arena);
    free(rules);
}
