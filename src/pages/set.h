/* What a report shows of captions: frames, and what was said of each at which step by which run. */
#ifndef PAGES_SET_H
#define PAGES_SET_H

#include "pages/pictures.h"

/* {"name", "frames": [{"id", "picture"}], "entries": [[frame, run, step or null, caption]]}; each array borrowed from json. */
typedef struct FrameSet {
    json_t *json, *frames, *entries; /* json is owned */
    json_t *places;                  /* owned: {id: place in frames} */
} FrameSet;

/* An empty set of that name. */
void set_init(FrameSet *s, const char *name);
void set_release(FrameSet *s);

/* The place of the frame; SIZE_MAX where the set has none of that id. */
size_t set_find(const FrameSet *s, const char *id);

/* The same; adds it where it is new. */
size_t set_add(FrameSet *s, const char *id);

/* What run number `run` said of a frame; step is -1 for the captioner before training, -2 where none is known. Steals caption. */
void set_say(FrameSet *s, size_t frame, size_t run, int64_t step, json_t *caption);

/* What went wrong or is not there while a page is made: the page says it too. */
typedef struct Notes {
    json_t *missing; /* owned: sentences */
    int status;      /* the worst so far */
} Notes;

/* A sentence for the page alone: what is not there, and how to get it. */
void notes_missing(Notes *n, const char *format, ...) PRINTF_LIKE(2, 3);

/* A failure: said on stderr and on the page, and counted. */
void notes_failed(Notes *n, const Error *err);

/* Adds a status if it is worse. */
void notes_status(Notes *n, int status);

#endif
