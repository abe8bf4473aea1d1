/* One source from its bytes to its frames. */
#include "extract/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "extract/still.h"
#include "extract/texts.h"
#include "media/resize.h"

bool wanted_size(const FrameSettings *s, int64_t max_pixels, int *width, int *height, Error *err)
{
    int64_t w = *width, h = *height, shorter = w < h ? w : h;
    if (s->size_short) {
        w = s->size_short * w / shorter;
        h = s->size_short * h / shorter;
        if (w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE || w * h > max_pixels)
            return error_set(err,
                             "%d x %d pixels would become %lld x %lld, expected at most %d a side and %lld in all (--max-pixels)",
                             *width, *height, (long long)w, (long long)h, IMAGE_MAX_SIDE, (long long)max_pixels);
    }
    *width = s->size_width ? s->size_width : (int)w;
    *height = s->size_width ? s->size_height : (int)h;
    return true;
}

bool encode_image(Work *w, const Image *im, ImageFormat format, Error *err)
{
    w->quality = format == IMAGE_PNG ? 0 : w->s->quality;
    if (format == IMAGE_PNG)
        return image_encode_png(&w->file, im, err);
    return image_encode_jpeg(&w->file, im, (int)w->s->quality, err);
}

/*
 * "<name>#<seconds>" for a frame of a video, the name alone for a still; frames of one millisecond are told apart by
 * "+<ordinal>"; with --loop
 * "@<pass>" follows.
 */
static char *make_id(Work *w, const VideoFrame *f)
{
    char time[64] = "", again[32] = "", pass[32] = "";
    if (!w->still) {
        int64_t ms = (int64_t)(f->time * 1000 + (f->time < 0 ? -0.5 : 0.5));
        snprintf(time, sizeof time, "#%.3f", f->time);
        if (w->ordinal > 0 && ms <= w->last_ms)
            snprintf(again, sizeof again, "+%lld", (long long)w->ordinal);
        else
            w->last_ms = ms;
    }
    if (w->s->passes)
        snprintf(pass, sizeof pass, "@%lld", (long long)w->source->pass);
    return xasprintf("%s%s%s%s", w->source->name, time, again, pass);
}

/* Where in its source a frame of a video is, and how it was decoded. */
static void pack_origin(Packer *p, const Work *w, const VideoFrame *f)
{
    bool all = w->s->every > 0 || w->s->scene > 0;
    pack_field_text(p, "decode", all ? "all" : "keyframe");
    if (f->packet >= 0)
        pack_field_int(p, "packet", f->packet);
    pack_field_ints(p, "stored", (int64_t[]){f->stored_width, f->stored_height}, 2);
    pack_field_text(p, "range", f->full_range ? "full" : "limited");
}

static void pack_references(Packer *p, const Source *s)
{
    pack_key(p, "references");
    pack_array(p, s->n_references);
    for (size_t i = 0; i < s->n_references; i++)
        pack_string(p, s->references[i]);
}

/* The group "frame": formats/frame.md. */
static void pack_frame(Packer *p, const Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size)
{
    static const char *const stamps[] = {NULL, "dts", "count", "none"};
    const Source *s = w->source;
    pack_map_begin(p);
    pack_field_text(p, "source", s->label);
    if (w->digest.text[0])
        pack_field_text(p, "digest", w->digest.text);
    pack_field_int(p, "stream", f->stream);
    pack_field_int(p, "pts", f->pts);
    if (f->stamp != STAMP_PTS)
        pack_field_text(p, "stamp", stamps[f->stamp]);
    pack_field_ints(p, "time_base", (int64_t[]){f->time_base[0], f->time_base[1]}, 2);
    pack_field_real(p, "time", f->time);
    pack_field_text_n(p, "pict_type", &f->pict_type, 1);
    if (!w->still)
        pack_origin(p, w, f);
    if (f->orientation > 1)
        pack_field_int(p, "orientation", f->orientation);
    pack_field_int(p, "width", f->width);
    pack_field_int(p, "height", f->height);
    pack_field_text(p, "encoding", image_format_name(format));
    if (w->quality > 0)
        pack_field_int(p, "quality", w->quality);
    if (w->s->passes)
        pack_field_int(p, "pass", s->pass);
    if (s->n_references > 0)
        pack_references(p, s);
    if (w->meta.size > 0) {
        pack_key(p, "meta");
        pack_raw(p, (Slice){w->meta.data, w->meta.size});
    }
    pack_field_text(p, "image_digest", digest_text(hash_id(data, size)).text);
    pack_field_bin(p, "image", data, size);
    pack_map_end(p);
}

void extracted_emit(Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size, uint64_t phash)
{
    ExtractedFrame extracted = {.id = make_id(w, f), .phash = phash};
    pack_frame(&extracted.frame, w, f, format, data, size);
    w->ordinal++;
    w->out->frames++;
    w->stop = !w->emit(w->context, &extracted);
}

bool frame_passes(Work *w, const Image *im, uint64_t *phash)
{
    bool pass = filters_pass(w->s, im, &w->seen, phash);
    w->out->filtered += !pass;
    return pass;
}

static void frame_failed(Work *w, const VideoFrame *f, const Error *err)
{
    char reason[sizeof w->out->report.reason];
    snprintf(reason, sizeof reason, "frame at %.3f s: %.400s", f->time, err->text);
    gaps_add(&w->out->gaps, f->time, -1, reason);
    w->out->report.missing++;
    if (w->out->report.verdict == VERDICT_COMPLETE)
        memcpy(w->out->report.reason, reason, sizeof reason);
    w->out->report.verdict = VERDICT_DAMAGED;
}

/* The picture in the frame's own size, resized and encoded as asked for. */
static void show(Work *w, VideoFrame *f, Image *im, ImageFormat format, uint64_t phash)
{
    Error err = {0};
    Image resized = {0};
    const Image *shown = im;
    if (f->width != im->width || f->height != im->height) {
        image_resize(&resized, im, f->width, f->height);
        shown = &resized;
    }
    if (format == IMAGE_RGB)
        extracted_emit(w, f, format, shown->rgb, (size_t)shown->width * (size_t)shown->height * 3, phash);
    else if (encode_image(w, shown, format, &err))
        extracted_emit(w, f, format, w->file.data, w->file.size, phash);
    else
        frame_failed(w, f, &err);
    image_release(&resized);
}

/* The frame as a JPEG of its own planes, where that can be. */
static bool shown_directly(Work *w, Video *v, const VideoFrame *f, int width, int height, uint64_t phash)
{
    if (w->s->encoding != 0 || width != f->width || height != f->height || !video_jpeg(v, &w->file, (int)w->s->quality))
        return false;
    w->quality = w->s->quality;
    extracted_emit(w, f, IMAGE_JPEG, w->file.data, w->file.size, phash);
    return true;
}

void frame_do(Work *w, Video *v, VideoFrame *f)
{
    const FrameSettings *s = w->s;
    static const ImageFormat formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_RGB};
    bool looked_at = s->drop_black || s->drop_blur || s->drop_duplicates || s->dedup_all;
    Error err = {0};
    Image im = {0};
    uint64_t phash = 0;
    int width = f->width, height = f->height;
    if (!wanted_size(s, w->limits->max_pixels, &width, &height, &err) || (looked_at && !video_image(v, &im, &err)))
        frame_failed(w, f, &err);
    else if (looked_at && !frame_passes(w, &im, &phash))
        ; /* counted as filtered */
    else if (shown_directly(w, v, f, width, height, phash))
        ; /* the same bytes, looked at or not: --again makes them from what the record says */
    else if (!looked_at && !video_image(v, &im, &err))
        frame_failed(w, f, &err);
    else {
        f->width = width;
        f->height = height;
        show(w, f, &im, formats[s->encoding], phash);
    }
    image_release(&im);
}

/* Which of `total` frames --max keeps; frame after frame, in order. */
typedef struct Chooser {
    const Work *w;
    int64_t total, seen, kept;
    uint64_t key;
} Chooser;

static bool choose(Chooser *c)
{
    const FrameSettings *s = c->w->s;
    int64_t i = c->seen++;
    if (s->max == 0 || s->pick == PICK_FIRST)
        return true;
    if (c->total <= s->max)
        return true;
    if (s->pick == PICK_SPREAD) /* the middles of `max` equal parts */
        return c->kept < s->max && i == (2 * c->kept + 1) * c->total / (2 * s->max) && ++c->kept;
    /* Knuth's selection sampling: every set of `max` is as likely as any other */
    double u = random_uniform((uint64_t)s->seed, (uint32_t)c->w->source->pass, c->key, (uint32_t)i);
    return (double)(c->total - i) * u < (double)(s->max - c->kept) && ++c->kept;
}

static bool count_first(const Work *w)
{
    return w->s->max > 0 && w->s->pick != PICK_FIRST;
}

static void merge_report(Outcome *out, VideoReport r)
{
    int64_t missing = out->report.missing + r.missing;
    if (r.verdict != VERDICT_COMPLETE)
        out->report = r;
    out->report.missing = missing;
}

static void video_do(Work *w, const Input *in)
{
    const FrameSettings *s = w->s;
    VideoInput input = {w->source->label, in->fd, in->data, in->size};
    VideoChoice choice = {.until = w->until, .max_pixels = w->limits->max_pixels, .gaps = count_first(w) ? NULL : &w->out->gaps};
    choice.mode = s->every > 0 ? VIDEO_EVERY : s->scene > 0 ? VIDEO_SCENE : VIDEO_KEYFRAMES;
    choice.amount = s->every > 0 ? s->every : s->scene;
    Chooser chooser = {.w = w, .key = hash_id(w->source->name, strlen(w->source->name))};
    Video *v = video_open(&input, &choice, &w->out->report);
    if (v && count_first(w)) {
        chooser.total = video_count(v);
        if (chooser.total < 0)
            w->out->report = video_report(v);
        video_free(v);
        choice.gaps = &w->out->gaps;
        v = chooser.total < 0 ? NULL : video_open(&input, &choice, &w->out->report);
    }
    if (!v)
        return;
    VideoFrame f;
    bool enough = false;
    while (!w->stop && !enough) {
        bool chosen = choose(&chooser);
        if (!(chosen ? video_next(v, &f) : video_pass(v)))
            break;
        if (chosen)
            frame_do(w, v, &f);
        enough = s->max > 0 && s->pick == PICK_FIRST && w->out->frames >= s->max;
    }
    if (!enough && !w->stop)
        merge_report(w->out, video_report(v));
    video_free(v);
}

/* A stream of this suite (a map whose first key is "vlrm") or a zstd file. FFmpeg would find the frames in a stream. */
static bool is_stream(const uint8_t *head, size_t n)
{
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};
    if (n < 6)
        return false;
    return ((head[0] & 0xf0) == 0x80 && memcmp(head + 1, "\xa4vlrm", 5) == 0) || memcmp(head, zstd, sizeof zstd) == 0 ||
           ((head[0] & 0xf0) == 0x50 && memcmp(head + 1, skippable, sizeof skippable) == 0);
}

/* Motion JPEG without a container begins as a JPEG does, and goes on with more of them: only its name tells it from a still. */
static bool is_film(const char *name)
{
    const char *end = strrchr(name, '.');
    return end && (strcasecmp(end, ".mjpeg") == 0 || strcasecmp(end, ".mjpg") == 0);
}

InputKind input_kind(const Input *in, const char *name, VideoReport *r)
{
    uint8_t head[16];
    size_t n = sizeof head;
    if (!input_head(in, head, &n, r))
        return INPUT_FAILED;
    if (is_stream(head, n))
        return INPUT_STREAM;
    return image_format(head, n) == IMAGE_UNKNOWN || is_film(name) ? INPUT_VIDEO : INPUT_STILL;
}

static void input_do(Work *w, Input *in)
{
    VideoReport *r = &w->out->report;
    switch (input_kind(in, w->source->label, r)) {
    case INPUT_FAILED:
        break;
    case INPUT_STREAM:
        r->verdict = VERDICT_UNREADABLE;
        snprintf(r->reason, sizeof r->reason,
                 "a stream of records or a zstd file, expected a video or an image; vlrm-cat --save-images takes frames out of a "
                 "stream");
        break;
    case INPUT_VIDEO:
        video_do(w, in);
        break;
    case INPUT_STILL:
        if (input_bytes(in, r))
            still_do(w, in);
    }
}

/* A source that could not be read everywhere gives the frames that it has, without the digest that it lacks. */
static void take_digest(Work *w, const Input *in, Error *err)
{
    if (!input_digest(&w->digest, in, err))
        gaps_add(&w->out->gaps, NAN, -1, err->text);
    w->out->digest = w->digest;
}

/* A source that gave its frames, but not all that belongs to them. */
static void blame(VideoReport *r, const char *what)
{
    if (!*what || r->verdict != VERDICT_COMPLETE)
        return;
    r->verdict = VERDICT_DAMAGED;
    snprintf(r->reason, sizeof r->reason, "%.500s", what);
}

/* What stands beside it: frames go without what of it cannot be read. */
static void take_meta(Work *w, Error *err)
{
    if (w->source->text_problem)
        error_set(err, "%s", w->source->text_problem);
    if (w->source->meta)
        (void)!meta_pack(&w->meta, w->source->meta, err); /* err says it */
    if (err->text[0])
        gaps_add(&w->out->gaps, NAN, -1, err->text);
}

void work_on(const FrameSettings *s, const Limits *limits, Source *source, Emit emit, void *context, Outcome *out)
{
    Work w = {.s = s, .limits = limits, .source = source, .emit = emit, .context = context, .out = out, .last_ms = INT64_MIN};
    w.until = limits->deadline > 0 ? seconds_now() + limits->deadline : 0;
    Error err = {0}, beside = {0};
    Input in;
    *out = (Outcome){0};
    if (input_open(&in, source, w.until, limits->max_bytes, &out->report)) {
        take_digest(&w, &in, &err);
        take_meta(&w, &beside);
        input_do(&w, &in);
        blame(&out->report, err.text);
        blame(&out->report, beside.text);
    }
    if (w.stop)
        out->report = (VideoReport){.verdict = VERDICT_CUT};
    input_close(&in);
    source_close(source);
    buffer_release(&w.file);
    pack_release(&w.meta);
    free(w.seen.items);
}
