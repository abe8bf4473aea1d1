/*
 * Frames to an H.264 MP4, by libx264 through libavcodec. What the world's renderer needs, no more: one video track, constant
 * frame rate, cuts where the caller wants them. The bytes depend on the frames and settings alone: one thread, bit-exact mode.
 */
#ifndef MEDIA_VIDEO_WRITE_H
#define MEDIA_VIDEO_WRITE_H

#include "base/base.h"

typedef struct VideoWriter VideoWriter;

typedef struct VideoSettings {
    int width, height; /* even */
    int rate;          /* frames per second */
    int quality;       /* x264's constant rate factor: 0 to 51, less is better */
} VideoSettings;

/* A writer that collects the file in memory; NULL when libx264 is missing or refuses the settings. */
VideoWriter *video_writer_new(const VideoSettings *settings, Error *err);

/* Appends a frame, rgb [height, width, 3]; a cut makes it a keyframe (IDR), and nothing else does. The first is always one. */
MUST_USE bool video_writer_frame(VideoWriter *w, const uint8_t *rgb, bool cut, Error *err);

/* Ends the file and gives its bytes, which the caller frees with free(). */
MUST_USE bool video_writer_take(VideoWriter *w, uint8_t **data, size_t *size, Error *err);

/* Frees it without finishing the file. NULL is fine. */
void video_writer_free(VideoWriter *w);

#endif
