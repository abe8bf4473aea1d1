/*
 * Any bytes as a video: nothing, or frames that can be drawn, and a verdict with its reason. Ours is instrumented; FFmpeg, which
 * does the work, is the system's.
 *
 * About: lib/media/video.c lib/media/video_open.c lib/media/video_frame.c lib/media/video_jpeg.c lib/media/video_damage.c
 * lib/media/video_ends.c lib/media/video_h264.c lib/media/video_chains.c lib/media/video_cut.c
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "media/video.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 20, PIXELS_MAX = 1 << 16 };

static void draw(Video *v, const VideoFrame *f)
{
    Image im;
    Buffer jpeg = {0};
    Error err = {0};
    if (f->time_base[0] < 1 || f->time_base[1] < 1 || f->width < 1 || f->height < 1)
        abort();
    if (!video_image(v, &im, &err) && !err.text[0])
        abort();
    if (video_jpeg(v, &jpeg, 90) && image_format(jpeg.data, jpeg.size) != IMAGE_JPEG)
        abort();
    image_release(&im);
    buffer_release(&jpeg);
}

/* Opens it anew: to look for a frame seen before, or, without one, to count them. */
static void read_again(const VideoInput *in, const VideoChoice *choice, const VideoFrame *want)
{
    VideoReport report;
    VideoFrame found;
    Video *v = video_open(in, choice, &report);
    if (v && want)
        video_find(v, want, &found);
    else if (v && video_count(v) < -1)
        abort();
    video_free(v);
}

/* All frames, to a bound. */
static void read_video(const VideoInput *in, VideoMode mode)
{
    VideoGaps gaps = {0};
    const VideoChoice choice = {.mode = mode, .amount = 0.2, .until = seconds_now() + 1, .max_pixels = PIXELS_MAX, .gaps = &gaps};
    VideoReport report;
    VideoFrame f, first = {0};
    int n = 0;
    Video *v = video_open(in, &choice, &report);
    for (; v && n < FRAMES_MAX && video_next(v, &f); n++) {
        draw(v, &f);
        first = n == 0 ? f : first;
    }
    if (v && n < FRAMES_MAX)
        report = video_report(v);
    if (n < FRAMES_MAX && (report.verdict != VERDICT_COMPLETE) != (report.reason[0] != 0))
        abort();
    video_free(v);
    read_again(in, &choice, n > 0 ? &first : NULL);
    if (in->fd < 0)
        read_again(in, &choice, NULL);
    gaps_release(&gaps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = given_file(data, size);
    const VideoInput file = {"fuzz.mp4", fd, NULL, (int64_t)size}, memory = {"fuzz.mkv", -1, data, (int64_t)size};
    read_video(size % 2 ? &file : &memory, VIDEO_KEYFRAMES);
    if (size % 4 == 0)
        read_video(&memory, size % 8 ? VIDEO_EVERY : VIDEO_SCENE);
    close(fd);
    return 0;
}
