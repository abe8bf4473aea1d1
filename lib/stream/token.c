/* Tokens of msgpack and the walk over a value; see token.h. */
#include "stream/token.h"

#include <string.h>

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static double real_at(const uint8_t *p, size_t n)
{
    uint64_t bits = big_endian(p, n);
    if (n == 8) {
        double d;
        memcpy(&d, &bits, 8);
        return d;
    }
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, 4);
    return (double)f;
}

static Token natural_token(size_t head, uint64_t v)
{
    Token t = {.head = head};
    t.kind = v > INT64_MAX ? TOKEN_UINT : TOKEN_INT;
    t.as.natural = v; /* the same bits as integer where it fits */
    return t;
}

static Token integer_token(size_t head, int64_t v)
{
    Token t = {.kind = TOKEN_INT, .head = head};
    t.as.integer = v;
    return t;
}

/* What follows 0xc0..0xdf: the kind and how many bytes of number follow the first byte. */
typedef struct Form {
    uint8_t kind, width;
} Form;

enum { BAD = 0xff, SIGNED = 0xfe };

static const Form forms[32] = {
    [0x00] = {TOKEN_NIL, 0},   [0x01] = {BAD, 0},          [0x02] = {TOKEN_BOOL, 0},   [0x03] = {TOKEN_BOOL, 0},
    [0x04] = {TOKEN_BIN, 1},   [0x05] = {TOKEN_BIN, 2},    [0x06] = {TOKEN_BIN, 4},    [0x07] = {TOKEN_EXT, 1},
    [0x08] = {TOKEN_EXT, 2},   [0x09] = {TOKEN_EXT, 4},    [0x0a] = {TOKEN_REAL, 4},   [0x0b] = {TOKEN_REAL, 8},
    [0x0c] = {TOKEN_INT, 1},   [0x0d] = {TOKEN_INT, 2},    [0x0e] = {TOKEN_INT, 4},    [0x0f] = {TOKEN_INT, 8},
    [0x10] = {SIGNED, 1},      [0x11] = {SIGNED, 2},       [0x12] = {SIGNED, 4},       [0x13] = {SIGNED, 8},
    [0x14] = {TOKEN_EXT, 0},   [0x15] = {TOKEN_EXT, 0},    [0x16] = {TOKEN_EXT, 0},    [0x17] = {TOKEN_EXT, 0},
    [0x18] = {TOKEN_EXT, 0},   [0x19] = {TOKEN_STRING, 1}, [0x1a] = {TOKEN_STRING, 2}, [0x1b] = {TOKEN_STRING, 4},
    [0x1c] = {TOKEN_ARRAY, 2}, [0x1d] = {TOKEN_ARRAY, 4},  [0x1e] = {TOKEN_MAP, 2},    [0x1f] = {TOKEN_MAP, 4},
};

/* 0xc0..0xdf: the first byte says what it is and how wide its number is. */
static TokenStatus token_read_long(Token *t, const uint8_t *p, size_t n)
{
    uint8_t first = p[0];
    Form f = forms[first - 0xc0];
    size_t head = 1u + f.width + (f.kind == TOKEN_EXT);
    if (f.kind == BAD)
        return TOKEN_BAD;
    if (n < head)
        return TOKEN_SHORT;
    uint64_t v = big_endian(p + 1, f.width);
    *t = (Token){.kind = (TokenKind)f.kind, .head = head};
    switch (f.kind) {
    case TOKEN_NIL:
        break;
    case TOKEN_BOOL:
        t->as.boolean = first & 1;
        break;
    case TOKEN_REAL:
        t->as.real = real_at(p + 1, f.width);
        break;
    case TOKEN_INT:
        *t = natural_token(head, v);
        break;
    case SIGNED:
        /* Shift up, then down arithmetically: the sign of a narrow number. */
        *t = integer_token(head, (int64_t)(v << (64 - 8 * f.width)) >> (64 - 8 * f.width));
        break;
    case TOKEN_EXT:
        t->as.type = (int8_t)p[head - 1];
        t->size = f.width ? v : (uint64_t)1 << (first - 0xd4);
        break;
    case TOKEN_ARRAY:
    case TOKEN_MAP:
        t->count = v;
        break;
    default:
        t->size = v;
    }
    return TOKEN_OK;
}

TokenStatus token_read(Token *t, const uint8_t *p, size_t n)
{
    if (n < 1)
        return TOKEN_SHORT;
    uint8_t b = p[0];
    if (b < 0x80)
        *t = integer_token(1, b);
    else if (b < 0x90)
        *t = (Token){.kind = TOKEN_MAP, .head = 1, .count = b & 15};
    else if (b < 0xa0)
        *t = (Token){.kind = TOKEN_ARRAY, .head = 1, .count = b & 15};
    else if (b < 0xc0)
        *t = (Token){.kind = TOKEN_STRING, .head = 1, .size = b & 31};
    else if (b >= 0xe0)
        *t = integer_token(1, (int8_t)b);
    else
        return token_read_long(t, p, n);
    return TOKEN_OK;
}

Token token_at(const void *p)
{
    Token t = {0};
    if (token_read(&t, p, SIZE_MAX) != TOKEN_OK)
        bug("token 0x%02x in a validated value", *(const uint8_t *)p);
    return t;
}

static uint64_t token_children(const Token *t)
{
    return t->kind == TOKEN_MAP ? 2 * t->count : t->count;
}

size_t value_size(const void *p)
{
    const uint8_t *at = p;
    for (uint64_t left = 1; left > 0; left--) {
        Token t = token_at(at);
        at += t.head + t.size;
        left += token_children(&t);
    }
    return (size_t)(at - (const uint8_t *)p);
}

Slice value_string(const void *p)
{
    Token t = token_at(p);
    return t.kind == TOKEN_STRING ? (Slice){(const char *)p + t.head, t.size} : (Slice){NULL, 0};
}

void scan_init(Scan *s)
{
    /* Intentionally not the whole struct: `remaining` is set as the walk goes down. */
    s->position = 0;
    s->depth = 0;
    s->remaining[0] = 1;
    s->done = false;
    s->fault = NULL;
}

static ScanStatus scan_fault(Scan *s, const char *fault)
{
    s->fault = fault;
    return SCAN_BAD;
}

/* Steps over one token; goes down into arrays and maps and up again where they are complete. */
static ScanStatus scan_step(Scan *s, const Token *t)
{
    s->position += t->head + t->size;
    if (s->position > RECORD_MAX || token_children(t) > RECORD_MAX)
        return scan_fault(s, "a record of more than 1 GiB");
    s->remaining[s->depth]--;
    if (t->count > 0) {
        if (s->depth == DEPTH_MAX)
            return scan_fault(s, "nested deeper than 256 levels");
        s->remaining[++s->depth] = token_children(t);
    }
    while (s->depth > 0 && s->remaining[s->depth] == 0)
        s->depth--;
    s->done = s->depth == 0 && s->remaining[0] == 0;
    return SCAN_MORE;
}

ScanStatus scan_run(Scan *s, const void *data, uint64_t n)
{
    const uint8_t *p = data;
    if (s->fault)
        return SCAN_BAD;
    while (!s->done && s->position < n) {
        Token t;
        TokenStatus status = token_read(&t, p + s->position, n - s->position);
        if (status == TOKEN_BAD)
            return scan_fault(s, "byte 0xc1, which msgpack does not use");
        if (status == TOKEN_SHORT)
            return SCAN_MORE;
        if (scan_step(s, &t) == SCAN_BAD)
            return SCAN_BAD;
    }
    return s->done && s->position <= n ? SCAN_DONE : SCAN_MORE;
}

size_t values_count(Slice values)
{
    const uint8_t *data = (const uint8_t *)values.data;
    size_t n = 0, at = 0;
    uint64_t left = 0;
    while (at < values.size) {
        Token t;
        if (token_read(&t, data + at, values.size - at) != TOKEN_OK || t.size > values.size - at - t.head)
            return SIZE_MAX;
        if (left == 0) {
            n++;
            left = 1;
        }
        left += token_children(&t) - 1;
        at += t.head + t.size;
    }
    return left == 0 ? n : SIZE_MAX;
}

bool value_whole(Slice v)
{
    Scan s;
    scan_init(&s);
    return v.data && scan_run(&s, v.data, v.size) == SCAN_DONE && s.position == v.size;
}
