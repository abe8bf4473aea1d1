/*
 * vlrm-report: one run, or several side by side, as a page: what was trained, curves, captions by step, rewards token by token.
 *
 * Here is what is read and in which order; what each part makes of it is its own file's. Nothing is computed that a run does not
 * say, and what it lacks the page names, with the way to get it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/sandbox.h"
#include "base/steps.h"
#include "pages/evals.h"
#include "pages/page.h"
#include "pages/recorded.h"
#include "pages/run.h"

static struct {
    const char *output, *eval, *frames, *model;
    StringList captions;
    int64_t images, size;
    bool compare;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_STRING("output", 'o', &opt.output, NULL, "FILE", "write the page there (default: stdout)"),
    OPT_STRING("eval", 0, &opt.eval, NULL, "DIR",
               "read evaluations by step, as vlrm cron-eval --out DIR leaves them (default: eval/ in the first run)"),
    OPT_STRING("frames", 0, &opt.frames, NULL, "FILE",
               "take the frames that were evaluated from here (default: the pictures in the evaluation's captions)"),
    OPT_LIST(
        "captions", 0, &opt.captions, NULL, "NAME=FILE",
        "show rewarded captions of a run, as vlrm-update --record or vlrm-reward writes them (without NAME: of the first run)"),
    OPT_STRING("model", 0, &opt.model, NULL, "DIR", "show tokens by the tokenizer of this captioner (default: the run's)"),
    OPT_FLAG("compare", 0, &opt.compare,
             "begin with all runs side by side: in one plot each, their captions beside each other (else with the first alone)"),
    OPT_INT("images", 0, &opt.images, "24", 0, 10000, "N", "show so many frames of each kind: evaluated, rewarded"),
    OPT_INT("size", 0, &opt.size, "160", 16, 1024, "PX", "shrink pictures to this longest side"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-report",
    .summary = "show a training run, or several, as one page: options, curves, captions by step, rewards token by token",
    .operands = "[NAME=]RUN...",
    .description =
        "The page is one HTML file that needs no network. It shows what was trained on what with which options, curves of the metrics "
        "and of the evaluations with their intervals, what changed most since the captioner before training, captions of the "
        "same frames by step and by run, and the reward of each recorded caption token by token, as the paper's Table 1.\n\n"
        "What there is of a run is shown, and what is missing is said with the way to get it: captions by step come from "
        "evaluations (vlrm cron-eval), rewards from batches that were kept (vlrm train --keep-batches N; those of a collapse are "
        "kept in any case) and from --captions.\n\n"
        "NAME is what a run is called, and its folder in --eval DIR; without it that is the name of the run's folder.",
    .examples = "vlrm-report run -o report.html",
    .options = options,
};

typedef struct Run {
    char *name; /* owned */
    const char *path;
    Tokenizer *tokenizer; /* owned; NULL where there is none */
    Evals evals;
} Run;

static struct {
    Run *runs; /* owned */
    size_t n;
    json_t *json; /* owned: of each run */
    json_t *sets; /* owned */
    Pictures pictures;
    Notes notes;
} page;

/* ---- runs ---- */

/* What comes before the = is a name, unless it is part of a path. */
static void run_named(Run *run, const char *operand)
{
    size_t n = strcspn(operand, "=/");
    if (operand[n] == '=' && n > 0) {
        *run = (Run){.name = xstrndup(operand, n), .path = operand + n + 1};
        return;
    }
    size_t end = strlen(operand);
    while (end > 1 && operand[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && operand[begin - 1] != '/')
        begin--;
    *run = (Run){.name = xstrndup(operand + begin, end - begin), .path = operand};
}

static size_t run_find(const char *name, size_t length)
{
    for (size_t i = 0; i < page.n; i++)
        if (strlen(page.runs[i].name) == length && memcmp(page.runs[i].name, name, length) == 0)
            return i;
    return SIZE_MAX;
}

/* The tokenizer of the run's captioner, wherever --model or the run says that it lies. */
static Tokenizer *tokenizer_of(const json_t *run, const char *name)
{
    Error err = {0};
    const char *model = opt.model ? opt.model : json_string_value(json_object_get(json_object_get(run, "config"), "model"));
    Tokenizer *t = model ? tokenizer_open(model, &err) : NULL;
    if (opt.model && !t)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (!t)
        notes_missing(&page.notes,
                      "The texts of single tokens of %s, which stand as numbers: %s. --model DIR names the captioner.", name,
                      err.text[0] ? err.text : "its config.json names no model");
    return t;
}

static void runs_read(char **operands, size_t n)
{
    page.runs = xcalloc(n, sizeof *page.runs);
    for (size_t i = 0; i < n; i++) {
        Error err = {0};
        Run run;
        run_named(&run, operands[i]);
        if (run_find(run.name, strlen(run.name)) != SIZE_MAX)
            usage_error("two runs are called %s; give each a name of its own, NAME=RUN", run.name);
        json_t *json = run_read(run.name, run.path, &err);
        if (!json)
            die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
        run.tokenizer = tokenizer_of(json, run.name);
        if (!json_object_get(json, "metrics"))
            notes_missing(&page.notes,
                          "No step of %s: its metrics.jsonl is missing or has no line, so there are no curves of it.", run.name);
        json_array_append_new(page.json, json);
        page.runs[page.n++] = run;
    }
}

/* ---- evaluations ---- */

static char *eval_folder(void)
{
    Error err = {0};
    char *folder;
    if (opt.eval)
        return xstrdup(opt.eval);
    if (!run_part(&folder, page.runs[0].path, "eval", &err))
        notes_failed(&page.notes, &err);
    return folder;
}

/* A word as a shell takes it. The caller frees it. */
static char *shell_word(const char *text)
{
    if (!text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=/._-+:,@%")])
        return xstrdup(text);
    char *word = xmalloc(4 * strlen(text) + 3), *to = word;
    *to++ = '\'';
    for (; *text; text++)
        to += *text == '\'' ? sprintf(to, "'\\''") : sprintf(to, "%c", *text);
    memcpy(to, "'", 2);
    return word;
}

static void evals_missing(const Run *run)
{
    char *named = xasprintf("%s=%s", run->name, run->path), *eval = path_join(page.runs[0].path, "eval");
    char *run_word = shell_word(named), *eval_word = shell_word(eval);
    notes_missing(
        &page.notes,
        "No evaluation of %s: recall and captions of the same frames by step are not shown. To have them: vlrm cron-eval "
        "--run %s --frames FRAMES --model DIR --clip DIR, then this page with --eval %s",
        run->name, run_word, eval_word);
    free(run_word);
    free(eval_word);
    free(named);
    free(eval);
}

static void evals_add(FrameSet *set, const char *dir)
{
    for (size_t i = 0; i < page.n; i++) {
        Run *run = &page.runs[i];
        json_t *json = json_array_get(page.json, i);
        Error err = {0};
        if (dir && !evals_find(&run->evals, dir, run->name, page.n == 1, &err))
            notes_failed(&page.notes, &err);
        if (run->evals.count == 0) {
            evals_missing(run);
            continue;
        }
        json_object_set_new(json, "evals", evals_reports(&run->evals, &page.notes));
        json_t *changes = evals_changes(&run->evals, set, (size_t)opt.images, &page.notes);
        if (changes)
            json_object_set_new(json, "changes", changes);
    }
}

static void evals_show(void)
{
    FrameSet set;
    char *dir = eval_folder(), *stream = opt.frames ? xstrdup(opt.frames) : NULL;
    set_init(&set, "evaluated");
    evals_add(&set, dir);
    for (size_t i = 0; i < page.n; i++) {
        evals_captions(&page.runs[i].evals, &set, i, &page.notes);
        if (!stream)
            stream = evals_stream(&page.runs[i].evals, &page.notes);
    }
    if (json_array_size(set.frames) > 0 && stream)
        evals_pictures(&set, &page.pictures, stream, &page.notes);
    if (json_array_size(set.entries) > 0)
        json_array_append(page.sets, set.json);
    set_release(&set);
    free(stream);
    free(dir);
}

/* ---- rewards ---- */

typedef struct Streams {
    Recorded *items; /* owned, with the paths */
    size_t count, capacity;
} Streams;

static void streams_add(Streams *s, char *path, size_t run)
{
    s->items = array_reserve(s->items, &s->capacity, s->count + 1, sizeof *s->items);
    s->items[s->count++] = (Recorded){path, run};
}

/* The batches that a run has kept in one of its folders. */
static void streams_kept(Streams *s, size_t run, const char *folder)
{
    char *path;
    FolderNames names = {0};
    Error err = {0};
    if (!run_part(&path, page.runs[run].path, folder, &err) || (path && !folder_names(&names, path, &err)))
        notes_failed(&page.notes, &err);
    for (size_t i = 0; i < names.count; i++) {
        if (step_number(names.items[i]) < 0)
            continue;
        char *step = path_join(path, names.items[i]), *batch;
        Error why = {0};
        if (!run_part(&batch, step, "batch.vlrm", &why))
            notes_failed(&page.notes, &why);
        if (batch)
            streams_add(s, batch, run);
        free(step);
    }
    folder_names_release(&names);
    free(path);
}

static void streams_given(Streams *s)
{
    for (size_t i = 0; i < opt.captions.count; i++) {
        const char *item = opt.captions.items[i];
        size_t n = strcspn(item, "=/"), run = item[n] == '=' ? run_find(item, n) : SIZE_MAX;
        if (strcmp(item, "-") == 0)
            usage_error("--captions: stdin can be read only once; give a file");
        streams_add(s, xstrdup(run == SIZE_MAX ? item : item + n + 1), run == SIZE_MAX ? 0 : run);
    }
}

static void rewards_show(void)
{
    Streams s = {0};
    FrameSet set;
    Tokenizer **tokenizers = xcalloc(page.n, sizeof *tokenizers);
    set_init(&set, "rewarded");
    streams_given(&s);
    for (size_t i = 0; i < page.n; i++) {
        tokenizers[i] = page.runs[i].tokenizer;
        streams_kept(&s, i, "batches");
        streams_kept(&s, i, "collapse");
    }
    recorded_read(&set, &page.pictures, s.items, s.count, tokenizers, (size_t)opt.images, &page.notes);
    if (json_array_size(set.entries) > 0)
        json_array_append(page.sets, set.json);
    else
        notes_missing(&page.notes,
                      "No rewarded captions: the reward of each token is not shown. To have it: vlrm train --keep-batches N, or "
                      "vlrm-reward (vlrm-update --record FILE), then this page with --captions FILE");
    for (size_t i = 0; i < s.count; i++)
        free((char *)(uintptr_t)s.items[i].path);
    free(s.items);
    free(tokenizers);
    set_release(&set);
}

/* ---- all of it ---- */

static int finish(void)
{
    Error err = {0};
    json_t *data =
        json_pack("{s:s, s:b, s:s, s:O, s:O, s:O, s:O}", "kind", "report", "compare", opt.compare, "version", VLRM_VERSION,
                  "runs", page.json, "sets", page.sets, "pictures", page.pictures.list, "missing", page.notes.missing);
    if (!page_write(opt.output, "report", true, data, &err)) {
        warn("%s", err.text);
        notes_status(&page.notes, err.status ? err.status : STATUS_FAILURE);
    }
    json_decref(data);
    if (page.pictures.failed > 0)
        notes_status(&page.notes, STATUS_SOME_FAILED);
    for (size_t i = 0; i < page.n; i++) {
        evals_release(&page.runs[i].evals);
        tokenizer_free(page.runs[i].tokenizer);
        free(page.runs[i].name);
    }
    free(page.runs);
    json_decref(page.json);
    json_decref(page.sets);
    json_decref(page.notes.missing);
    pictures_release(&page.pictures);
    return finish_stdout(page.notes.status);
}

int main(int argc, char **argv)
{
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    if (n == 0)
        usage_error("a run is required: the folder of vlrm train --run");
    page_check_output(opt.output);
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.write = &opt.output, .n_write = opt.output != NULL});
    page.json = json_array();
    page.sets = json_array();
    page.notes.missing = json_array();
    pictures_init(&page.pictures, opt.size);
    runs_read(operands, (size_t)n);
    evals_show();
    rewards_show();
    return finish();
}
