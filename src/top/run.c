/* Reading of a run folder; see run.h. */
#include "top/run.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/json_file.h"

enum { TAIL_BYTES = 1 << 20 };

static const double silent_seconds = 5; /* a status file is written every second */

double wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double number_at(const json_t *object, const char *path)
{
    char key[64];
    for (size_t n = strcspn(path, "."); path[n]; path += n + 1, n = strcspn(path, ".")) {
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        object = json_object_get(object, key);
    }
    const json_t *value = json_object_get(object, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- stages ---- */

/* Where a stage stands in a pipe. */
static int rank_of(const char *name)
{
    static const char *const order[] = {"prepare", "extract", "rollout", "reward", "score", "keep", "update", "eval", "lines"};
    int n = (int)(sizeof order / sizeof *order);
    for (int i = 0; i < n; i++)
        if (strcmp(order[i], name) == 0)
            return i;
    return n;
}

static int by_place(const void *a, const void *b)
{
    const Stage *x = a, *y = b;
    int difference = rank_of(x->name) - rank_of(y->name);
    return difference ? difference : strcmp(x->name, y->name);
}

static void stages_clear(Run *run)
{
    for (size_t i = 0; i < run->n_stages; i++) {
        free(run->stages[i].name);
        json_decref(run->stages[i].status);
    }
    run->n_stages = 0;
}

static bool stage_read(Run *run, const char *folder, const char *file, Error *err)
{
    size_t n = strlen(file);
    if (n <= 5 || file[0] == '.' || strcmp(file + n - 5, ".json") != 0 || run->n_stages == STAGES_MAX)
        return true;
    char *path = path_join(folder, file);
    bool there, ok = path_exists(path, &there, err);
    json_t *status = ok && there ? json_file_read(path, err) : NULL;
    ok = ok && (!there || status);
    if (status && (!text_at(status, "program") || isnan(number_at(status, "time")) || isnan(number_at(status, "moved"))))
        ok = error_set_status(err, STATUS_MISMATCH, "%s: is no status file of this version: expected program, time and moved",
                              path);
    if (ok && status)
        run->stages[run->n_stages++] = (Stage){xstrndup(file, n - 5), json_incref(status)};
    json_decref(status);
    free(path);
    return ok;
}

static bool stages_read(Run *run, Error *err)
{
    char *folder = path_join(run->folder, "status");
    DIR *d = opendir(folder);
    bool ok = d || errno == ENOENT || error_set(err, "open %s:", folder);
    stages_clear(run);
    for (struct dirent *e; ok && d && (e = readdir(d));)
        ok = stage_read(run, folder, e->d_name, err);
    qsort(run->stages, run->n_stages, sizeof run->stages[0], by_place);
    if (d)
        closedir(d);
    free(folder);
    return ok;
}

const Stage *stage_find(const Run *run, const char *name)
{
    for (size_t i = 0; i < run->n_stages; i++)
        if (strcmp(run->stages[i].name, name) == 0)
            return &run->stages[i];
    return NULL;
}

static bool silent(const Stage *s)
{
    return wall_now() - number_at(s->status, "time") > silent_seconds;
}

static bool over(const Stage *s)
{
    return json_is_true(json_object_get(s->status, "ended")) || silent(s);
}

const char *stage_waits_for(const Run *run, size_t i)
{
    const Stage *s = &run->stages[i];
    const char *waits = text_at(s->status, "waits");
    if (json_is_true(json_object_get(s->status, "killed")))
        return "killed";
    if (json_is_true(json_object_get(s->status, "ended")))
        return "ended";
    if (silent(s))
        return "gone";
    if (!waits)
        return "computes";
    if (strcmp(waits, "policy") == 0)
        return "update";
    if (strcmp(waits, "input") == 0)
        return i > 0 ? run->stages[i - 1].name : "input";
    return i + 1 < run->n_stages ? run->stages[i + 1].name : "output";
}

double stage_still(const Stage *s, double now)
{
    return over(s) ? 0 : now - number_at(s->status, "moved");
}

bool run_ended(const Run *run)
{
    for (size_t i = 0; i < run->n_stages; i++)
        if (!over(&run->stages[i]))
            return false;
    return true;
}

/* ---- steps ---- */

static void step_add(Run *run, json_t *step)
{
    if (run->n_steps == STEPS_KEPT) {
        json_decref(run->steps[0]);
        memmove(run->steps, run->steps + 1, (STEPS_KEPT - 1) * sizeof run->steps[0]);
        run->n_steps--;
    }
    run->steps[run->n_steps++] = step;
}

/* Whole lines from where reading ended; a last one without its end is not yet there. */
static bool lines_read(Run *run, FILE *f, const char *path, size_t *gained, Error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (run->until == 0 || run->read < run->until) && (n = getline(&line, &capacity, f)) > 0 && line[n - 1] == '\n') {
        json_t *step = json_loadb(line, (size_t)n, 0, NULL);
        ok = json_is_object(step) ||
             error_set_status(err, STATUS_CORRUPT, "%s: byte %lld: expected a line of metrics", path, (long long)run->read);
        if (ok) {
            step_add(run, step);
            run->read += n;
            (*gained)++;
        } else {
            json_decref(step);
        }
    }
    free(line);
    return ok;
}

/* Of a long file only its end is read at first: from a line's beginning on. */
static void skip_to_tail(Run *run, FILE *f, int64_t size)
{
    int c;
    if (run->read == 0 && size > TAIL_BYTES && fseeko(f, size - TAIL_BYTES, SEEK_SET) == 0) {
        while ((c = getc(f)) != EOF && c != '\n')
            ;
        run->read = ftello(f);
    }
}

static bool steps_read(Run *run, size_t *gained, Error *err)
{
    struct stat st;
    char *path = path_join(run->folder, "metrics.jsonl");
    FILE *f = fopen(path, "r");
    bool ok = f || errno == ENOENT || error_set(err, "open %s:", path);
    *gained = 0;
    if (f)
        ok = fstat(fileno(f), &st) == 0 || error_set(err, "read %s:", path);
    if (f && ok) {
        if (st.st_size < run->read) { /* cut: the run goes on from an earlier step */
            run->read = 0;
            while (run->n_steps > 0)
                json_decref(run->steps[--run->n_steps]);
        }
        skip_to_tail(run, f, st.st_size);
        ok = (fseeko(f, run->read, SEEK_SET) == 0 || error_set(err, "read %s:", path)) && lines_read(run, f, path, gained, err);
    }
    if (f)
        fclose(f);
    free(path);
    return ok;
}

bool run_look(Run *run, bool may_be_empty, size_t *gained, Error *err)
{
    struct stat st;
    if (stat(run->folder, &st) != 0 && !may_be_empty)
        return error_set(err, "open %s:", run->folder);
    if (!stages_read(run, err) || !steps_read(run, gained, err))
        return false;
    return run->n_stages > 0 || run->n_steps > 0 || may_be_empty ||
           error_set_status(err, STATUS_EMPTY, "%s: no run of vlrm train is here: it has neither status/ nor metrics.jsonl",
                            run->folder);
}

bool run_skip(Run *run, int64_t bytes, Error *err)
{
    size_t gained;
    run->until = bytes > 0 ? bytes : 0;
    bool ok = bytes == 0 || run_look(run, true, &gained, err);
    run->until = 0;
    return ok;
}

void run_release(Run *run)
{
    stages_clear(run);
    while (run->n_steps > 0)
        json_decref(run->steps[--run->n_steps]);
}

double run_step_seconds(const Run *run)
{
    double sum = 0;
    size_t n = run->n_steps < 10 ? run->n_steps : 10;
    for (size_t i = run->n_steps - n; i < run->n_steps; i++) {
        double wall = number_at(run->steps[i], "seconds.wall");
        sum += isnan(wall) ? number_at(run->steps[i], "seconds.step") : wall;
    }
    return n ? sum / (double)n : NAN;
}

double run_eta(const Run *run)
{
    const Stage *update = stage_find(run, "update");
    double eta = NAN;
    if (run->n_stages > 0 && run_ended(run))
        return NAN;
    if (update) {
        double left = number_at(update->status, "steps") - number_at(update->status, "step");
        double here = number_at(update->status, "reached") - number_at(update->status, "step");
        return (left - (here > 0 ? here : 0)) * run_step_seconds(run);
    }
    for (size_t i = 0; i < run->n_stages; i++)
        eta = fmax(eta, number_at(run->stages[i].status, "eta"));
    return eta;
}
