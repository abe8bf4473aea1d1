/*
 * A source's bytes, and what they are known by (digest.c).
 */
#ifndef EXTRACT_INPUT_H
#define EXTRACT_INPUT_H

#include "base/hash.h"
#include "media/video.h"
#include "extract/source.h"

/* A source's bytes: a regular file or memory. */
typedef struct Input {
    int fd;              /* -1 for memory; the source's */
    const uint8_t *data; /* borrowed from the source, or owned */
    int64_t size;
    uint8_t *owned;
    bool copied; /* from what is no regular file */
} Input;

/*
 * The bytes of an opened source; what is no regular file (stdin, a FIFO) is first copied into its temporary file, for which it
 * waits no longer than `until` (seconds_now(); 0 for ever). False: report says why; more than max_bytes is too large.
 */
bool input_open(Input *in, const Source *s, double until, int64_t max_bytes, VideoReport *report);
bool input_bytes(Input *in, VideoReport *report); /* all of it in memory, for a still: in->data, in->size */
void input_close(Input *in);
/* Up to *n bytes from its beginning; *n: how many. */
bool input_head(const Input *in, uint8_t *out, size_t *n, VideoReport *report);

/* 16 hex digits that its bytes are known by (formats/frame.md); empty, and false, where they cannot be read. */
MUST_USE bool input_digest(Digest *out, const Input *in, Error *err);

#endif
