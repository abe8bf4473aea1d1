/* The loop over batches; see training.h. */
#include "update/training.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "stage/frame.h"
#include "stage/prompt.h"
#include "update/run/dump.h"
#include "update/run/kept.h"
#include "update/run/metrics.h"
#include "update/run/settings.h"
#include "update/shared.h"
#include "update/run/state.h"

/* A batch consumed before must hold the records that it held then. */
static void check_consumed(const Training *loop, const Record *r)
{
    if (record_raw(r, "reward").data && record_raw(r, "caption").data &&
        !consumed_has(&loop->run.consumed, r->id.data, r->id.size))
        die_status(
            STATUS_MISMATCH,
            "record %.*s: is new, but batch %lld of this run has been consumed: the input is not the one that %s began with",
            (int)r->id.size, (const char *)r->id.data, (long long)loop->index, loop->options->run);
}

/* Equation 5 is of all captions of a batch, and of several ranks each has a part: there Phi is the learner's to complete. */
static void refuse_phi(const Training *loop, const Record *r)
{
    double phi;
    if (team_shared(&loop->team) && record_real(r, "reward.parts.phi", &phi) == FIELD_OK)
        die_status(
            STATUS_MISMATCH,
            "record %.*s: reward.parts.phi is of one rank's part of the batch: with several ranks vlrm-reward needs --defer",
            (int)r->id.size, (const char *)r->id.data);
}

static void take_record(Training *loop, const Record *r)
{
    const Captioner *c = loop->learner->captioner;
    const LmConfig *text = &c->lm.config;
    const uint32_t across = (uint32_t)c->images.across;
    BatchNeeds needs = {loop->options->learner.objective == OBJECTIVE_VLRM, text->vocabulary,
                        text->positions - lm_front(&c->lm, captioner_prefix_rows(c, (TileGrid){across, across})) - 1, c,
                        filter_upstream(&loop->filter)};
    Error err = {0};
    if (loop->index < loop->run.next_batch) {
        check_consumed(loop, r);
        return;
    }
    if (consumed_has(&loop->run.consumed, r->id.data, r->id.size) || batch_has(&loop->batch, r->id.data, r->id.size)) {
        loop->repeated++;
        filter_failed(&loop->filter, r, "id has been consumed by this run before");
        return;
    }
    if (loop->options->learner.objective == OBJECTIVE_VLRM && record_raw(r, "caption").data && record_raw(r, "reward").data &&
        !on_policy_sampled(&loop->options->policy, &loop->run, loop->learner->step, r, &err))
        die_status(err.status, "record %.*s: %s", (int)r->id.size, (const char *)r->id.data, err.text);
    refuse_phi(loop, r);
    if (!batch_add(&loop->batch, r, &needs, &err)) {
        filter_refuse_mismatch(r, &err);
        filter_failed(&loop->filter, r, "%s", err.text);
    }
}

/* Prints the line on stdout; one rank does. */
static void report(Training *loop, const json_t *metrics)
{
    Error err = {0};
    if (!team_leads(&loop->team))
        return;
    char *line = json_dumps(metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    progress_hide();
    printf("%s\n", line);
    progress_metrics(line);
    free(line);
    if (fflush(stdout) != 0 && errno != EPIPE)
        die("write <stdout>:");
    loop->closed = ferror(stdout); /* nobody reads: the step is kept, and is the last */
    if (loop->closed)
        filter_status(&loop->filter, STATUS_CLOSED);
    if (!tensorboard_write(&loop->tensorboard, loop->learner->step, metrics, &err))
        warn("%s", err.text);
}

/* Said when it begins; metrics.jsonl has every step of it. */
static void warn_of(Training *loop, const Collapse *collapse)
{
    if (collapse->metric && collapse->metric != loop->collapsing && team_leads(&loop->team)) {
        char *text = collapse_text(collapse);
        warn("step %lld: %s: the policy may be collapsing", (long long)loop->learner->step, text);
        free(text);
    }
    loop->collapsing = collapse->metric;
    if (collapse->metric && loop->options->stop_on_collapse) {
        filter_status(&loop->filter, STATUS_CHECK);
        loop->stopped = true;
    }
}

/* A step that has its gradients and has not moved any parameter. */
typedef struct Pending {
    Training *loop;
    StepReport report;
    Drift drift;
    Signs signs;
    Collapse collapse;
    Dump dump;
} Pending;

static BatchOrigin origin(const Training *loop)
{
    return (BatchOrigin){{loop->upstream.data, loop->upstream.size}, loop->index, loop->inputs, loop->team.ranks};
}

/* The batch, and the state that it meets, for replay: with --keep-batches. */
static void keep_batch(Training *loop, Learner *l)
{
    Error err = {0};
    BatchOrigin from = origin(loop);
    json_t *config = settings_kept(loop->program);
    if (!kept_write(&loop->run, KEPT_LAST, l, &loop->batch, &from, config, &err))
        die_status(err.status, "%s (the last checkpoint is untouched)", err.text);
    json_decref(config);
}

/* The same where it makes the policy collapse. */
static void keep_collapse(Training *loop, Learner *l)
{
    Error err = {0};
    BatchOrigin from = origin(loop);
    json_t *config = settings_kept(loop->program);
    if (!loop->options->replay && !kept_collapse(&loop->run, l, &loop->batch, &from, config, &err))
        warn("%s", err.text);
    json_decref(config);
}

/* Before parameters move: whether the captions are the policy's own; what is kept; and --dump. */
static void before_optimizer(void *context, Learner *l)
{
    Pending *p = context;
    Training *loop = p->loop;
    Error err = {0};
    if (!on_policy_drift(&loop->options->policy, &loop->batch, &p->report, (uint64_t)loop->options->learner.seed, l->step,
                         &p->drift, &err))
        die_status(err.status, "batch %lld: %s", (long long)loop->index, err.text);
    p->signs = signs_of(l, &loop->batch, &p->report);
    p->collapse = collapse_find(&loop->options->limits, &loop->run.signs, p->signs);
    if (loop->options->keep_batches > 0 && !loop->options->replay)
        keep_batch(loop, l);
    if (p->collapse.metric)
        keep_collapse(loop, l);
    if (loop->options->dump)
        dump_gradients(&p->dump, l);
}

/* What the run keeps of a step that was taken; a step that is replayed is no run's. */
static bool settle(Training *loop, const json_t *metrics, Signs signs, Error *err)
{
    if (loop->options->replay)
        return true;
    loop->run.next_batch = loop->index + 1;
    signs_add(&loop->run.signs, signs);
    return run_save(&loop->run, loop->learner, metrics, err) && (loop->options->keep_batches == 0 || !team_leads(&loop->team) ||
                                                                 kept_prune(&loop->run, loop->options->keep_batches, -1, err));
}

static void take_step(Training *loop)
{
    Error err = {0};
    Arena arena = {0};
    batch_say_lost(&loop->batch, loop->index);
    Pending p = {.loop = loop, .dump = {.folder = loop->options->dump}};
    BatchOrigin from = origin(loop);
    double start = seconds_now();
    if (!learner_step(loop->learner, &loop->batch, &p.report, &arena, before_optimizer, &p, &err)) {
        if (err.status == STATUS_CHECK && !p.collapse.metric)
            keep_collapse(loop, loop->learner);
        die_status(err.status, "batch %lld: %s", (long long)loop->index, err.text);
    }
    if (!team_agree(&loop->team, loop->learner, &err))
        die_status(err.status, "%s", err.text);
    if (loop->options->dump && !dump_write(&p.dump, loop->learner, &loop->batch, &p.report, &err))
        die("%s", err.text);
    json_t *metrics = metrics_json(loop->learner, &loop->batch, &p.report, loop->index, &p.drift, seconds_now() - start);
    json_object_set_new(metrics, "repeated", json_integer(loop->repeated_all + loop->crossed));
    json_object_set_new(json_object_get(metrics, "seconds"), "wall", json_real(pace_seconds(&loop->pace)));
    team_report(&loop->team, seconds_now() - start, loop->learner, metrics);
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

/* What all ranks do next: a step on batch loop->index; false: they end, as which status the filter knows. */
static bool meet(Training *loop, Coming coming)
{
    Error err = {0};
    Meeting m = {coming, loop->index, loop->filter.status, loop->repeated};
    if (!team_meet(&loop->team, &m, &err))
        die_status(err.status, "%s", err.text);
    if (m.coming != COMING_BATCH) {
        filter_status(&loop->filter, (int)m.status);
        loop->stopped = true;
    }
    loop->index = m.coming == COMING_BATCH ? m.index : loop->index;
    loop->repeated_all = m.repeated;
    return m.coming == COMING_BATCH;
}

/* The batch of all ranks, and a step on it. */
static void step_together(Training *loop)
{
    Error err = {0};
    const int64_t before = loop->crossed;
    if (!team_compare_inputs(&loop->team, filter_upstream(&loop->filter), &err) ||
        !batch_share(&loop->batch, &loop->run.consumed, loop->team.ranks, (size_t)loop->options->learner.block, &loop->crossed,
                     &err))
        die_status(err.status, "batch %lld: %s", (long long)loop->index, err.text);
    if (loop->crossed > before)
        filter_status(&loop->filter, STATUS_SOME_FAILED);
    batch_complete(&loop->batch, loop->learner->kernels);
    if (loop->batch.n > 0)
        take_step(loop);
    else
        warn("batch %lld: no usable record, no step", (long long)loop->index);
}

/* The next one, if there is to be one. */
static void begin_batch(Training *loop)
{
    batch_reset(&loop->batch);
    loop->index++;
    loop->in_batch = 0;
    loop->cut = (GroupCut){0};
    loop->stopped = loop->stopped || (loop->options->max_steps > 0 && loop->learner->step >= loop->options->max_steps);
}

/* A batch is complete: a step, unless it was consumed before or is empty. */
static void close_batch(Training *loop)
{
    if (loop->index >= loop->run.next_batch) {
        if (!meet(loop, COMING_BATCH))
            return;
        step_together(loop);
    }
    begin_batch(loop);
}

/* The rollout says what it asked for and how it cut its pictures, unless --prompt and --tiles do. */
static void follow_prompt(Training *loop, const json_t *upstream)
{
    Error err = {0};
    Learner *l = loop->learner;
    const char *prompt = json_string_value(header_param(upstream, "rollout", "prompt"));
    const json_int_t tiles = json_integer_value(header_param(upstream, "rollout", "tiles"));
    if (!prompt || option_given(loop->program, "prompt"))
        prompt = l->options.prompt;
    if (l->options.tiles == 0 && tiles > 1)
        l->options.tiles = tiles;
    if ((prompt || l->options.tiles > 1) &&
        !(captioner_cut(l->captioner, l->options.tiles, &err) && prompt_set_from(l->captioner, l->options.model, prompt, &err)))
        die_status(err.status, "%s", err.text);
}

/* Before anything of a batch is used. The input's stages must be those of the steps before (a batch that is replayed has been
 * taken); the rollout says how it took its images, unless --crop does. */
static void follow_input(Training *loop)
{
    Error err = {0};
    const json_t *upstream = filter_upstream(&loop->filter), *crop = header_param(upstream, "rollout", "crop");
    const char *standardise = json_string_value(header_param(upstream, "reward", "standardise"));
    if (team_shared(&loop->team) && standardise && strcmp(standardise, "batch") == 0 &&
        !json_is_true(header_param(upstream, "reward", "defer")))
        die_status(
            STATUS_MISMATCH,
            "--standardise batch of reward is of one rank's part of the batch: with several ranks vlrm-reward needs --defer");
    pack_reset(&loop->upstream);
    pack_raw(&loop->upstream, filter_upstream_raw(&loop->filter));
    if (!loop->options->replay && loop->index == 0 && team_leads(&loop->team) &&
        !config_begin(loop->options->run, loop->learner, settings_json(loop->program), loop->init.text, upstream, &loop->changes,
                      &err))
        die_status(err.status, "%s", err.text);
    if (crop && !option_given(loop->program, "crop"))
        loop->learner->options.crop = json_is_true(crop);
    follow_prompt(loop, upstream);
}

/* Whether the batch being read has all the records of --batch: it ends where its last group does. */
static bool is_full(const Training *loop)
{
    return loop->options->batch > 0 && !loop->options->replay && loop->in_batch >= (uint64_t)loop->options->batch;
}

static bool good_so_far(const Training *loop)
{
    return loop->filter.status == STATUS_CLEAN || loop->filter.status == STATUS_SOME_FAILED;
}

/* Our input has ended. Where those of others have not we go on with them, with nothing to add; where it is no good end, all end.
 */
static void end_together(Training *loop)
{
    batch_reset(&loop->batch);
    while (!loop->stopped && meet(loop, good_so_far(loop) ? COMING_NOTHING : COMING_END)) {
        step_together(loop);
        begin_batch(loop);
    }
}

void training_run(Training *loop)
{
    Record r;
    while (!loop->stopped && !loop->closed && filter_next(&loop->filter, &r)) {
        if (is_full(loop) && r.kind == RECORD_DATA && group_cut_before(&loop->cut, &r))
            close_batch(loop);
        if (loop->stopped || loop->closed)
            break;
        if (loop->in_batch == 0) /* with a record, or with the end of a batch that the rollout has skipped */
            follow_input(loop);
        if (r.kind == RECORD_DATA) {
            loop->in_batch++;
            pace_record(&loop->pace, loop->index, (int64_t)loop->in_batch, loop->index >= loop->run.next_batch);
            take_record(loop, &r);
            group_cut_take(&loop->cut, &r);
        }
        if (loop->options->replay)
            loop->index = r.kind == RECORD_BATCH ? r.batch.index : loop->index; /* closed at the end: whole and undamaged */
        else if (loop->options->batch > 0 ? is_full(loop) && (r.kind == RECORD_BATCH || !group_cut_open(&loop->cut))
                                          : r.kind == RECORD_BATCH)
            close_batch(loop);
    }
    if (loop->in_batch > 0 && !loop->stopped && loop->filter.status == STATUS_CLEAN)
        close_batch(loop);
    else if (loop->in_batch > 0 && !loop->stopped)
        warn("batch %lld: incomplete, its %llu records are not used", (long long)loop->index, (unsigned long long)loop->in_batch);
    if (team_shared(&loop->team))
        end_together(loop);
}
