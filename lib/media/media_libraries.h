/* The versions of FFmpeg's libraries and libpng. */
#ifndef MEDIA_MEDIA_LIBRARIES_H
#define MEDIA_MEDIA_LIBRARIES_H

#include <stddef.h>

#include "base/library.h"

enum { MEDIA_LIBRARIES = 5 };

/* Fills all of them. FFmpeg's fit within one major version that is no older; libpng within major and minor. */
void media_libraries(Library out[MEDIA_LIBRARIES]);

#endif
