/* Sums of verdicts; see tally.h. */
#include "world/tally.h"

static int64_t sum(const int64_t *counts)
{
    int64_t n = 0;
    for (int k = 0; k < DETAILS; k++)
        n += counts[k];
    return n;
}

void tally_add(Tally *t, const Reading *r, const Verdict *v)
{
    t->captions++;
    t->grammatical += r->grammatical;
    t->words += r->words;
    t->hue_words += r->hue_words;
    t->hues_there += v->hues_there;
    t->hues_found += v->hues_found;
    for (int k = 0; k < DETAILS; k++) {
        t->there[k] += v->there[k];
        t->found[k] += v->found[k];
        t->said[k] += v->said[k];
        t->wrong[k] += v->wrong[k];
    }
}

static json_t *rate(int64_t part, int64_t whole)
{
    return whole ? json_real((double)part / (double)whole) : json_null();
}

static json_t *detail_json(const Tally *t, int k)
{
    return json_pack("{sI, sI, sI, sI, so, so}", "there", (json_int_t)t->there[k], "found", (json_int_t)t->found[k], "said",
                     (json_int_t)t->said[k], "wrong", (json_int_t)t->wrong[k], "recall", rate(t->found[k], t->there[k]),
                     "hallucination", rate(t->wrong[k], t->said[k]));
}

json_t *tally_json(const Tally *t)
{
    json_t *details = json_object();
    for (int k = 0; k < DETAILS; k++)
        json_object_set_new(details, detail_name((Detail)k), detail_json(t, k));
    return json_pack("{sI, so, so, so, so, so, so, so}", "captions", (json_int_t)t->captions, "detail_recall",
                     rate(sum(t->found), sum(t->there)), "hallucination", rate(sum(t->wrong), sum(t->said)), "grammar",
                     rate(t->grammatical, t->captions), "words", rate(t->words, t->captions), "colour_words",
                     rate(t->hue_words, t->captions), "colour_coverage", rate(t->hues_found, t->hues_there), "details", details);
}

static void rate_print(FILE *out, const char *name, int64_t part, int64_t whole, const char *meaning)
{
    if (whole)
        fprintf(out, "%-16s %8.3f  %s\n", name, (double)part / (double)whole, meaning);
    else
        fprintf(out, "%-16s %8s  %s\n", name, "-", meaning);
}

void tally_print(const Tally *t, FILE *out)
{
    fprintf(out, "%-16s %8lld\n", "captions", (long long)t->captions);
    rate_print(out, "detail recall", sum(t->found), sum(t->there), "details said and true, of those there");
    rate_print(out, "hallucination", sum(t->wrong), sum(t->said), "said and false, of all said");
    rate_print(out, "grammar", t->grammatical, t->captions, "captions that parse");
    rate_print(out, "words", t->words, t->captions, "in a caption");
    rate_print(out, "colour words", t->hue_words, t->captions, "in a caption");
    rate_print(out, "colour coverage", t->hues_found, t->hues_there, "colours named, of those there");
    fprintf(out, "\n%-16s %8s %8s %8s %8s\n", "detail", "there", "found", "said", "wrong");
    for (int k = 0; k < DETAILS; k++)
        fprintf(out, "%-16s %8lld %8lld %8lld %8lld\n", detail_name((Detail)k), (long long)t->there[k], (long long)t->found[k],
                (long long)t->said[k], (long long)t->wrong[k]);
}

json_t *caption_json(const char *id, const char *text, const Reading *r, const Verdict *v)
{
    return json_pack("{ss, ss, si, si, si, si, sb, si, si, si, si}", "id", id, "text", text, "there", verdict_there(v), "found",
                     verdict_found(v), "said", verdict_said(v), "wrong", verdict_wrong(v), "grammatical", r->grammatical, "words",
                     r->words, "colour_words", r->hue_words, "colours", v->hues_there, "colours_said", v->hues_found);
}
