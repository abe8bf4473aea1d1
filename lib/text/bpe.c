/*
 * Byte-level BPE: the bytes of a piece are merged pair by pair, the pair of lowest rank first, the leftmost of equals first
 * (Sennrich et al. 2016; Radford et al. 2019 for the bytes).
 *
 * A heap of pairs makes long pieces n log n; short ones come from a direct-mapped cache, which is what makes captions fast.
 */
#include "base/hash.h"
#include "base/utf8.h"
#include "text/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_SLOTS = 1 << 14, CACHE_BYTES = 22, CACHE_TOKENS = 8 };
#define NO_RANK UINT32_MAX
#define NOBODY UINT32_MAX

typedef struct CacheEntry {
    uint64_t hash;
    uint8_t size, n; /* size 0: empty */
    char bytes[CACHE_BYTES];
    int32_t ids[CACHE_TOKENS];
    uint8_t sizes[CACHE_TOKENS]; /* bytes of each token */
} CacheEntry;

/* One symbol of a piece: bytes [start, start + size), and its merge with the next one. */
typedef struct Symbol {
    int32_t id, product;
    uint32_t rank, previous, next, start, size;
} Symbol;

struct Bpe {
    int32_t first[256], last[256]; /* the id of a byte (SentencePiece: where its character is no row), and of a byte that ends its
                                      piece (CLIP's </w>); -1 for none */
    int32_t unknown;
    CacheEntry *cache; /* owned, as what follows */
    char *bytes;       /* the piece as UTF-8 */
    char *name;        /* the piece as the vocabulary would spell it */
    uint32_t *owner;   /* the character of each byte */
    Symbol *symbols;
    uint64_t *heap; /* rank << 32 | symbol */
    size_t heap_n;
    size_t bytes_capacity, name_capacity, owner_capacity, symbols_capacity, heap_capacity;
};

/* GPT-2's bytes_to_unicode: printable bytes are themselves, the other 68 are U+0100 on. */
static bool is_printable(unsigned b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b != 173);
}

uint32_t character_of_byte(uint8_t byte)
{
    if (is_printable(byte))
        return byte;
    return byte <= 32 ? 256u + byte : byte == 173 ? 256u + 67 : 256u + 33 + (byte - 127u);
}

int byte_of_character(uint32_t code)
{
    if (code < 256)
        return is_printable(code) ? (int)code : -1;
    uint32_t n = code - 256;
    return n <= 32 ? (int)n : n < 67 ? (int)(n - 33 + 127) : n == 67 ? 173 : -1;
}

Bpe *bpe_new(const Vocab *v)
{
    Bpe *b = xcalloc(1, sizeof *b);
    b->cache = xcalloc(CACHE_SLOTS, sizeof *b->cache);
    b->unknown = v->unknown.size ? vocab_find(v, v->unknown) : -1;
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        size_t n = (size_t)(v->kind == TOKENIZER_SENTENCEPIECE ? snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte)
                                                               : utf8_encode(name, character_of_byte((uint8_t)byte)));
        b->first[byte] = b->last[byte] = vocab_find(v, (Slice){name, n});
        if (v->kind == TOKENIZER_CLIP) {
            memcpy(name + n, "</w>", 4);
            b->last[byte] = vocab_find(v, (Slice){name, n + 4});
        }
    }
    return b;
}

size_t bpe_memory(const Bpe *b)
{
    return b ? CACHE_SLOTS * sizeof *b->cache : 0;
}

void bpe_free(Bpe *b)
{
    if (!b)
        return;
    free(b->cache);
    free(b->bytes);
    free(b->name);
    free(b->owner);
    free(b->symbols);
    free(b->heap);
    free(b);
}

static void heap_push(Bpe *b, uint64_t item)
{
    b->heap = array_reserve(b->heap, &b->heap_capacity, b->heap_n + 1, sizeof *b->heap);
    size_t i = b->heap_n++;
    for (; i && b->heap[(i - 1) / 2] > item; i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = item;
}

static uint64_t heap_pop(Bpe *b)
{
    uint64_t top = b->heap[0], item = b->heap[--b->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= b->heap_n)
            break;
        child += child + 1 < b->heap_n && b->heap[child + 1] < b->heap[child];
        if (b->heap[child] >= item)
            break;
        b->heap[i] = b->heap[child];
        i = child;
    }
    if (b->heap_n)
        b->heap[i] = item;
    return top;
}

/* Looks up the merge of symbol i with the next one, and puts it on the heap. */
static void pair_find(Bpe *b, const Vocab *v, uint32_t i)
{
    Symbol *s = &b->symbols[i];
    const Merge *m = s->next == NOBODY ? NULL : vocab_merge_find(v, s->id, b->symbols[s->next].id);
    s->rank = m ? m->rank : NO_RANK;
    s->product = m ? m->product : -1;
    if (m)
        heap_push(b, (uint64_t)m->rank << 32 | i);
}

static void merge_all(Bpe *b, const Vocab *v)
{
    while (b->heap_n) {
        uint64_t item = heap_pop(b);
        Symbol *s = &b->symbols[(uint32_t)item];
        if (s->rank != item >> 32) /* merged away, or its neighbour was */
            continue;
        Symbol *gone = &b->symbols[s->next];
        s->id = s->product;
        s->size = gone->start + gone->size - s->start;
        s->next = gone->next;
        gone->rank = NO_RANK;
        if (s->next != NOBODY)
            b->symbols[s->next].previous = (uint32_t)item;
        pair_find(b, v, (uint32_t)item);
        if (s->previous != NOBODY)
            pair_find(b, v, s->previous);
    }
}

/* Appends a symbol; the last one's `next` is set when there are no more. */
static void symbol_push(Bpe *b, uint32_t *n, int32_t id, size_t start, size_t size)
{
    b->symbols[*n] = (Symbol){id, -1, NO_RANK, *n ? *n - 1 : NOBODY, *n + 1, (uint32_t)start, (uint32_t)size};
    (*n)++;
}

/* SentencePiece: one symbol for each character that is a row, else one for each of its bytes ("<0x0A>"), else the unknown token.
 */
static uint32_t symbols_of_characters(Bpe *b, const Vocab *v, size_t size)
{
    uint32_t n = 0;
    b->symbols = array_reserve(b->symbols, &b->symbols_capacity, size, sizeof *b->symbols);
    for (size_t i = 0, end; i < size; i = end) {
        for (end = i + 1; end < size && b->owner[end] == b->owner[i];)
            end++;
        int32_t id = vocab_find(v, (Slice){b->bytes + i, end - i});
        bool bytes = id < 0;
        for (size_t k = i; k < end; k++)
            bytes = bytes && b->first[(uint8_t)b->bytes[k]] >= 0;
        id = id < 0 ? b->unknown : id;
        for (size_t k = i; bytes && k < end; k++)
            symbol_push(b, &n, b->first[(uint8_t)b->bytes[k]], k, 1);
        if (!bytes && id >= 0)
            symbol_push(b, &n, id, i, end - i);
    }
    if (n)
        b->symbols[n - 1].next = NOBODY;
    return n;
}

/* One symbol for each byte that has an id; a byte without one is the unknown token, or nothing if there is none. */
static uint32_t symbols_init(Bpe *b, size_t size)
{
    uint32_t n = 0;
    b->symbols = array_reserve(b->symbols, &b->symbols_capacity, size, sizeof *b->symbols);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)b->bytes[i];
        int32_t id = i + 1 == size ? b->last[byte] : b->first[byte];
        id = id < 0 ? b->unknown : id;
        if (id < 0)
            continue;
        symbol_push(b, &n, id, i, 1);
    }
    if (n)
        b->symbols[n - 1].next = NOBODY;
    return n;
}

static void push_token(Bpe *b, TokenList *out, const Chars *s, int32_t id, size_t start, size_t size)
{
    token_list_push(out, id, s->origin[b->owner[start]], s->origin[b->owner[start + size - 1]]);
}

static void cache_store(CacheEntry *e, const Bpe *b, size_t size, uint64_t hash)
{
    size_t n = 0, covered = 0;
    for (uint32_t i = 0; i != NOBODY; i = b->symbols[i].next) {
        if (n == CACHE_TOKENS || b->symbols[i].start != covered)
            return;
        covered += b->symbols[i].size;
        n++;
    }
    if (covered != size)
        return;
    *e = (CacheEntry){.hash = hash, .size = (uint8_t)size, .n = 0};
    memcpy(e->bytes, b->bytes, size);
    for (uint32_t i = 0; i != NOBODY; i = b->symbols[i].next) {
        e->ids[e->n] = b->symbols[i].id;
        e->sizes[e->n++] = (uint8_t)b->symbols[i].size;
    }
}

/* The piece as bytes, each with the character it belongs to. */
static size_t spell(Bpe *b, const Chars *s, TextRange piece)
{
    size_t most = 4 * (piece.end - piece.start), size = 0;
    b->bytes = array_reserve(b->bytes, &b->bytes_capacity, most, 1);
    b->owner = array_reserve(b->owner, &b->owner_capacity, most, sizeof *b->owner);
    for (size_t i = piece.start; i < piece.end; i++) {
        int n = utf8_encode(b->bytes + size, s->code[i]);
        while (n--)
            b->owner[size++] = (uint32_t)i;
    }
    return size;
}

/* The row whose name is the whole piece, or -1. */
static int32_t row_of_piece(Bpe *b, const Vocab *v, size_t size)
{
    size_t n = 0;
    b->name = array_reserve(b->name, &b->name_capacity, 2 * size, 1);
    for (size_t i = 0; i < size; i++)
        n += (size_t)utf8_encode(b->name + n, character_of_byte((uint8_t)b->bytes[i]));
    return vocab_find(v, (Slice){b->name, n});
}

void bpe_encode(Bpe *b, TokenList *out, const Vocab *v, const Chars *s, TextRange piece)
{
    size_t size = spell(b, s, piece);
    uint64_t hash = hash_id(b->bytes, size);
    CacheEntry *e = &b->cache[hash % CACHE_SLOTS];
    if (e->hash == hash && e->size == size && memcmp(e->bytes, b->bytes, size) == 0) {
        for (size_t i = 0, at = 0; i < e->n; at += e->sizes[i++])
            push_token(b, out, s, e->ids[i], at, e->sizes[i]);
        return;
    }
    uint32_t n = v->kind == TOKENIZER_SENTENCEPIECE ? symbols_of_characters(b, v, size) : symbols_init(b, size);
    if (n == 0)
        return;
    int32_t whole = v->ignore_merges ? row_of_piece(b, v, size) : -1;
    if (whole >= 0) {
        push_token(b, out, s, whole, 0, size);
        return;
    }
    b->heap_n = 0;
    for (uint32_t i = 0; i < n; i++)
        pair_find(b, v, i);
    merge_all(b, v);
    for (uint32_t i = 0; i != NOBODY; i = b->symbols[i].next)
        push_token(b, out, s, b->symbols[i].id, b->symbols[i].start, b->symbols[i].size);
    if (size <= CACHE_BYTES)
        cache_store(e, b, size, hash);
}
