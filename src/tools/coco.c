/* COCO's result list; see coco.h. */
#include "tools/coco.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/fields.h"
#include "tools/sample.h"

/* ---- ids ---- */

/* What of a name lies between its last slash and its last dot. */
static Slice stem_of(Slice name)
{
    size_t begin = name.size, end = name.size;
    while (begin > 0 && name.data[begin - 1] != '/')
        begin--;
    for (size_t i = begin + 1; i < name.size; i++)
        if (name.data[i] == '.')
            end = i;
    return (Slice){name.data + begin, end - begin};
}

/* The number that the text ends in; false where it ends in none, or in a longer one than COCO has. */
static bool number_at_end(Slice text, int64_t *out)
{
    char digits[20];
    size_t n = 0;
    while (n < text.size && text.data[text.size - 1 - n] >= '0' && text.data[text.size - 1 - n] <= '9')
        n++;
    if (n == 0 || n > 18)
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)n, text.data + text.size - n);
    *out = strtoll(digits, NULL, 10);
    return true;
}

json_t *coco_id(Slice id)
{
    int64_t number;
    Slice picture = picture_id(id);
    if (!memchr(picture.data, '#', picture.size) && number_at_end(stem_of(picture), &number))
        return json_integer(number);
    return json_stringn(picture.data, picture.size);
}

/* An image_id as the key of an object; the caller frees it. NULL for what is neither number nor text. */
static char *key_of(const json_t *id)
{
    if (json_is_integer(id))
        return xasprintf("%lld", (long long)json_integer_value(id));
    return json_is_string(id) ? xstrdup(json_string_value(id)) : NULL;
}

/* ---- reading ---- */

static json_t *list_read(const char *path, Error *err)
{
    json_error_t why;
    size_t size;
    char *text = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &size, err);
    json_t *list = text ? json_loadb(text, size, 0, &why) : NULL;
    free(text);
    if (text && !list)
        error_set_status(err, STATUS_CORRUPT, "%s: line %d: %s", path, why.line, why.text);
    if (list && !json_is_array(list)) {
        error_set_status(err, STATUS_CORRUPT, "%s: %s, expected COCO's result list: [{\"image_id\", \"caption\"}, ..]", path,
                         json_object_get(list, "annotations") ? "an annotations file (vlrm-extract --coco reads it)" : "no list");
        json_decref(list);
        list = NULL;
    }
    return list;
}

static bool is_picture(const char *name)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof ends[0]; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return true;
    return false;
}

/* A name for a picture's id; of an id that two files may be, both. */
static void name_picture(json_t *names, const char *key, const char *path)
{
    json_t *list = json_object_get(names, key), *value = json_string(path);
    if (!list)
        json_object_set_new(names, key, list = json_array());
    if (value)
        json_array_append_new(list, value);
}

/* The pictures of a folder: by stem, by name, and by the number that the stem ends in. */
static json_t *pictures_of(const char *folder, Error *err)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    json_t *names = json_object();
    if (!d) {
        error_set(err, "open folder %s:", folder);
        json_decref(names);
        return NULL;
    }
    while (errno = 0, (e = readdir(d))) {
        int64_t number;
        if (e->d_name[0] == '.' || !is_picture(e->d_name))
            continue;
        char *path = path_join(folder, e->d_name), key[32];
        Slice stem = stem_of(slice_of(e->d_name));
        char *stem_text = xstrndup(stem.data, stem.size);
        name_picture(names, e->d_name, path);
        name_picture(names, stem_text, path);
        if (number_at_end(stem, &number)) {
            snprintf(key, sizeof key, "%lld", (long long)number);
            if (strcmp(key, stem_text) != 0)
                name_picture(names, key, path);
        }
        free(stem_text);
        free(path);
    }
    if (errno != 0)
        error_set(err, "read folder %s:", folder);
    closedir(d);
    return names;
}

/* The picture of an id; NULL where there is none, or more than one: err says so. */
static const char *find_picture(const json_t *names, const char *id, const char *folder, Error *err)
{
    const json_t *list = json_object_get(names, id);
    const char *first = json_string_value(json_array_get(list, 0));
    if (!first)
        error_set(err, "no picture of that id in %s", folder);
    else if (json_array_size(list) > 1)
        error_set(err, "%s and %s could both be meant", first, json_string_value(json_array_get(list, 1)));
    return json_array_size(list) == 1 ? first : NULL;
}

/* One entry as a record; NULL with err set where it cannot be one. `seen` counts the captions of each id. */
static json_t *entry_record(const json_t *entry, const json_t *names, const char *images, json_t *seen, Error *err)
{
    char *id = key_of(json_object_get(entry, "image_id"));
    json_t *caption = json_object_get(entry, "caption"), *record = NULL;
    const char *path = NULL;
    if (!id)
        error_set(err, "it has no image_id");
    else if (!json_is_string(caption))
        error_set(err, "image %s: its caption is no text", id);
    else if (images && !(path = find_picture(names, id, images, err)))
        error_prefix(err, "image %s", id);
    if (!err->text[0]) {
        json_int_t nth = json_integer_value(json_object_get(seen, id)) + 1;
        json_object_set_new(seen, id, json_integer(nth));
        record = json_object();
        json_object_set_new(record, "id", nth > 1 ? json_sprintf("%s~%lld", id, (long long)nth) : json_string(id));
        if (path)
            json_object_set_new(record, "frame", json_pack("{s:s}", "path", path));
        json_object_set_new(record, "caption", json_pack("{s:O}", "text", caption));
    }
    free(id);
    return record;
}

/* The records of a list, between a header and an end that counts those that failed. */
static void put_records(FILE *out, const char *path, const json_t *list, const json_t *names, const char *images)
{
    json_t *seen = json_object(), *entry, *record;
    long long failed = 0;
    size_t i;
    json_line_put(out, json_pack("{s:i, s:s, s:s, s:{s:s}}", "vlrm", 1, "stage", "json", "version", VLRM_VERSION, "params",
                                 "from", "coco"));
    json_array_foreach (list, i, entry) {
        Error why = {0};
        if ((record = entry_record(entry, names, images, seen, &why))) {
            json_line_put(out, record);
        } else {
            warn("%s, entry %zu: %s", path, i, why.text);
            failed++;
        }
    }
    json_line_put(out, json_pack("{s:{s:I, s:i}}", "end", "failed", (json_int_t)failed, "status",
                                 failed ? STATUS_SOME_FAILED : STATUS_CLEAN));
    json_decref(seen);
}

int coco_lines(const char *path, const char *images, Error *err)
{
    json_t *list = list_read(path, err), *names = list && images ? pictures_of(images, err) : NULL;
    int fd = -1;
    FILE *out = NULL;
    if (!err->text[0] && ((fd = memfd_create("coco", MFD_CLOEXEC)) < 0 || !(out = fdopen(dup(fd), "w"))))
        error_set(err, "make a temporary file:");
    if (out) {
        put_records(out, path, list, names, images);
        if (fclose(out) != 0 || lseek(fd, 0, SEEK_SET) != 0)
            error_set(err, "write a temporary file:");
    }
    json_decref(list);
    json_decref(names);
    if (!err->text[0])
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- writing ---- */

bool coco_put(CocoOut *c, const Record *r, Error *err)
{
    Slice text;
    size_t n;
    if (record_string(r, "caption.text", &text) != FIELD_OK)
        return error_set(err, "it has no caption.text");
    json_t *id = coco_id(r->id);
    char *key = key_of(id);
    if (!c->seen)
        c->seen = json_object();
    bool again = json_object_get(c->seen, key);
    json_object_set_new(c->seen, key, json_true());
    json_t *entry = json_pack("{s:o, s:o}", "image_id", id, "caption", json_stringn(text.data, text.size));
    char *line = json_line(entry, &n);
    if (!again)
        printf("%s%s", c->any ? ",\n" : "[\n", line);
    c->any |= !again;
    free(line);
    json_decref(entry);
    if (again)
        error_set(err,
                  "image %s has a caption in the list already, and COCO knows one an image; --best keeps the best of several",
                  key);
    free(key);
    return !again;
}

void coco_end(CocoOut *c)
{
    printf("%s", c->any ? "\n]\n" : "[]\n");
    json_decref(c->seen);
}

/* ---- joining ---- */

bool coco_join_open(CocoJoin *c, const char *path, Error *err)
{
    json_t *list = list_read(path, err), *entry;
    size_t i;
    if (!list)
        return false;
    *c = (CocoJoin){.captions = json_object(), .used = json_object(), .path = path};
    json_array_foreach (list, i, entry) {
        char *id = key_of(json_object_get(entry, "image_id"));
        json_t *caption = json_object_get(entry, "caption");
        if (!id || !json_is_string(caption))
            error_set_status(err, STATUS_CORRUPT, "%s, entry %zu: expected {\"image_id\", \"caption\"}", path, i);
        else if (json_object_get(c->captions, id))
            error_set_status(err, STATUS_CORRUPT, "%s, entry %zu: image %s has a caption already", path, i, id);
        else
            json_object_set(c->captions, id, caption);
        free(id);
    }
    json_decref(list);
    return err->text[0] == '\0';
}

/* The caption of a record's picture, borrowed; NULL where the list has none. */
static const char *join_get(CocoJoin *c, const Record *r)
{
    json_t *id = coco_id(r->id);
    char *key = key_of(id), *whole = xstrndup(r->id.data, r->id.size);
    const char *found = json_string_value(json_object_get(c->captions, whole));
    const char *used = found ? whole : key;
    if (!found)
        found = json_string_value(json_object_get(c->captions, key));
    if (found)
        json_object_set_new(c->used, used, json_true());
    free(key);
    free(whole);
    json_decref(id);
    return found;
}

void coco_join_record(CocoJoin *c, const Record *r, Record *joined, Arena *arena)
{
    Error err = {0};
    const char *text = join_get(c, r);
    *joined = *r;
    if (!text) {
        c->unmatched++;
        warn("record %.*s: no caption of it in %s", (int)(r->id.size < 200 ? r->id.size : 200), r->id.data, c->path);
        return;
    }
    caption_replace(&c->record, r, text);
    if (!record_parse((Slice){c->record.data, c->record.size}, joined, arena, &err))
        bug("%s", err.text);
}

size_t coco_join_end(CocoJoin *c, bool whole)
{
    enum { NAMED_MOST = 3 };
    const char *id;
    json_t *caption;
    size_t left = 0;
    json_object_foreach (c->captions, id, caption)
        if (whole && !json_object_get(c->used, id) && left++ < NAMED_MOST)
            warn("the list has a caption of image %s, but there is no such record", id);
    if (left > NAMED_MOST)
        warn("and %zu more", left - NAMED_MOST);
    json_decref(c->captions);
    json_decref(c->used);
    pack_release(&c->record);
    return left + c->unmatched;
}
