/*
 * One source from its bytes to its frames, and one frame's way through size, filters and encoding.
 */
#ifndef EXTRACT_WORK_H
#define EXTRACT_WORK_H

#include "base/hash.h"
#include "extract/filters.h"
#include "extract/input.h"
#include "extract/outcome.h"
#include "extract/settings.h"

/* Does one source, and closes it. */
void work_on(const FrameSettings *s, const Limits *limits, Source *source, Emit emit, void *context, Outcome *out);

/* For work.c, still.c and again.c: one frame's way through size, filters and encoding. */
typedef struct Work {
    const FrameSettings *s;
    const Limits *limits;
    const Source *source;
    Emit emit;
    void *context;
    Outcome *out;
    Phashes seen;    /* owned: of the frames kept so far */
    Buffer file;     /* owned: the encoded picture */
    int64_t quality; /* of the JPEG in file; 0 for another */
    Digest digest;   /* the source's */
    Packer meta;     /* owned: frame.meta; empty for none */
    int64_t last_ms, ordinal;
    double until; /* the deadline, on seconds_now()'s clock; 0 for none */
    bool still, stop;
} Work;

/* What a source is, told by its first bytes; motion JPEG without a container by its name. FAILED: the report says why. */
typedef enum InputKind { INPUT_VIDEO, INPUT_STILL, INPUT_STREAM, INPUT_FAILED } InputKind;
InputKind input_kind(const Input *in, const char *name, VideoReport *report);

/* The size asked for, of a picture of width x height; false where that is more than max_pixels. */
bool wanted_size(const FrameSettings *s, int64_t max_pixels, int *width, int *height, Error *err);

/* Encodes im as JPEG or PNG into w->file, and says so in w->quality. */
bool encode_image(Work *w, const Image *im, ImageFormat format, Error *err);

/* Packs a record of frame f around these bytes and hands it over; sets w->stop when no more is wanted. */
void extracted_emit(Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size, uint64_t phash);
/* Whether the filters let a picture pass; counts it where not. */
bool frame_passes(Work *w, const Image *im, uint64_t *phash);

/* One chosen frame of a video, which v has just given: filters, size, encoding. */
void frame_do(Work *w, Video *v, VideoFrame *f);

#endif
