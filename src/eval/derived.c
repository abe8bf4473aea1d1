/* Metrics of sums; see derived.h. */
#include "eval/derived.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 10 };

typedef struct Derived {
    const char *name;
    double (*of)(const double *parts, int order);
    int order; /* of BLEU */
    const char *parts[MAX_PARTS + 1];
} Derived;

static double ratio(const double *parts, int order)
{
    (void)order;
    return parts[1] > 0 ? parts[0] / parts[1] : 0;
}

/* parts: correct and guessed n-grams of 1 to 4 words, length, closest length. As pycocoevalcap guards itself against zeros. */
static double bleu(const double *parts, int order)
{
    const double small = 1e-9, tiny = 1e-15, ratio_of_lengths = (parts[8] + tiny) / (parts[9] + small);
    double product = 1;
    for (int k = 0; k < order; k++)
        product *= (parts[k] + tiny) / (parts[4 + k] + small);
    product = pow(product, 1.0 / order);
    return ratio_of_lengths < 1 ? product * exp(1 - 1 / ratio_of_lengths) : product;
}

#define BLEU_PARTS                                                                                                         \
    {                                                                                                                      \
        ".correct@1", ".correct@2", ".correct@3", ".correct@4", ".guess@1", ".guess@2", ".guess@3", ".guess@4", ".length", \
            ".closest"                                                                                                     \
    }

static const Derived all[] = {
    {"bleu@1", bleu, 1, BLEU_PARTS},
    {"bleu@2", bleu, 2, BLEU_PARTS},
    {"bleu@3", bleu, 3, BLEU_PARTS},
    {"bleu@4", bleu, 4, BLEU_PARTS},
    {"chair_i", ratio, 0, {".invented", ".mentioned"}},
    {"chair_recall", ratio, 0, {".found", ".objects"}},
};

bool column_is_part(const char *name)
{
    return name[0] == '.' || name[0] == '~';
}

size_t derived_find(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* The value of parts whose names have this in front. False when one is missing. */
static bool value_of(double *out, const Derived *d, const char *front, const Metrics *m, const double *sums)
{
    double parts[MAX_PARTS] = {0};
    for (size_t i = 0; d->parts[i]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s", front, d->parts[i]);
        size_t c = metrics_find(m, name);
        if (c == SIZE_MAX)
            return false;
        parts[i] = sums[c];
    }
    *out = d->of(parts, d->order);
    return true;
}

double derived_value(size_t derived, const Metrics *m, const double *sums)
{
    double run, base;
    if (!value_of(&run, &all[derived], "", m, sums))
        return NAN;
    return value_of(&base, &all[derived], "~", m, sums) ? run - base : run;
}
