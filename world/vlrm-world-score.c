/*
 * vlrm-world-score: captions of the miniature world's frames held against its truth: what the paper says it cannot measure.
 *
 * It reads a stream with captions and the folder of truth that vlrm-world-render wrote; images are not looked at.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/options/options.h"
#include "base/sandbox.h"
#include "stream/filter.h"
#include "world/tally.h"
#include "world/truth.h"

static const char *truth_path, *per_caption_path;
static Sandbox sandbox;

static const Option options[] = {
    OPT_STRING("truth", 't', &truth_path, NULL, "DIR",
               "read the clips' truth from this folder (*.jsonl), or from one such file. Required."),
    OPT_STRING("per-caption", 0, &per_caption_path, NULL, "FILE", "write one JSON line for each caption: its counts."),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-world-score",
    .summary = "hold captions against the truth of the miniature world",
    .operands = "[file|-]...",
    .input = "caption; frame (source, time), or ids NAME#SECONDS",
    .output = "a JSON object; a table on a terminal",
    .description =
        "Reads what each caption claims (shapes, colours, sizes, fills, relations, the background's colour and texture) and "
        "judges it by the scene that the frame shows. Detail recall: details said and true, of those there. Hallucination: "
        "claims that are false, of all claims. Grammar: captions that are sentences of the world's language; claims are read "
        "from the others too. Rates are over all captions together.\n\n"
        "A record without a caption, or whose frame is in no shot of the truth, fails; input that is cut short is not scored.",
    .examples = "vlrm-world-render --split test --clips 2 --out clips && vlrm-extract clips/*.mp4 | vlrm-rollout --model blip2 | "
                "vlrm-world-score --truth clips",
    .options = options,
};

static char *slice_text(Slice s)
{
    return xstrndup(s.data, s.size);
}

static void caption_score(Tally *tally, FILE *per_caption, const Shot *shot, const char *id, const char *text,
                          const Reading *reading)
{
    Verdict v = scene_judge(&shot->scene, reading);
    tally_add(tally, reading, &v);
    if (!per_caption)
        return;
    json_t *line = caption_json(id, text, reading, &v);
    json_dumpf(line, per_caption, JSON_COMPACT);
    fputc('\n', per_caption);
    json_decref(line);
}

static void record_score(Filter *f, Tally *tally, FILE *per_caption, const Truth *truth, const Record *r)
{
    Slice caption;
    Reading reading;
    if (record_string(r, "caption.text", &caption) != FIELD_OK) {
        filter_failed(f, r, "no caption.text");
        return;
    }
    char *id = slice_text(r->id), *text = slice_text(caption);
    const Shot *shot = truth_find_record(truth, r);
    if (!shot)
        filter_failed(f, r, "its frame is in no shot of %s", truth_path);
    else if (!caption_read(&reading, text))
        filter_failed(f, r, "a caption of more than %d objects", SAID_MAX);
    else
        caption_score(tally, per_caption, shot, id, text, &reading);
    free(id);
    free(text);
}

static void report(const Tally *tally)
{
    if (isatty(STDOUT_FILENO)) {
        tally_print(tally, stdout);
        return;
    }
    json_t *json = tally_json(tally);
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

/* Input that is whole, though records may have failed, is worth a report. */
static bool whole(int status)
{
    return status == STATUS_CLEAN || status == STATUS_SOME_FAILED;
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    Filter f;
    Record r;
    Truth truth;
    Tally tally = {0};
    AtomicFile per_caption = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    if (!truth_path)
        usage_error("--truth DIR is required");
    sandbox_enclose(sandbox, &(SandboxFiles){.write = &per_caption_path, .n_write = per_caption_path != NULL});
    if (!truth_read(&truth, truth_path, &err))
        die("%s", err.text);
    if (per_caption_path && !atomic_open(&per_caption, per_caption_path, &err))
        die("%s", err.text);
    filter_init(&f, &program, operands, n, -1, "captions");
    while (filter_next(&f, &r))
        if (r.kind == RECORD_DATA)
            record_score(&f, &tally, per_caption.stream, &truth, &r);
    int status = filter_finish(&f);
    if (whole(status) && tally.captions == 0 && status == STATUS_CLEAN) {
        warn("no caption in the input");
        status = STATUS_EMPTY;
    }
    if (whole(status)) {
        report(&tally);
        if (per_caption.stream && !atomic_commit(&per_caption, &err))
            die("%s", err.text);
    }
    atomic_abort(&per_caption);
    truth_release(&truth);
    return finish_stdout(status);
}
