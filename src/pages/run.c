/* A run folder as JSON; see run.h. */
#include "pages/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "pages/lines_json.h"
#include "pages/shown.h"

enum { POINTS = 1000 };

bool path_if_there(char **path, Error *err)
{
    bool there = false, ok = path_exists(*path, &there, err);
    if (!ok || !there) {
        free(*path);
        *path = NULL;
    }
    return ok;
}

bool run_part(char **out, const char *path, const char *part, Error *err)
{
    *out = path_join(path, part);
    return path_if_there(out, err);
}

/* ---- metrics ---- */

typedef struct Metrics {
    json_t *lines;  /* owned: [{path: number}] */
    json_t *events; /* owned */
} Metrics;

static void add_event(json_t *events, const json_t *line, const char *text)
{
    json_array_append_new(events, json_pack("[O, s]", json_object_get(line, "step"), text));
}

static bool take_line(void *context, json_t *line)
{
    Metrics *m = context;
    json_t *numbers = json_object(), *step = json_object_get(line, "step"), *change;
    const char *collapse = json_string_value(json_object_get(line, "collapse"));
    size_t i;
    shown_flatten(numbers, "", line);
    json_array_append_new(m->lines, numbers);
    if (!json_is_integer(step))
        return true;
    if (collapse) {
        char *text = xasprintf("%s left its limits", collapse);
        add_event(m->events, line, text);
        free(text);
    }
    json_array_foreach (json_object_get(line, "changed"), i, change) {
        char *text = json_dumps(change, JSON_COMPACT);
        add_event(m->events, line, text);
        free(text);
    }
    return true;
}

/* The mean of a column over lines `from` to `to`. */
static json_t *mean_of(const json_t *lines, const char *path, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        const json_t *value = json_object_get(json_array_get(lines, i), path);
        if (json_is_number(value))
            sum += json_number_value(value), n++;
    }
    return n > 0 ? shown_number(sum / (double)n) : json_null();
}

static json_t *column(const json_t *lines, const char *path, size_t each)
{
    json_t *out = json_array();
    size_t n = json_array_size(lines);
    for (size_t i = 0; i < n; i += each)
        json_array_append_new(out, mean_of(lines, path, i, size_min(i + each, n)));
    return out;
}

static json_t *columns_of(const json_t *lines, size_t each)
{
    json_t *columns = json_object(), *line, *value;
    const char *path;
    size_t i;
    json_array_foreach (lines, i, line) {
        json_object_foreach (line, path, value) {
            if (!json_object_get(columns, path))
                json_object_set_new(columns, path, column(lines, path, each));
        }
    }
    return columns;
}

static bool read_metrics(json_t *run, const char *path, Error *err)
{
    Metrics m = {json_array(), json_array()};
    char *file;
    bool ok = run_part(&file, path, "metrics.jsonl", err);
    ok = ok && (!file || json_lines_each(file, take_line, &m, err));
    size_t n = json_array_size(m.lines), each = (n + POINTS - 1) / POINTS;
    if (ok && n > 0)
        json_object_set_new(
            run, "metrics",
            json_pack("{s:I, s:I, s:o}", "steps", (json_int_t)n, "each", (json_int_t)each, "columns", columns_of(m.lines, each)));
    json_object_set(run, "events", m.events);
    json_decref(m.events);
    json_decref(m.lines);
    free(file);
    return ok;
}

/* ---- what it is ---- */

/* Versions agree in what is before their first point. */
static bool check_version(const char *file, const json_t *config, Error *err)
{
    const char *version = json_string_value(json_object_get(config, "version"));
    size_t ours = strcspn(VLRM_VERSION, ".");
    if (!version || (strcspn(version, ".") == ours && strncmp(version, VLRM_VERSION, ours) == 0))
        return true;
    return error_set_status(err, STATUS_MISMATCH, "%s: a run of version %s, expected one of %.*s.x as this program", file,
                            version, (int)ours, VLRM_VERSION);
}

static bool read_object(json_t *run, const char *key, const char *path, const char *name, Error *err)
{
    char *file;
    if (!run_part(&file, path, name, err))
        return false;
    if (!file)
        return true;
    json_t *value = json_file_read(file, err);
    bool ok = value && check_version(file, value, err);
    if (ok)
        json_object_set(run, key, value);
    json_decref(value);
    free(file);
    return ok;
}

json_t *run_read(const char *name, const char *path, Error *err)
{
    json_t *run = json_pack("{s:o, s:o}", "name", shown_text(slice_of(name)), "path", shown_text(slice_of(path)));
    bool ok = read_object(run, "config", path, "config.json", err) && read_object(run, "given", path, "train.json", err) &&
              read_metrics(run, path, err);
    if (ok && !json_object_get(run, "config") && !json_object_get(run, "metrics"))
        ok = error_set(err, "%s: no run folder: it has neither config.json nor metrics.jsonl", path);
    if (ok)
        return run;
    json_decref(run);
    return NULL;
}
