/*
 * NFD and NFC (UAX 15) with the data of Unicode 9, keeping track of origins as the tokenizers library does.
 *
 * That library describes a normal form as a list of (character, change): 1 is an inserted character, 0 replaces the next
 * one of the input, -n replaces it and removes n more. Reordering moves the pairs, and origins are dealt out to the finished
 * list from left to right; so origins are by place, not by character, which is what its offsets show.
 */
#include "text/unicode/unicode.h"

#include <string.h>

#include "text/unicode/unicode_data.h"

enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, L_COUNT = 19, V_COUNT = 21, T_COUNT = 28 };
enum { S_COUNT = L_COUNT * V_COUNT * T_COUNT };

static unsigned combining_class(uint32_t code)
{
    size_t low = 0, high = unicode_n_combining;
    if (code < 0x300)
        return 0;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (unicode_combining[middle].start <= code)
            low = middle;
        else
            high = middle;
    }
    return unicode_combining[low].value;
}

static const UnicodeDecomposition *decomposition(uint32_t code)
{
    size_t low = 0, high = unicode_n_decompositions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unicode_decompositions[middle].code == code)
            return &unicode_decompositions[middle];
        if (unicode_decompositions[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* In scratch, origin holds the change. */
static void push_decomposed(Chars *out, uint32_t code, int32_t change)
{
    uint32_t s = code - S_BASE;
    if (code < 0xC0) {
        chars_push(out, code, (uint32_t)change);
    } else if (s < S_COUNT) {
        chars_push(out, L_BASE + s / (V_COUNT * T_COUNT), (uint32_t)change);
        chars_push(out, V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT, 1);
        if (s % T_COUNT)
            chars_push(out, T_BASE + s % T_COUNT, 1);
    } else {
        const UnicodeDecomposition *d = decomposition(code);
        if (!d) {
            chars_push(out, code, (uint32_t)change);
            return;
        }
        push_decomposed(out, d->first, change);
        if (d->second)
            push_decomposed(out, d->second, 1);
    }
}

/* Canonical ordering: a stable insertion sort of each run of marks. */
static void reorder(Chars *s)
{
    for (size_t i = 1; i < s->n; i++) {
        unsigned class = combining_class(s->code[i]);
        uint32_t code = s->code[i], change = s->origin[i];
        size_t k = i;
        while (class && k > 0 && combining_class(s->code[k - 1]) > class) {
            s->code[k] = s->code[k - 1];
            s->origin[k] = s->origin[k - 1];
            k--;
        }
        s->code[k] = code;
        s->origin[k] = change;
    }
}

static uint32_t compose(uint32_t a, uint32_t b)
{
    if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b - T_BASE - 1 < T_COUNT - 1)
        return a + (b - T_BASE);
    size_t low = 0, high = unicode_n_compositions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const UnicodeDecomposition *d = &unicode_decompositions[unicode_compositions[middle]];
        if (d->first == a && d->second == b)
            return d->code;
        if (d->first < a || (d->first == a && d->second < b))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Composes in place; a composed pair's changes add up, less the one character that is gone. */
static void recompose(Chars *s)
{
    size_t n = 0, starter = SIZE_MAX;
    unsigned last = 0; /* class of the character before, among those that stay behind the starter */
    for (size_t i = 0; i < s->n; i++) {
        unsigned class = combining_class(s->code[i]);
        bool blocked = starter == SIZE_MAX || (n > starter + 1 && last >= class);
        uint32_t whole = blocked ? 0 : compose(s->code[starter], s->code[i]);
        if (whole) {
            s->code[starter] = whole;
            s->origin[starter] += s->origin[i] - 1;
            continue;
        }
        if (class == 0)
            starter = n;
        last = class;
        s->code[n] = s->code[i];
        s->origin[n++] = s->origin[i];
    }
    s->n = n;
}

/* From changes to origins; the result is in s. */
static void deal_origins(Chars *s, const Chars *changed)
{
    size_t next = 0, n = s->n;
    uint32_t *origins = s->origin;
    Chars out = {0};
    for (size_t i = 0; i < changed->n; i++) {
        int32_t change = (int32_t)changed->origin[i];
        size_t place = change > 0 ? (next ? next - 1 : 0) : next;
        chars_push(&out, changed->code[i], origins[place < n ? place : n - 1]);
        if (change <= 0)
            next += 1 + (size_t)-change;
    }
    chars_release(s);
    *s = out;
}

/* Whether every character is its own normal form, whatever stands beside it. */
static bool is_inert(const Chars *s, uint32_t below)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->code[i] >= below)
            return false;
    return true;
}

static void normalize(Chars *s, Chars *scratch, bool composed)
{
    scratch->n = 0;
    for (size_t i = 0; i < s->n; i++)
        push_decomposed(scratch, s->code[i], 0);
    reorder(scratch);
    if (composed)
        recompose(scratch);
    deal_origins(s, scratch);
}

void chars_nfd(Chars *s, Chars *scratch)
{
    if (!is_inert(s, 0xC0))
        normalize(s, scratch, false);
}

void chars_nfc(Chars *s, Chars *scratch)
{
    if (!is_inert(s, 0x300))
        normalize(s, scratch, true);
}
