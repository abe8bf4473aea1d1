/*
 * vlrm-reward: captions to the return of every token (paper, section 3.4, equation 1, Table 1).
 *
 * Captions are gathered into scoring batches for the models, the same ones however slowly they come: on a CUDA device sums are
 * rounded by what is computed together. With CLIP, whose Phi is over the records of a batch, and where parts are standardised,
 * they then wait until the batch is complete (waiting.c). Here are the options and the loop; the models are in scorers.c, the
 * arithmetic in returns.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "reward/plan.h"
#include "reward/scorers.h"
#include "reward/waiting.h"
#include "reward/weights_options.h"
#include "stage/inputs.h"
#include "stage/machine.h"
#include "stage/standardise.h"
#include "stream/filter.h"

static struct {
    const char *model, *itm, *ref, *clip, *bad_phrases, *exempt_words, *good_phrases, *spool;
    Machine machine;
    int64_t batch, score_batch, itm_max_tokens, spool_memory, zstd, plan;
    Weights weights;
    Standardise standardise;
    bool no_itm, no_ref, recombine, crop, defer;
} opt;

static const Option options[] = {
    OPT_GROUP("Models"),
    OPT_STRING("model", 'm', &opt.model, NULL, "MODEL", "take this captioner's tokenizer, and its language model as reference",
               .first = true, .may_change = true),
    OPT_STRING("itm", 0, &opt.itm, NULL, "MODEL", "score by this model, BLIP-2's image-text matching or BLIP's", .first = true,
               .may_change = true),
    OPT_STRING(
        "ref", 0, &opt.ref, NULL, "MODEL",
        "use another reference language model (default: the one inside --model); one with another tokenizer scores the captions' text",
        .may_change = true),
    OPT_STRING(
        "clip", 0, &opt.clip, NULL, "MODEL",
        "add --clip-weight Phi over each batch (paper: equation 5, VLRM-RS) by this CLIP or SigLIP, in Hugging Face's layout or open_clip's",
        .first = true, .may_change = true),
    OPT_FLAG("no-itm", 0, &opt.no_itm, "reward by CLIP alone, load no ITM model"),
    OPT_FLAG("no-ref", 0, &opt.no_ref, "leave the reference term out (VLRM-RS), load no language model", .first = true),
    OPT_INT("itm-max-tokens", 0, &opt.itm_max_tokens, "32", 3, 512, "N",
            "show ITM N word pieces of a caption, [CLS] and [SEP] among them"),
    OPT_FLAG("crop", 0, &opt.crop, "show ITM the centre crop (default: as the rollout in the input's header)"),
    OPT_GROUP("Rules and weights"),
    OPT_STRING("bad-phrases", 0, &opt.bad_phrases, NULL, "FILE", "punish the phrases in FILE (default: the paper's Table 6)",
               .may_change = true),
    OPT_STRING("exempt-words", 0, &opt.exempt_words, NULL, "FILE",
               "let the words in FILE be repeated (default: colours, prepositions, articles)", .may_change = true),
    OPT_STRING("good-phrases", 0, &opt.good_phrases, NULL, "FILE",
               "reward the phrases in FILE, in the format of the bad ones, each where it first stands in a caption",
               .may_change = true),
    WEIGHTS_OPTIONS(opt.weights),
    OPT_ENUM(
        "standardise", 0, &opt.standardise, "none", "none|batch|group",
        "take each part less its mean, over its deviation, over the batch or the captions of an image, before it is weighed (GDPO)"),
    OPT_FLAG("recombine", 0, &opt.recombine,
             "combine the parts of rewards that the input has again, with these weights and lists, without a model",
             .first = true),
    OPT_GROUP("Batches and machine"),
    OPT_INT("batch", 0, &opt.batch, "0", 0, 1e9, "N",
            "compute Phi over N records, or more where a group of captions would be split; 0: as the input's batch records say"),
    OPT_FLAG("defer", 0, &opt.defer,
             "leave Phi and --standardise to vlrm-update: the input is a part of each batch, as each of several ranks has",
             .may_change = true),
    OPT_INT("score-batch", 0, &opt.score_batch, "0", 0, 4096, "N",
            "score so many captions together; on a CPU this changes no byte of a record; 0: 8, on a CUDA device 64",
            .may_change = true),
    OPT_STRING("spool", 0, &opt.spool, "/tmp", "DIR",
               "let records that do not fit --spool-memory wait in this folder (--clip and --standardise need whole batches)",
               .may_change = true),
    OPT_INT("spool-memory", 0, &opt.spool_memory, "1024", 1, 1e9, "MIB",
            "keep records that wait for their batch in so much memory", .may_change = true),
    MACHINE_OPTIONS(opt.machine),
    FILTER_OPTION_ZSTD(opt.zstd),
    PLAN_OPTION(opt.plan),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-reward",
    .summary = "score captions: the return of every token",
    .operands = "[file|-]...",
    .input = "frame, caption (and features)",
    .output = "frame, caption, reward",
    .description = "R(t_k) = sim + ref - noeos - sum over s >= k of (bad_s + repeat_s): sim is the positive logit of the "
                   "image-text matching model before softmax, ref the mean log-probability under a language model that sees no "
                   "image, bad and repeat punish tokens of phrases that say nothing and of words said before, noeos a caption "
                   "without an end.\n\n"
                   "It scores anyone's captions: {\"id\", \"frame\": {\"path\"}, \"caption\": {\"text\"}} is enough. Every part "
                   "is kept in the record, so --recombine tries other weights and lists at more than 100,000 captions a second.",
    .examples =
        "# Score captions written by hand:\n"
        "vlrm-cat --from=json captions.jsonl | vlrm-reward --model blip2 --itm itm | vlrm-cat --fields id,reward.sim,reward.ref\n"
        "# The same rewards without the reference term:\n"
        "vlrm-reward --recombine --ref-weight 0 --model blip2 rewarded.vlrm | vlrm-cat --fields id,reward.returns",
    .options = options,
};

/* A record with its caption, waiting to be scored; or one that has none, waiting behind those that came before. */
typedef struct Pending {
    Record record;
    Caption caption;
    const char *why; /* it failed; NULL: to be scored */
} Pending;

enum { FAILED_MOST = 1024 }; /* records that wait with a scoring batch because they failed behind its first */

typedef struct Loop {
    Filter filter;
    Scorers scorers;
    CaptionReader captions;
    WordRules *rules, *gains; /* owned; gains: NULL where there is no list of what is good */
    Pending *pending;         /* [score_batch + FAILED_MOST], in the order of the input */
    size_t n_pending, n_good; /* of them to be scored */
    Arena arena;              /* of the pending ones */
    Waiting waiting;
    uint64_t in_batch, largest_batch;
    GroupCut cut; /* the group of the batch's last record */
    int64_t index, written;
} Loop;

/* ---- writing ---- */

static void write_reward(Loop *l, const Record *r, Slice made_caption, const Reward *reward, Arena *arena)
{
    static Packer packer;
    reward_pack(&packer, reward, &opt.weights, arena);
    Group groups[] = {{{"reward", 6}, {packer.data, packer.size}}, {{"caption", 7}, made_caption}};
    writer_record(l->filter.out, r->id, r, groups, made_caption.data ? 2 : 1);
    l->written++;
}

/* The caption group again, with the ids that were made for it; {NULL, 0} where the record had its own. */
static Slice made_caption(const Record *r, const Caption *c, Arena *arena)
{
    static Packer packer;
    if (!c->made)
        return (Slice){NULL, 0};
    caption_pack(&packer, r, c);
    return (Slice){memcpy(arena_alloc(arena, packer.size), packer.data, packer.size), packer.size};
}

static void record_failed(Loop *l, const Record *r, const char *why)
{
    filter_failed(&l->filter, r, "%s", why);
    l->written++;
}

/* ---- batches ---- */

/* Whether rewards are of all captions of their batch together, and the batch is not all here: vlrm-update completes them. */
static bool defers(const Loop *l)
{
    return opt.defer && (l->scorers.clip.model || opt.standardise == STANDARDISE_BATCH);
}

/* Whether a reward waits here until all of its batch has come. */
static bool waits(const Loop *l)
{
    return !defers(l) && (l->scorers.clip.model || opt.standardise != STANDARDISE_NONE);
}

/* item: with CLIP's embeddings; NULL where the reward was read. */
static void wait_for_batch(Loop *l, const Record *r, const Caption *c, const Reward *reward, const ScoreItem *item)
{
    Error ignored = {0};
    Waiting *w = &l->waiting;
    GroupInfo group;
    if (!group_read(&group, r, &ignored))
        group = (GroupInfo){.name = r->id};
    waiting_add(w, r, reward, &group, made_caption(r, c, &w->arena));
    if (item && l->scorers.clip.model)
        waiting_embeddings(w, item->clip_image, item->clip_text, clip_scorer_cols(&l->scorers.clip));
}

static void write_waiting(Loop *l)
{
    Waiting *w = &l->waiting;
    if (l->scorers.clip.model)
        waiting_phi(w, l->scorers.kernels, clip_scorer_cols(&l->scorers.clip));
    if (opt.standardise != STANDARDISE_NONE)
        rewards_standardise(w->rewards, w->n, &opt.weights, opt.standardise, &w->arena);
    for (size_t i = 0; i < w->n; i++) {
        Record r;
        waiting_record(w, i, &r);
        if (w->rewards[i].failed)
            record_failed(l, &r, w->items[i].why);
        else
            write_reward(l, &r, w->items[i].caption, &w->rewards[i].reward, &w->arena);
    }
    waiting_reset(w);
}

/* ---- scoring ---- */

/* A record that cannot be scored takes its place in the output. */
static void put_failed(Loop *l, const Record *r, const char *why)
{
    if (waits(l))
        waiting_add_failed(&l->waiting, r, why);
    else
        record_failed(l, r, why);
}

/* Its marks, then in its place. */
static void put_reward(Loop *l, const Record *r, const Caption *c, Reward *reward, const ScoreItem *item)
{
    Arena *arena = waits(l) ? &l->waiting.arena : &l->arena;
    word_rules_apply(&reward->marks, arena, l->rules, &c->text);
    if (l->gains)
        word_gains_apply(&reward->marks, arena, l->gains, &c->text);
    if (waits(l))
        wait_for_batch(l, r, c, reward, item);
    else
        write_reward(l, r, made_caption(r, c, &l->arena), reward, &l->arena);
}

/* CLIP's cosine of a caption and its image, whose rows are of length 1. */
static double cosine_of(const ScoreItem *item, size_t cols)
{
    double sum = 0;
    for (size_t i = 0; i < cols; i++)
        sum += (double)item->clip_image[i] * (double)item->clip_text[i];
    return sum;
}

static void put_scored(Loop *l, const Pending *p, const ScoreItem *item)
{
    Reward reward = {.itm = item->itm, .phi = NAN, .cosine = NAN, .ref = item->ref, .noeos = !p->caption.eos};
    reward.ref_model = l->scorers.ref_model;
    reward.caption = caption_name(&p->caption);
    if (item->failed) {
        filter_refuse_mismatch(&p->record, &item->err);
        put_failed(l, &p->record, item->err.text);
        return;
    }
    const size_t cols = clip_scorer_cols(&l->scorers.clip);
    const Deferred deferred = {cols > 0, opt.standardise != STANDARDISE_NONE, item->clip_image, item->clip_text, cols};
    if (l->scorers.clip.model)
        reward.cosine = cosine_of(item, cols);
    if (defers(l))
        reward.deferred = &deferred;
    put_reward(l, &p->record, &p->caption, &reward, item);
}

/* Scores those of the pending records that can be, and puts all in their places. */
static void score_pending(Loop *l)
{
    size_t cols = clip_scorer_cols(&l->scorers.clip), n = 0;
    ScoreItem *items = arena_calloc(&l->arena, l->n_good + 1, sizeof *items);
    for (size_t i = 0; i < l->n_pending; i++) {
        if (l->pending[i].why)
            continue;
        items[n].record = &l->pending[i].record;
        items[n].caption = &l->pending[i].caption;
        items[n].clip_image = cols ? arena_alloc(&l->arena, cols * sizeof(real)) : NULL;
        items[n++].clip_text = cols ? arena_alloc(&l->arena, cols * sizeof(real)) : NULL;
    }
    if (n > 0)
        scorers_run(&l->scorers, items, n);
    for (size_t i = 0, k = 0; i < l->n_pending; i++) {
        if (l->pending[i].why)
            put_failed(l, &l->pending[i].record, l->pending[i].why);
        else
            put_scored(l, &l->pending[i], &items[k++]);
    }
    l->n_pending = l->n_good = 0;
    arena_reset(&l->arena);
}

static void take_record(Loop *l, const Record *r)
{
    Error err = {0};
    Pending *p = &l->pending[l->n_pending++];
    void *copy = memcpy(arena_alloc(&l->arena, r->raw.size), r->raw.data, r->raw.size);
    if (!record_parse((Slice){copy, r->raw.size}, &p->record, &l->arena, &err))
        bug("record %.*s cannot be parsed again: %s", (int)r->id.size, (const char *)r->id.data, err.text);
    p->why = NULL;
    if (!caption_read(&p->caption, &l->arena, &l->captions, &p->record, &err)) {
        filter_refuse_mismatch(r, &err);
        p->why = arena_strndup(&l->arena, err.text, strlen(err.text));
    }
    l->n_good += !p->why;
    if (l->n_good == 0 || l->n_good == (size_t)opt.score_batch || l->n_pending == (size_t)opt.score_batch + FAILED_MOST)
        score_pending(l);
}

/* Everything gathered is scored and written; the batch record follows. */
static void close_batch(Loop *l, const Record *batch)
{
    score_pending(l);
    if (waits(l))
        write_waiting(l);
    if (l->in_batch < l->largest_batch && l->scorers.clip.model && !opt.defer)
        note("batch %lld is smaller: Phi is over %llu records", (long long)l->index, (unsigned long long)l->in_batch);
    l->largest_batch = l->in_batch > l->largest_batch ? l->in_batch : l->largest_batch;
    writer_batch(l->filter.out, batch ? batch->batch.index : l->index, l->written, batch ? batch->batch.step : -1);
    l->index++;
    l->in_batch = 0;
    l->cut = (GroupCut){0};
    l->written = 0;
}

/* ---- recombining ---- */

static bool reward_read(Reward *reward, const Record *r, Error *err)
{
    if (!record_raw(r, "reward").data)
        return error_set(err, "no reward to recombine");
    if (record_raw(r, "reward.deferred").data)
        return error_set_status(err, STATUS_MISMATCH, "reward.deferred: only vlrm-update can complete this reward");
    return reward_check(r, err) && reward_read_parts(reward, r, err);
}

static void recombine_record(Loop *l, const Record *r)
{
    Error err = {0};
    Caption c;
    Reward reward = {0};
    if (reward_read(&reward, r, &err) && caption_read(&c, &l->arena, &l->captions, r, &err)) {
        reward.noeos = !c.eos;
        reward.caption = caption_name(&c);
        put_reward(l, r, &c, &reward, NULL);
    } else {
        filter_refuse_mismatch(r, &err);
        put_failed(l, r, err.text);
    }
    arena_reset(&l->arena);
}

/* ---- the loop ---- */

static void follow_rollout(Loop *l)
{
    const json_t *crop = header_param(filter_upstream(&l->filter), "rollout", "crop");
    if (crop && !option_given(&program, "crop"))
        l->scorers.itm.images.crop = json_is_true(crop);
}

/* Whether the batch has all the records of --batch: it ends where its last group does. */
static bool is_full(const Loop *l)
{
    return opt.batch > 0 && l->in_batch >= (uint64_t)opt.batch;
}

static void run_loop(Loop *l)
{
    Record r;
    bool any = false;
    while (filter_next(&l->filter, &r)) {
        if (is_full(l) && r.kind == RECORD_DATA && group_cut_before(&l->cut, &r))
            close_batch(l, NULL);
        if (r.kind == RECORD_DATA) {
            if (!any)
                follow_rollout(l);
            any = true;
            l->in_batch++;
            group_cut_take(&l->cut, &r);
            progress_batch(l->index, (int64_t)l->in_batch, opt.batch > 0 ? opt.batch : -1);
            if (opt.recombine)
                recombine_record(l, &r);
            else
                take_record(l, &r);
        }
        if (opt.batch > 0 ? is_full(l) && (r.kind == RECORD_BATCH || !group_cut_open(&l->cut)) : r.kind == RECORD_BATCH)
            close_batch(l, r.kind == RECORD_BATCH ? &r : NULL);
        else if (r.kind == RECORD_BATCH) /* who ended it may wait for what comes of it */
            score_pending(l);
    }
    if (opt.batch > 0 && l->in_batch > 0) {
        close_batch(l, NULL);
    } else {
        score_pending(l);
        if (waits(l))
            write_waiting(l);
    }
}

static void check_options(void)
{
    if (!opt.model && !opt.ref)
        usage_error("--model is required: its tokenizer reads the captions");
    if (opt.recombine && opt.defer)
        usage_error("--recombine and --defer: recombined rewards are whole");
    if (opt.recombine)
        return;
    if (!opt.no_itm && !opt.itm)
        usage_error("--itm is required (or --no-itm with --clip)");
    if (opt.no_itm && !opt.clip)
        usage_error("--no-itm needs --clip: nothing would look at the image");
}

/* What shapes the rewards besides the captions; after filter_init. */
static void name_inputs(Loop *l)
{
    json_t *inputs = json_array();
    WordListDigests lists = word_rules_digests(l->rules);
    inputs_add(inputs, "tokenizer", tokenizer_digest(l->captions.tokenizer));
    inputs_add(inputs, "bad-phrases", lists.phrases);
    inputs_add(inputs, "exempt-words", lists.exempt);
    if (l->gains)
        inputs_add(inputs, "good-phrases", word_rules_digests(l->gains).phrases);
    scorers_inputs(&l->scorers, inputs);
    filter_header_set(&l->filter, "inputs", inputs);
}

static ScorerOptions scorer_options(void)
{
    const char *itm = opt.no_itm ? NULL : opt.itm, *ref = opt.no_ref ? NULL : opt.ref ? opt.ref : opt.model;
    return (ScorerOptions){itm, ref, opt.clip, (size_t)opt.itm_max_tokens, opt.crop, NULL};
}

static int print_plan(void)
{
    Error err = {0};
    const Kernels *kernels;
    Plan plan;
    const ScorerOptions so = scorer_options();
    const size_t waiting = opt.defer || (!opt.clip && opt.standardise == STANDARDISE_NONE) ? 0 : (size_t)opt.batch;
    const Expected e = {(size_t)opt.score_batch, (size_t)opt.plan, waiting, (size_t)opt.spool_memory << 20, opt.model};
    if (!machine_kernels(&opt.machine, &kernels, &err) || !scorers_plan(&plan, &so, kernels, &e, &err))
        die_status(err.status, "%s", err.text);
    return plan_finish(&plan, &program);
}

static void open_all(Loop *l, char **operands, int n)
{
    Error err = {0};
    const Kernels *kernels = NULL;
    char *bad = opt.bad_phrases ? xstrdup(opt.bad_phrases) : share_path("bad-phrases.txt");
    char *exempt = opt.exempt_words ? xstrdup(opt.exempt_words) : share_path("exempt-words.txt");
    ScorerOptions so = scorer_options();
    if (!(l->rules = word_rules_open(bad, exempt, &err)) ||
        (opt.good_phrases && !(l->gains = word_rules_open(opt.good_phrases, NULL, &err))) ||
        !caption_reader_init(&l->captions, opt.model ? opt.model : opt.ref, &err))
        die_status(err.status, "%s", err.text);
    if (opt.model && opt.ref && strcmp(opt.model, opt.ref) != 0)
        so.captions = l->captions.tokenizer;
    if (!opt.recombine && (!machine_kernels(&opt.machine, &kernels, &err) || !scorers_init(&l->scorers, &so, kernels, &err)))
        die_status(err.status, "%s", err.text);
    free(bad);
    free(exempt);
    opt.score_batch = machine_batch(opt.score_batch, kernels);
    l->pending = xcalloc((size_t)opt.score_batch + FAILED_MOST, sizeof *l->pending);
    waiting_init(&l->waiting, opt.spool, (size_t)opt.spool_memory << 20);
    filter_init(&l->filter, &program, operands, n, (int)opt.zstd, "captions");
    if (kernels)
        filter_header_set(&l->filter, "kernels", json_string(kernels->name));
    if (l->scorers.ref_model.text[0])
        filter_header_set(&l->filter, "ref", json_pack("{s:s, s:s}", "model", l->scorers.ref_model.text, "reads", "text"));
    name_inputs(l);
}

static void close_all(Loop *l)
{
    const Scorers *s = &l->scorers;
    if (!opt.recombine)
        note("%llu images encoded, %llu shared; seconds: encode %.2f, itm %.2f, ref %.2f, clip %.2f",
             (unsigned long long)s->itm.n_encoded, (unsigned long long)s->itm.n_shared, s->seconds_encode, s->seconds_itm,
             s->seconds_ref, s->seconds_clip);
    if (l->scorers.tape)
        scorers_release(&l->scorers);
    word_rules_free(l->rules);
    word_rules_free(l->gains);
    caption_reader_release(&l->captions);
    waiting_release(&l->waiting);
    arena_release(&l->arena);
    free(l->pending);
}

int main(int argc, char **argv)
{
    Loop l = {0};
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    for (size_t i = 0; i < 4; i++)
        hub_take((const char **[]){&opt.model, &opt.itm, &opt.ref, &opt.clip}[i]);
    check_options();
    signals_init();
    machine_enclose(&opt.machine, &opt.spool, 1);
    pool_init((int)opt.machine.threads);
    if (opt.plan > 0)
        return print_plan();
    open_all(&l, operands, n);
    run_loop(&l);
    int status = filter_finish(&l.filter);
    close_all(&l);
    return status;
}
