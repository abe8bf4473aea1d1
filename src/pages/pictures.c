/* Thumbnails by what they show; see pictures.h. */
#include "pages/pictures.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/hash.h"
#include "media/resize.h"
#include "stage/frame.h"

enum { QUALITY = 80 };

void pictures_init(Pictures *p, int64_t size)
{
    *p = (Pictures){.list = json_array(), .size = (int)size};
}

void pictures_release(Pictures *p)
{
    json_decref(p->list);
    hashmap_release(&p->places);
    *p = (Pictures){0};
}

uint64_t picture_key(const Record *r)
{
    Slice bytes;
    if (record_bin(r, "frame.image", &bytes) != FIELD_OK && record_string(r, "frame.path", &bytes) != FIELD_OK)
        return 0;
    uint64_t key = hash_id(bytes.data, bytes.size);
    return key ? key : 1;
}

/* im becomes no larger than `size` on its longest side. */
static void shrink(Image *im, int size)
{
    int longest = im->width > im->height ? im->width : im->height;
    if (longest <= size)
        return;
    int width = (int)((int64_t)im->width * size / longest), height = (int)((int64_t)im->height * size / longest);
    Image small;
    image_resize(&small, im, width > 0 ? width : 1, height > 0 ? height : 1);
    image_release(im);
    *im = small;
}

static bool thumbnail(json_t *list, const Record *r, int size, Error *err)
{
    Image im = {0};
    Buffer jpeg = {0};
    if (!frame_image(&im, r, err))
        return false;
    shrink(&im, size);
    bool ok = image_encode_jpeg(&jpeg, &im, QUALITY, err);
    if (ok) {
        char *text = base64_encode(jpeg.data, jpeg.size);
        json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "w", im.width, "h", im.height, "jpeg", text));
        free(text);
    }
    buffer_release(&jpeg);
    image_release(&im);
    return ok;
}

int64_t pictures_add(Pictures *p, const Record *r)
{
    Error err = {0};
    uint64_t key = picture_key(r);
    if (!key)
        return -1;
    int64_t *place = hashmap_at(&p->places, key);
    if (*place == 0 && thumbnail(p->list, r, p->size, &err))
        *place = (int64_t)json_array_size(p->list);
    else if (*place == 0) {
        warn("record %.*s: %s", (int)size_min(r->id.size, 200), r->id.data, err.text);
        p->failed++;
        *place = -1;
    }
    return *place > 0 ? *place - 1 : -1;
}

void pictures_set(Pictures *p, json_t *object, const Record *r)
{
    int64_t place = pictures_add(p, r);
    if (place >= 0)
        json_object_set_new(object, "picture", json_integer(place));
}
