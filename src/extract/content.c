/* What bytes are; see content.h. */
#include "extract/content.h"

#include "extract/input.h"
#include "extract/work.h"

bool content_is_media(const Source *s)
{
    VideoReport report = {0};
    Input in;
    bool media = false;
    if (input_open(&in, s, 0, INT64_MAX, &report)) {
        InputKind kind = input_kind(&in, s->label, &report);
        VideoInput video = {s->label, in.fd, in.data, in.size};
        media = kind == INPUT_STILL || kind == INPUT_FAILED || (kind == INPUT_VIDEO && video_probe(&video));
    }
    input_close(&in);
    return media;
}
