/* Frames, rows and the line; see view.h. */
#include "top/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDE = 110, CURVE_AT = 26 };

/* Appends a text of the heap in so many columns (to the right; to the left where negative), and frees it. */
static void put(Text *t, int columns, char *text)
{
    text_add(t, "%*s", columns, text);
    free(text);
}

/* What a file says, as text alone: bytes that command a terminal become "?". Valid until the next call. */
static const char *plain(const char *text)
{
    static char out[512];
    snprintf(out, sizeof out, "%s", text);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return out;
}

/* ---- where the run is ---- */

/* The stage whose batch is being filled: rollout makes captions, the others have what it made. */
static const Stage *filling(const Run *run)
{
    const Stage *s = stage_find(run, "rollout");
    return s && !isnan(number_at(s->status, "batch.records")) ? s : stage_find(run, "update");
}

static void put_step(Text *t, const Run *run)
{
    const Stage *update = stage_find(run, "update");
    double step = update ? number_at(update->status, "step") : NAN, steps = update ? number_at(update->status, "steps") : NAN;
    if (isnan(step) && run->n_steps > 0)
        step = number_at(run->steps[run->n_steps - 1], "step");
    if (isnan(step))
        return;
    text_add(t, "step %.0f", step);
    if (!isnan(steps))
        text_add(t, " of %.0f", steps);
}

static void put_pace(Text *t, const Run *run)
{
    double seconds = run_step_seconds(run), eta = run_eta(run);
    if (!isnan(seconds))
        text_add(t, ", %.*f s a step", seconds < 10 ? 2 : 0, seconds);
    if (!isnan(eta)) {
        text_add(t, ", ");
        put(t, 0, text_seconds(eta));
        text_add(t, " to go");
    }
}

static void put_captions(Text *t, const Run *run)
{
    const Stage *s = filling(run);
    double records = s ? number_at(s->status, "batch.records") : NAN, of = s ? number_at(s->status, "batch.of") : NAN;
    if (isnan(records))
        return;
    text_add(t, ", caption %.0f", records);
    if (!isnan(of))
        text_add(t, " of %.0f", of);
    text_add(t, ", %.1f/s", fmax(0, number_at(s->status, "rate")));
}

/* What each stage has counted, where no update says more. */
static void put_counts(Text *t, const Run *run)
{
    for (size_t i = 0; i < run->n_stages; i++) {
        const json_t *s = run->stages[i].status;
        double count = fmax(number_at(s, "read"), number_at(s, "written"));
        if (!text_at(s, "unit"))
            continue;
        text_add(t, "%s%s %.0f %s, %.1f/s", t->n > 0 ? "; " : "", run->stages[i].name, count, text_at(s, "unit"),
                 fmax(0, number_at(s, "rate")));
    }
    double eta = run_eta(run);
    if (isnan(eta) || t->n == 0)
        return;
    text_add(t, ", ");
    put(t, 0, text_seconds(eta));
    text_add(t, " to go");
}

/* Of the stages in which nothing moves those that wait for nobody; where all wait, all. */
static void put_stalled(Text *t, const Run *run, double stall, const char *before, const char *after)
{
    double now = wall_now();
    bool waiting = true;
    for (size_t i = 0; i < run->n_stages; i++)
        waiting = waiting && (text_at(run->stages[i].status, "waits") || stage_still(&run->stages[i], now) < stall);
    for (size_t i = 0; i < run->n_stages && stall > 0; i++) {
        const Stage *s = &run->stages[i];
        if (stage_still(s, now) < stall || (!waiting && text_at(s->status, "waits")))
            continue;
        const char *waits = stage_waits_for(run, i);
        text_styled(t, STYLE_ALARM, "%sstalled: %s has not moved for %.0f s%s%s", before, s->name, stage_still(s, now),
                    strcmp(waits, "computes") == 0 ? "" : ", it waits for ", strcmp(waits, "computes") == 0 ? "" : waits);
        text_add(t, "%s", after);
    }
}

void view_line(Text *t, const Run *run, double stall)
{
    put_step(t, run);
    if (t->n > 0) {
        put_captions(t, run);
        put_pace(t, run);
    } else {
        put_counts(t, run);
    }
    put_stalled(t, run, stall, t->n > 0 ? ", " : "", "");
}

/* ---- the frame ---- */

static void put_stage(Text *t, const Run *run, size_t i, bool wide)
{
    const json_t *s = run->stages[i].status;
    text_add(t, "%-9.9s", run->stages[i].name);
    text_add(t, "%9.0f %9.0f %7.0f %8.1f  %-9.9s", fmax(0, number_at(s, "read")), fmax(0, number_at(s, "written")),
             fmax(0, number_at(s, "failed")), fmax(0, number_at(s, "rate")), stage_waits_for(run, i));
    double queue = number_at(s, "queue.depth"), pipe = number_at(s, "input.bytes");
    put(t, 7, !isnan(queue) ? xasprintf("%.0f", queue) : text_bytes(pipe));
    put(t, 7, text_bytes(number_at(s, "memory.resident")));
    put(t, 7, text_bytes(number_at(s, "memory.private")));
    text_add(t, " %3.0f", fmax(0, number_at(s, "threads")));
    if (wide) {
        const json_t *device = json_object_get(s, "device");
        put(t, 8, text_bytes(number_at(s, "memory.peak")));
        put(t, 9, text_bytes(number_at(device, "memory")));
        text_add(t, "  %-7.7s %s", text_at(device, "name") ? text_at(device, "name") : "-",
                 text_at(s, "figure") ? text_at(s, "figure") : "");
    }
    text_add(t, "\n");
}

static void put_stages(Text *t, const Run *run, bool wide)
{
    text_styled(t, STYLE_HEAD, "%-9s%9s %9s %7s %8s  %-9s%7s%7s%7s %3s", "stage", "read", "written", "failed", "a second",
                "waits for", "queue", "memory", "own", "thr");
    if (wide)
        text_styled(t, STYLE_HEAD, "%8s%9s  %-7s", "peak", "on device", "device");
    text_add(t, "\n");
    for (size_t i = 0; i < run->n_stages; i++)
        put_stage(t, run, i, wide);
}

static void put_metric(Text *t, const Run *run, const char *name, const char *path, size_t columns)
{
    double x[STEPS_KEPT];
    size_t room = columns > CURVE_AT + 8 ? columns - CURVE_AT - 1 : 8, n = size_min(run->n_steps, room);
    for (size_t i = 0; i < n; i++)
        x[i] = number_at(run->steps[run->n_steps - n + i], path);
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any = any || !isnan(x[i]);
    if (!any)
        return;
    text_add(t, "%-15s", name);
    put(t, 9, text_number(x[n - 1]));
    text_add(t, "  ");
    text_curve(t, x, n);
    text_add(t, "\n");
}

static void put_metrics(Text *t, const Run *run, size_t columns)
{
    static const char *const shown[][2] = {{"reward", "reward.mean"},
                                           {"sim", "sim.mean"},
                                           {"ref", "ref.mean"},
                                           {"no end", "noeos_rate"},
                                           {"bad", "bad_rate"},
                                           {"repeat", "repeat_rate"},
                                           {"words", "words.mean"},
                                           {"entropy", "entropy"},
                                           {"value loss", "value_loss"},
                                           {"explained", "explained_variance"},
                                           {"policy loss", "policy_loss"},
                                           {"gradient", "grad_norm.policy"},
                                           {"seconds a step", "seconds.wall"}};
    text_styled(t, STYLE_HEAD, "%-15s%9s  %s", "metric", "last", "by step");
    text_add(t, "\n");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        put_metric(t, run, shown[i][0], shown[i][1], columns);
}

/* "12:34:05", of the day. */
static void put_time(Text *t, double at)
{
    time_t seconds = (time_t)at;
    struct tm tm;
    char text[16];
    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&seconds, &tm));
    text_add(t, "%s", text);
}

static const json_t *newest_warning(const Run *run, const Stage **from)
{
    const json_t *newest = NULL;
    for (size_t i = 0; i < run->n_stages; i++) {
        const json_t *all = json_object_get(run->stages[i].status, "warnings");
        const json_t *last = json_array_get(all, json_array_size(all) - 1);
        if (last && (!newest || number_at(last, "time") > number_at(newest, "time"))) {
            newest = last;
            *from = &run->stages[i];
        }
    }
    return newest;
}

void view_frame(Text *t, const Run *run, size_t columns, double stall)
{
    const Stage *from = NULL;
    const json_t *warning = newest_warning(run, &from);
    text_styled(t, STYLE_HEAD, "%s", plain(run->folder));
    text_add(t, "  ");
    put_step(t, run);
    put_captions(t, run);
    put_pace(t, run);
    text_add(t, "\n\n");
    if (run->n_stages > 0)
        put_stages(t, run, columns >= WIDE);
    put_stalled(t, run, stall, "", "\n");
    if (run->n_steps > 0) {
        text_add(t, "\n");
        put_metrics(t, run, columns);
        view_collapse(t, run, run->n_steps - 1);
    }
    if (warning) {
        text_add(t, "\n");
        put_time(t, number_at(warning, "time"));
        text_styled(t, STYLE_WARNING, " %s: %s", from->name, plain(text_at(warning, "text") ? text_at(warning, "text") : ""));
        text_add(t, "\n");
    }
}

/* ---- rows ---- */

void view_titles(Text *t)
{
    text_styled(t, STYLE_HEAD, "%5s %8s %6s %6s %6s %6s %5s %6s %5s %6s %10s", "step", "captions", "reward", "sim", "ref",
                "no end", "bad", "repeat", "words", "s/step", "to go");
    text_add(t, "\n");
}

static void put_real(Text *t, int columns, double x, int digits)
{
    put(t, columns, isnan(x) ? xstrdup("-") : xasprintf("%.*f", digits, x));
}

void view_row(Text *t, const Run *run, size_t i)
{
    const json_t *s = run->steps[i];
    double wall = number_at(s, "seconds.wall"), eta = i + 1 == run->n_steps ? run_eta(run) : NAN;
    text_add(t, "%5.0f %8.0f", number_at(s, "step"), number_at(s, "captions"));
    put_real(t, 7, number_at(s, "reward.mean"), 2);
    put_real(t, 7, number_at(s, "sim.mean"), 2);
    put_real(t, 7, number_at(s, "ref.mean"), 2);
    put_real(t, 7, number_at(s, "noeos_rate"), 2);
    put_real(t, 6, number_at(s, "bad_rate"), 2);
    put_real(t, 7, number_at(s, "repeat_rate"), 2);
    put_real(t, 6, number_at(s, "words.mean"), 1);
    wall = isnan(wall) ? number_at(s, "seconds.step") : wall;
    put_real(t, 7, wall, wall < 100 ? 2 : 0);
    put(t, 11, text_seconds(eta));
    text_add(t, "\n");
}

void view_collapse(Text *t, const Run *run, size_t i)
{
    const char *metric = text_at(run->steps[i], "collapse"), *why = text_at(run->steps[i], "warning");
    const char *before = i > 0 ? text_at(run->steps[i - 1], "collapse") : NULL;
    if (!metric || (before && strcmp(before, metric) == 0))
        return;
    text_styled(t, STYLE_WARNING, "step %.0f: %s: the policy may be collapsing", number_at(run->steps[i], "step"),
                plain(why ? why : metric));
    text_add(t, "\n");
}

void view_warnings(Text *t, const Run *run, int64_t seen[static STAGES_MAX])
{
    for (size_t i = 0; i < run->n_stages; i++) {
        const json_t *all = json_object_get(run->stages[i].status, "warnings"), *w;
        size_t k;
        json_array_foreach (all, k, w) {
            int64_t number = (int64_t)number_at(w, "number");
            const char *text = text_at(w, "text");
            /* The metrics tell of a collapse; that those below took no more is how a run ends. */
            if (number <= seen[i] || !text || strstr(text, "may be collapsing") || strstr(text, "Broken pipe"))
                continue;
            seen[i] = number;
            text_styled(t, STYLE_WARNING, "%s: %s", run->stages[i].name, plain(text));
            text_add(t, "\n");
        }
    }
}
