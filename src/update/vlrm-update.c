/*
 * vlrm-update: one actor-critic step per batch of rewarded captions (paper, sections 3.2, 3.5, 3.6).
 *
 * This file is the options and the loop over batches. What a step does is in learner.h, what a run keeps is in state.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "stage/frame.h"
#include "stage/groups.h"
#include "stage/inputs.h"
#include "stage/machine.h"
#include "stream/filter.h"
#include "update/config.h"
#include "update/dump.h"
#include "update/kept.h"
#include "update/learner_options.h"
#include "update/metrics.h"
#include "update/pace.h"
#include "update/recorder.h"
#include "update/settings.h"
#include "update/state.h"
#include "update/tensorboard.h"

static struct {
    const char *run, *init, *replay, *dump, *tensorboard, *record;
    LearnerOptions learner;
    Machine machine;
    int64_t batch, spool_memory, keep, keep_every, keep_batches, checkpoint_every, max_steps;
    OnPolicyRules policy;
    CollapseLimits limits;
    bool stop_on_collapse, change_options, prepare;
} opt;

static const Option options[] = {
    OPT_GROUP("Model and run"),
    OPT_STRING("model", 'm', &opt.learner.model, NULL, "MODEL", "the base captioner, BLIP-2 OPT in Hugging Face layout"),
    OPT_STRING("run", 'r', &opt.run, NULL, "DIR", "the run folder: policy, checkpoints, metrics; taken up where it ended"),
    OPT_STRING("init", 0, &opt.init, NULL, "FILE",
               "safetensors that trained parts start from, named as --dump names them; what it lacks starts as usual"),
    OPT_FLAG("prepare", 0, &opt.prepare, "only open the run and publish the policy of its newest checkpoint"),
    OPT_STRING("replay", 0, &opt.replay, NULL, "DIR",
               "take the step of a kept batch (RUN/batches/step-K) again, into --dump and --record; touches no run"),
    OPT_FLAG("count", 0, &opt.learner.count_only, "only say how many parameters each part trains; needs no --run"),
    OPT_FLAG("change-options", 0, &opt.change_options,
             "go on with a run although options, models or lists differ from its own; config.json and metrics then say which"),
    LEARNER_OPTIONS(opt.learner),
    OPT_GROUP("Batches"),
    OPT_INT("batch", 0, &opt.batch, "0", 0, 1e9, "N",
            "records per step, or more where a group of captions would be split; 0: as the input's batch records say",
            .numbers = true),
    OPT_INT("max-steps", 0, &opt.max_steps, "0", 0, 1e15, "N", "end after step N of the run; 0: at the end of input"),
    OPT_INT("max-lag", 0, &opt.policy.max_lag, "0", 0, 1e6, "N", "by how many steps the policy that sampled may be older",
            .numbers = true),
    OPT_FLAG("off-policy", 0, &opt.policy.off, "accept captions that name no policy step"),
    OPT_REAL("check-logp", 0, &opt.policy.share, "0", 0, 1, "F",
             "share of records whose recorded log-probabilities are compared with the learner's"),
    OPT_REAL("max-drift", 0, &opt.policy.max_drift, "1", 0, 1e30, "NATS",
             "refuse a batch in which they differ by more, unless --off-policy; 0: never"),
    OPT_FLAG("crop", 0, &opt.learner.crop, "images are centre-cropped (default: as the rollout in the input's header did)",
             .numbers = true),
    OPT_GROUP("Checkpoints and reports"),
    OPT_INT("keep", 0, &opt.keep, "3", 1, 1e9, "N", "keep the last N checkpoints and policies"),
    OPT_INT("keep-every", 0, &opt.keep_every, "0", 0, 1e15, "M", "and those of every Mth step; 0: none"),
    OPT_INT("keep-batches", 0, &opt.keep_batches, "0", 0, 1e9, "N",
            "keep the last N batches with the state each met, for vlrm replay; a state is 12 bytes a trained parameter"),
    OPT_INT("checkpoint-every", 0, &opt.checkpoint_every, "1", 1, 1e9, "N",
            "steps between checkpoints; the last step has one in any case"),
    OPT_STRING("tensorboard", 0, &opt.tensorboard, NULL, "DIR", "also write metrics as TensorBoard event files"),
    OPT_STRING("record", 0, &opt.record, NULL, "FILE", "write the consumed records with their values and advantages"),
    OPT_STRING("dump", 0, &opt.dump, NULL, "DIR",
               "write gradients, parameters, values and advantages of each step as DIR/step-K.safetensors"),
    OPT_REAL("collapse-entropy", 0, &opt.limits.min_entropy, "0.05", 0, 100, "NATS",
             "warn when the mean entropy of the policy falls below"),
    OPT_REAL("collapse-length", 0, &opt.limits.min_length, "2", 0, 1e6, "TOKENS",
             "warn when captions become shorter than this on average"),
    OPT_REAL("collapse-value-loss", 0, &opt.limits.max_value_loss, "1000", 0, 1e30, "X", "warn when the value loss rises above"),
    OPT_REAL("collapse-entropy-rise", 0, &opt.limits.entropy_rise, "1.5", 0, 1e6, "TIMES",
             "warn when the entropy (median of 10 steps) rises above so many times that of the first 10; 0: off"),
    OPT_REAL("collapse-entropy-fall", 0, &opt.limits.entropy_fall, "0.25", 0, 1, "TIMES",
             "the same, when it falls below; 0: off"),
    OPT_REAL("collapse-value-loss-rise", 0, &opt.limits.value_loss_rise, "4", 0, 1e6, "TIMES",
             "warn when the value loss (median of 10 steps) rises above so many times the lowest before; 0: off"),
    OPT_FLAG("stop-on-collapse", 0, &opt.stop_on_collapse, "end with status 7 instead of warning"),
    OPT_GROUP("Machine"),
    OPT_INT("memory", 0, &opt.learner.memory, "2048", 16, 1e9, "MIB", "for activations: micro-batches are cut to fit",
            .numbers = true),
    OPT_INT("spool-memory", 0, &opt.spool_memory, "1024", 1, 1e9, "MIB",
            "records of a batch beyond this wait on disk, in the run folder"),
    MACHINE_OPTIONS(opt.machine),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-update",
    .summary = "train the policy on rewarded captions, one optimizer step per batch",
    .operands = "[file|-]...",
    .input = "caption, reward (frame or features)",
    .output = "metrics, one JSON object a step",
    .description =
        "Reads captions with rewards and takes one actor-critic step for each batch: values from the language model with LoRA "
        "and a value head, advantages normalised over the whole batch, the policy loss -mean(p M) through the frozen language "
        "model to projection, Q-Former and query tokens.\n\n"
        "Everything a run needs is in its folder. Killed at any moment and started again with the same command and input, it "
        "goes on to the same parameters, bit for bit: batches it has consumed are skipped, and a record id is consumed once.\n\n"
        "After each step the new policy is published in RUN/policy, which vlrm-rollout follows. A caption sampled by another "
        "step than --max-lag allows is refused (exit 6).",
    .examples = "# Train on rewarded captions recorded before:\n"
                "vlrm-update --model blip2 --run run --off-policy --batch 6 rewarded.vlrm",
    .options = options,
};

/* The loop's state. */
typedef struct Loop {
    Filter filter;
    Learner *learner;
    Run run;
    Batch batch;
    TensorBoard tensorboard;
    Recorder recorder;
    Packer upstream;   /* the raw header that the batch being read came under */
    int64_t index;     /* of the batch being read */
    int64_t repeated;  /* ids refused because they had been consumed */
    uint64_t in_batch; /* data records since the last batch record */
    GroupCut cut;      /* the group of the last of them */
    Digest init;       /* digest of --init's tensors; "" for none */
    json_t *inputs;    /* owned: the header's of what is recorded and kept */
    Changes changes;   /* of options since the steps before */
    Pace pace;
    const char *collapsing; /* the metric outside its limits in the step before; NULL for none */
    bool stopped;
} Loop;

static void check_options(int operands)
{
    if (!opt.learner.model || (!opt.run && !opt.learner.count_only && !opt.replay))
        usage_error("--model and --run are required");
    if (opt.replay && (!opt.dump || opt.prepare || opt.init || operands > 0))
        usage_error("--replay needs --dump, and goes with neither --prepare, --init nor operands");
    if (opt.learner.objective == OBJECTIVE_XE) /* its entropy is meant to fall */
        opt.limits.entropy_fall = opt.limits.entropy_rise = 0;
    learner_options_check(&opt.learner);
}

/* A batch consumed before must hold the records that it held then. */
static void check_consumed(const Loop *loop, const Record *r)
{
    if (record_raw(r, "reward").data && record_raw(r, "caption").data &&
        !consumed_has(&loop->run.consumed, r->id.data, r->id.size))
        die_status(
            STATUS_MISMATCH,
            "record %.*s: is new, but batch %lld of this run has been consumed: the input is not the one that %s began with",
            (int)r->id.size, (const char *)r->id.data, (long long)loop->index, opt.run);
}

static void take_record(Loop *loop, const Record *r)
{
    const LmConfig *text = &loop->learner->captioner->config.text;
    BatchNeeds needs = {opt.learner.objective == OBJECTIVE_VLRM, text->vocabulary,
                        text->positions - loop->learner->captioner->config.queries - 1};
    Error err = {0};
    if (loop->index < loop->run.next_batch) {
        check_consumed(loop, r);
        return;
    }
    if (consumed_has(&loop->run.consumed, r->id.data, r->id.size)) {
        loop->repeated++;
        filter_failed(&loop->filter, r, "id has been consumed by this run before");
        return;
    }
    if (opt.learner.objective == OBJECTIVE_VLRM && record_raw(r, "caption").data && record_raw(r, "reward").data &&
        !on_policy_sampled(&opt.policy, &loop->run, loop->learner->step, r, &err))
        die_status(err.status, "record %.*s: %s", (int)r->id.size, (const char *)r->id.data, err.text);
    if (!batch_add(&loop->batch, r, &needs, &err)) {
        filter_refuse_mismatch(r, &err);
        filter_failed(&loop->filter, r, "%s", err.text);
        return;
    }
    consumed_add(&loop->run.consumed, r->id.data, r->id.size);
}

/* Prints the line on stdout. */
static void report(Loop *loop, const json_t *metrics)
{
    Error err = {0};
    char *line = json_dumps(metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    progress_hide();
    printf("%s\n", line);
    progress_metrics(line);
    free(line);
    if (fflush(stdout) != 0)
        die("write <stdout>:");
    if (!tensorboard_write(&loop->tensorboard, loop->learner->step, metrics, &err))
        warn("%s", err.text);
}

/* Said when it begins; metrics.jsonl has every step of it. */
static void warn_of(Loop *loop, const Collapse *collapse)
{
    if (collapse->metric && collapse->metric != loop->collapsing) {
        char *text = collapse_text(collapse);
        warn("step %lld: %s: the policy may be collapsing", (long long)loop->learner->step, text);
        free(text);
    }
    loop->collapsing = collapse->metric;
    if (collapse->metric && opt.stop_on_collapse) {
        filter_status(&loop->filter, STATUS_CHECK);
        loop->stopped = true;
    }
}

/* A step that has its gradients and has not moved any parameter. */
typedef struct Pending {
    Loop *loop;
    StepReport report;
    Drift drift;
    Signs signs;
    Collapse collapse;
    Dump dump;
} Pending;

static BatchOrigin origin(const Loop *loop)
{
    return (BatchOrigin){{loop->upstream.data, loop->upstream.size}, loop->index, loop->inputs};
}

/* The batch, and the state that it meets, for replay: with --keep-batches. */
static void keep_batch(Loop *loop, Learner *l)
{
    Error err = {0};
    BatchOrigin from = origin(loop);
    json_t *config = settings_kept(&program);
    if (!kept_write(&loop->run, KEPT_LAST, l, &loop->batch, &from, config, &err))
        die_status(err.status, "%s (the last checkpoint is untouched)", err.text);
    json_decref(config);
}

/* The same where it makes the policy collapse. */
static void keep_collapse(Loop *loop, Learner *l)
{
    Error err = {0};
    BatchOrigin from = origin(loop);
    json_t *config = settings_kept(&program);
    if (!opt.replay && !kept_collapse(&loop->run, l, &loop->batch, &from, config, &err))
        warn("%s", err.text);
    json_decref(config);
}

/* Before parameters move: whether the captions are the policy's own; what is kept; and --dump. */
static void before_optimizer(void *context, Learner *l)
{
    Pending *p = context;
    Error err = {0};
    if (!on_policy_drift(&opt.policy, &p->loop->batch, &p->report, (uint64_t)opt.learner.seed, l->step, &p->drift, &err))
        die_status(err.status, "batch %lld: %s", (long long)p->loop->index, err.text);
    p->signs = signs_of(l, &p->loop->batch, &p->report);
    p->collapse = collapse_find(&opt.limits, &p->loop->run.signs, p->signs);
    if (opt.keep_batches > 0 && !opt.replay)
        keep_batch(p->loop, l);
    if (p->collapse.metric)
        keep_collapse(p->loop, l);
    if (opt.dump)
        dump_gradients(&p->dump, l);
}

/* What the run keeps of a step that was taken; a step that is replayed is no run's. */
static bool settle(Loop *loop, const json_t *metrics, Signs signs, Error *err)
{
    if (opt.replay)
        return true;
    loop->run.next_batch = loop->index + 1;
    signs_add(&loop->run.signs, signs);
    return run_save(&loop->run, loop->learner, metrics, err) &&
           (opt.keep_batches == 0 || kept_prune(&loop->run, opt.keep_batches, -1, err));
}

/* Groups that lost a caption on their way are compared as what is left of them. */
static void say_lost(Loop *loop)
{
    Batch *b = &loop->batch;
    const size_t groups = batch_count_lost(b);
    for (size_t i = 0; i < b->n_groups && groups > 0; i++) {
        const CaptionGroup *g = &b->groups[i];
        if (g->lost == 0)
            continue;
        warn("batch %lld: %zu groups lack captions that failed before: %s has %lld of %lld%s", (long long)loop->index, groups,
             g->name, (long long)(g->size - g->lost), (long long)g->size, groups > 1 ? ", .." : "");
        return;
    }
}

static void take_step(Loop *loop)
{
    Error err = {0};
    Arena arena = {0};
    say_lost(loop);
    Pending p = {.loop = loop, .dump = {.folder = opt.dump}};
    BatchOrigin from = origin(loop);
    double start = seconds_now();
    if (!learner_step(loop->learner, &loop->batch, &p.report, &arena, before_optimizer, &p, &err)) {
        if (err.status == STATUS_CHECK && !p.collapse.metric)
            keep_collapse(loop, loop->learner);
        die_status(err.status, "batch %lld: %s", (long long)loop->index, err.text);
    }
    if (opt.dump && !dump_write(&p.dump, loop->learner, &loop->batch, &p.report, &err))
        die("%s", err.text);
    json_t *metrics = metrics_json(loop->learner, &loop->batch, &p.report, loop->index, &p.drift, seconds_now() - start);
    json_object_set_new(metrics, "repeated", json_integer(loop->repeated));
    json_object_set_new(json_object_get(metrics, "seconds"), "wall", json_real(pace_seconds(&loop->pace)));
    changes_report(&loop->changes, loop->learner->step, metrics);
    collapse_report(&p.collapse, metrics);
    if (!recorder_write(&loop->recorder, &loop->batch, &p.report, &from, &err) || !settle(loop, metrics, p.signs, &err))
        die("%s (the last checkpoint is untouched)", err.text);
    report(loop, metrics);
    warn_of(loop, &p.collapse);
    pace_step(&loop->pace, loop->learner->step, (int64_t)loop->in_batch);
    json_decref(metrics);
    arena_release(&arena);
}

/* A batch is complete: a step, unless it was consumed before or is empty. */
static void close_batch(Loop *loop)
{
    if (loop->index >= loop->run.next_batch && loop->batch.n > 0)
        take_step(loop);
    else if (loop->index >= loop->run.next_batch)
        warn("batch %lld: no usable record, no step", (long long)loop->index);
    batch_reset(&loop->batch);
    loop->index++;
    loop->in_batch = 0;
    loop->cut = (GroupCut){0};
    loop->stopped = loop->stopped || (opt.max_steps > 0 && loop->learner->step >= opt.max_steps);
}

/* Before anything of a batch is used. The input's stages must be those of the steps before (a batch that is replayed has been
 * taken); the rollout says how it took its images, unless --crop does. */
static void follow_input(Loop *loop)
{
    Error err = {0};
    const json_t *upstream = filter_upstream(&loop->filter), *crop = header_param(upstream, "rollout", "crop");
    pack_reset(&loop->upstream);
    pack_raw(&loop->upstream, filter_upstream_raw(&loop->filter));
    if (!opt.replay && loop->index == 0 &&
        !config_begin(opt.run, loop->learner, settings_json(&program), loop->init.text, upstream, &loop->changes, &err))
        die_status(err.status, "%s", err.text);
    if (crop && !option_given(&program, "crop"))
        loop->learner->options.crop = json_is_true(crop);
}

/* Whether the batch being read has all the records of --batch: it ends where its last group does. */
static bool is_full(const Loop *loop)
{
    return opt.batch > 0 && !opt.replay && loop->in_batch >= (uint64_t)opt.batch;
}

static void run_loop(Loop *loop)
{
    Record r;
    while (!loop->stopped && filter_next(&loop->filter, &r)) {
        if (is_full(loop) && r.kind == RECORD_DATA && group_cut_before(&loop->cut, &r))
            close_batch(loop);
        if (loop->stopped)
            break;
        if (loop->in_batch == 0) /* with a record, or with the end of a batch that the rollout has skipped */
            follow_input(loop);
        if (r.kind == RECORD_DATA) {
            loop->in_batch++;
            pace_record(&loop->pace, loop->index, (int64_t)loop->in_batch, loop->index >= loop->run.next_batch);
            take_record(loop, &r);
            group_cut_take(&loop->cut, &r);
        }
        if (opt.replay)
            loop->index = r.kind == RECORD_BATCH ? r.batch.index : loop->index; /* closed at the end: whole and undamaged */
        else if (opt.batch > 0 ? is_full(loop) && (r.kind == RECORD_BATCH || !group_cut_open(&loop->cut))
                               : r.kind == RECORD_BATCH)
            close_batch(loop);
    }
    if (loop->in_batch > 0 && !loop->stopped && loop->filter.status == STATUS_CLEAN)
        close_batch(loop);
    else if (loop->in_batch > 0 && !loop->stopped)
        warn("batch %lld: incomplete, its %llu records are not used", (long long)loop->index, (unsigned long long)loop->in_batch);
}

/* The run, or the state that a kept batch met. */
static bool open_run(Loop *loop, Error *err)
{
    RunOptions ro = {opt.run, opt.keep, opt.keep_every, opt.checkpoint_every, opt.policy.max_lag, &loop->changes};
    json_t *numbers = settings_numbers(&program, loop->init.text);
    if (opt.replay) {
        ro.folder = opt.replay;
        json_object_del(numbers, "init"); /* what it gave is in the state */
        return folder_make(opt.dump, err) && run_open_kept(&loop->run, &ro, numbers, loop->learner, err);
    }
    return run_open(&loop->run, &ro, numbers, loop->learner, err) &&
           kept_prune(&loop->run, opt.keep_batches, loop->learner->step, err) &&
           config_write(opt.run, loop->learner, settings_json(&program), loop->init.text, NULL, &loop->changes, err) &&
           (!opt.tensorboard || tensorboard_open(&loop->tensorboard, opt.tensorboard, err));
}

/* What shapes values and gradients besides the records: the captioner, and what --init gave. */
static json_t *name_inputs(const Loop *loop)
{
    json_t *inputs = json_array();
    inputs_add_text(inputs, "model", loop->learner->base.text);
    if (loop->init.text[0])
        inputs_add_text(inputs, "init", loop->init.text);
    return inputs;
}

static void open_all(Loop *loop, char **operands, int n)
{
    static char *kept[] = {NULL, NULL};
    Error err = {0};
    const Kernels *kernels;
    opt.policy.off = opt.policy.off || opt.replay; /* it was asked when the step was taken */
    if (!changes_open(&loop->changes, opt.replay ? NULL : opt.run, opt.change_options, &err) ||
        !machine_kernels(&opt.machine, &kernels, &err) || !(loop->learner = learner_new(&opt.learner, kernels, &err)) ||
        !dump_init(loop->learner, opt.init, &loop->init, &err) || !open_run(loop, &err) ||
        !recorder_open(&loop->recorder, opt.record, &program, loop->inputs = name_inputs(loop), &err))
        die_status(err.status, "%s", err.text);
    learner_describe(loop->learner);
    batch_init(&loop->batch, opt.replay ? opt.dump : opt.run, (size_t)opt.spool_memory << 20);
    if (opt.replay) {
        kept[0] = path_join(opt.replay, "batch.vlrm");
        operands = kept;
        n = 1;
    }
    if (!opt.prepare)
        filter_init(&loop->filter, &program, operands, n, -1, "captions");
    pace_begin(&loop->pace, loop->learner->step, opt.max_steps, opt.batch);
}

static int count_parts(void)
{
    Error err = {0};
    const Kernels *kernels;
    Learner *l = machine_kernels(&opt.machine, &kernels, &err) ? learner_new(&opt.learner, kernels, &err) : NULL;
    if (!l)
        die_status(err.status, "%s", err.text);
    verbosity += verbosity == 0;
    learner_describe(l);
    learner_free(l);
    return finish_stdout(STATUS_CLEAN);
}

static int close_all(Loop *loop)
{
    Error err = {0};
    if (!opt.prepare && !opt.replay && !run_finish(&loop->run, loop->learner, &err))
        die("%s (the last checkpoint is untouched)", err.text);
    json_t *end = filter_end_keys(&loop->filter);
    int status = opt.prepare ? STATUS_CLEAN : filter_finish(&loop->filter);
    if (!recorder_close(&loop->recorder, status, end, &err)) {
        warn("%s", err.text);
        status = status ? status : STATUS_FAILURE;
    }
    json_decref(end);
    json_decref(loop->inputs);
    pack_release(&loop->upstream);
    tensorboard_close(&loop->tensorboard);
    batch_release(&loop->batch);
    run_close(&loop->run);
    learner_free(loop->learner);
    changes_release(&loop->changes);
    return finish_stdout(status);
}

int main(int argc, char **argv)
{
    Loop loop = {0};
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&opt.learner.model);
    check_options(n);
    signals_init();
    machine_enclose(&opt.machine, (const char *const[]){opt.run, opt.dump, opt.record, opt.tensorboard}, 4);
    pool_init((int)opt.machine.threads);
    if (opt.learner.count_only)
        return count_parts();
    open_all(&loop, operands, n);
    if (!opt.prepare)
        run_loop(&loop);
    return close_all(&loop);
}
