/*
 * vlrm-world-captions: captions of the miniature world's frames written from its truth: what a perfect captioner would say, what
 * web text says, and falsehoods of the same length. They are what scorers and judges are tested with; no image is looked at.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/options/options.h"
#include "base/sandbox.h"
#include "stream/filter.h"
#include "world/language.h"
#include "world/truth.h"

typedef enum Kind { KIND_LONG, KIND_SHORT, KIND_BARE, KIND_RANGE, KIND_WEB } Kind;

/* What draws are for: a caption and its falsehood have dice of their own, so that both are of the same caption. */
enum { STEP_CAPTION, STEP_FALSEHOOD };

static const char *truth_path;
static Kind kind;
static int64_t seed, zstd;
static Sandbox sandbox;
static bool falsify, exchange;

static const Option options[] = {
    OPT_STRING("truth", 't', &truth_path, NULL, "DIR",
               "read the clips' truth from this folder (*.jsonl), or from one such file; required"),
    OPT_ENUM(
        "kind", 'k', &kind, "long", "long|short|bare|range|web",
        "say so much: long: all that is there; short: one object, rarely its details; bare: one shape; range: anything between; web: as web text, meaningless phrases included"),
    OPT_FLAG("falsify", 0, &falsify,
             "replace one word of the caption by another of its kind: one claim more is false, the length is the same"),
    OPT_FLAG("exchange", 0, &exchange,
             "let two objects of the caption exchange a detail; a caption without such a pair is filtered out"),
    OPT_INT("seed", 0, &seed, "1", 0, 1e15, "N", "seed the choice of words; a caption depends on it, --kind and the record's id"),
    FILTER_OPTION_ZSTD(zstd),
    SANDBOX_OPTION(sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-world-captions",
    .summary = "write true captions, or false ones, for frames of the miniature world",
    .operands = "[file|-]...",
    .input = "frame (source, time), or ids NAME#SECONDS",
    .output = "frame, caption",
    .description =
        "Writes a caption of each frame from the truth that vlrm-world-render left beside its clips. With --falsify or "
        "--exchange the captions are those of the same command without it, made false; so two streams can be compared caption by "
        "caption.\n\n"
        "A record whose frame is in no shot of the truth fails.",
    .examples =
        "vlrm-world-render --split test --clips 2 --out clips && vlrm-extract clips/*.mp4 | vlrm-world-captions --truth clips "
        "--kind short | vlrm-cat --fields id,caption.text",
    .options = options,
};

static void caption_make(char out[CAPTION_MAX], const Scene *s, uint64_t key)
{
    Dice d = dice_make((uint64_t)seed, STEP_CAPTION, key);
    Plan plan;
    switch (kind) {
    case KIND_LONG:
        plan = plan_long;
        break;
    case KIND_SHORT:
        plan = plan_short;
        break;
    case KIND_BARE:
        plan = plan_bare;
        break;
    case KIND_RANGE:
        plan = plan_range(&d);
        break;
    case KIND_WEB:
        plan = plan_web(&web_default, &d);
        break;
    }
    caption_write(out, s, &plan, &d);
}

/* The record with its caption, unless there is none to be had. */
static void record_caption(Filter *f, const Truth *truth, const Record *r, Packer *group)
{
    char text[CAPTION_MAX], false_text[CAPTION_MAX];
    const Shot *shot = truth_find_record(truth, r);
    if (!shot) {
        filter_failed(f, r, "its frame is in no shot of %s", truth_path);
        return;
    }
    uint64_t key = hash_id(r->id.data, r->id.size);
    Dice d = dice_make((uint64_t)seed, STEP_FALSEHOOD, key);
    caption_make(text, &shot->scene, key);
    if (falsify && !caption_falsify(false_text, &shot->scene, text, FALSE_ANY, &d)) {
        filter_failed(f, r, "nothing in \"%s\" can be falsified", text);
        return;
    }
    if (exchange && !caption_exchange(false_text, &shot->scene, text, &d)) {
        filter_drop(f);
        return;
    }
    pack_reset(group);
    pack_map_begin(group);
    pack_field_text(group, "text", falsify || exchange ? false_text : text);
    pack_field_bool(group, "eos", true);
    pack_map_end(group);
    filter_write(f, r, "caption", group);
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    Filter f;
    Record r;
    Truth truth;
    Packer group = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    if (!truth_path)
        usage_error("--truth DIR is required");
    if (falsify && exchange)
        usage_error("give --falsify or --exchange, not both");
    sandbox_enclose(sandbox, &(SandboxFiles){.read = NULL});
    if (!truth_read(&truth, truth_path, &err))
        die("%s", err.text);
    filter_init(&f, &program, operands, n, (int)zstd, "captions");
    while (filter_next(&f, &r))
        if (r.kind == RECORD_DATA)
            record_caption(&f, &truth, &r, &group);
        else
            filter_write(&f, &r, NULL, NULL);
    int status = filter_finish(&f);
    pack_release(&group);
    truth_release(&truth);
    return status;
}
