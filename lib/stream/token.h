/*
 * msgpack, read where it lies: one token at a time, nothing allocated, nothing trusted (msgpack specification:
 * https://github.com/msgpack/msgpack/blob/master/spec.md). msgpack-c's own unpacker is not used for reading because it
 * allocates what a hostile length says before the bytes are there.
 */
#ifndef STREAM_TOKEN_H
#define STREAM_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/stream.h"

/* Deeper nesting than this is refused: recursion over a validated value is bounded by it. */
enum { DEPTH_MAX = 256 };

/* A record larger than this is refused. */
#define RECORD_MAX ((uint64_t)1 << 30)

typedef enum TokenKind {
    TOKEN_NIL,
    TOKEN_BOOL,
    TOKEN_INT,  /* fits int64_t */
    TOKEN_UINT, /* above INT64_MAX */
    TOKEN_REAL,
    TOKEN_STRING,
    TOKEN_BIN,
    TOKEN_EXT,
    TOKEN_ARRAY,
    TOKEN_MAP,
} TokenKind;

typedef struct Token {
    TokenKind kind;
    size_t head;    /* bytes of the token without payload */
    uint64_t size;  /* STRING, BIN, EXT: bytes of payload after the head; else 0 */
    uint64_t count; /* ARRAY: items, MAP: pairs; else 0 */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        int8_t type; /* EXT */
    } as;
} Token;

typedef enum TokenStatus { TOKEN_OK, TOKEN_SHORT, TOKEN_BAD } TokenStatus;

/* The token at p, of which n bytes are there. SHORT: its head is not all there (the payload may be missing even when OK). */
TokenStatus token_read(Token *t, const uint8_t *p, size_t n);

/* The whole token at p of a validated value: head and payload are known to be there. */
Token token_at(const void *p);

/* Bytes of the validated value at p, children included. */
size_t value_size(const void *p);

/* The string token's payload; {NULL, 0} when p is no string. */
Slice value_string(const void *p);

/*
 * A walk over one value that may stop for lack of bytes and go on where it stopped. Notes where the items of the outermost
 * array or map begin, as far as `items` has room.
 */
typedef struct Scan {
    uint64_t position;                 /* relative to the value's first byte; may lie behind the bytes that are there */
    uint64_t remaining[DEPTH_MAX + 1]; /* values still to come at each depth */
    int depth;                         /* 0: not begun; then 1 + nesting */
    bool done;
    const char *fault; /* why the value is refused */
} Scan;

typedef enum ScanStatus { SCAN_DONE, SCAN_MORE, SCAN_BAD } ScanStatus;

/* Begins at the first byte of a value. */
void scan_init(Scan *s);

/* Goes on over the value at data, of which n bytes are there. DONE: s->position is its size. MORE: at least position bytes
 * needed.
 */
ScanStatus scan_run(Scan *s, const void *data, uint64_t n);

/* How many values stand one behind the other; SIZE_MAX where the last one is not whole or a byte is none of msgpack's. */
size_t values_count(Slice values);

/* Whether the slice is exactly one well-formed value. */
bool value_whole(Slice s);

#endif
