/*
 * Whether bytes are a picture or a video, for files whose names do not say so. It runs where decoding runs, in the sealed
 * process.
 */
#ifndef EXTRACT_CONTENT_H
#define EXTRACT_CONTENT_H

#include "extract/source.h"

/* Whether an opened source begins as an image that we read, or is in a container with pictures by FFmpeg's judgement. */
bool content_is_media(const Source *s);

#endif
