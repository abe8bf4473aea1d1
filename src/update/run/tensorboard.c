/* TensorBoard event files; see tensorboard.h. */
#include "update/run/tensorboard.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "update/run/event.pb-c.h"

/* 0x82F63B78 is the Castagnoli polynomial, bits reversed. Event files are small: a bit at a time is fast enough. */
uint32_t crc32c(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
    }
    return ~crc;
}

/* TFRecord's mask, so that a checksum of data that holds checksums is no trap. */
static uint32_t masked(const void *data, size_t size)
{
    uint32_t crc = crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static bool record_put(TensorBoard *t, const Tensorboard__Event *event, Error *err)
{
    uint64_t size = tensorboard__event__get_packed_size(event);
    uint8_t *data = xmalloc(size);
    tensorboard__event__pack(event, data);
    uint32_t size_crc = masked(&size, sizeof size), data_crc = masked(data, size);
    fwrite(&size, sizeof size, 1, t->file);
    fwrite(&size_crc, sizeof size_crc, 1, t->file);
    fwrite(data, 1, size, t->file);
    fwrite(&data_crc, sizeof data_crc, 1, t->file);
    free(data);
    return (fflush(t->file) == 0 && !ferror(t->file)) || error_set(err, "write %s:", t->path);
}

static double wall_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool tensorboard_open(TensorBoard *t, const char *folder, Error *err)
{
    if (!folder_make(folder, err))
        return false;
    t->path = xasprintf("%s/events.out.tfevents.%lld.vlrm.%ld", folder, (long long)wall_time(), (long)getpid());
    t->file = fopen(t->path, "wb");
    if (!t->file)
        return error_set(err, "create %s:", t->path);
    Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
    char version[] = "brain.Event:2";
    event.wall_time = wall_time();
    event.what_case = TENSORBOARD__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    return record_put(t, &event, err);
}

typedef struct Scalars {
    Tensorboard__Value *values; /* owned */
    size_t n, capacity;
} Scalars;

static void scalars_add(Scalars *s, const char *prefix, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        char *tag = xasprintf("%s%s%s", prefix, *prefix ? "/" : "", key);
        if (json_is_object(value)) {
            scalars_add(s, tag, value);
            free(tag);
        } else if (json_is_number(value)) {
            s->values = array_reserve(s->values, &s->capacity, s->n + 1, sizeof *s->values);
            Tensorboard__Value init = TENSORBOARD__VALUE__INIT;
            init.tag = tag;
            init.kind_case = TENSORBOARD__VALUE__KIND_SIMPLE_VALUE;
            init.simple_value = (float)json_number_value(value);
            s->values[s->n++] = init;
        } else {
            free(tag);
        }
    }
}

bool tensorboard_write(TensorBoard *t, int64_t step, const json_t *metrics, Error *err)
{
    if (!t->file)
        return true;
    Scalars s = {0};
    scalars_add(&s, "", metrics);
    Tensorboard__Value **pointers = xmalloc((s.n + 1) * sizeof *pointers);
    for (size_t i = 0; i < s.n; i++)
        pointers[i] = &s.values[i];
    Tensorboard__Summary summary = TENSORBOARD__SUMMARY__INIT;
    summary.n_value = s.n;
    summary.value = pointers;
    Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
    event.wall_time = wall_time();
    event.step = step;
    event.what_case = TENSORBOARD__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    bool ok = record_put(t, &event, err);
    for (size_t i = 0; i < s.n; i++)
        free(s.values[i].tag);
    free(s.values);
    free(pointers);
    return ok;
}

void tensorboard_close(TensorBoard *t)
{
    if (t->file)
        fclose(t->file);
    free(t->path);
    *t = (TensorBoard){0};
}
