/* WebDataset shards; see shards.h. */
#include "tools/shards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json_file.h"
#include "base/lock.h"
#include "tools/images.h"

static char *shard_path(const Shards *s, int64_t number, const char *rest)
{
    return xasprintf("%s/%05" PRId64 "%s", s->folder, number, rest);
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what is there ---- */

/* Takes the ids of a shard that is whole. */
static bool take_stats(Shards *s, const char *path, Error *err)
{
    size_t i;
    json_t *id, *stats = json_file_read(path, err), *ids = json_object_get(stats, "ids");
    if (stats && !json_is_array(ids))
        error_set_status(err, STATUS_MISMATCH, "%s: no list of ids, expected the stats of a shard that this program wrote", path);
    json_array_foreach (ids, i, id)
        if (json_is_string(id))
            (void)hashmap_add(&s->done, hash_id(json_string_value(id), json_string_length(id)));
    json_decref(stats);
    return err->text[0] == '\0';
}

/* Goes on behind the last shard with stats; one without was written by a killed run, and is written again. */
static bool find_end(Shards *s, bool resume, Error *err)
{
    for (s->number = 0;; s->number++) {
        char *stats = shard_path(s, s->number, "_stats.json"), *tar = shard_path(s, s->number, ".tar");
        bool whole = is_there(stats), any = whole || is_there(tar), ok = true;
        if (any && !resume)
            ok = error_set_status(err, STATUS_USAGE, "%s exists already: --resume continues after the shards of %s",
                                  whole ? stats : tar, s->folder);
        else if (whole)
            ok = take_stats(s, stats, err);
        free(stats);
        free(tar);
        if (!whole || !ok)
            return ok;
    }
}

bool shards_open(Shards *s, bool resume, Error *err)
{
    s->lock = -1;
    if (!folder_make(s->folder, err))
        return false;
    s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0)
        return error_set(err, "open folder %s:", s->folder);
    return lock_take(s->lock, s->folder, err) && find_end(s, resume, err);
}

/* ---- a shard ---- */

static bool begin_shard(Shards *s, Error *err)
{
    char *path = shard_path(s, s->number, ".tar");
    bool ok = atomic_open(&s->file, path, err);
    free(path);
    if (!ok)
        return false;
    s->tar = tar_writer_new(fileno(s->file.stream));
    s->samples = s->bytes = 0;
    s->ids = json_array();
    s->began = now();
    return true;
}

/* As img2dataset's, and the ids, by which a later run knows what is done. */
static bool write_stats(const Shards *s, Error *err)
{
    char name[32];
    double ended = now();
    json_int_t n = s->samples;
    snprintf(name, sizeof name, "%05" PRId64 "_stats.json", s->number);
    json_t *stats = json_pack("{s:I, s:I, s:i, s:i, s:f, s:f, s:f, s:{s:I}, s:O}", "count", n, "successes", n,
                              "failed_to_download", 0, "failed_to_resize", 0, "duration", ended - s->began, "start_time",
                              s->began, "end_time", ended, "status_dict", "success", n, "ids", s->ids);
    bool ok = json_file_write(s->folder, name, stats, err);
    json_decref(stats);
    return ok;
}

static void drop_shard(Shards *s)
{
    Error ignored = {0};
    if (!s->tar)
        return;
    (void)!tar_writer_end(s->tar, &ignored);
    atomic_abort(&s->file);
    json_decref(s->ids);
    s->tar = NULL;
    s->ids = NULL;
}

static bool close_shard(Shards *s, Error *err)
{
    if (!s->tar)
        return true;
    bool ok = tar_writer_end(s->tar, err);
    s->tar = NULL;
    if (ok)
        ok = atomic_commit(&s->file, err);
    else
        atomic_abort(&s->file);
    ok = ok && write_stats(s, err);
    json_decref(s->ids);
    s->ids = NULL;
    s->number++;
    return ok;
}

/* ---- a sample ---- */

static bool add(Shards *s, const char *ending, const void *data, size_t size, Error *err)
{
    char *name = xasprintf("%05" PRId64 "%06" PRId64 ".%s", s->number, s->samples, ending);
    bool ok = tar_writer_add(s->tar, name, data, size, err);
    if (!ok)
        error_prefix(err, "%s", s->file.path);
    s->bytes += (int64_t)size;
    free(name);
    return ok;
}

/* Where there is no caption: what people wrote. */
static void add_references(const Record *r, Buffer *out)
{
    json_t *text, *list = slice_json(record_raw(r, "frame.references"));
    size_t i;
    json_array_foreach (list, i, text) {
        buffer_add(out, json_string_value(text), json_string_length(text));
        buffer_add(out, "\n", 1);
    }
    json_decref(list);
}

/* KEY.json: what was known of it, and what is now. */
static char *sample_json(const Shards *s, const Slice text, size_t *n)
{
    const Record *r = &s->sample.first;
    Slice source = picture_source(r), id = picture_id(r->id);
    json_t *meta = slice_json_as(record_raw(r, "frame.meta"), BIN_OMIT),
           *all = json_is_object(meta) ? json_copy(meta) : json_object();
    char *key = xasprintf("%05" PRId64 "%06" PRId64, s->number, s->samples);
    json_object_set_new(all, "key", json_string(key));
    json_object_set_new(all, "id", json_stringn(id.data, id.size));
    if (source.data)
        json_object_set_new(all, "source", json_stringn(source.data, source.size));
    json_object_set_new(all, "caption", json_stringn(text.data ? text.data : "", text.data ? text.size : 0));
    json_object_set_new(all, "status", json_string("success"));
    json_object_set_new(all, "error_message", json_null());
    static const char *const numbers[][2] = {{"width", "frame.width"}, {"height", "frame.height"}, {"time", "frame.time"}};
    for (size_t i = 0; i < 3; i++)
        if (record_raw(r, numbers[i][1]).data)
            json_object_set_new(all, numbers[i][0], slice_json(record_raw(r, numbers[i][1])));
    if (record_raw(r, "frame.references").data)
        json_object_set_new(all, "references", slice_json(record_raw(r, "frame.references")));
    if (json_array_size(s->sample.captions) > 0)
        json_object_set(all, "captions", s->sample.captions);
    char *line = json_line(all, n);
    free(key);
    json_decref(all);
    json_decref(meta);
    return line;
}

static bool write_sample(Shards *s, const Picture *picture, Error *err)
{
    Buffer text = {0};
    if (!s->tar && !begin_shard(s, err))
        return false;
    sample_lines(&s->sample, s->prefix, &text);
    if (text.size == 0)
        add_references(&s->sample.first, &text);
    size_t n, line = text.size > 0 ? (size_t)((uint8_t *)memchr(text.data, '\n', text.size) - text.data) : 0;
    char *json = sample_json(s, (Slice){(const char *)text.data, line}, &n);
    bool ok = add(s, picture->ending, picture->file.data, picture->file.size, err) &&
              (text.size == 0 || add(s, "txt", text.data, text.size - 1, err)) && add(s, "json", json, n, err);
    Slice id = picture_id(s->sample.first.id);
    json_array_append_new(s->ids, json_stringn(id.data, id.size));
    s->samples++;
    s->written += ok;
    free(json);
    buffer_release(&text);
    if (ok && (s->samples >= s->samples_most || s->bytes >= s->bytes_most))
        ok = close_shard(s, err);
    return ok;
}

static bool flush(Shards *s, Error *err)
{
    Picture picture = {0};
    Error why = {0};
    bool ok = true;
    if (!s->sample.captions)
        return true;
    Slice id = s->sample.first.id;
    if (picture_file(&picture, &s->sample.first, &why)) {
        ok = write_sample(s, &picture, err);
    } else {
        s->failed++;
        warn("record %.*s: %s", (int)(id.size < 200 ? id.size : 200), id.data, why.text);
    }
    buffer_release(&picture.file);
    sample_reset(&s->sample);
    return ok;
}

bool shards_take(Shards *s, const Record *r, Error *err)
{
    Slice id = picture_id(r->id);
    if (hashmap_get(&s->done, hash_id(id.data, id.size))) {
        s->skipped++;
        return true;
    }
    if (s->sample.captions && !sample_has(&s->sample, r, false) && !flush(s, err))
        return false;
    sample_add(&s->sample, r);
    return true;
}

bool shards_end(Shards *s, bool whole, Error *err)
{
    bool ok = !whole || (flush(s, err) && close_shard(s, err));
    drop_shard(s);
    sample_release(&s->sample);
    hashmap_release(&s->done);
    if (s->lock >= 0)
        close(s->lock);
    return ok;
}
