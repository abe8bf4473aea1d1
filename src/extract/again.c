/* Frames once more, from what their records say; see again.h. Nothing is passed on as the same that is not, to the byte. */
#include "extract/again.h"
#include "extract/still.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/signals.h"
#include "stream/filter.h"
#include "stream/token.h"

/* What a record says of its frame. */
typedef struct Want {
    char *source;           /* owned */
    Digest digest;          /* of the source; empty where it is not said */
    VideoFrame frame;       /* pts, stamp, packet */
    FrameSettings settings; /* such that this frame comes out */
} Want;

typedef struct Again {
    const FrameSettings *s;
    const Limits *limits;
    Reopened at;
    Video *video; /* owned: of the source that is open; NULL for none */
    bool all;     /* it decodes everything */
    VideoFrame last;
    ExtractedFrame extracted; /* owned: the frame made anew */
    Outcome outcome;
} Again;

/* ---- what is wanted ---- */

static bool copy_text(char *out, size_t size, const Record *r, const char *path)
{
    Slice text;
    bool ok = record_string(r, path, &text) == FIELD_OK && text.size < size;
    snprintf(out, size, "%.*s", ok ? (int)text.size : 0, ok ? (const char *)text.data : "");
    return ok;
}

/* The encoding that was asked for; WebP never is: it is a still's own bytes. */
static bool want_encoding(FrameSettings *s, const Record *r, Error *err)
{
    char name[8];
    copy_text(name, sizeof name, r, "frame.encoding");
    ImageFormat format = image_format_find(name, strlen(name));
    s->encoding = format == IMAGE_PNG ? 1 : format == IMAGE_RGB ? 2 : 0;
    s->encoding_given = format != IMAGE_WEBP;
    return format != IMAGE_UNKNOWN || error_set(err, "frame.encoding is '%s', expected jpeg, png, webp or rgb", name);
}

static bool want_size(FrameSettings *s, const Record *r, Error *err)
{
    int64_t width = 0, height = 0, quality = s->quality;
    bool ok = record_int(r, "frame.width", &width) == FIELD_OK && record_int(r, "frame.height", &height) == FIELD_OK;
    if (!ok || width < 1 || height < 1 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE)
        return error_set(err, "frame.width and frame.height are missing or not from 1 to %d", IMAGE_MAX_SIDE);
    if (record_int(r, "frame.quality", &quality) == FIELD_WRONG || quality < 1 || quality > 100)
        return error_set(err, "frame.quality is not from 1 to 100");
    s->size_width = (int)width;
    s->size_height = (int)height;
    s->quality = quality;
    return true;
}

static bool want_place(VideoFrame *f, const Record *r, Error *err)
{
    static const char *const stamps[] = {[STAMP_PTS] = "", [STAMP_DTS] = "dts", [STAMP_COUNT] = "count", [STAMP_NONE] = "none"};
    char stamp[8];
    *f = (VideoFrame){.packet = -1};
    if (record_int(r, "frame.pts", &f->pts) == FIELD_WRONG || record_int(r, "frame.packet", &f->packet) == FIELD_WRONG)
        return error_set(err, "frame.pts or frame.packet is not a whole number");
    copy_text(stamp, sizeof stamp, r, "frame.stamp");
    for (int i = STAMP_PTS; i <= STAMP_NONE; i++)
        if (strcmp(stamps[i], stamp) == 0)
            f->stamp = (VideoStamp)i;
    return true;
}

static bool want_read(Want *w, const FrameSettings *s, const Record *r, Error *err)
{
    Slice source;
    char decode[16];
    *w = (Want){.settings = *s};
    if (record_string(r, "frame.source", &source) != FIELD_OK)
        return error_set(err, "no frame.source: it does not say what it was made from");
    copy_text(w->digest.text, sizeof w->digest.text, r, "frame.digest");
    copy_text(decode, sizeof decode, r, "frame.decode");
    w->settings.every = strcmp(decode, "all") == 0;
    w->source = xstrndup(source.data, source.size);
    return want_encoding(&w->settings, r, err) && want_size(&w->settings, r, err) && want_place(&w->frame, r, err);
}

/* ---- making it ---- */

static bool extracted_keep(void *context, ExtractedFrame *extracted)
{
    Again *a = context;
    a->extracted = *extracted;
    return true;
}

static void extracted_drop(Again *a)
{
    free(a->extracted.id);
    pack_release(&a->extracted.frame);
    gaps_release(&a->outcome.gaps);
    a->extracted = (ExtractedFrame){0};
    a->outcome = (Outcome){0};
}

static bool open_video(Again *a, const Want *w, double until)
{
    VideoInput input = {a->at.label, a->at.in.fd, a->at.in.data, a->at.in.size};
    VideoChoice choice = {.mode = w->settings.every > 0 ? VIDEO_EVERY : VIDEO_KEYFRAMES,
                          .amount = 1,
                          .until = until,
                          .max_pixels = a->limits->max_pixels};
    video_free(a->video);
    a->all = w->settings.every > 0;
    a->video = video_open(&input, &choice, &a->outcome.report);
    return a->video;
}

/* Whether the frame may come behind the last one. */
static bool is_ahead(const Again *a, const Want *w)
{
    if (!a->video || a->all != (w->settings.every > 0))
        return false;
    return w->frame.packet >= 0 && a->last.packet >= 0 ? w->frame.packet > a->last.packet : w->frame.pts > a->last.pts;
}

/* The frame of that time from that packet, further on or from the beginning; where it is not, from any packet. */
static bool find(Again *a, const Want *w, VideoFrame *f, double until)
{
    VideoFrame want = w->frame;
    if (is_ahead(a, w) && video_find(a->video, &want, f))
        return true;
    for (int i = 0; i < 2; i++) {
        if (!open_video(a, w, until))
            return false;
        if (video_find(a->video, &want, f))
            return true;
        want.packet = -1;
    }
    VideoReport report = video_report(a->video);
    if (report.verdict == VERDICT_TIMED_OUT)
        a->outcome.report = report;
    else
        snprintf(a->outcome.report.reason, sizeof a->outcome.report.reason, "no whole frame of pts %lld is in it%s%.400s",
                 (long long)want.pts, report.reason[0] ? ": " : "", report.reason);
    return false;
}

static void make_video(Again *a, const Want *want, Work *w, double until)
{
    VideoFrame f;
    if (!find(a, want, &f, until)) {
        video_free(a->video);
        a->video = NULL;
        return;
    }
    a->last = f;
    frame_do(w, a->video, &f);
}

/* The frame, in a->extracted. False: err says why there is none. */
static bool make(Again *a, const Want *want, double until, Error *err)
{
    Work w = {.s = &want->settings,
              .limits = a->limits,
              .source = &a->at.source,
              .emit = extracted_keep,
              .context = a,
              .out = &a->outcome,
              .until = until};
    w.digest = a->at.digest;
    VideoReport *report = &a->outcome.report;
    InputKind kind = input_kind(&a->at.in, a->at.label, report);
    if (kind == INPUT_VIDEO)
        make_video(a, want, &w, until);
    else if (kind == INPUT_STILL && input_bytes(&a->at.in, report))
        still_do(&w, &a->at.in);
    buffer_release(&w.file);
    if (a->extracted.frame.size > 0)
        return true;
    return error_set(err, "%s: %s", a->at.label, report->reason[0] ? report->reason : "neither a video nor an image");
}

/* ---- holding it against the record ---- */

/* One more thing to say, behind those said. */
__attribute__((format(printf, 2, 3))) static void say(Error *said, const char *format, ...)
{
    size_t n = strlen(said->text);
    va_list args;
    va_start(args, format);
    if (n > 0 && n + 3 < sizeof said->text)
        n += (size_t)snprintf(said->text + n, sizeof said->text - n, "; ");
    vsnprintf(said->text + n, sizeof said->text - n, format, args);
    va_end(args);
}

static char *field_text(const Record *r, const char *path)
{
    Slice value = record_raw(r, path);
    json_t *json = value.data ? slice_json_as(value, BIN_SIZE) : NULL;
    char *text = json ? json_line(json, NULL) : xstrdup("not there");
    json_decref(json);
    return text;
}

/* What the record says of `key` against what is so now; what it does not say is not looked at. */
static void compare_key(const Record *was, const Record *now, const char *key, Error *said)
{
    char *path = xasprintf("frame.%s", key), *before = field_text(was, path), *is = field_text(now, path);
    bool holds = !record_raw(was, path).data || strcmp(before, is) == 0;
    if (!holds && strcmp(key, "digest") == 0)
        say(said, "the source has changed: its digest is %s, the record says %s", is, before);
    else if (!holds)
        say(said, "%s is %s, the record says %s", key, is, before);
    free(path);
    free(before);
    free(is);
}

/* Whether the picture is the same, by its bytes where the record has them, else by their digest. False with nothing said where
 * the record has neither. */
static bool same_picture(const Record *was, const Record *now, bool *known)
{
    Slice before, is;
    Digest digest = {""}, said;
    bool bytes = record_bin(was, "frame.image", &before) == FIELD_OK, made = record_bin(now, "frame.image", &is) == FIELD_OK;
    *known = bytes || copy_text(said.text, sizeof said.text, was, "frame.image_digest");
    if (!made || !*known)
        return false;
    if (bytes)
        return before.size == is.size && memcmp(before.data, is.data, is.size) == 0;
    copy_text(digest.text, sizeof digest.text, now, "frame.image_digest");
    return strcmp(digest.text, said.text) == 0;
}

/* All that no longer holds, in `said`. */
static bool compare(const Record *was, const Record *now, Error *said)
{
    static const char *const keys[] = {"digest", "stream", "time_base",   "pict_type", "decode", "packet",  "stored",
                                       "range",  "stamp",  "orientation", "width",     "height", "encoding"};
    bool known, same = same_picture(was, now, &known);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        compare_key(was, now, keys[i], said);
    if (!known)
        say(said, "the record has neither frame.image nor frame.image_digest: whether the picture is the same is not known");
    else if (!same)
        say(said, "the picture is another");
    else if (said->text[0])
        say(said, "the picture is the same");
    return !said->text[0];
}

/* ---- passing it on ---- */

/* The record's group with the picture in it, which it lacks; all else as it was. */
static void pack_with_image(Packer *p, const Record *was, const Record *now)
{
    const Slice group = record_raw(was, "frame");
    const uint8_t *at = (const uint8_t *)group.data;
    const Token map = token_at(at);
    at += map.head;
    pack_reset(p);
    pack_map(p, (size_t)map.count + 1);
    for (uint64_t i = 0; i < 2 * map.count; i++) {
        Slice one = slice_bytes(at, value_size(at));
        pack_raw(p, one);
        at += one.size;
    }
    pack_string(p, "image");
    pack_raw(p, record_raw(now, "frame.image"));
}

static void pass_on(Again *a, Filter *f, const Record *was)
{
    Group group = {{"frame", 5}, {a->extracted.frame.data, a->extracted.frame.size}};
    const Record now = {.kind = RECORD_DATA, .groups = &group, .n_groups = 1};
    Error said = {0};
    Packer p = {0};
    if (!compare(was, &now, &said)) {
        filter_failed(f, was, "%s", said.text);
    } else if (record_raw(was, "frame.image").data) {
        filter_write(f, was, NULL, NULL);
    } else {
        pack_with_image(&p, was, &now);
        filter_write(f, was, "frame", &p);
    }
    pack_release(&p);
}

static void record_do(Again *a, Filter *f, const Record *r)
{
    Error err = {0};
    Want want;
    const double until = a->limits->deadline > 0 ? seconds_now() + a->limits->deadline : 0;
    bool ok = want_read(&want, a->s, r, &err);
    if (ok && !reopened_is(&a->at, want.source, want.digest.text)) {
        video_free(a->video);
        a->video = NULL;
    }
    ok = ok && reopen(&a->at, want.source, want.digest.text, until, &err);
    if (ok && !make(a, &want, until, &err)) {
        ok = false;
        if (want.digest.text[0] && strcmp(want.digest.text, a->at.digest.text) != 0)
            say(&err, "the source has changed: its digest is \"%s\", the record says \"%s\"", a->at.digest.text,
                want.digest.text);
    }
    if (ok)
        pass_on(a, f, r);
    else if (!interrupted())
        filter_failed(f, r, "%s", err.text);
    extracted_drop(a);
    free(want.source);
}

int again_run(const char *file, const SourceSettings *s, const FrameSettings *frames, const Limits *limits, int zstd,
              const Program *program)
{
    char *operands[] = {(char *)(uintptr_t)file};
    Again a = {.s = frames, .limits = limits, .at = {.s = s, .limits = limits}};
    Filter f;
    Record r;
    filter_init(&f, program, operands, 1, zstd, "frames");
    while (filter_next(&f, &r)) {
        if (r.kind == RECORD_DATA)
            record_do(&a, &f, &r);
        else
            filter_write(&f, &r, NULL, NULL);
    }
    if (f.records == 0 && f.status == STATUS_CLEAN) {
        warn("no record: nothing to extract again");
        filter_status(&f, STATUS_EMPTY);
    }
    video_free(a.video);
    reopened_release(&a.at);
    return filter_finish(&f);
}
