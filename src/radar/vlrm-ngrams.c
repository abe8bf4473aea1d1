/*
 * vlrm-ngrams: phrases that captions came to say for the reward alone, out of what a run recorded and what another CLIP thought
 * of it.
 *
 * Here are options, reading and the ways of telling; what makes a phrase a finding is ngrams.h's. The recipe `vlrm radar` finds
 * the recordings of a run and has them judged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "base/sandbox.h"
#include "radar/drift.h"
#include "radar/known.h"
#include "stream/filter.h"

static struct {
    const char *judged, *list, *bad_phrases;
    int64_t most;
    GramLimits limits;
    double alarm;
    bool json;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_GROUP("Input"),
    OPT_STRING("judged", 0, &opt.judged, NULL, "FILE",
               "read what vlrm-eval --per-image wrote of the same captions, by a CLIP that took no part in training"),
    OPT_STRING("bad-phrases", 0, &opt.bad_phrases, NULL, "FILE", "hold findings against this list (default: the one installed)"),
    OPT_INT("most", 0, &opt.most, "200000", 100, 1e8, "N",
            "keep N captions in memory: of more, a sample by the hash of their ids"),
    OPT_GROUP("What is a finding"),
    OPT_INT("captions", 0, &opt.limits.captions, "20", 2, 1e9, "N", "report what at least N captions say"),
    OPT_REAL("rise", 0, &opt.limits.rise, "2", -100, 100, "Z",
             "report what rose between the first two fifths of the steps and the last by Z standard errors"),
    OPT_REAL("gain", 0, &opt.limits.z_reward, "2", -100, 100, "Z",
             "report what is rewarded above other captions by Z standard errors"),
    OPT_REAL("loss", 0, &opt.limits.z_cosine, "2", -100, 100, "Z",
             "report captions whose cosine is below that of others by Z standard errors"),
    OPT_REAL("loss-size", 0, &opt.limits.cosine, "0.2", -100, 100, "X",
             "ask for a loss of X standard deviations of a caption's cosine too"),
    OPT_GROUP("Output"),
    OPT_FLAG("json", 0, &opt.json, "print one JSON object instead of the table (formats/report.md)"),
    OPT_STRING("list", 0, &opt.list, NULL, "FILE",
               "write what the list lacks in its format, with counts and an example of each as comments"),
    OPT_REAL("alarm", 0, &opt.alarm, "1", 0, 1, "SHARE",
             "end with status 7 where a finding is in more than this share of the last fifth's captions"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-ngrams",
    .summary = "find phrases that captions came to say for the reward alone",
    .operands = "[file|-]...",
    .input = "caption, reward",
    .description =
        "Reads rewarded captions of many steps, as vlrm-update --record writes them or a run keeps them in its batches. A phrase of two to five "
        "words (or a year) is a finding where its share rises with the steps, captions with it are rewarded above others, and a CLIP that took no "
        "part finds them farther from their images. Captions are compared with those of the same fifth of the steps and of about their length.\n\n"
        "The surest comes first, and each further one is looked for among the captions that say none of those before. Below the findings: how captions changed as a whole, from the first fifth of the steps to the "
        "last.",
    .examples = "vlrm-ngrams --judged judged.jsonl recorded.vlrm",
    .options = options,
};

static Sample sample;

/* ---- reading ---- */

static int read_captions(char **operands, int n)
{
    Filter f;
    Record r;
    filter_init(&f, &program, operands, n, -1, "captions");
    while (filter_next(&f, &r))
        if (r.kind == RECORD_DATA)
            sample_add(&sample, &r);
    return filter_finish(&f);
}

static void read_judged(void)
{
    Record r;
    Error err = {0};
    Reader *in = reader_open_json(opt.judged, &err);
    if (!in)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    for (RecordKind kind; (kind = reader_next(in, &r)) != RECORD_NONE;) {
        if (kind == RECORD_FAILED)
            die_status(reader_error(in)->status, "%s", reader_error(in)->text);
        if (kind == RECORD_DATA)
            sample_judge(&sample, &r);
    }
    reader_free(in);
}

/* Dies where nothing is left to compare. */
static void check_sample(void)
{
    if (sample.without > 0)
        warn("%llu of %llu records have no caption with a step and a reward", (unsigned long long)sample.without,
             (unsigned long long)sample.seen);
    if (sample.count == 0)
        die_status(
            STATUS_EMPTY,
            "no caption with a step and a reward: give what vlrm-update --record has written, or batches that a run has kept");
    sample_sort(&sample);
    read_judged();
    size_t unjudged = sample_drop_unjudged(&sample);
    if (sample.count == 0)
        die_status(STATUS_MISMATCH,
                   "%s: none of the %zu captions is in it: it is of other captions, or was written without --per-image",
                   opt.judged, unjudged);
    if (unjudged > 0)
        warn("%zu captions are not in %s and are not counted", unjudged, opt.judged);
}

/* ---- telling ---- */

/* Text on a terminal: no control characters. */
static void print_text(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void print_findings(const Grams *g, const Known *known)
{
    printf("%zu captions, steps %lld to %lld\n\n", sample.count, (long long)g->first, (long long)g->last);
    if (g->count == 0)
        printf("no phrase was found\n");
    else
        printf("%-24s %8s  %-32s %6s %8s %8s  %s\n", "phrase", "captions", "share in each fifth of the steps", "rise", "reward",
               "cosine", "in the list");
    for (size_t i = 0; i < g->count; i++) {
        const Gram *gram = &g->items[i];
        print_text(stdout, gram->text);
        printf("%*s %8zu  ", (int)(strlen(gram->text) < 24 ? 24 - strlen(gram->text) : 0), "", gram->captions);
        for (size_t p = 0; p < PARTS; p++)
            printf("%5.2f%%", 100 * gram_share(g, gram, p));
        printf("  %6.1f %+8.2f %+8.2f  %s\n    ", gram->rise, gram->reward, gram->cosine,
               known_find(known, gram->text) ? "yes" : "no");
        print_text(stdout, sample.items[gram->example].text);
        putchar('\n');
    }
}

static void print_drift(const Grams *g)
{
    printf("\n%-6s %9s %7s %9s %8s %8s  %s\n", "fifth", "captions", "words", "distinct", "reward", "cosine",
           "commonest beginning");
    for (size_t p = 0; p < PARTS; p++) {
        Drift d = drift_of(g, &sample, p);
        if (d.captions == 0)
            printf("%-6zu %9zu %7s %9s %8s %8s  -", p + 1, d.captions, "-", "-", "-", "-");
        else {
            printf("%-6zu %9zu %7.2f %9.3f %+8.2f %8.3f  %.2f%% ", p + 1, d.captions, d.words, d.distinct, d.reward, d.cosine,
                   100 * d.opening);
            print_text(stdout, d.begins);
        }
        putchar('\n');
        drift_release(&d);
    }
}

static json_t *finding_json(const Grams *g, const Gram *gram, const Known *known)
{
    json_t *shares = json_array();
    for (size_t p = 0; p < PARTS; p++)
        json_array_append_new(shares, json_real(gram_share(g, gram, p)));
    return json_pack("{s:s, s:I, s:o, s:f, s:f, s:f, s:f, s:f, s:b, s:s?}", "phrase", gram->text, "captions",
                     (json_int_t)gram->captions, "shares", shares, "rise", gram->rise, "reward", gram->reward, "z_reward",
                     gram->z_reward, "cosine", gram->cosine, "z_cosine", gram->z_cosine, "known", known_find(known, gram->text),
                     "example", sample.items[gram->example].text);
}

/* A figure of captions; null where there are none. */
static json_t *of_captions(const Drift *d, double figure)
{
    return d->captions > 0 ? json_real(figure) : json_null();
}

static json_t *drift_json(const Grams *g, size_t p)
{
    Drift d = drift_of(g, &sample, p);
    json_t *out =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s?}", "captions", (json_int_t)d.captions, "words", of_captions(&d, d.words),
                  "distinct", of_captions(&d, d.distinct), "reward", of_captions(&d, d.reward), "cosine",
                  of_captions(&d, d.cosine), "opening", of_captions(&d, d.opening), "begins", d.begins);
    drift_release(&d);
    return out;
}

static void print_json(const Grams *g, const Known *known)
{
    json_t *findings = json_array(), *drift = json_array();
    for (size_t i = 0; i < g->count; i++)
        json_array_append_new(findings, finding_json(g, &g->items[i], known));
    for (size_t p = 0; p < PARTS; p++)
        json_array_append_new(drift, drift_json(g, p));
    json_t *all =
        json_pack("{s:i, s:s, s:I, s:[I, I], s:o, s:o}", "vlrm", 1, "stage", "ngrams", "captions", (json_int_t)sample.count,
                  "steps", (json_int_t)g->first, (json_int_t)g->last, "findings", findings, "drift", drift);
    json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* Findings that the list lacks, in its format; years are a rule of their own. */
static void write_list(const Grams *g, const Known *known)
{
    Error err = {0};
    AtomicFile file;
    if (!atomic_open(&file, opt.list, &err))
        die("%s", err.text);
    for (size_t i = 0; i < g->count; i++) {
        const Gram *gram = &g->items[i];
        if (known_find(known, gram->text) || strstr(gram->text, "YEAR"))
            continue;
        fprintf(file.stream,
                "# %zu captions, share %.2f %% to %.2f %%, reward %+.2f, cosine %+.2f standard deviations: ", gram->captions,
                100 * gram_share(g, gram, 0), 100 * gram_share(g, gram, PARTS - 1), gram->reward, gram->cosine);
        print_text(file.stream, sample.items[gram->example].text);
        fprintf(file.stream, "\n%s\n", gram->text);
    }
    if (!atomic_commit(&file, &err))
        die("%s", err.text);
}

/* Says the first finding above --alarm. */
static int alarm_status(const Grams *g)
{
    for (size_t i = 0; i < g->count; i++) {
        double share = gram_share(g, &g->items[i], PARTS - 1);
        if (share > opt.alarm) {
            warn("\"%s\" is in %.2f %% of the last captions, more than %.2f %%, and serves the reward alone", g->items[i].text,
                 100 * share, 100 * opt.alarm);
            return STATUS_CHECK;
        }
    }
    return STATUS_CLEAN;
}

int main(int argc, char **argv)
{
    int n;
    Error err = {0};
    Known known;
    Grams grams;
    char **operands = options_parse(&program, argc, argv, &n);
    if (!opt.judged)
        usage_error(
            "--judged is required: vlrm-eval --clip DIR --per-image FILE writes it, by a CLIP that took no part in training");
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.write = &opt.list, .n_write = opt.list != NULL});
    char *installed = share_path("bad-phrases.txt");
    if (!known_read(&known, opt.bad_phrases ? opt.bad_phrases : installed, &err))
        die("%s", err.text);
    sample.most = (size_t)opt.most;
    int status = read_captions(operands, n);
    if (status != STATUS_CLEAN && sample.count == 0)
        die_status(status, "nothing was read");
    check_sample();
    grams_find(&grams, &sample, &opt.limits);
    if (opt.json)
        print_json(&grams, &known);
    else {
        print_findings(&grams, &known);
        print_drift(&grams);
    }
    if (opt.list)
        write_list(&grams, &known);
    status = status_worse(status, alarm_status(&grams));
    grams_release(&grams);
    known_release(&known);
    sample_release(&sample);
    free(installed);
    return finish_stdout(status);
}
