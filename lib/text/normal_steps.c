/*
 * What a unigram tokenizer does to a text before it is cut up, step by step, as its tokenizer.json lists it. Origins follow the
 * library's alignment: what replaces characters stands for the last of them.
 */
#include "base/utf8.h"
#include "text/unicode/graphemes.h"
#include "text/pieces.h"

enum { MAPPED_MOST = 6 }; /* bytes from which on a cluster is mapped character by character */

static void lower(Chars *out, const Chars *s)
{
    for (size_t i = 0; i < s->n; i++) {
        bool dotted = s->code[i] == 0x130;
        chars_push(out, dotted ? 'i' : unicode_to_lower(s->code[i]), s->origin[i]);
        if (dotted)
            chars_push(out, 0x307, s->origin[i]);
    }
}

/* ASCII's 32, which Python calls string.punctuation. */
static bool is_punctuation(uint32_t code)
{
    return code > ' ' && code < 127 && !(unicode_flags(code) & (UNICODE_LETTER | UNICODE_NUMBER));
}

static void drop_punctuation(Chars *out, const Chars *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!is_punctuation(s->code[i]))
            chars_push(out, s->code[i], s->origin[i]);
}

static bool is_space(uint32_t code)
{
    return unicode_flags(code) & UNICODE_SPACE;
}

static bool is_blank(uint32_t code)
{
    return code == ' ';
}

/* Each run of at least `least` characters of the class becomes one space. */
static void join_runs(Chars *out, const Chars *s, bool (*belongs)(uint32_t), size_t least)
{
    for (size_t i = 0, end; i < s->n; i = end) {
        for (end = i; end < s->n && belongs(s->code[end]);)
            end++;
        if (end - i >= least)
            chars_push(out, ' ', s->origin[end - 1]);
        else
            for (end = end > i ? end : i + 1; i < end; i++)
                chars_push(out, s->code[i], s->origin[i]);
    }
}

static void strip(Chars *out, const Chars *s)
{
    size_t from = 0, to = s->n;
    while (from < to && is_space(s->code[from]))
        from++;
    while (to > from && is_space(s->code[to - 1]))
        to--;
    for (size_t i = from; i < to; i++)
        chars_push(out, s->code[i], s->origin[i]);
}

/*
 * Puts a text in place of `old` characters. Each character has a change in place of its origin: 0 stands for the next one of the
 * old text, 1 for the one before that, and less than 0 takes so many more of the old ones with it.
 */
static void put_mapped(Chars *out, size_t old, Slice text)
{
    const char *end = text.data + text.size;
    size_t n = 0;
    int size;
    bool valid;
    for (const char *p = text.data; p < end; p += size, n++)
        chars_push(out, utf8_decode(p, end, &size, &valid), n < old ? 0 : 1);
    if (n < old && out->n > 0)
        out->origin[out->n - 1] -= (uint32_t)(old - n);
}

/* From changes to origins. */
static void align(Chars *out, const Chars *s)
{
    for (size_t i = 0, next = 0; i < out->n; i++) {
        const int32_t change = (int32_t)out->origin[i];
        const size_t at = change > 0 && next > 0 ? next - 1 : next;
        out->origin[i] = s->origin[at < s->n ? at : s->n - 1];
        next += change > 0 ? 0 : (size_t)(1 - change);
    }
}

/* Whole clusters first, if they are short; else each character by itself. */
static void map_charsmap(Chars *out, const Chars *s, const Charsmap *map)
{
    char bytes[12]; /* less than MAPPED_MOST, and one character more */
    for (size_t i = 0, end; i < s->n; i = end) {
        end = grapheme_end(s->code, i, s->n);
        size_t size = 0;
        for (size_t k = i; k < end && size < MAPPED_MOST; k++)
            size += (size_t)utf8_encode(bytes + size, s->code[k]);
        const Slice whole = size < MAPPED_MOST ? charsmap_find(map, (Slice){bytes, size}) : (Slice){0};
        if (whole.data)
            put_mapped(out, end - i, whole);
        for (size_t k = i; !whole.data && k < end; k++) {
            const Slice one = charsmap_find(map, (Slice){bytes, (size_t)utf8_encode(bytes, s->code[k])});
            if (one.data)
                put_mapped(out, 1, one);
            else
                chars_push(out, s->code[k], 0);
        }
    }
    align(out, s);
}

static void run_step(Chars *out, const Chars *s, NormalStep step, const Charsmap *map)
{
    switch (step) {
    case NORMAL_LOWER:
        lower(out, s);
        break;
    case NORMAL_NO_PUNCTUATION:
        drop_punctuation(out, s);
        break;
    case NORMAL_ONE_SPACE:
        join_runs(out, s, is_space, 1);
        break;
    case NORMAL_ONE_BLANK:
        join_runs(out, s, is_blank, 2);
        break;
    case NORMAL_STRIP:
        strip(out, s);
        break;
    case NORMAL_CHARSMAP:
        map_charsmap(out, s, map);
        break;
    }
}

void normalize_steps(Chars *s, Chars *scratch, const Vocab *v)
{
    for (size_t i = 0; i < v->n_steps; i++) {
        scratch->n = 0;
        run_step(scratch, s, v->steps[i], &v->charsmap);
        chars_swap(s, scratch);
    }
}
