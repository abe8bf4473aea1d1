/*
 * vlrm-rollout: frames to captions (paper, sections 3.1, 3.5 and Table 2).
 *
 * Frames are gathered until a decoding batch is full or a policy batch ends, then encoded and decoded together; each goes out
 * with its caption. What a batch does is in captioning.c, which policy it uses in follow.c; here are the options and the loop.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "rollout/captioning.h"
#include "rollout/follow.h"
#include "stage/inputs.h"
#include "stage/machine.h"
#include "stage/plan.h"
#include "stream/filter.h"
#include "tensor/kernels_idle.h"

static struct {
    const char *model, *prompt, *policy, *deal;
    Machine machine;
    GenerateOptions generate;
    int64_t max_lag, patience, batch, decode_batch, num_return, zstd, plan, tiles;
    bool greedy, crop, features;
    int64_t rank, ranks; /* of --deal */
    int features_dtype;
} opt;

static const Option options[] = {
    OPT_GROUP("Model"),
    OPT_STRING(
        "model", 'm', &opt.model, NULL, "MODEL",
        "caption with this model, BLIP-2 OPT, InstructBLIP, SmolVLM, LLaVA, JoyCaption or BLIP in Hugging Face layout: a folder, or ORG/NAME[@REVISION] in the Hub's local cache (vlrm(7))",
        .first = true, .may_change = true),
    OPT_STRING(
        "prompt", 0, &opt.prompt, NULL, "TEXT",
        "ask for this, within the chat template of a captioner that has one, or begin BLIP's captions with it (default: Describe the image., for BLIP: a picture of)"),
    OPT_STRING(
        "policy", 0, &opt.policy, NULL, "DIR",
        "follow the policy that vlrm-update publishes there (RUN/policy), or stay with that of one step (RUN/policy/step-NNNNNN)",
        .first = true, .may_change = true),
    OPT_INT("max-lag", 0, &opt.max_lag, "0", 0, 1e6, "N", "sample batch k by the policy of step k - N"),
    OPT_INT("patience", 0, &opt.patience, "300", 0, 1e9, "SECONDS",
            "stop waiting for a policy after so long without a vlrm-update at work on its run; 0: never", .may_change = true),
    OPT_INT("batch", 0, &opt.batch, "0", 0, 1e9, "N",
            "close a batch after N records, or more: a frame's captions are not split; 0: as the input's batch records say"),
    OPT_STRING(
        "deal", 0, &opt.deal, NULL, "R/N",
        "caption only part R (from 0) of N of each batch, as rank R of a training on N ranks does: all read the same frames",
        .may_change = true),
    OPT_FLAG("crop", 0, &opt.crop, "crop to the centre instead of squeezing to the square (evaluation in the paper)"),
    OPT_INT(
        "tiles", 0, &opt.tiles, "1", 1, 16, "N",
        "cut each image into tiles, N along its longer edge, beside the whole of it, as SmolVLM's own processor does; 1: the whole alone"),
    OPT_FLAG("features", 0, &opt.features, "attach the frozen encoder's output, so that later stages need not compute it"),
    OPT_ENUM("features-dtype", 0, &opt.features_dtype, "auto", "auto|f32|f16|bf16",
             "store features in this type, and use them so here too; auto: bf16 with 16-bit weights, else f32"),
    OPT_GROUP("Decoding (default: beams, the paper's Table 2)"),
    OPT_FLAG("sample", 0, &opt.generate.sample, "sample, as in training", .first = true),
    OPT_FLAG("greedy", 0, &opt.greedy, "take the most likely token always"),
    OPT_INT("top-k", 0, &opt.generate.top_k, "6", 0, 1e6, "K", "draw from the K most likely tokens when sampling; 0: all"),
    OPT_REAL("temperature", 0, &opt.generate.temperature, "2", 0.001, 1000, "T", "divide logits by it when sampling"),
    OPT_INT("seed", 0, &opt.generate.seed, "1", 0, 9e15, "N",
            "seed the random numbers of sampling; a caption depends on it, the step and the record's id alone"),
    OPT_INT("num-return", 0, &opt.num_return, "1", 1, 1024, "N", "sample N captions per frame; ids get ~1 .. ~N behind them",
            .first = true),
    OPT_FLAG(
        "greedy-baseline", 0, &opt.generate.greedy_last,
        "add the frame's greedy caption to the samples, marked as what the others are compared with (vlrm-update --baseline greedy)"),
    OPT_INT("num-beams", 0, &opt.generate.num_beams, "5", 1, MAX_BEAMS, "N", "search with N beams"),
    OPT_INT("no-repeat-ngram-size", 0, &opt.generate.no_repeat_ngram_size, "2", 0, 100, "N",
            "say no N tokens in a row twice; 0: off. Off by default with --sample and --greedy"),
    OPT_INT("min-new-tokens", 0, &opt.generate.min_new_tokens, "4", 0, 1000, "N",
            "end no caption before N tokens. 0 by default with --sample and --greedy"),
    OPT_INT("max-new-tokens", 0, &opt.generate.max_new_tokens, "60", 1, 1000, "N",
            "give captions at most N tokens, the end included", .first = true),
    OPT_REAL("length-penalty", 0, &opt.generate.length_penalty, "1", -10, 10, "P", "divide the scores of beams by length^P"),
    OPT_GROUP("Machine"),
    OPT_INT("decode-batch", 0, &opt.decode_batch, "0", 0, 4096, "N",
            "decode so many frames together; on a CPU this changes no byte of a record; 0: 8, on a CUDA device 64",
            .may_change = true),
    MACHINE_OPTIONS(opt.machine),
    FILTER_OPTION_ZSTD(opt.zstd),
    PLAN_OPTION(opt.plan),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-rollout",
    .summary = "caption frames: beams, greedy, or sampled from a policy in training",
    .operands = "[file|-]...",
    .input = "frame",
    .output = "frame, caption (and features)",
    .description =
        "Writes a caption for every frame, with its tokens and the log-probability of each under the model (no temperature, no "
        "filter). By default as the paper evaluates (beams); --sample is what it trains on.\n\n"
        "With --policy the captions follow a policy in training: batch k is sampled by the policy of step k, and is waited for, "
        "so training stays on-policy however deep the pipe is. Batches that the run has consumed are skipped.",
    .examples = "# One caption a frame, as JSON lines:\n"
                "vlrm-extract photos | vlrm-rollout --model blip2 | vlrm-cat --fields id,caption.text\n"
                "# Three sampled captions a frame:\n"
                "vlrm-extract photos | vlrm-rollout --model blip2 --sample --num-return 3 | vlrm-cat --fields id,caption.text",
    .options = options,
};

/* The loop's state. */
typedef struct Loop {
    Filter filter;
    Captioning captioning;
    Follow follow;
    int64_t index;    /* of the batch in hand */
    int64_t in_batch; /* records written in it */
    int64_t frames;   /* frames taken in it */
    bool begun, skipping, ended;
} Loop;

/* As given; what the paper has for beams alone is off elsewhere, unless it is asked for. */
static GenerateOptions generate_options(void)
{
    GenerateOptions g = opt.generate;
    if (!g.sample && !opt.greedy)
        return g;
    g.num_beams = 1;
    if (!option_given(&program, "no-repeat-ngram-size"))
        g.no_repeat_ngram_size = 0;
    if (!option_given(&program, "min-new-tokens"))
        g.min_new_tokens = 0;
    return g;
}

/* Records of a frame with an image. */
static int64_t captions_a_frame(void)
{
    return opt.num_return + opt.generate.greedy_last;
}

/* "R/N". */
static bool deal_read(const char *text)
{
    char *end;
    opt.rank = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
    if (opt.rank < 0 || *end != '/' || !isdigit((unsigned char)end[1]))
        return false;
    opt.ranks = strtol(end + 1, &end, 10);
    return *end == '\0' && opt.rank < opt.ranks && opt.ranks <= 1000000;
}

static void check_options(void)
{
    if (!opt.model)
        usage_error("--model is required");
    if (opt.deal && !deal_read(opt.deal))
        usage_error("--deal '%s': expected R/N, R from 0 to N - 1", opt.deal);
    if (opt.deal && opt.batch == 0)
        usage_error("--deal needs --batch: parts are of so many records");
    if (opt.generate.sample && opt.greedy)
        usage_error("give --sample or --greedy, not both");
    if (opt.generate.greedy_last && !opt.generate.sample)
        usage_error("--greedy-baseline needs --sample");
    if (opt.num_return > 1 && opt.greedy)
        usage_error("--greedy has one caption a frame, --num-return asks for %lld", (long long)opt.num_return);
    if (!opt.generate.sample && !opt.greedy && opt.num_return > opt.generate.num_beams)
        usage_error("--num-return %lld needs at least as many --num-beams, there are %lld", (long long)opt.num_return,
                    (long long)opt.generate.num_beams);
}

/* Captions what has been gathered and writes it. */
static void write_gathered(Loop *l)
{
    CaptionSource source = {follow_digest(&l->follow), follow_step(&l->follow)};
    l->in_batch += (int64_t)captioning_run(&l->captioning, &l->filter, &source);
    char figure[64];
    snprintf(figure, sizeof figure, "%.1f tokens/s", captioning_tokens_per_second(&l->captioning));
    progress_figure(figure);
    progress_batch(l->index, l->in_batch, opt.batch > 0 ? opt.batch : -1);
    progress_show();
}

/* The first frame of a batch: which policy it gets. */
static void begin_batch(Loop *l)
{
    Error err = {0};
    l->begun = true;
    l->in_batch = l->frames = 0;
    if (l->follow.dir)
        writer_flush(l->filter.out);
    FollowResult result = follow_batch(&l->follow, l->captioning.captioner, l->index, &err);
    if (result == FOLLOW_FAILED)
        die_status(err.status, "%s", err.text);
    l->skipping = result == FOLLOW_CONSUMED;
    l->ended = result == FOLLOW_ENDED;
    if (l->skipping)
        note("batch %lld has been consumed by the run: skipped", (long long)l->index);
    if (l->ended)
        filter_status(&l->filter, interrupted() ? STATUS_INTERRUPTED : STATUS_CLOSED);
}

static void end_batch(Loop *l)
{
    write_gathered(l);
    writer_batch(l->filter.out, l->index, l->in_batch, follow_step(&l->follow));
    writer_flush(l->filter.out);
    l->index++;
    l->begun = false;
}

/* Frames of a batch. */
static int64_t frames_a_batch(void)
{
    return (opt.batch + captions_a_frame() - 1) / captions_a_frame();
}

/* Whether the frame to come, one of the batch, is another rank's. Parts are contiguous, and of one size give or take a frame. */
static bool is_dealt_away(const Loop *l)
{
    const int64_t n = frames_a_batch();
    return opt.deal && (l->frames < n * opt.rank / opt.ranks || l->frames >= n * (opt.rank + 1) / opt.ranks);
}

static void take_frame(Loop *l, const Record *r)
{
    if (!l->begun)
        begin_batch(l);
    if (l->ended)
        return;
    if (l->skipping || is_dealt_away(l))
        filter_drop(&l->filter);
    else
        captioning_add(&l->captioning, r);
    l->frames++;
    if (captioning_full(&l->captioning))
        write_gathered(l);
    if (opt.batch > 0 && l->frames >= frames_a_batch())
        end_batch(l);
}

static void run_loop(Loop *l)
{
    Record r;
    bool batches = opt.batch > 0 || l->follow.dir;
    while (!l->ended && filter_next(&l->filter, &r)) {
        if (r.kind == RECORD_DATA) {
            take_frame(l, &r);
        } else if (opt.batch == 0) {
            if (!l->begun)
                begin_batch(l);
            if (!l->ended)
                end_batch(l);
        }
    }
    bool whole = l->filter.status == STATUS_CLEAN || l->filter.status == STATUS_SOME_FAILED;
    if (batches && l->begun && whole && !l->ended)
        end_batch(l);
    else if (!l->ended)
        write_gathered(l);
}

/* What shapes the captions besides the frames; of policies that are followed each caption says its own. After filter_init. */
static void name_inputs(Loop *l)
{
    json_t *inputs = json_array();
    inputs_add_text(inputs, "model", l->captioning.base.text);
    inputs_add(inputs, "tokenizer", tokenizer_digest(l->captioning.tokenizer));
    if (l->follow.one)
        inputs_add_text(inputs, "policy", follow_digest(&l->follow));
    filter_header_set(&l->filter, "inputs", inputs);
}

/* As the options say, with the kernels that they name. */
static CaptioningOptions captioning_options(const Kernels **kernels)
{
    Error err = {0};
    if (!machine_kernels(&opt.machine, kernels, &err))
        die_status(err.status, "%s", err.text);
    return (CaptioningOptions){.model = opt.model,
                               .prompt = opt.prompt,
                               .generate = generate_options(),
                               .most = (size_t)machine_batch(opt.decode_batch, *kernels),
                               .n_return = (size_t)captions_a_frame(),
                               .tiles = opt.tiles,
                               .crop = opt.crop,
                               .features = opt.features,
                               .features_dtype = opt.features_dtype};
}

/* --plan: what it takes, by running over kernels that compute nothing. */
static int print_plan(void)
{
    Error err = {0};
    const Kernels *kernels;
    Plan plan;
    Captioning c;
    CaptioningOptions co = captioning_options(&kernels);
    co.plan = true;
    co.generate.max_new_tokens = opt.plan < opt.generate.max_new_tokens ? opt.plan : opt.generate.max_new_tokens;
    if (!captioning_init(&c, &co, kernels_idle(), &err))
        die_status(err.status, "%s", err.text);
    plan_init(&plan);
    captioning_plan(&c, &plan, kernels);
    captioning_release(&c);
    return plan_finish(&plan, &program);
}

static void open_all(Loop *l, char **operands, int n)
{
    Error err = {0};
    const Kernels *kernels;
    CaptioningOptions co = captioning_options(&kernels);
    if (!captioning_init(&l->captioning, &co, kernels, &err))
        die_status(err.status, "%s", err.text);
    l->follow = (Follow){.dir = opt.policy, .lag = opt.max_lag, .patience = opt.patience, .base = l->captioning.base};
    if (!follow_open(&l->follow, l->captioning.captioner, &err))
        die_status(err.status, "%s", err.text);
    filter_init(&l->filter, &program, operands, n, (int)opt.zstd, "frames");
    filter_header_set(&l->filter, "kernels", json_string(kernels->name));
    filter_header_set(&l->filter, "compute", json_string(kernels->compute == COMPUTE_BF16 ? "bf16" : "f32"));
    filter_header_set(&l->filter, "model", json_string(l->captioning.base.text));
    name_inputs(l);
}

int main(int argc, char **argv)
{
    Loop l = {0};
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&opt.model);
    check_options();
    signals_init();
    machine_enclose(&opt.machine, NULL, 0);
    pool_init((int)opt.machine.threads);
    if (opt.plan > 0)
        return print_plan();
    open_all(&l, operands, n);
    run_loop(&l);
    int status = filter_finish(&l.filter);
    captioning_report(&l.captioning);
    policy_release(&l.follow.applied, l.captioning.captioner);
    captioning_release(&l.captioning);
    return status;
}
