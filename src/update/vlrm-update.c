/*
 * vlrm-update: one actor-critic step per batch of rewarded captions (paper, sections 3.2, 3.5, 3.6).
 *
 * This file is the options, and what is opened and closed. The loop over batches is in training.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/options/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "stage/frame.h"
#include "stage/inputs.h"
#include "stage/plan.h"
#include "tensor/kernels_idle.h"
#include "update/run/dump.h"
#include "update/run/kept.h"
#include "update/learner_options.h"
#include "update/plan_step.h"
#include "update/run/settings.h"
#include "update/training.h"

static UpdateOptions opt;
static int64_t plan_tokens;

static const Option options[] = {
    OPT_GROUP("Model and run"),
    OPT_STRING("model", 'm', &opt.learner.model, NULL, "MODEL", "train this captioner: (Instruct)BLIP, BLIP-2, SmolVLM or LLaVA",
               .first = true, .may_change = true),
    OPT_STRING("run", 'r', &opt.run, NULL, "DIR",
               "keep policy, checkpoints and metrics in this folder; an existing run is continued", .first = true,
               .may_change = true),
    OPT_STRING("init", 0, &opt.init, NULL, "FILE",
               "start trained parts from these safetensors, named as --dump names them; what it lacks starts as usual",
               .may_change = true),
    OPT_FLAG("prepare", 0, &opt.prepare, "publish the policy of the run's newest checkpoint, and end", .may_change = true),
    OPT_STRING("replay", 0, &opt.replay, NULL, "DIR",
               "take the step of a kept batch (RUN/batches/step-K) again, into --dump and --record; touches no run",
               .may_change = true),
    OPT_FLAG("count", 0, &opt.learner.count_only, "say only how many parameters each part trains; needs no --run",
             .may_change = true),
    OPT_FLAG("change-options", 0, &opt.change_options,
             "continue a run although options, models or lists differ from its own; config.json and metrics then say which",
             .may_change = true),
    LEARNER_OPTIONS(opt.learner),
    OPT_GROUP("Batches"),
    OPT_INT("batch", 0, &opt.batch, "0", 0, 1e9, "N",
            "take N records per step, or more where a group of captions would be split; 0: as the input's batch records say",
            .first = true),
    OPT_INT("max-steps", 0, &opt.max_steps, "0", 0, 1e15, "N", "end after step N of the run; 0: at the end of input",
            .first = true, .may_change = true),
    ON_POLICY_OPTIONS(opt.policy),
    OPT_FLAG("crop", 0, &opt.learner.crop, "crop images to the centre (default: as the rollout in the input's header did)"),
    OPT_STRING("prompt", 0, &opt.learner.prompt, NULL, "TEXT",
               "ask the captioner for this (default: as the rollout in the input's header did)"),
    OPT_INT("tiles", 0, &opt.learner.tiles, "0", 0, 16, "N",
            "cut images into tiles, N along the longer edge; 0: as the rollout in the input's header did"),
    OPT_GROUP("Checkpoints and reports"),
    OPT_INT("keep", 0, &opt.keep, "3", 1, 1e9, "N", "keep the last N checkpoints and policies", .may_change = true),
    OPT_INT("keep-every", 0, &opt.keep_every, "0", 0, 1e15, "M", "keep those of every Mth step too; 0: none", .may_change = true),
    OPT_INT("keep-batches", 0, &opt.keep_batches, "0", 0, 1e9, "N",
            "keep the last N batches with the state each met, for vlrm replay; a state is 12 bytes a trained parameter",
            .may_change = true),
    OPT_INT("checkpoint-every", 0, &opt.checkpoint_every, "1", 1, 1e9, "N",
            "save a checkpoint every N steps; the last step has one in any case", .may_change = true),
    OPT_STRING("tensorboard", 0, &opt.tensorboard, NULL, "DIR", "write metrics as TensorBoard event files too",
               .may_change = true),
    OPT_STRING("record", 0, &opt.record, NULL, "FILE", "write the consumed records with their values and advantages",
               .may_change = true),
    OPT_STRING("dump", 0, &opt.dump, NULL, "DIR",
               "write gradients, parameters, values and advantages of each step as DIR/step-K.safetensors", .may_change = true),
    COLLAPSE_OPTIONS(opt.limits),
    OPT_FLAG("stop-on-collapse", 0, &opt.stop_on_collapse, "end with status 7 instead of warning", .may_change = true),
    OPT_GROUP("Several ranks, under mpirun or srun"),
    OPT_INT("patience", 0, &opt.patience, "1800", 0, 1e9, "SECONDS",
            "end all ranks where one has not come to a step, or to a part of it, for so long; 0: wait for ever",
            .may_change = true),
    OPT_STRING(
        "scratch", 0, &opt.scratch, NULL, "DIR",
        "publish the policies of rank R from 1 on in DIR/R/policy, on each machine's own disk (default: RUN/ranks/R/policy)",
        .may_change = true),
    OPT_FLAG_ON("nccl", 0, &opt.nccl,
                "sum gradients from GPU to GPU by NCCL, where each rank has one of its own and libnccl.so.2 is there",
                .may_change = true),
    OPT_GROUP("Machine"),
    OPT_INT("memory", 0, &opt.learner.memory, "2048", 16, 1e9, "MIB", "cut micro-batches so that activations fit"),
    OPT_INT("spool-memory", 0, &opt.spool_memory, "1024", 1, 1e9, "MIB",
            "let records of a batch beyond this wait on disk, in the run folder", .may_change = true),
    MACHINE_OPTIONS(opt.machine),
    PLAN_OPTION(plan_tokens),
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
        "continues to the same parameters, bit for bit: batches it has consumed are skipped, and a record id is consumed once.\n\n"
        "After each step the new policy is published in RUN/policy, which vlrm-rollout follows. A caption sampled by another "
        "step than --max-lag allows is refused (exit 6).\n\n"
        "Under mpirun or srun all that are started are one learner: each reads its part of every batch (vlrm-rollout --deal), all "
        "come to the same parameters, and rank 0 writes the run folder (formats/run.md).",
    .examples = "# Train on rewarded captions recorded before:\n"
                "vlrm-update --model blip2 --run run --off-policy --batch 6 rewarded.vlrm",
    .options = options,
};

static void check_options(int operands)
{
    if (!opt.learner.model || (!opt.run && !opt.learner.count_only && !opt.replay && !plan_tokens))
        usage_error("--model and --run are required");
    if (opt.replay && (!opt.dump || opt.prepare || opt.init || operands > 0))
        usage_error("--replay needs --dump, and cannot be used with --prepare, --init or operands");
    if (opt.learner.objective == OBJECTIVE_XE) /* its entropy is meant to fall */
        opt.limits.entropy_fall = opt.limits.entropy_rise = 0;
    learner_options_check(&opt.learner);
}

/* What options leave to the model. */
static void complete_options(void)
{
    Error err = {0};
    if (!learner_options_complete(&opt.learner, &err))
        die_status(err.status, "%s", err.text);
}

/* The run, or the state that a kept batch met. */
static bool open_run(Training *loop, Error *err)
{
    RunOptions ro = {opt.run,
                     opt.scratch,
                     opt.keep,
                     opt.keep_every,
                     opt.checkpoint_every,
                     opt.policy.max_lag,
                     ranks_rank(loop->team.ranks),
                     &loop->changes};
    json_t *numbers = settings_numbers(&program, loop->init.text);
    if (opt.replay) {
        ro.folder = opt.replay;
        json_object_del(numbers, "init"); /* what it gave is in the state */
        return folder_make(opt.dump, err) && run_open_kept(&loop->run, &ro, numbers, loop->learner, err);
    }
    if (!team_leads(&loop->team))
        return run_open(&loop->run, &ro, numbers, loop->learner, err);
    return run_open(&loop->run, &ro, numbers, loop->learner, err) &&
           kept_prune(&loop->run, opt.keep_batches, loop->learner->step, err) &&
           config_write(opt.run, loop->learner, settings_json(&program), loop->init.text, NULL, &loop->changes, err) &&
           (!opt.tensorboard || tensorboard_open(&loop->tensorboard, opt.tensorboard, err));
}

/* Rank 0 opens it first: what a killed run has left is then as the others find it. */
static bool open_together(Training *loop, Error *err)
{
    const bool leads = team_leads(&loop->team);
    json_t *settings = settings_json(&program);
    bool ok = team_compare(&loop->team, settings, loop->learner, err) && (!leads || open_run(loop, err));
    json_decref(settings);
    if (ok)
        team_follow(&loop->team);
    return ok && (leads || open_run(loop, err)) && team_agree(&loop->team, loop->learner, err);
}

/* What shapes values and gradients besides the records: the captioner, and what --init gave. */
static json_t *name_inputs(const Training *loop)
{
    json_t *inputs = json_array();
    inputs_add_text(inputs, "model", loop->learner->base.text);
    if (loop->init.text[0])
        inputs_add_text(inputs, "init", loop->init.text);
    return inputs;
}

static void open_all(Training *loop, char **operands, int n)
{
    static char *kept[] = {NULL, NULL};
    Error err = {0};
    const Kernels *kernels;
    opt.policy.off = opt.policy.off || opt.replay; /* it was asked when the step was taken */
    if (!changes_open(&loop->changes, opt.replay ? NULL : opt.run, opt.change_options, &err) ||
        !machine_kernels(&opt.machine, &kernels, &err) || !(loop->learner = learner_new(&opt.learner, kernels, &err)) ||
        !dump_init(loop->learner, opt.init, &loop->init, &err) || !open_together(loop, &err) ||
        !recorder_open(&loop->recorder, opt.record, team_leads(&loop->team), &program, loop->inputs = name_inputs(loop), &err))
        die_status(err.status, "%s", err.text);
    loop->learner->ranks = loop->team.ranks;
    team_use_devices(&loop->team, kernels, opt.nccl);
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

/* Parameters, gradients and both moments; with a divergence from the base its copy of the policy. */
static void plan_parameters(Plan *p, const Learner *l)
{
    size_t policy = parameters_count(&l->policy, NULL), value = parameters_count(&l->value, NULL);
    for (size_t i = 0; i < LEARNER_GROUPS; i++) {
        size_t n = parameters_count(&l->policy, learner_groups[i]) + parameters_count(&l->value, learner_groups[i]);
        if (n > 0)
            plan_trained(p, learner_groups[i], n);
    }
    plan_memory(p, "parameters, gradients, moments", (double)(policy + value) * 4 * sizeof(real));
    if (reference_wanted(&opt.learner))
        plan_memory(p, "base of the policy", (double)policy * sizeof(real));
}

/* --plan: what a step takes, from shapes alone. */
static int print_plan(void)
{
    Error err = {0};
    Plan plan;
    const Kernels *kernels;
    if (!machine_kernels(&opt.machine, &kernels, &err))
        die_status(err.status, "%s", err.text);
    opt.learner.count_only = true;
    plan_init(&plan); /* before parameters, which are counted */
    Learner *l = learner_new(&opt.learner, kernels_idle(), &err);
    if (!l)
        die_status(err.status, "%s", err.text);
    const size_t n = opt.batch > 0 ? (size_t)opt.batch : 1, rows = vit_rows(&l->captioner->vit);
    const size_t across = l->captioner->images.across, tiles = across * across + 1;
    plan_model(&plan, "model", l->captioner->checkpoint);
    plan_parameters(&plan, l);
    if (!plan_step(l, &plan, kernels, n, (size_t)plan_tokens, &err))
        die_status(err.status, "%s", err.text);
    plan_spool(&plan,
               l->train_vision ? 0
                               : (double)(n * tiles * rows * l->captioner->vit.config.hidden) *
                                     (l->captioner->vit.blocks[0].fc1.weight.type == DTYPE_F32 ? 4 : 2),
               (double)opt.spool_memory * (1 << 20));
    learner_free(l);
    return plan_finish(&plan, &program);
}

static int close_all(Training *loop)
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
    team_close(&loop->team);
    return finish_stdout(status);
}

/* Joins the other ranks, where a launcher has started us. */
static void join(Team *team)
{
    Error err = {0};
    if (ranks_launched() && !option_given(&program, "block")) /* also where we prepare a run that others will join */
        opt.learner.block = 32;
    if (opt.prepare)
        return;
    if (!team_open(team, opt.patience, &err))
        die_status(err.status, "%s", err.text);
    if (!team_leads(team)) /* all have computed the same, one writes it */
        opt.dump = opt.tensorboard = NULL;
    if (team_shared(team) && (opt.batch > 0 || opt.learner.block == 0))
        usage_error("several ranks have no --batch (the input says it) and no --block 0");
}

int main(int argc, char **argv)
{
    Training loop = {.options = &opt, .program = &program};
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&opt.learner.model);
    check_options(n);
    signals_init();
    if (!opt.replay && !opt.learner.count_only && !plan_tokens)
        join(&loop.team);
    if (!loop.team.ranks) /* messages need the network, and files of their own */
        machine_enclose(&opt.machine, (const char *const[]){opt.run, opt.dump, opt.record, opt.tensorboard}, 4);
    pool_init((int)opt.machine.threads);
    complete_options();
    if (plan_tokens > 0)
        return print_plan();
    if (opt.learner.count_only)
        return count_parts();
    open_all(&loop, operands, n);
    if (!opt.prepare)
        training_run(&loop);
    return close_all(&loop);
}
