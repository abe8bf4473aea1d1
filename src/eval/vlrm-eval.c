/*
 * vlrm-eval: captions to one report: CLIP recall as IC3 computes it, ITM, CLIPScore, what the texts are like, and whether they
 * are worse than they were.
 *
 * Here are the options and the order of things; reading a stream is in run.c, ranks in recall.c, intervals in metrics.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/options/options.h"
#include "base/pool.h"
#include "base/signals.h"
#include "checkpoint/hub.h"
#include "eval/captions.h"
#include "eval/checks.h"
#include "eval/report.h"
#include "stage/inputs.h"
#include "stage/machine.h"

static struct {
    const char *clip, *itm, *cache, *per_image, *baseline, *output, *bad_phrases, *exempt_words, *colour_words;
    const char *references, *split, *df, *write_df, *chair, *synonyms, *sharded;
    Machine machine;
    int64_t batch, itm_max_tokens, bootstrap, seed;
    double level;
    StringList recall_k, fail_below, fail_above, max_drop;
    bool compare, no_references, allow_failed, table, crop;
    int protocol;
} opt;

static size_t shard, shards = 1; /* of --sharded */

static const Option options[] = {
    OPT_GROUP("Models"),
    OPT_STRING("clip", 0, &opt.clip, NULL, "MODEL",
               "judge by this CLIP or SigLIP, which took no part in training (Hugging Face's layout or open_clip's)",
               .first = true),
    OPT_STRING("itm", 0, &opt.itm, NULL, "MODEL", "measure the mean image-text matching logit under this model too",
               .first = true),
    OPT_INT("itm-max-tokens", 0, &opt.itm_max_tokens, "32", 3, 512, "N",
            "show ITM N word pieces of a caption, [CLS] and [SEP] among them"),
    OPT_FLAG("crop", 0, &opt.crop, "show ITM the centre crop (default: as the rollout in the input's header)"),
    OPT_STRING("cache", 0, &opt.cache, NULL, "DIR", "keep what the models made of images and texts here, for the next time"),
    OPT_STRING("sharded", 0, &opt.sharded, NULL, "I/N",
               "score every N-th record from the I-th on into --cache, report nothing: N processes, then one without it reports"),
    OPT_GROUP("What is measured"),
    OPT_LIST("recall-k", 0, &opt.recall_k, "1,5,10", "K,..", "report R@K for these K"),
    OPT_ENUM("protocol", 0, &opt.protocol, "ic3", "ic3|full",
             "take recall and cosine of a caption's first 300 characters, as IC3, or of all that CLIP's positions hold"),
    OPT_STRING(
        "references", 0, &opt.references, NULL, "[FILE=frames]",
        "compute BLEU, ROUGE-L and CIDEr against references: frame.references, or those of COCO's captions json or Karpathy's"),
    OPT_STRING("split", 0, &opt.split, NULL, "NAME[=HEX]",
               "ask for exactly the images of this split of Karpathy's file; HEX: the digest that the report gives of its ids"),
    OPT_STRING("df", 0, &opt.df, NULL, "FILE", "document frequencies for CIDEr (default: of the references themselves)"),
    OPT_STRING("write-df", 0, &opt.write_df, NULL, "FILE", "write the references' document frequencies there"),
    OPT_STRING("chair", 0, &opt.chair, NULL, "FILE",
               "count objects that are named but not there (CHAIR), by COCO's instances json"),
    OPT_STRING("synonyms", 0, &opt.synonyms, NULL, "FILE",
               "read CHAIR's list from FILE: a line for each category, its name and other words, by commas"),
    OPT_FLAG("no-references", 0, &opt.no_references, "do not measure frame.references (they give the row REF)"),
    OPT_STRING("bad-phrases", 0, &opt.bad_phrases, NULL, "FILE", "count the phrases in FILE (default: the paper's Table 6)"),
    OPT_STRING("exempt-words", 0, &opt.exempt_words, NULL, "FILE",
               "let the words in FILE be repeated (default: colours, prepositions, articles)"),
    OPT_STRING("colour-words", 0, &opt.colour_words, NULL, "FILE", "take the words in FILE as colours"),
    OPT_INT("bootstrap", 0, &opt.bootstrap, "1000", 0, 1000000, "N", "resample so often for intervals; 0: no intervals"),
    OPT_REAL("level", 0, &opt.level, "0.95", 0.01, 0.999, "P", "set the coverage of the intervals"),
    OPT_INT("seed", 0, &opt.seed, "1", 0, 9e15, "N", "seed the resamples"),
    OPT_FLAG("allow-failed", 0, &opt.allow_failed, "score what there is when records failed (default: refuse)"),
    OPT_GROUP("Reports and checks"),
    OPT_FLAG("compare", 0, &opt.compare, "take each operand as a run of its own, side by side"),
    OPT_STRING("per-image", 0, &opt.per_image, NULL, "FILE",
               "write one JSON line for each caption: id, ranks, cosine, ITM logit, counts"),
    OPT_STRING("output", 'o', &opt.output, NULL, "FILE", "write the report there, whole or not at all"),
    OPT_FLAG("table", 0, &opt.table, "print a table instead of JSON on stdout, as on a terminal", .first = true),
    OPT_STRING("baseline", 0, &opt.baseline, NULL, "FILE",
               "compare image by image with an earlier --per-image file, or with a caption stream", .first = true),
    OPT_LIST("fail-below", 0, &opt.fail_below, NULL, "NAME=X,..", "exit 7 if a metric is below X: r@1=0.90", .first = true),
    OPT_LIST("fail-above", 0, &opt.fail_above, NULL, "NAME=X,..", "exit 7 if a metric is above X: bad=0.01"),
    OPT_LIST("max-drop", 0, &opt.max_drop, NULL, "X,..",
             "exit 7 if mrr or an R@K is more than X below the baseline's; NAME=X: that metric"),
    OPT_GROUP("Machine"),
    OPT_INT("batch", 0, &opt.batch, "8", 1, 4096, "N", "score so many captions together; on a CPU this changes no number"),
    MACHINE_OPTIONS(opt.machine),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-eval",
    .summary = "measure captions: CLIP recall, CLIPScore, ITM, BLEU, CIDEr, CHAIR, words",
    .operands = "[file|-]...",
    .input = "frame, caption",
    .output = NULL,
    .description =
        "CLIP recall as IC3 computes it (arXiv 2302.01328): each caption, cut to 300 characters, asks for its image among all "
        "images of the stream; its rank is 1 + the number of images strictly more similar than its own. mrr is the mean of 1 / "
        "rank, r@K the share of ranks up to K, i2t.* the other direction. cosine is that of caption and image (the papers' CLIP column), clipscore 2.5 max(cos, 0) "
        "with \"A photo depicts \" before the caption and refclipscore its harmonic mean with the closest reference (Hessel et al., arXiv "
        "2104.08718; torchmetrics' CLIPScore is 100 max(cosine, 0), which the report gives too), itm the positive logit "
        "before softmax. words, tokens and colours are means a caption; cut is the share of captions of which CLIP has not read all; bad, repeats and noeos the shares of captions with a bad "
        "phrase, with a repeated word, without an end. Where an image has several captions their mean counts; the same bytes are "
        "the same image. Intervals are percentile bootstraps over images.\n\n"
        "--references compares word by word, without a model: BLEU-1 to 4, ROUGE-L and CIDEr on Penn Treebank tokens, as pycocoevalcap "
        "1.2 computes them (what it calls CIDEr is CIDEr-D, so cider and cider_d are one number). METEOR is left out: its matcher needs "
        "WordNet and tables of paraphrases that are not ours to ship. They fall when captions say more than their references do, true "
        "or not.\n\n"
        "--chair counts COCO's objects that captions name: chair_s is the share of captions that name one that is not in the image, chair_i "
        "the share of such mentions, chair_recall the share of the images' objects that are named (Rohrbach et al., arXiv 1809.02156). "
        "In an image is what is annotated, and with --references what they name.\n\n"
        "frame.references give the row REF: each is a query, averaged inside its image first. Captions of any origin are "
        "measured the same way: {\"id\", \"frame\": {\"path\"}, \"caption\": {\"text\"}} is enough.\n\n"
        "Input that is cut, whose upstream failed, in which an id comes twice or a record cannot be scored is refused: a mean "
        "over what happened to be there is no measurement.\n\n"
        "With --fail-below, --fail-above or --max-drop it says nothing on stderr when all is well, and else one line, exit "
        "status 7.",
    .examples =
        "# BLEU, ROUGE-L and CIDEr against frame.references:\n"
        "jq -c '.frame.references = [\"a red square\", \"a square\"]' captions.jsonl | vlrm-cat --from=json | vlrm-eval --references\n"
        "# Captions by hand, as a table:\n"
        "vlrm-cat --from=json captions.jsonl | vlrm-eval --clip clip --itm itm --table\n"
        "# Keep what each caption got, and compare a later run with it, image by image:\n"
        "vlrm-cat --from=json captions.jsonl | vlrm-eval --clip clip --per-image base.jsonl -o base.json && "
        "vlrm-cat --from=json captions.jsonl | vlrm-eval --clip clip --baseline base.jsonl --max-drop 0.005 -o report.json",
    .options = options,
};

enum { MAX_K = 16 };

typedef struct Eval {
    Models models;
    Images images, text_rows, logits; /* the last two only with --cache */
    Chair *chair;                     /* NULL: not asked for */
    ReferenceSet *set;                /* NULL: the frames' own */
    Frequencies frequencies;          /* of --df */
    WordRules *rules;
    WordList colours;
    int64_t ks[MAX_K];
    size_t n_ks;
    Run *runs; /* owned */
    size_t n_runs;
    Row *rows; /* owned: runs, then REF */
    size_t n_rows;
    Metrics difference; /* from the baseline */
    Interval *fall;     /* owned: of it */
    int status;
} Eval;

/* ---- preparation ---- */

static void parse_ks(Eval *e)
{
    e->n_ks = opt.recall_k.count;
    if (e->n_ks > MAX_K)
        usage_error("--recall-k: %zu values, expected at most %d", e->n_ks, MAX_K);
    for (size_t i = 0; i < e->n_ks; i++)
        if (!parse_int(opt.recall_k.items[i], 1, 1000000000, &e->ks[i]))
            usage_error("--recall-k %s: expected integers from 1", opt.recall_k.items[i]);
}

/* Wrong limits must be said before hours of work. */
static void check_options(Eval *e, int n)
{
    static const StringList *const lists[] = {&opt.fail_below, &opt.fail_above, &opt.max_drop};
    Error err = {0};
    Check c;
    if (!opt.clip && !opt.references && !opt.chair)
        usage_error("--clip is required, or --references for BLEU, ROUGE-L and CIDEr alone, or --chair");
    if (!opt.chair != !opt.synonyms)
        usage_error("--chair and --synonyms go together");
    if (opt.split && !(opt.references && strcmp(opt.references, "frames") != 0))
        usage_error("--split needs --references=FILE: Karpathy's file");
    if ((opt.df || opt.write_df) && !opt.references)
        usage_error("--df and --write-df need --references");
    if (opt.sharded) {
        int64_t i, count;
        char *text = xstrdup(opt.sharded), *slash = strchr(text, '/');
        if (slash)
            *slash = 0;
        if (!slash || !parse_int(slash + 1, 1, 1000000, &count) || !parse_int(text, 1, count, &i))
            usage_error("--sharded %s: expected I/N, I from 1 to N", opt.sharded);
        shard = (size_t)i - 1;
        shards = (size_t)count;
        free(text);
        if (!opt.cache || opt.compare || opt.per_image || opt.baseline || opt.output || opt.write_df)
            usage_error(
                "--sharded needs --cache, and reports nothing: no --compare, --per-image, --baseline, --output, --write-df");
    }
    if (opt.cache && !opt.clip)
        usage_error("--cache keeps what a --clip sees: give one");
    if (opt.compare && n < 2)
        usage_error("--compare needs two streams at least");
    if (opt.compare && (opt.per_image || opt.baseline))
        usage_error("--compare cannot be used with --per-image or --baseline, which are for one run");
    if (opt.max_drop.count > 0 && !opt.baseline)
        usage_error("--max-drop needs a --baseline");
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            if (!check_parse(&c, (CheckKind)k, lists[k]->items[i], &err))
                usage_error("%s", err.text);
    if (opt.baseline && strcmp(opt.baseline, "-") != 0 && access(opt.baseline, R_OK) != 0)
        die("open %s:", opt.baseline);
    parse_ks(e);
}

static bool open_lists(Eval *e, Error *err)
{
    char *bad = opt.bad_phrases ? xstrdup(opt.bad_phrases) : share_path("bad-phrases.txt");
    char *exempt = opt.exempt_words ? xstrdup(opt.exempt_words) : share_path("exempt-words.txt");
    char *colours = opt.colour_words ? xstrdup(opt.colour_words) : share_path("colour-words.txt");
    e->rules = word_rules_open(bad, exempt, err);
    bool ok = e->rules && word_list_read(&e->colours, colours, err);
    free(bad);
    free(exempt);
    free(colours);
    return ok;
}

/* What the models made of texts: a file of the cache for each model, as for images. */
static bool open_kept(Eval *e, const char *clip, Error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s-texts", clip);
    if (!images_init(&e->text_rows, clip_scorer_cols(&e->models.clip), opt.cache, name, err))
        return false;
    if (!e->models.itm.model)
        return true;
    const Digest itm = digest_text(checkpoint_digest(e->models.itm.model->checkpoint, NULL, 0));
    snprintf(name, sizeof name, "%s-%s-%lld-itm", itm.text, e->models.kernels->compute == COMPUTE_BF16 ? "bf16" : "f32",
             (long long)opt.itm_max_tokens);
    return images_init(&e->logits, 1, opt.cache, name, err);
}

static void open_all(Eval *e)
{
    Error err = {0};
    const Kernels *kernels;
    char name[40] = "";
    bool ok = open_lists(e, &err) && machine_kernels(&opt.machine, &kernels, &err) &&
              models_open(&e->models, opt.clip, opt.itm, (size_t)opt.itm_max_tokens, kernels, &err);
    if (ok && opt.cache) {
        const Digest digest = digest_text(checkpoint_digest(e->models.clip.model->checkpoint, NULL, 0));
        snprintf(name, sizeof name, "%s-%s-each", digest.text, kernels->compute == COMPUTE_BF16 ? "bf16" : "f32");
        ok = open_kept(e, name, &err);
    }
    if (ok && opt.references && strcmp(opt.references, "frames") != 0)
        ok = (e->set = reference_set_open(opt.references, opt.split, &err)) != NULL;
    if (ok && opt.chair)
        ok = (e->chair = chair_open(opt.chair, opt.synonyms, &err)) != NULL;
    if (ok && opt.df)
        ok = frequencies_read(&e->frequencies, opt.df, &err);
    if (!ok || !images_init(&e->images, clip_scorer_cols(&e->models.clip), opt.cache, name, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
}

static void close_all(Eval *e)
{
    for (size_t i = 0; i < e->n_rows; i++)
        row_release(&e->rows[i]);
    for (size_t i = 0; i < e->n_runs; i++)
        run_release(&e->runs[i]);
    free(e->rows);
    free(e->runs);
    free(e->fall);
    metrics_release(&e->difference);
    images_release(&e->images);
    images_release(&e->text_rows);
    images_release(&e->logits);
    chair_free(e->chair);
    reference_set_free(e->set);
    frequencies_release(&e->frequencies);
    models_release(&e->models);
    word_rules_free(e->rules);
    word_list_release(&e->colours);
}

/* ---- runs ---- */

static Interval *intervals_of(const Metrics *m)
{
    Interval *v = xcalloc(m->n + 1, sizeof *v);
    bootstrap(v, m, (uint64_t)opt.seed, (size_t)opt.bootstrap, opt.level);
    return v;
}

static const Frequencies *frequencies_of(const Eval *e, const Run *run)
{
    return opt.df ? &e->frequencies : &run->compared.frequencies;
}

static bool save_kept(Eval *e, Error *err)
{
    return images_save(&e->images, err) && images_save(&e->text_rows, err) && images_save(&e->logits, err);
}

/* Reads streams one after the other into one run; dies where the input is not fit to be measured. */
static void read_run(Eval *e, Run *run, char **paths, int n)
{
    Error err = {0};
    RunOptions o = {.program = &program,
                    .batch = (size_t)opt.batch,
                    .references = !opt.no_references,
                    .full = opt.protocol == 1,
                    .compare = opt.references != NULL,
                    .text_rows = opt.cache ? &e->text_rows : NULL,
                    .logits = opt.cache && e->models.itm.model ? &e->logits : NULL,
                    .shard = shard,
                    .shards = shards,
                    .chair = e->chair,
                    .set = e->set,
                    .allow_failed = opt.allow_failed,
                    .crop = opt.crop,
                    .crop_given = option_given(&program, "crop"),
                    .rules = e->rules,
                    .colours = &e->colours};
    if (!run_read(run, paths, n, &e->models, &e->images, &o, &err) || !save_kept(e, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (run->failed > 0)
        e->status = STATUS_SOME_FAILED;
    if (opt.references)
        run_compare(run, frequencies_of(e, run));
}

static Row *add_row(Eval *e, const char *name, const Run *run, bool references)
{
    Row *row = &e->rows[e->n_rows++];
    *row = (Row){.name = name, .run = run, .references = references};
    return row;
}

static void measure(Eval *e, char **operands, int n)
{
    e->n_runs = opt.compare ? (size_t)n : 1;
    e->runs = xcalloc(e->n_runs, sizeof *e->runs);
    e->rows = xcalloc(e->n_runs + 1, sizeof *e->rows);
    for (size_t i = 0; i < e->n_runs; i++) {
        read_run(e, &e->runs[i], operands + i, opt.compare ? 1 : n);
        if (opt.sharded)
            return;
        Row *row = add_row(e, e->runs[i].name, &e->runs[i], false);
        run_rank(&row->metrics, &e->runs[i], &e->images, e->ks, e->n_ks);
        if (opt.references)
            row->overlap = overlap_json(&e->runs[i].compared, opt.df, frequencies_of(e, &e->runs[i]), e->set);
        row->intervals = intervals_of(&row->metrics);
    }
    for (size_t i = 0; i < e->n_runs; i++)
        if (e->runs[i].references.n > 0) {
            Row *row = add_row(e, "REF", &e->runs[i], true);
            run_rank_references(&row->metrics, &e->runs[i], &e->images, e->ks, e->n_ks);
            row->intervals = intervals_of(&row->metrics);
            break;
        }
}

static void measure_baseline(Eval *e)
{
    Error err = {0};
    Metrics base = {0};
    char *path = xstrdup(opt.baseline);
    bool ok = true;
    if (per_image_is(path)) {
        ok = per_image_read(&base, path, e->ks, e->n_ks, &err);
    } else {
        Run run;
        read_run(e, &run, &path, 1);
        run_rank(&base, &run, &e->images, e->ks, e->n_ks);
        run_release(&run);
    }
    if (!ok || !metrics_difference(&e->difference, &e->rows[0].metrics, &base, &err))
        die_status(err.status, "%s", err.text);
    e->fall = intervals_of(&e->difference);
    metrics_release(&base);
    free(path);
}

/* ---- what is said ---- */

/* What is wrong, in one line; NULL when nothing is. The caller frees it. */
static char *checks_run(const Eval *e)
{
    static const StringList *const lists[] = {&opt.fail_below, &opt.fail_above, &opt.max_drop};
    char *said = NULL;
    Error err = {0};
    Check c;
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            for (size_t r = 0; r < e->n_runs; r++) {
                bool drop = k == CHECK_DROP;
                if (!check_parse(&c, (CheckKind)k, lists[k]->items[i], &err) ||
                    !check_apply(&said, &c, drop ? &e->difference : &e->rows[r].metrics, drop ? e->fall : e->rows[r].intervals,
                                 &err))
                    die_status(err.status, "%s", err.text);
            }
    return said;
}

static json_t *inputs_json(const Eval *e)
{
    json_t *inputs = json_array();
    WordListDigests lists = word_rules_digests(e->rules);
    models_inputs(&e->models, inputs);
    inputs_add(inputs, "bad-phrases", lists.phrases);
    inputs_add(inputs, "exempt-words", lists.exempt);
    inputs_add(inputs, "colour-words", e->colours.digest);
    return inputs;
}

static json_t *report_json(const Eval *e, const char *said)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < e->n_rows; i++)
        json_array_append_new(runs, row_json(&e->rows[i]));
    json_t *o = json_pack("{s:i, s:s, s:s, s:o, s:o, s:s, s:o}", "vlrm", 1, "stage", "eval", "version", VLRM_VERSION, "params",
                          options_json(&program), "inputs", inputs_json(e), "kernels", e->models.kernels->name, "runs", runs);
    if (e->chair)
        json_object_set_new(o, "chair", chair_json(e->chair));
    if (opt.baseline)
        json_object_set_new(o, "baseline",
                            json_pack("{s:s, s:o}", "name", opt.baseline, "difference", intervals_json(&e->difference, e->fall)));
    json_object_set_new(o, "failed_checks", said ? json_string(said) : json_null());
    return o;
}

static void print_report(const Eval *e, const char *said)
{
    Error err = {0};
    size_t size;
    json_t *o = report_json(e, said);
    char *line = json_line(o, &size), *text = xasprintf("%.*s\n", (int)size, line);
    if (opt.output && !file_write(opt.output, text, size + 1, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (opt.table || (!opt.output && isatty(STDOUT_FILENO)))
        table_print(stdout, e->rows, e->n_rows);
    else if (!opt.output)
        fputs(text, stdout);
    free(text);
    free(line);
    json_decref(o);
}

int main(int argc, char **argv)
{
    static char *standard_input[] = {"-", NULL};
    Eval e = {0};
    Error err = {0};
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    hub_take(&opt.clip);
    hub_take(&opt.itm);
    check_options(&e, n);
    signals_init();
    machine_enclose(&opt.machine, (const char *const[]){opt.cache, opt.per_image, opt.output, opt.write_df}, 4);
    pool_init((int)opt.machine.threads);
    open_all(&e);
    measure(&e, n > 0 ? operands : standard_input, n > 0 ? n : 1);
    if (opt.baseline)
        measure_baseline(&e);
    if (opt.per_image && !per_image_write(opt.per_image, &e.runs[0], &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (opt.write_df) {
        const Compared *c = &e.runs[0].compared;
        if (!frequencies_write(opt.write_df, &c->frequencies, c->texts, c->n, &err))
            die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    }
    note("%llu images encoded, %llu from the cache; %llu texts and %llu pairs computed into it",
         (unsigned long long)e.images.computed, (unsigned long long)e.images.from_cache, (unsigned long long)e.text_rows.computed,
         (unsigned long long)e.logits.computed);
    char *said = opt.sharded ? NULL : checks_run(&e);
    if (!opt.sharded)
        print_report(&e, said);
    if (said) {
        warn("%s", said);
        e.status = STATUS_CHECK;
    }
    free(said);
    int status = finish_stdout(e.status);
    close_all(&e);
    return status;
}
