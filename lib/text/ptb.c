/* Finds the tokens: at each place the longest thing that may stand there; writes those that are not removed as punctuation. */
#include "text/ptb.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/ptb_marks.h"
#include "text/ptb_words.h"
#include "text/unicode.h"

/* What single characters are written as; NULL for most. */
static const char *name_of(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *name;
    } names[] = {
        {'(', "-lrb-"},  {')', "-rrb-"},     {'[', "-lsb-"},    {']', "-rsb-"}, {'{', "-lcb-"}, {'}', "-rcb-"},  {'"', "''"},
        {PTB_LESS, "<"}, {PTB_GREATER, ">"}, {PTB_ENTITY, "'"}, {0x80, "$"},    {0xA4, "$"},    {0x20A0, "$"},   {0x20AC, "$"},
        {0xA2, "cents"}, {0xA3, "#"},        {0xBC, "1/4"},     {0xBD, "1/2"},  {0xBE, "3/4"},  {0x2153, "1/3"}, {0x2154, "2/3"},
        {0x2026, "..."}, {0x91, "`"},        {0x92, "'"},       {0x93, "``"},   {0x94, "''"},   {0x96, "--"},    {0x97, "--"},
        {0xAB, "``"},    {0xBB, "''"},       {0x2013, "--"},    {0x2014, "--"}, {0x2015, "--"}, {0x2018, "`"},   {0x2019, "'"},
        {0x201B, "`"},   {0x201C, "``"},     {0x201D, "''"},    {0x2039, "`"},  {0x203A, "'"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

typedef struct Line {
    char *data; /* [capacity] */
    size_t size, capacity;
} Line;

static void append(Line *line, const char *text, size_t n)
{
    line->data = array_reserve(line->data, &line->capacity, line->size + n, 1);
    memcpy(line->data + line->size, text, n);
    line->size += n;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Java's lower case: a sigma is a final one behind a letter and before none. */
static uint32_t lower(const PtbText *t, size_t i, size_t start, size_t end)
{
    uint32_t c = ptb_at(t, i);
    if (c == 0x3A3 && i > start && ptb_is_letter(t, i - 1) && !(i + 1 < end && ptb_is_letter(t, i + 1)))
        return 0x3C2;
    return c < 0x80 ? (c >= 'A' && c <= 'Z' ? c | 0x20 : c) : unicode_to_lower(c);
}

/* What pycocoevalcap removes. Its list has "-LRB-" and its like too, which are lower case by then: they stay. */
static bool is_punctuation(Slice token)
{
    static const char *const marks[] = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"};
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        if (slice_equal(token, marks[k]))
            return true;
    return false;
}

/* Dashes and full stops of several characters are written as one kind each. */
static const char *run_name(const PtbText *t, size_t start, size_t end)
{
    return ptb_says(t, start, "--") && end - start <= 4 ? "--" : NULL;
}

static void write_character(Line *line, const PtbText *t, size_t i, size_t start, size_t end)
{
    static const char dotted[] = "i\u0307"; /* of U+0130, the one letter whose lower case has two characters */
    bool named =
        end == start + 1 || (end == start + 2 && ptb_is_quote(t, start) && ptb_is_quote(t, start + 1)) || ptb_among(t, i, "()");
    const char *name = named ? name_of(ptb_at(t, i)) : NULL;
    char bytes[4];
    if (ptb_is_apostrophe(t, i) && ptb_is_ending(t, start, end))
        name = "'";
    else if (ptb_is_grave(t, i) && ptb_is_ending(t, start, end))
        name = "`";
    else if (!name && ptb_at(t, i) == PTB_ENTITY)
        name = "&apos;";
    else if (ptb_at(t, i) == 0x130)
        name = dotted;
    else if (ptb_at(t, i) == 0xAD && ptb_at(t, start) != '#') /* a soft hyphen */
        name = end == start + 1 ? "-" : "";
    if (name)
        append(line, name, strlen(name));
    else
        append(line, bytes, (size_t)utf8_encode(bytes, is_space(ptb_at(t, i)) ? 0xA0 : lower(t, i, start, end)));
}

/* The token behind the others, unless it is punctuation. */
static void write_token(Line *line, const PtbText *t, size_t start, size_t end)
{
    size_t before = line->size;
    const char *name = run_name(t, start, end);
    if (before > 0)
        append(line, " ", 1);
    size_t token = line->size;
    if (name)
        append(line, name, strlen(name));
    for (size_t i = start; i < end && !name; i++)
        write_character(line, t, i, start, end);
    if (is_punctuation((Slice){line->data + token, line->size - token}))
        line->size = before;
}

typedef size_t (*Finder)(const PtbText *, size_t);

/* The longest of what begins at i; at equal length it does not matter which it is. A character at least. */
static size_t token_end(const PtbText *t, size_t i)
{
    static const Finder finders[] = {ptb_word_end,    ptb_short_end, ptb_initials_end, ptb_abbreviation_end, ptb_number_end,
                                     ptb_address_end, ptb_tag_end,   ptb_face_end,     ptb_run_end};
    size_t best = i + 1;
    for (size_t k = 0; k < sizeof finders / sizeof *finders; k++) {
        size_t end = finders[k](t, i);
        if (finders[k] == ptb_word_end)
            end = ptb_stem_end(t, i, end);
        if (end > best)
            best = end;
    }
    return best;
}

Slice ptb_tokenize(Slice text, Arena *arena)
{
    PtbText t = ptb_decode(text, arena);
    Line line = {0};
    for (size_t i = 0; i < t.n;) {
        size_t end = token_end(&t, i);
        if (end > i + 1 || ptb_kind(&t, i) != PTB_DROPPED)
            write_token(&line, &t, i, end);
        i = end;
    }
    char *copy = arena_alloc(arena, line.size + 1);
    memcpy(copy, line.data ? line.data : "", line.size);
    free(line.data);
    return (Slice){copy, line.size};
}
