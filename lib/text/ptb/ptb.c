/* Cuts a text into tokens by the rules of ptb_rules.c, and writes those that are not removed as punctuation. */
#include "text/ptb/ptb.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/ptb/ptb_rules.h"
#include "text/unicode/unicode.h"

/* A token has no more units, or it is cut: a text without spaces takes its time times this at most. */
enum { LONGEST_TOKEN = 4096 };

struct Ptb {
    Lexer *lexer;
    char *line; /* owned: the tokens so far */
    size_t size, capacity;
};

Ptb *ptb_new(void)
{
    Ptb *p = xcalloc(1, sizeof *p);
    LexerRule *rules = xmalloc(ptb_n_rules * sizeof *rules);
    for (size_t i = 0; i < ptb_n_rules; i++)
        rules[i] = (LexerRule){ptb_rules[i].looks, ptb_rules[i].before};
    p->lexer = lexer_new(ptb_names, ptb_n_names, rules, ptb_n_rules);
    free(rules);
    return p;
}

void ptb_free(Ptb *p)
{
    if (!p)
        return;
    lexer_free(p->lexer);
    free(p->line);
    free(p);
}

/* ---- the text ---- */

typedef struct Units {
    uint16_t *at; /* [n + 2], in the arena */
    size_t n;
} Units;

/* The text in UTF-16. Behind it another one begins, as it does in a file of captions: some rules look there. */
static Units units_of(Slice text, Arena *arena)
{
    Units u = {arena_alloc(arena, (text.size + 2) * sizeof *u.at), 0};
    for (size_t i = 0; i < text.size;) {
        int size;
        bool valid;
        uint32_t code = utf8_decode(text.data + i, text.data + text.size, &size, &valid);
        i += (size_t)size;
        if (code >= 0x10000) {
            u.at[u.n++] = (uint16_t)(0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + (code & 0x3FF);
        }
        u.at[u.n++] = code == '\n' || code == '\r' ? ' ' : (uint16_t)code;
    }
    u.at[u.n] = '\n';
    u.at[u.n + 1] = 'x';
    return u;
}

/* The character at i < end; *size is its units. */
static uint32_t code_at(const uint16_t *units, size_t i, size_t end, size_t *size)
{
    bool pair = (units[i] & 0xFC00) == 0xD800 && i + 1 < end;
    *size = pair ? 2 : 1;
    return pair ? 0x10000 + ((units[i] & 0x3FFu) << 10) + (units[i + 1] & 0x3FFu) : units[i];
}

/* ---- writing ---- */

static void append(Ptb *p, const char *text, size_t n)
{
    p->line = array_reserve(p->line, &p->capacity, p->size + n, 1);
    memcpy(p->line + p->size, text, n);
    p->size += n;
}

/* What pycocoevalcap removes. Its list has "-LRB-" and its like too, which are lower case by then: they stay. */
static bool is_punctuation(Slice token)
{
    static const char *const marks[] = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"};
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        if (slice_equal(token, marks[k]))
            return true;
    return token.size == 0;
}

/* Java's words (BreakIterator) as far as it matters: letters of an alphabet with what is on them, digits, and single marks
 * between. */
static bool is_alphabetic(uint32_t c)
{
    bool kana = c >= 0x3040 && c < 0x3100;
    return !kana && (unicode_flags(c) & (UNICODE_WORD | UNICODE_BERT_CJK)) == UNICODE_WORD;
}

static bool is_letter(uint32_t c)
{
    return is_alphabetic(c) && (unicode_flags(c) & UNICODE_LETTER);
}

static bool is_joint(uint32_t c)
{
    return c == '\'' || c == '"' || c == '.' || c == '-' || c == '_' || c == 0x2010 || c == 0xAD || c == 0x2027;
}

/* Letters before U+0530, of Latin, Greek and Cyrillic, have a case also where the other one is no letter of its own; those that
 * modify others have none. */
static bool is_cased(uint32_t c)
{
    bool alphabet = c < 0x2B9 || (c >= 0x370 && c < 0x530);
    return unicode_to_lower(c) != c || unicode_to_equal(c) != c || (alphabet && (unicode_flags(c) & UNICODE_LETTER));
}

/* Whether the word goes on from units[i], step by step, to a letter that has a case. Of a joint, letters are on both sides. */
static bool cased_on(const uint16_t *units, size_t i, size_t n, size_t step)
{
    for (; i < n; i += step) {
        if (is_cased(units[i]))
            return true;
        bool joined = is_joint(units[i]) && i + step < n && is_letter(units[i - step]) && is_letter(units[i + step]);
        if (!is_alphabetic(units[i]) && !joined)
            return false;
    }
    return false;
}

/* Java's lower case: a sigma is a final one in a word with letters before it and none behind it. */
static uint32_t lower(const uint16_t *units, size_t i, size_t n, uint32_t code)
{
    if (code == 0x3A3 && cased_on(units, i - 1, n, (size_t)-1) && !cased_on(units, i + 1, n, 1))
        return 0x3C2;
    return code < 0x80 ? (code >= 'A' && code <= 'Z' ? code | 0x20 : code) : unicode_to_lower(code);
}

static const char *quote_name(uint32_t code)
{
    switch (code) {
    case 0x91:
    case 0x2018:
    case 0x201B:
    case 0x2039:
        return "`";
    case 0x92:
    case 0x2019:
    case 0x203A:
        return "'";
    case 0x93:
    case 0x201C:
    case 0xAB:
        return "``";
    case 0x94:
    case 0x201D:
    case 0xBB:
        return "''";
    default:
        return NULL;
    }
}

/* What a character is written as in a token of this kind; NULL: itself, in lower case. */
static const char *name_of(PtbWrite write, uint32_t code)
{
    if (code == 0x130)
        return "i\u0307"; /* the one letter whose lower case has two characters */
    if (write == PTB_JOINED && code == 0xAD)
        return "";
    if (write == PTB_QUOTED)
        return quote_name(code);
    if ((write == PTB_BOUND || write == PTB_ROUND) && code == ' ')
        return "\u00A0";
    if (write == PTB_ROUND && (code == '(' || code == ')'))
        return code == '(' ? "-lrb-" : "-rrb-";
    return NULL;
}

/* Units of the entity at the beginning that is written as one character, *as; 0 for none. */
static size_t entity_size(PtbWrite write, const uint16_t *units, size_t n, const char **as)
{
    const char *entity = write == PTB_AND ? "&amp;" : write == PTB_QUOTED ? "&apos;" : "";
    *as = write == PTB_AND ? "&" : "'";
    for (size_t i = 0; entity[i]; i++)
        if (i == n || lower(units, i, n, units[i]) != (unsigned char)entity[i])
            return 0;
    return strlen(entity);
}

static void write_characters(Ptb *p, PtbWrite write, const uint16_t *units, size_t n)
{
    size_t start = p->size, size;
    for (size_t i = 0; i < n; i += size) {
        char bytes[4];
        const char *as;
        size = entity_size(write, units + i, n - i, &as);
        if (size == 0) {
            uint32_t code = code_at(units, i, n, &size);
            as = name_of(write, code);
            if (!as) {
                append(p, bytes, (size_t)utf8_encode(bytes, lower(units, i, n, code)));
                continue;
            }
        }
        append(p, as, strlen(as));
    }
    if (p->size == start && write == PTB_JOINED) /* nothing but soft hyphens */
        append(p, "-", 1);
}

/* The token behind the others, unless it is punctuation. */
static void write_token(Ptb *p, const PtbRule *rule, const uint16_t *units, size_t n)
{
    size_t before = p->size;
    if (before > 0)
        append(p, " ", 1);
    size_t token = p->size;
    if (rule->as)
        append(p, rule->as, strlen(rule->as));
    else
        write_characters(p, rule->write, units, n);
    if (is_punctuation((Slice){p->line + token, p->size - token}))
        p->size = before;
}

Slice ptb_tokenize(Ptb *p, Slice text, Arena *arena)
{
    const Units u = units_of(text, arena);
    p->size = 0;
    for (size_t i = 0, size; i < u.n; i += size) {
        size_t left = u.n + 2 - i;
        int rule = lexer_match(p->lexer, u.at + i, left < LONGEST_TOKEN ? left : LONGEST_TOKEN, &size);
        if (rule < 0) {
            size = 1; /* spaces, and what is in no token */
            continue;
        }
        size -= ptb_rules[rule].back;
        write_token(p, &ptb_rules[rule], u.at + i, size);
    }
    return (Slice){arena_strndup(arena, p->line ? p->line : "", p->size), p->size};
}
