/* Rows of images; see images.h. */
#include "eval/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/mapped.h"
#include "media/image.h"

static size_t record_bytes(const Images *s)
{
    return 2 * sizeof(uint64_t) + s->cols * sizeof(real);
}

/* Maps the cache and notes which images are in it. */
static bool cache_open(Images *s, Error *err)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || error_set(err, "open %s:", s->path);
    bool ok = mapped_open(&s->cached, &s->cached_bytes, fd, s->path, err) || error_prefix(err, "%s", s->path);
    close(fd);
    for (size_t i = s->cached_bytes / record_bytes(s); ok && i-- > 0;) { /* the newest of an image counts */
        uint64_t key;
        memcpy(&key, s->cached + i * record_bytes(s), sizeof key);
        places_add(&s->in_cache, key, i);
    }
    return ok;
}

bool images_init(Images *s, size_t cols, const char *folder, const char *model, Error *err)
{
    *s = (Images){.cols = cols};
    if (!folder)
        return true;
    s->path = xasprintf("%s/clip-%s-%zu-%s.rows", folder, model, cols, dtype_name(DTYPE_REAL));
    return folder_make(folder, err) && cache_open(s, err);
}

void images_release(Images *s)
{
    mapped_close(s->cached, s->cached_bytes);
    places_release(&s->places);
    places_release(&s->in_cache);
    free(s->keys);
    free(s->rows);
    free(s->fresh);
    free(s->path);
    *s = (Images){0};
}

static bool file_key(uint64_t *out, Slice path, Error *err)
{
    char *name = xstrndup(path.data, path.size);
    size_t size;
    char *data = file_read_regular(name, IMAGE_MAX_BYTES, &size, err);
    if (data)
        *out = hash_id(data, size);
    free(data);
    free(name);
    return data;
}

bool image_key(uint64_t *out, const Record *r, Error *err)
{
    Slice bytes, text;
    int64_t width = 0;
    if (record_bin(r, "frame.image", &bytes) == FIELD_OK) {
        *out = hash_id(bytes.data, bytes.size);
        if (record_string(r, "frame.encoding", &text) == FIELD_OK && slice_equal(text, "rgb") &&
            record_int(r, "frame.width", &width) == FIELD_OK)
            *out ^= hash_id(&width, sizeof width); /* the same bytes in other rows are another picture */
        return true;
    }
    if (record_string(r, "frame.path", &text) != FIELD_OK)
        return error_set(err, "no image: expected frame.image (binary) or frame.path (string)");
    return file_key(out, text, err);
}

static size_t add(Images *s, uint64_t key, const real *row, bool fresh)
{
    s->keys = array_reserve(s->keys, &s->key_capacity, s->n + 1, sizeof *s->keys);
    s->rows = array_reserve(s->rows, &s->capacity, (s->n + 1) * s->cols, sizeof *s->rows);
    s->fresh = array_reserve(s->fresh, &s->fresh_capacity, s->n + 1, sizeof *s->fresh);
    s->keys[s->n] = key;
    s->fresh[s->n] = fresh;
    memcpy(s->rows + s->n * s->cols, row, s->cols * sizeof *row);
    places_add(&s->places, key, s->n);
    *(fresh ? &s->computed : &s->from_cache) += 1;
    return s->n++;
}

size_t images_add(Images *s, uint64_t key, const real *row)
{
    return add(s, key, row, true);
}

size_t images_find(Images *s, uint64_t key)
{
    size_t place = places_find(&s->places, key);
    if (place != SIZE_MAX)
        return place;
    place = places_find(&s->in_cache, key);
    if (place == SIZE_MAX)
        return SIZE_MAX;
    const unsigned char *record = s->cached + place * record_bytes(s);
    uint64_t sum;
    memcpy(&sum, record + sizeof sum, sizeof sum);
    real *row = xmalloc(s->cols * sizeof *row);
    memcpy(row, record + 2 * sizeof sum, s->cols * sizeof *row);
    if (hash_id(row, s->cols * sizeof *row) == sum) {
        place = add(s, key, row, false);
    } else {
        if (s->damaged++ == 0)
            warn("%s: record %zu is damaged: computed again (said once)", s->path, place);
        place = SIZE_MAX;
    }
    free(row);
    return place;
}

const real *images_row(const Images *s, size_t place)
{
    return s->rows + place * s->cols;
}

static bool append(const Images *s, int fd, Error *err)
{
    size_t size = record_bytes(s);
    char *record = xmalloc(size);
    struct stat st;
    bool ok = fstat(fd, &st) == 0 && ftruncate(fd, st.st_size - st.st_size % (off_t)size) == 0 && lseek(fd, 0, SEEK_END) >= 0;
    for (size_t i = 0; i < s->n && ok; i++) {
        if (!s->fresh[i])
            continue;
        uint64_t sum = hash_id(images_row(s, i), s->cols * sizeof(real));
        memcpy(record, &s->keys[i], sizeof sum);
        memcpy(record + sizeof sum, &sum, sizeof sum);
        memcpy(record + 2 * sizeof sum, images_row(s, i), s->cols * sizeof(real));
        ok = write_in_full(fd, record, size);
    }
    free(record);
    return ok || error_set(err, "write %s:", s->path);
}

bool images_save(Images *s, Error *err)
{
    if (!s->path || s->computed == 0)
        return true;
    int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set(err, "open %s:", s->path);
    bool ok = flock(fd, LOCK_EX) == 0 || error_set(err, "lock %s:", s->path);
    ok = ok && append(s, fd, err);
    if (close(fd) != 0 && ok)
        ok = error_set(err, "write %s:", s->path);
    return ok;
}
