/* COCO's images by what a record may call them: the decimal id, the name of the file, or that without what follows its last dot.
 */
#ifndef EVAL_IMAGE_NAMES_H
#define EVAL_IMAGE_NAMES_H

#include "base/slice.h"
#include "eval/places.h"

typedef struct ImageNames {
    Places by_id, by_name;
} ImageNames;

/* Adds image `place`; file NULL: only its id. What came first under a name stays. */
void image_names_add(ImageNames *s, size_t place, int64_t id, const char *file);

/* The place of an id; SIZE_MAX when there is none. */
size_t image_names_id(const ImageNames *s, int64_t id);

/* The place of a record by its id and frame.path ({NULL, 0}: none); SIZE_MAX when there is none. */
size_t image_names_find(const ImageNames *s, Slice id, Slice path);

/* What a record may call such an image, for messages: "42 or a.jpg"; file: NULL or "" for none. The caller frees it. */
char *image_names_say(int64_t id, const char *file);

/* The part of a path behind its last slash. */
const char *base_name(const char *path);

/* Frees what it holds; it is empty again. */
void image_names_release(ImageNames *s);

#endif
