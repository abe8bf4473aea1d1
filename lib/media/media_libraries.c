/* Versions, from headers and from functions; see media_libraries.h. */
#include "media/media_libraries.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>
#include <png.h>
#include <stdio.h>

static void ffmpeg_version(char text[64], unsigned version)
{
    snprintf(text, 64, "%u.%u.%u", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version), AV_VERSION_MICRO(version));
}

static Library ffmpeg(const char *name, unsigned built, unsigned found)
{
    Library l = {.name = name, .fits = AV_VERSION_MAJOR(built) == AV_VERSION_MAJOR(found) && found >= built};
    ffmpeg_version(l.built, built);
    ffmpeg_version(l.found, found);
    return l;
}

static Library png(void)
{
    const unsigned built = PNG_LIBPNG_VER, found = (unsigned)png_access_version_number();
    Library l = {.name = "libpng", .fits = built / 100 == found / 100};
    snprintf(l.built, sizeof l.built, "%s", PNG_LIBPNG_VER_STRING);
    snprintf(l.found, sizeof l.found, "%u.%u.%u", found / 10000, found / 100 % 100, found % 100);
    return l;
}

void media_libraries(Library out[MEDIA_LIBRARIES])
{
    out[0] = ffmpeg("libavformat", LIBAVFORMAT_VERSION_INT, avformat_version());
    out[1] = ffmpeg("libavcodec", LIBAVCODEC_VERSION_INT, avcodec_version());
    out[2] = ffmpeg("libavutil", LIBAVUTIL_VERSION_INT, avutil_version());
    out[3] = ffmpeg("libswscale", LIBSWSCALE_VERSION_INT, swscale_version());
    out[4] = png();
}
