/* One still image: checked whole, and passed on in its own bytes unless something was asked that changes its pixels. */
#include "extract/still.h"

#include <stdio.h>

#include "base/clock.h"
#include "media/resize.h"

static const ImageFormat formats[] = {IMAGE_JPEG, IMAGE_PNG, IMAGE_RGB}; /* --encoding */

/* The bytes to pass on without re-encoding, in *out; false where the picture must be encoded. */
static bool own_bytes(Work *w, const Input *in, const ImageInfo *info, bool changed, Slice *out)
{
    if (w->s->encoding_given && formats[w->s->encoding] != info->format)
        return false;
    *out = slice_bytes(in->data, (size_t)in->size);
    if (!changed)
        return true;
    if (info->format != IMAGE_JPEG || !jpeg_orient(&w->file, in->data, (size_t)in->size, info->orientation))
        return false;
    *out = slice_bytes(w->file.data, w->file.size);
    return true;
}

/* The format to encode in: what was asked for; else without loss what was only turned or laid on white, else the file's own kind.
 */
static ImageFormat format_for(const Work *w, const ImageInfo *info, bool resized)
{
    if (w->s->encoding_given)
        return formats[w->s->encoding];
    return !resized || info->format == IMAGE_PNG ? IMAGE_PNG : IMAGE_JPEG;
}

static void fail(Work *w, const Error *err, VideoVerdict verdict)
{
    w->out->report.verdict = verdict;
    w->out->report.missing = verdict == VERDICT_DAMAGED;
    snprintf(w->out->report.reason, sizeof w->out->report.reason, "%.500s", err->text);
}

/* Shows the decoded picture; the filters have passed it. */
static void show(Work *w, Input *in, const ImageInfo *info, Image *im, bool changed, uint64_t phash)
{
    Error err = {0};
    int width = im->width, height = im->height;
    if (!wanted_size(w->s, w->limits->max_pixels, &width, &height, &err)) {
        fail(w, &err, VERDICT_TOO_LARGE);
        return;
    }
    bool resized = width != im->width || height != im->height;
    VideoFrame f = {.time_base = {1, 1}, .pict_type = 'I', .width = width, .height = height, .orientation = info->orientation};
    Slice bytes;
    if (!resized && own_bytes(w, in, info, changed, &bytes)) {
        extracted_emit(w, &f, info->format, bytes.data, bytes.size, phash);
        return;
    }
    Image small = {0};
    if (resized)
        image_resize(&small, im, width, height);
    ImageFormat format = format_for(w, info, resized);
    const Image *shown = resized ? &small : im;
    if (format == IMAGE_RGB)
        extracted_emit(w, &f, format, shown->rgb, (size_t)width * (size_t)height * 3, phash);
    else if (encode_image(w, shown, format, &err))
        extracted_emit(w, &f, format, w->file.data, w->file.size, phash);
    else
        fail(w, &err, VERDICT_DAMAGED);
    image_release(&small);
}

static bool time_is_up(const Work *w, Error *err)
{
    if (w->until <= 0 || seconds_now() <= w->until)
        return false;
    *err = (Error){0};
    error_set(err, "the time is up within the picture");
    return true;
}

/* The header, in *info; and that it promises no more pixels than are wanted. */
static bool look_first(Work *w, const Input *in, ImageInfo *info)
{
    Error err = {0};
    if (!image_info(info, in->data, (size_t)in->size, &err))
        fail(w, &err, VERDICT_UNREADABLE);
    if ((int64_t)info->width * info->height > w->limits->max_pixels &&
        !error_set(&err, "image of %d x %d pixels, expected at most %lld in all (--max-pixels)", info->width, info->height,
                   (long long)w->limits->max_pixels))
        fail(w, &err, VERDICT_TOO_LARGE);
    return w->out->report.verdict == VERDICT_COMPLETE;
}

void still_do(Work *w, Input *in)
{
    Error err = {0};
    ImageInfo info;
    Image im;
    bool changed;
    uint64_t phash;
    w->still = true;
    if (!look_first(w, in, &info))
        return;
    const ImageLimits limits = {.pixels = w->limits->max_pixels, .until = w->until};
    if (!image_decode_within(&im, &changed, in->data, (size_t)in->size, &limits, &err)) {
        fail(w, &err, time_is_up(w, &err) ? VERDICT_TIMED_OUT : VERDICT_DAMAGED);
        return;
    }
    if (time_is_up(w, &err))
        fail(w, &err, VERDICT_TIMED_OUT);
    else if (frame_passes(w, &im, &phash))
        show(w, in, &info, &im, changed, phash);
    image_release(&im);
}
