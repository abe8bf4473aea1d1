/*
 * The parts of vlrm-extract. A process of its own finds and opens what there is to read (opener.c, walk.c, coco.c); the one that
 * decodes can open nothing. In it, sources (sources.c, tar.c) are taken one by one under a lock; each is worked on by one thread
 * (work.c, input.c, still.c, filters.c), which hands its frames to jobs.c; the main thread writes them in the order of the
 * sources and then vouches for the source in the journal (journal.c). append.c repairs the output of a killed run.
 * With --again there are records in place of sources: again.c makes their frames anew.
 */
#ifndef EXTRACT_EXTRACT_H
#define EXTRACT_EXTRACT_H

#include "base/hash.h"
#include "base/hashmap.h"
#include "base/options.h"
#include "base/sandbox.h"
#include "media/video.h"
#include "stream/stream.h"

typedef enum Pick { PICK_FIRST, PICK_SPREAD, PICK_RANDOM } Pick;
typedef enum Retry { RETRY_NONE, RETRY_FAILED } Retry;

/* Every option, as given. */
typedef struct Settings {
    const char *list, *again, *coco, *root, *name, *size, *shard, *journal, *append, *shuffle;
    StringList split;
    double every, scene, deadline, black_share, blur_threshold;
    int64_t max, limit, quality, jobs, batch, zstd, seed, duplicate_distance, max_pixels, max_bytes;
    Pick pick;
    Retry retry;
    Sandbox sandbox;
    int encoding; /* of --encoding's choices */
    bool loop, resume, drop_black, drop_blur, drop_duplicates, dedup_all, dry_run;
    /* worked out of them */
    bool encoding_given;
    int64_t shuffle_seed, shard_index, shards;
    int size_short, size_width, size_height; /* 0 where not asked for */
} Settings;

/* ---- sources ---- */

/* One video or image. Everything is owned. */
typedef struct Source {
    char *name;    /* begins the ids; unique in a pass */
    char *label;   /* frame.source and the journal's key */
    int64_t place; /* its number with the opener; for --shuffle's members, the archive's */
    bool opened;   /* then, owned: */
    int fd;        /* .. its descriptor */
    int spare;     /* .. and, when it is no regular file, an empty temporary file to copy it into; else -1 */
    uint8_t *data; /* the bytes of an archive's member */
    size_t size;
    char *shard; /* with --shuffle, instead of data: the archive that the member is in .. */
    int64_t at;  /* .. and where its header is */
    bool is_archive, is_stdin;
    char *path;        /* the opening process only: NULL for stdin and sources with a problem */
    bool regular_only; /* .. and whether data brought the name in, or a folder: then a FIFO or device is refused */
    char *problem;     /* why it cannot even be tried */
    char **references;
    size_t n_references;
    int64_t pass; /* --loop: from 1 */
} Source;

void source_release(Source *s);
void source_close(Source *s); /* its descriptors */

typedef struct Opener Opener; /* opener.h */
typedef struct Sources Sources;
Sources *sources_new(const Settings *s, Opener *opener); /* the opener is borrowed */
void sources_free(Sources *s);

/* The next source of this shard, by name; false when there are no more or when asked to end. */
bool sources_next(Sources *s, Source *out);

/* Opens it (source->opened or source->data), or sets source->problem. False when asked to end. */
bool sources_open(Sources *s, Source *source);

/* An archive's members, and the images of a Karpathy file: NULL-safe free, next false at the end; problems are sources too. */
typedef struct Tar Tar;
/* Takes the archive, which is opened. Waits for a FIFO's bytes as --deadline says; with --shuffle members are named but not read.
 */
Tar *tar_new(const Settings *s, Source *archive);
bool tar_next(Tar *a, Source *out);
void tar_free(Tar *a);
/* Reads the member at source->at of the archive that it has open; a failure becomes its problem. */
void tar_load(Source *source, int64_t max_bytes);
bool is_archive(const char *path);

typedef struct Coco Coco;
Coco *coco_new(const Settings *s);
bool coco_next(Coco *c, Source *out);
void coco_free(Coco *c);

/* ---- bytes ---- */

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
/* 16 hex digits that its bytes are known by (formats/frame.md); empty, and false, where they cannot be read. */
MUST_USE bool input_digest(Digest *out, const Input *in, Error *err);
/* Up to *n bytes from its beginning; *n: how many. */
bool input_head(const Input *in, uint8_t *out, size_t *n, VideoReport *report);

/* ---- frames ---- */

/* One record ready to be written. */
typedef struct ExtractedFrame {
    char *id;       /* owned */
    Packer frame;   /* owned: the group's value */
    uint64_t phash; /* perceptual hash, when duplicates are dropped across the stream */
} ExtractedFrame;

/* What became of a source. */
typedef struct Outcome {
    VideoReport report;
    VideoGaps gaps; /* owned: all that is wrong with a video */
    int64_t frames, filtered;
} Outcome;

/* Takes the frame; false when no more is wanted. */
typedef bool (*Emit)(void *context, ExtractedFrame *extracted);

/* Does one source, and closes it. */
void work_on(const Settings *s, Source *source, Emit emit, void *context, Outcome *out);

/* Perceptual hashes of frames, in the order they came. `= {0}` is empty. */
typedef struct Phashes {
    uint64_t *items; /* owned: free() */
    size_t n, capacity;
} Phashes;

/* Adds a hash unless one that is there differs from it in at most `distance` of its 64 bits; whether it was added. */
bool phashes_add(Phashes *seen, uint64_t phash, int64_t distance);

/* For work.c and still.c: one frame's way through size, filters and encoding. */
typedef struct Work {
    const Settings *s;
    const Source *source;
    Emit emit;
    void *context;
    Outcome *out;
    Phashes seen;    /* owned: of the frames kept so far */
    Buffer file;     /* owned: the encoded picture */
    int64_t quality; /* of the JPEG in file; 0 for another */
    Digest digest;   /* the source's */
    int64_t last_ms, ordinal;
    double until; /* the deadline, on seconds_now()'s clock; 0 for none */
    bool still, stop;
} Work;

/* Whether the filters let it pass; *phash is set when hashes are wanted. */
bool filters_pass(Work *w, const Image *im, uint64_t *phash);

/* What a source is, told by its first bytes; motion JPEG without a container by its name. FAILED: the report says why. */
typedef enum InputKind { INPUT_VIDEO, INPUT_STILL, INPUT_STREAM, INPUT_FAILED } InputKind;
InputKind input_kind(const Input *in, const char *name, VideoReport *report);

/* The size asked for, of a picture of width x height; false where that is more than --max-pixels. */
bool wanted_size(const Settings *s, int *width, int *height, Error *err);
bool encode_image(Work *w, const Image *im, ImageFormat format, Error *err);
void extracted_emit(Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size, uint64_t phash);
/* One chosen frame of a video, which v has just given: filters, size, encoding. */
void frame_do(Work *w, Video *v, VideoFrame *f);
void still_do(Work *w, Input *in);

/* ---- again ---- */

/* Makes the frames of the records in --again anew; the exit status. */
int again_run(const Settings *s, const Program *program);

#endif
