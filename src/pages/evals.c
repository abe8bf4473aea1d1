/* Evaluations of a run, out of the folder of vlrm cron-eval; see evals.h. */
#include "pages/evals.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "pages/changes.h"
#include "pages/lines_json.h"
#include "pages/run.h"
#include "pages/shown.h"

enum { WORDS = 12, MOVED = 4 };

/* ---- finding ---- */

/* N of "step-N.json"; false for any other name. */
static bool name_step(const char *name, int64_t *step)
{
    char *end;
    if (strncmp(name, "step-", 5) != 0)
        return false;
    long long n = strtoll(name + 5, &end, 10);
    *step = n;
    return end != name + 5 && strcmp(end, ".json") == 0 && n >= -1;
}

static bool find_steps(Evals *e, const char *folder, Error *err)
{
    FolderNames names = {0};
    bool ok = folder_names(&names, folder, err);
    for (size_t i = 0; i < names.count; i++) {
        int64_t step;
        if (!name_step(names.items[i], &step))
            continue;
        char *path = path_join(folder, names.items[i]);
        path[strlen(path) - strlen(".json")] = '\0';
        e->steps = array_reserve(e->steps, &e->capacity, e->count + 1, sizeof *e->steps);
        e->steps[e->count++] = (EvalStep){step, path};
    }
    folder_names_release(&names);
    return ok;
}

/* The only folder of dir that holds steps, but base; NULL where there is none or more than one. */
static char *only_folder(const char *dir)
{
    FolderNames names = {0};
    Error err = {0};
    char *found = NULL;
    size_t n = 0;
    if (!folder_names(&names, dir, &err))
        return NULL;
    for (size_t i = 0; i < names.count; i++) {
        Evals steps = {0};
        Error none = {0};
        char *path = path_join(dir, names.items[i]);
        if (strcmp(names.items[i], "base") != 0 && find_steps(&steps, path, &none) && steps.count > 0 && n++ == 0)
            found = xstrdup(path);
        evals_release(&steps);
        free(path);
    }
    folder_names_release(&names);
    if (n == 1)
        return found;
    free(found);
    return NULL;
}

static int by_step(const void *a, const void *b)
{
    const EvalStep *x = a, *y = b;
    return x->step < y->step ? -1 : x->step > y->step;
}

bool evals_find(Evals *e, const char *dir, const char *name, bool only, Error *err)
{
    char *folder, *base = NULL;
    bool ok = run_part(&folder, dir, name, err) && run_part(&base, dir, "base", err);
    if (ok && !folder && only)
        folder = only_folder(dir);
    ok = ok && (!folder || find_steps(e, folder, err));
    ok = ok && (folder || !only || find_steps(e, dir, err));
    ok = ok && (!base || e->count == 0 || find_steps(e, base, err));
    if (e->count > 0)
        qsort(e->steps, e->count, sizeof *e->steps, by_step);
    free(folder);
    free(base);
    return ok;
}

void evals_release(Evals *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->steps[i].stem);
    free(e->steps);
    *e = (Evals){0};
}

/* The file of a step with that ending, which the caller frees; NULL where it is not there. False with err set as run_part. */
static bool step_file(char **out, const EvalStep *s, const char *ending, Error *err)
{
    *out = xasprintf("%s%s", s->stem, ending);
    return path_if_there(out, err);
}

char *evals_stream(const Evals *e, Notes *notes)
{
    for (size_t i = 0; i < e->count; i++) {
        Error err = {0};
        char *path;
        if (!step_file(&path, &e->steps[i], ".vlrm", &err))
            notes_failed(notes, &err);
        if (path)
            return path;
    }
    return NULL;
}

/* ---- reports ---- */

static json_t *intervals(const json_t *metrics)
{
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach ((json_t *)(uintptr_t)metrics, name, value) {
        const json_t *mean = json_object_get(value, "mean"), *low = json_object_get(value, "low"),
                     *high = json_object_get(value, "high");
        if (json_is_number(mean) && json_is_number(low) && json_is_number(high))
            json_object_set_new(out, name,
                                json_pack("[o, o, o]", shown_number(json_number_value(mean)),
                                          shown_number(json_number_value(low)), shown_number(json_number_value(high))));
    }
    return out;
}

static bool read_report(json_t *out, const EvalStep *s, Error *err)
{
    char *path = xasprintf("%s.json", s->stem), *truth;
    bool ok = step_file(&truth, s, ".truth.json", err);
    json_t *report = json_file_read(path, err), *scores = truth ? json_file_read(truth, err) : NULL;
    ok = ok && report && (!truth || scores);
    if (ok && json_integer_value(json_object_get(report, "vlrm")) != 1)
        ok = error_set_status(err, STATUS_MISMATCH, "%s: no report of vlrm-eval of version 1", path);
    if (ok) {
        const json_t *run = json_array_get(json_object_get(report, "runs"), 0);
        json_object_set_new(out, "metrics", intervals(json_object_get(run, "metrics")));
        json_object_set(out, "captions", json_object_get(run, "captions"));
        json_t *numbers = json_object();
        shown_flatten(numbers, "", scores);
        json_object_set_new(out, "truth", numbers);
    }
    json_decref(report);
    json_decref(scores);
    free(truth);
    free(path);
    return ok;
}

json_t *evals_reports(const Evals *e, Notes *notes)
{
    json_t *out = json_array();
    for (size_t i = 0; i < e->count; i++) {
        Error err = {0};
        json_t *report = json_pack("{s:I}", "step", (json_int_t)e->steps[i].step);
        if (read_report(report, &e->steps[i], &err))
            json_array_append(out, report);
        else
            notes_failed(notes, &err);
        json_decref(report);
    }
    return out;
}

/* ---- captions ---- */

/* Given {"id", "text", numbers..} of each caption of an evaluation, borrowed. False ends the reading. */
typedef LineEach SaidEach;

static bool said_of_stream(const char *path, SaidEach *each, void *context, Error *err)
{
    Record r;
    Reader *in = reader_open(path, err);
    bool ok = in, more = true;
    for (RecordKind kind; ok && more && (kind = reader_next(in, &r)) != RECORD_NONE;) {
        Slice text;
        ok = kind != RECORD_FAILED;
        if (!ok)
            *err = *reader_error(in);
        if (kind != RECORD_DATA || record_string(&r, "caption.text", &text) != FIELD_OK)
            continue;
        json_t *line = json_pack("{s:o, s:o}", "id", shown_text(r.id), "text", shown_text(text));
        more = each(context, line);
        json_decref(line);
    }
    reader_free(in);
    return ok;
}

/* Calls each for the captions of a step: with what vlrm-eval says of each where that was kept, else with the text alone. */
static void said_each(const EvalStep *s, SaidEach *each, void *context, Notes *notes)
{
    Error err = {0};
    char *lines, *stream = NULL;
    bool ok = step_file(&lines, s, ".jsonl", &err) && (lines || step_file(&stream, s, ".vlrm", &err));
    ok =
        ok && (!lines || json_lines_each(lines, each, context, &err)) && (!stream || said_of_stream(stream, each, context, &err));
    if (!ok)
        notes_failed(notes, &err);
    free(lines);
    free(stream);
}

typedef struct Saying {
    FrameSet *set;
    size_t run;
    int64_t step;
} Saying;

static bool say(void *context, json_t *line)
{
    Saying *s = context;
    const char *id = json_string_value(json_object_get(line, "id"));
    size_t frame = id ? set_find(s->set, id) : SIZE_MAX;
    if (frame == SIZE_MAX)
        return true;
    json_t *numbers = json_object();
    shown_flatten(numbers, "", line);
    json_t *text = json_object_get(line, "text");
    set_say(s->set, frame, s->run, s->step, json_pack("{s:o, s:O?}", "numbers", numbers, "text", text));
    return true;
}

void evals_captions(const Evals *e, FrameSet *set, size_t run, Notes *notes)
{
    for (size_t i = 0; i < e->count; i++)
        said_each(&e->steps[i], say, &(Saying){set, run, e->steps[i].step}, notes);
}

/* ---- changes ---- */

typedef struct Moved {
    char *id; /* owned */
    double before, after;
} Moved;

/* One step read whole: its words, and its cosines. */
typedef struct Whole {
    WordShares words;
    json_t *cosines; /* owned: {id: cosine} */
    FrameSet *set;   /* the first `most` are added; NULL for none */
    size_t most;
} Whole;

static bool take_whole(void *context, json_t *line)
{
    Whole *w = context;
    const char *id = json_string_value(json_object_get(line, "id")), *text = json_string_value(json_object_get(line, "text"));
    json_t *cosine = json_object_get(line, "cosine");
    if (!cosine) /* a line of before the cosine had its name */
        cosine = json_object_get(line, "clipscore");
    if (!id || !text)
        return true;
    word_shares_add(&w->words, text);
    if (json_is_number(cosine))
        json_object_set(w->cosines, id, cosine);
    if (w->set && json_array_size(w->set->frames) < w->most)
        set_add(w->set, id);
    return true;
}

static int by_move(const void *a, const void *b)
{
    const Moved *x = a, *y = b;
    double order = (y->after - y->before) - (x->after - x->before);
    return order > 0 ? 1 : order < 0 ? -1 : strcmp(x->id, y->id);
}

/* The frames whose cosine rose most, then those whose cosine fell most. */
static json_t *frames_moved(const json_t *before, const json_t *after, FrameSet *set)
{
    json_t *out = json_array(), *value;
    size_t n = 0, count = json_object_size(after);
    Moved *all = xcalloc(count + 1, sizeof *all);
    const char *id;
    json_object_foreach ((json_t *)(uintptr_t)after, id, value)
        if (json_object_get(before, id))
            all[n++] = (Moved){xstrdup(id), json_number_value(json_object_get(before, id)), json_number_value(value)};
    qsort(all, n, sizeof *all, by_move);
    for (size_t i = 0; i < n; i++) {
        bool rose = i < MOVED && all[i].after > all[i].before, fell = n - 1 - i < MOVED && all[i].after < all[i].before;
        if (rose || fell)
            json_array_append_new(out, json_pack("[I, f, f]", (json_int_t)set_add(set, all[i].id), all[i].before, all[i].after));
        free(all[i].id);
    }
    free(all);
    return out;
}

json_t *evals_changes(const Evals *e, FrameSet *set, size_t most, Notes *notes)
{
    json_t *out = NULL;
    if (e->count == 0)
        return NULL;
    const EvalStep *first = &e->steps[0], *last = &e->steps[e->count - 1];
    Whole before = {.cosines = json_object(), .set = set, .most = most}, after = {.cosines = json_object()};
    said_each(first, take_whole, &before, notes);
    if (e->count > 1) {
        said_each(last, take_whole, &after, notes);
        out = json_pack("{s:I, s:I, s:o, s:o}", "from", (json_int_t)first->step, "to", (json_int_t)last->step, "words",
                        words_changed(&before.words, &after.words, WORDS), "frames",
                        frames_moved(before.cosines, after.cosines, set));
    }
    word_shares_release(&before.words);
    word_shares_release(&after.words);
    json_decref(before.cosines);
    json_decref(after.cosines);
    return out;
}

/* ---- pictures ---- */

void evals_pictures(FrameSet *set, Pictures *pictures, const char *stream, Notes *notes)
{
    Error err = {0};
    Record r;
    size_t found = 0;
    Reader *in = reader_open(stream, &err);
    if (!in) {
        notes_failed(notes, &err);
        return;
    }
    for (RecordKind kind; found < json_array_size(set->frames) && (kind = reader_next(in, &r)) != RECORD_NONE;) {
        if (kind == RECORD_FAILED) {
            notes_failed(notes, reader_error(in));
            break;
        }
        json_t *id = kind == RECORD_DATA ? shown_text(r.id) : NULL;
        size_t place = id ? set_find(set, json_string_value(id)) : SIZE_MAX;
        if (place != SIZE_MAX && picture_key(&r)) {
            pictures_set(pictures, json_array_get(set->frames, place), &r);
            found++;
        }
        json_decref(id);
    }
    reader_free(in);
}
