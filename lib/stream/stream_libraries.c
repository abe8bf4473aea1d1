/* Versions, from headers and from functions; see stream_libraries.h. */
#include "stream/stream_libraries.h"

#include <msgpack.h>
#include <stdio.h>
#include <zstd.h>

void stream_libraries(Library out[STREAM_LIBRARIES])
{
    out[0] = (Library){.name = "zstd",
                       .fits = ZSTD_versionNumber() >= ZSTD_VERSION_NUMBER && ZSTD_versionNumber() / 10000 == ZSTD_VERSION_MAJOR};
    snprintf(out[0].built, sizeof out[0].built, "%s", ZSTD_VERSION_STRING);
    snprintf(out[0].found, sizeof out[0].found, "%s", ZSTD_versionString());
    out[1] =
        (Library){.name = "msgpack-c",
                  .fits = msgpack_version_major() == MSGPACK_VERSION_MAJOR && msgpack_version_minor() >= MSGPACK_VERSION_MINOR};
    snprintf(out[1].built, sizeof out[1].built, "%s", MSGPACK_VERSION);
    snprintf(out[1].found, sizeof out[1].found, "%s", msgpack_version());
}
