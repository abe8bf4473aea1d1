/* Truth lines written, read and looked up; see truth.h. */
#include "world/truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/options/options.h"
#include "world/words.h"

static const char *const relation_names[RELATIONS] = {"left of", "right of", "above", "below", "beside"};

/* The first of a value's words is its name. */
static const char *name_of(WordKind kind, int value)
{
    return word_saying(kind, value, 0);
}

/* ---- writing ---- */

static json_t *object_json(const Object *o)
{
    return json_pack("{ss, ss, ss, ss, sf, sf, sf, sf, sf, sf}", "shape", name_of(WORD_SHAPE, o->shape), "colour",
                     name_of(WORD_HUE, o->colour), "size", name_of(WORD_SIZE, o->size), "fill", name_of(WORD_FILL, o->fill), "x",
                     o->x, "y", o->y, "dx", o->dx, "dy", o->dy, "radius", o->radius, "angle", o->angle);
}

static json_t *relations_json(const Scene *s)
{
    json_t *all = json_array();
    for (int a = 0; a < s->n_objects; a++)
        for (int b = 0; b < s->n_objects; b++)
            for (int r = 0; r < RELATIONS; r++)
                if (a != b && scene_relation(s, a, (Relation)r, b))
                    json_array_append_new(all, json_pack("[i, s, i]", a, relation_names[r], b));
    return all;
}

static json_t *scene_json(const Scene *s)
{
    json_t *objects = json_array();
    for (int i = 0; i < s->n_objects; i++)
        json_array_append_new(objects, object_json(&s->objects[i]));
    return json_pack("{ss, s{ss, ss}, so, so, s{s[f, f], sf}, sI}", "world", s->other ? "other" : "main", "background", "colour",
                     name_of(WORD_HUE, s->ground), "texture", name_of(WORD_TEXTURE, s->texture), "objects", objects, "relations",
                     relations_json(s), "camera", "pan", s->pan_x, s->pan_y, "zoom", s->zoom, "look", (json_int_t)s->look);
}

static json_t *strings_json(const char *const *strings, int n)
{
    json_t *all = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(all, json_string(strings[i]));
    return all;
}

json_t *shot_json(const char *clip, const Shot *shot, const char *const *shorts, const char *const *longs, int n_captions)
{
    return json_pack("{ss, si, sf, sf, so, so, so}", "clip", clip, "shot", shot->number, "start", shot->start, "end", shot->end,
                     "scene", scene_json(&shot->scene), "short", strings_json(shorts, n_captions), "long",
                     strings_json(longs, n_captions));
}

/* ---- reading ---- */

/* The value that a word of this kind says. */
static bool value_read(int *value, WordKind kind, const char *text, Error *err)
{
    Word w = word_find(text, strlen(text));
    *value = w.value;
    return w.kind == kind || error_set(err, "\"%s\" is not a word of this kind", text);
}

static bool object_read(Object *o, json_t *json, Error *err)
{
    const char *shape, *colour, *size, *fill;
    json_error_t why;
    if (json_unpack_ex(json, &why, 0, "{s:s, s:s, s:s, s:s, s:F, s:F, s:F, s:F, s:F, s:F}", "shape", &shape, "colour", &colour,
                       "size", &size, "fill", &fill, "x", &o->x, "y", &o->y, "dx", &o->dx, "dy", &o->dy, "radius", &o->radius,
                       "angle", &o->angle) != 0)
        return error_set(err, "object: %s", why.text);
    return value_read(&o->shape, WORD_SHAPE, shape, err) && value_read(&o->colour, WORD_HUE, colour, err) &&
           value_read(&o->size, WORD_SIZE, size, err) && value_read(&o->fill, WORD_FILL, fill, err) &&
           (o->colour < COLOURS || error_set(err, "\"%s\" is a colour of backgrounds", colour));
}

static bool scene_read(Scene *s, json_t *json, Error *err)
{
    const char *world, *ground, *texture;
    json_t *objects;
    json_int_t look;
    json_error_t why;
    if (json_unpack_ex(json, &why, 0, "{s:s, s:{s:s, s:s}, s:o, s:{s:[F, F], s:F}, s:I}", "world", &world, "background", "colour",
                       &ground, "texture", &texture, "objects", &objects, "camera", "pan", &s->pan_x, &s->pan_y, "zoom", &s->zoom,
                       "look", &look) != 0)
        return error_set(err, "scene: %s", why.text);
    s->look = look;
    s->other = strcmp(world, "other") == 0;
    size_t n = json_array_size(objects);
    if (n < 1 || n > OBJECTS_MAX)
        return error_set(err, "a scene of %zu objects, expected 1 to %d", n, OBJECTS_MAX);
    for (size_t i = 0; i < n; i++)
        if (!object_read(&s->objects[s->n_objects++], json_array_get(objects, i), err))
            return false;
    return value_read(&s->ground, WORD_HUE, ground, err) && value_read(&s->texture, WORD_TEXTURE, texture, err) &&
           (s->ground >= COLOURS || error_set(err, "\"%s\" is a colour of objects", ground));
}

/* A source's name: without folder and extension. */
static char *source_name(const char *source)
{
    const char *slash = strrchr(source, '/'), *base = slash ? slash + 1 : source, *dot = strrchr(base, '.');
    return xstrndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

static bool line_read(Truth *t, const char *line, size_t size, Error *err)
{
    json_error_t why;
    json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why), *scene;
    if (!json)
        return error_set(err, "%s", why.text);
    Shot shot = {0};
    const char *clip;
    bool ok = json_unpack_ex(json, &why, 0, "{s:s, s:i, s:F, s:F, s:o}", "clip", &clip, "shot", &shot.number, "start",
                             &shot.start, "end", &shot.end, "scene", &scene) == 0 ||
              error_set(err, "%s", why.text);
    ok = ok && scene_read(&shot.scene, scene, err);
    if (ok) {
        shot.clip = source_name(clip);
        t->shots = array_reserve(t->shots, &t->capacity, t->n + 1, sizeof *t->shots);
        t->shots[t->n++] = shot;
    }
    json_decref(json);
    return ok;
}

static bool file_lines_read(Truth *t, const char *path, Error *err)
{
    size_t size;
    char *text = file_read(path, &size, err);
    if (!text)
        return false;
    bool ok = true;
    int number = 1;
    for (char *line = text, *end; ok && *line; line = end + (*end == '\n'), number++) {
        end = line + strcspn(line, "\n");
        ok = line_read(t, line, (size_t)(end - line), err) || error_prefix(err, "%s:%d", path, number);
    }
    free(text);
    return ok;
}

static int shot_order(const void *a, const void *b)
{
    const Shot *x = a, *y = b;
    int order = strcmp(x->clip, y->clip);
    return order ? order : (x->start > y->start) - (x->start < y->start);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static bool folder_lines_read(Truth *t, const char *path, Error *err)
{
    FolderNames names;
    bool ok = folder_names(&names, path, err);
    for (size_t i = 0; ok && i < names.count; i++) {
        if (!ends_with(names.items[i], ".jsonl"))
            continue;
        char *file = path_join(path, names.items[i]);
        ok = file_lines_read(t, file, err);
        free(file);
    }
    folder_names_release(&names);
    return ok;
}

bool truth_read(Truth *t, const char *path, Error *err)
{
    struct stat st;
    *t = (Truth){0};
    if (stat(path, &st) != 0)
        return error_set(err, "open %s:", path);
    bool ok = S_ISDIR(st.st_mode) ? folder_lines_read(t, path, err) : file_lines_read(t, path, err);
    if (ok && t->n == 0)
        ok = error_set(err, "%s: no truth in it, expected *.jsonl files as vlrm-world-render writes them", path);
    if (ok)
        qsort(t->shots, t->n, sizeof *t->shots, shot_order);
    else
        truth_release(t);
    return ok;
}

void truth_release(Truth *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->shots[i].clip);
    free(t->shots);
    *t = (Truth){0};
}

/* ---- looking up ---- */

/* Times are written with few digits, so that a frame on a cut may seem to lie just before it. */
static const double TIME_SLACK = 2e-3;

/* The last shot of the clip that begins at or before the time. */
static const Shot *shot_find(const Truth *t, const char *clip, double time)
{
    size_t low = 0, high = t->n;
    Shot key = {.clip = (char *)clip, .start = time + TIME_SLACK};
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (shot_order(&t->shots[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const Shot *shot = low > 0 ? &t->shots[low - 1] : NULL;
    return shot && strcmp(shot->clip, clip) == 0 && time < shot->end + TIME_SLACK ? shot : NULL;
}

const Shot *truth_find(const Truth *t, const char *source, double time)
{
    char *name = source_name(source);
    const Shot *shot = shot_find(t, name, time);
    free(name);
    return shot;
}

const Shot *truth_find_id(const Truth *t, const char *id)
{
    const char *hash = strrchr(id, '#');
    if (!hash)
        return NULL;
    char *source = xstrndup(id, (size_t)(hash - id)), *seconds = xstrndup(hash + 1, strcspn(hash + 1, "~"));
    double time;
    const Shot *shot = NULL;
    if (parse_real(seconds, 0, 1e9, &time))
        shot = truth_find(t, source, time);
    free(source);
    free(seconds);
    return shot;
}

const Shot *truth_find_record(const Truth *t, const Record *r)
{
    Slice source;
    double time;
    const Shot *shot = NULL;
    if (record_string(r, "frame.source", &source) == FIELD_OK && record_real(r, "frame.time", &time) == FIELD_OK) {
        char *name = xstrndup(source.data, source.size);
        shot = truth_find(t, name, time);
        free(name);
    }
    if (shot)
        return shot;
    char *id = xstrndup(r->id.data, r->id.size);
    shot = truth_find_id(t, id);
    free(id);
    return shot;
}
