/* Images of records as files, under names that an id cannot lead astray; see images.h. */
#include "tools/images.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { NAME_MAX_BYTES = 200, NAME_CUT = 180 };

bool images_open(ImageFolder *f, const char *path, Error *err)
{
    *f = (ImageFolder){.path = path};
    return folder_make(path, err);
}

static bool stands_for_itself(unsigned char c, bool first)
{
    if (first && (c == '.' || c == '-'))
        return false;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != 0 && strchr("-_~#+=@,:.", c));
}

char *image_name(Slice id)
{
    const unsigned char *p = (const unsigned char *)id.data;
    char *name = xmalloc(3 * id.size + NAME_MAX_BYTES), *out = name;
    for (size_t i = 0; i < id.size; i++)
        if (stands_for_itself(p[i], i == 0))
            *out++ = (char)p[i];
        else
            out += sprintf(out, "%%%02X", p[i]);
    if (id.size == 0)
        *out++ = '%';
    *out = '\0';
    if (out - name > NAME_MAX_BYTES)
        sprintf(name + NAME_CUT, "%%~%016" PRIx64, hash_id(id.data, id.size));
    return name;
}

static const char *ending(Slice encoding)
{
    static const char *const known[][2] = {{"jpeg", "jpg"}, {"png", "png"}, {"webp", "webp"}, {"rgb", "ppm"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_equal(encoding, known[i][0]))
            return known[i][1];
    return "bin";
}

/* The head of a PPM for raw pixels; empty for what is a file already. */
static bool image_head(const Record *r, Slice encoding, size_t size, char head[64], Error *err)
{
    int64_t width, height;
    head[0] = '\0';
    if (!slice_equal(encoding, "rgb"))
        return true;
    if (record_int(r, "frame.width", &width) != FIELD_OK || record_int(r, "frame.height", &height) != FIELD_OK || width < 1 ||
        height < 1 || width > 1 << 20 || height > 1 << 20 || (uint64_t)width * (uint64_t)height * 3 != size)
        return error_set(err, "%zu bytes of rgb do not fit frame.width and frame.height", size);
    snprintf(head, 64, "P6\n%" PRId64 " %" PRId64 "\n255\n", width, height);
    return true;
}

/* The bytes of the file that frame.path names. */
static bool picture_at(Picture *p, Slice path, Error *err)
{
    size_t size;
    char *name = xstrndup(path.data, path.size);
    char *bytes = strlen(name) == path.size ? file_read_regular(name, IMAGE_MAX_BYTES, &size, err) : NULL;
    ImageFormat format = bytes ? image_format(bytes, size) : IMAGE_UNKNOWN;
    if (bytes && format == IMAGE_UNKNOWN)
        error_set(err, "%s is neither JPEG, PNG nor WebP", name);
    else if (bytes)
        buffer_set(&p->file, bytes, size);
    p->ending = ending(slice_of(image_format_name(format)));
    free(bytes);
    free(name);
    return p->file.size > 0 || error_set(err, "its frame.path names no file");
}

bool picture_file(Picture *p, const Record *r, Error *err)
{
    Slice image, encoding = {"", 0}, path;
    char head[64];
    if (record_bin(r, "frame.image", &image) != FIELD_OK) {
        if (record_string(r, "frame.path", &path) == FIELD_OK)
            return picture_at(p, path, err);
        return error_set(err, "it has no picture: neither frame.image nor frame.path");
    }
    record_string(r, "frame.encoding", &encoding);
    if (!image_head(r, encoding, image.size, head, err))
        return false;
    buffer_set(&p->file, head, strlen(head));
    buffer_add(&p->file, image.data, image.size);
    p->ending = ending(encoding);
    return true;
}

bool images_save(ImageFolder *f, const Record *r, Error *err)
{
    Slice image;
    Picture picture = {0};
    if (record_bin(r, "frame.image", &image) != FIELD_OK) {
        f->without++;
        return true;
    }
    if (!picture_file(&picture, r, err))
        return false;
    char *name = image_name(r->id), *path = xasprintf("%s/%s.%s", f->path, name, picture.ending);
    AtomicFile out;
    bool ok = atomic_open(&out, path, err); /* a link of that name, which would lead out of the folder, is replaced */
    if (ok) {
        fwrite(picture.file.data, 1, picture.file.size, out.stream);
        ok = atomic_place(&out, err);
    }
    f->saved += ok;
    buffer_release(&picture.file);
    free(path);
    free(name);
    return ok;
}
