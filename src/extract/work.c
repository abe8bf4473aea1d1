/* One source from its bytes to its frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/random.h"
#include "extract/extract.h"
#include "media/resize.h"

void wanted_size(const Settings *s, int *width, int *height)
{
    if (s->size_width) {
        *width = s->size_width;
        *height = s->size_height;
    } else if (s->size_short) {
        int shorter = *width < *height ? *width : *height;
        *width = (int)((int64_t)s->size_short * *width / shorter);
        *height = (int)((int64_t)s->size_short * *height / shorter);
    }
}

bool encode_image(Work *w, const Image *im, ImageFormat format, Error *err)
{
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
    if (w->s->loop)
        snprintf(pass, sizeof pass, "@%lld", (long long)w->source->pass);
    return xasprintf("%s%s%s%s", w->source->name, time, again, pass);
}

/* The group "frame": formats/frame.md. */
static void pack_frame(Packer *p, const Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size)
{
    static const char *const stamps[] = {NULL, "dts", "count", "none"};
    const Source *s = w->source;
    pack_map(p, 10 + (f->stamp != STAMP_PTS) + (s->n_references > 0) + w->s->loop);
    pack_string(p, "source");
    pack_string(p, s->label);
    pack_string(p, "stream");
    pack_int(p, f->stream);
    pack_string(p, "pts");
    pack_int(p, f->pts);
    if (f->stamp != STAMP_PTS) {
        pack_string(p, "stamp");
        pack_string(p, stamps[f->stamp]);
    }
    pack_string(p, "time_base");
    pack_ints(p, (int64_t[]){f->time_base[0], f->time_base[1]}, 2);
    pack_string(p, "time");
    pack_real(p, f->time);
    pack_string(p, "pict_type");
    pack_string_n(p, &f->pict_type, 1);
    pack_string(p, "width");
    pack_int(p, f->width);
    pack_string(p, "height");
    pack_int(p, f->height);
    pack_string(p, "encoding");
    pack_string(p, image_format_name(format));
    if (w->s->loop) {
        pack_string(p, "pass");
        pack_int(p, s->pass);
    }
    if (s->n_references > 0) {
        pack_string(p, "references");
        pack_array(p, s->n_references);
        for (size_t i = 0; i < s->n_references; i++)
            pack_string(p, s->references[i]);
    }
    pack_string(p, "image");
    pack_bin(p, data, size);
}

void shot_emit(Work *w, const VideoFrame *f, ImageFormat format, const void *data, size_t size, uint64_t look)
{
    Shot shot = {.id = make_id(w, f), .look = look};
    pack_frame(&shot.frame, w, f, format, data, size);
    w->ordinal++;
    w->out->frames++;
    w->stop = !w->emit(w->context, &shot);
}

static void frame_failed(Work *w, const VideoFrame *f, const Error *err)
{
    w->out->report.missing++;
    if (w->out->report.verdict == VERDICT_COMPLETE)
        snprintf(w->out->report.reason, sizeof w->out->report.reason, "frame at %.3f s: %.400s", f->time, err->text);
    w->out->report.verdict = VERDICT_DAMAGED;
}

/* One chosen frame: pixels, filters, size, encoding. */
static void frame_do(Work *w, Video *v, VideoFrame *f)
{
    const Settings *s = w->s;
    static const ImageFormat formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_RGB};
    ImageFormat format = formats[s->encoding];
    bool looked_at = s->drop_black || s->drop_blur || s->drop_duplicates || s->dedup_all;
    Error err = {0};
    uint64_t look = 0;
    int width = f->width, height = f->height;
    wanted_size(s, &width, &height);
    if (!looked_at && format == IMAGE_JPEG && width == f->width && height == f->height &&
        video_jpeg(v, &w->file, (int)s->quality)) {
        shot_emit(w, f, format, w->file.data, w->file.size, 0);
        return;
    }
    Image im, shown = {0};
    if (!video_image(v, &im, &err)) {
        frame_failed(w, f, &err);
        return;
    }
    if (looked_at && !filters_pass(w, &im, &look)) {
        image_release(&im);
        return;
    }
    f->width = width;
    f->height = height;
    if (width != im.width || height != im.height) {
        image_resize(&shown, &im, width, height);
        image_release(&im);
        im = shown;
    }
    if (format == IMAGE_RGB)
        shot_emit(w, f, format, im.rgb, (size_t)im.width * (size_t)im.height * 3, look);
    else if (encode_image(w, &im, format, &err))
        shot_emit(w, f, format, w->file.data, w->file.size, look);
    else
        frame_failed(w, f, &err);
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
    const Settings *s = c->w->s;
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

static void video_do(Work *w, const Input *in, double until)
{
    const Settings *s = w->s;
    VideoInput input = {w->source->label, in->fd, in->data, in->size};
    VideoChoice choice = {.until = until};
    choice.mode = s->every > 0 ? VIDEO_EVERY : s->scene > 0 ? VIDEO_SCENE : VIDEO_KEYFRAMES;
    choice.amount = s->every > 0 ? s->every : s->scene;
    Chooser chooser = {.w = w, .key = hash_id(w->source->name, strlen(w->source->name))};
    Video *v = video_open(&input, &choice, &w->out->report);
    if (v && count_first(w)) {
        chooser.total = video_count(v);
        if (chooser.total < 0)
            w->out->report = video_report(v);
        video_free(v);
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

/* Else the kind of source is told by its first bytes. */
static void input_do(Work *w, Input *in, double until)
{
    uint8_t head[16];
    const size_t n = input_head(in, head, sizeof head);
    VideoReport *r = &w->out->report;
    if (is_stream(head, n)) {
        r->verdict = VERDICT_UNREADABLE;
        snprintf(r->reason, sizeof r->reason,
                 "a stream of records or a zstd file, expected a video or an image; vlrm-cat --save-images takes frames out of a "
                 "stream");
    } else if (image_format(head, n) == IMAGE_UNKNOWN || is_film(w->source->label))
        video_do(w, in, until);
    else if (input_bytes(in, w->source->label, r))
        still_do(w, in);
}

void work_on(const Settings *s, const Source *source, Emit emit, void *context, Outcome *out)
{
    Work w = {.s = s, .source = source, .emit = emit, .context = context, .out = out, .last_ms = INT64_MIN};
    double until = s->deadline > 0 ? seconds_now() + s->deadline : 0;
    Input in;
    *out = (Outcome){0};
    if (input_open(&in, source, until, &out->report))
        input_do(&w, &in, until);
    if (w.stop)
        out->report = (VideoReport){.verdict = VERDICT_CUT};
    input_close(&in);
    buffer_release(&w.file);
    free(w.looks);
}
