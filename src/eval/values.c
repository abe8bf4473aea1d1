/* Names of values; see values.h. */
#include "eval/values.h"

#include <math.h>

static const char *const names[VALUES] = {
    [VALUE_COSINE] = "cosine",
    [VALUE_CLIPSCORE] = "clipscore",
    [VALUE_REFCLIPSCORE] = "refclipscore",
    [VALUE_ITM] = "itm",
    [VALUE_BLEU] = "bleu@1",
    [VALUE_BLEU + 1] = "bleu@2",
    [VALUE_BLEU + 2] = "bleu@3",
    [VALUE_BLEU + 3] = "bleu@4",
    [VALUE_ROUGE] = "rouge_l",
    [VALUE_CIDER] = "cider",
    [VALUE_CIDER_D] = "cider_d",
    [VALUE_CHAIR_S] = "chair_s",
    [VALUE_CHAIR_I] = "chair_i",
    [VALUE_CHAIR_RECALL] = "chair_recall",
    [VALUE_WORDS] = "words",
    [VALUE_TOKENS] = "tokens",
    [VALUE_COLOURS] = "colours",
    [VALUE_BAD] = "bad",
    [VALUE_REPEATS] = "repeats",
    [VALUE_NOEOS] = "noeos",
    [VALUE_CUT] = "cut",
    [VALUE_CORRECT] = ".correct@1",
    [VALUE_CORRECT + 1] = ".correct@2",
    [VALUE_CORRECT + 2] = ".correct@3",
    [VALUE_CORRECT + 3] = ".correct@4",
    [VALUE_GUESS] = ".guess@1",
    [VALUE_GUESS + 1] = ".guess@2",
    [VALUE_GUESS + 2] = ".guess@3",
    [VALUE_GUESS + 3] = ".guess@4",
    [VALUE_LENGTH] = ".length",
    [VALUE_CLOSEST] = ".closest",
    [VALUE_INVENTED] = ".invented",
    [VALUE_MENTIONED] = ".mentioned",
    [VALUE_FOUND] = ".found",
    [VALUE_OBJECTS] = ".objects",
};

const char *value_name(size_t value)
{
    return names[value];
}

void values_clear(double values[VALUES])
{
    for (size_t i = 0; i < VALUES; i++)
        values[i] = NAN;
}

void values_overlap(double values[VALUES], const Overlap *o)
{
    for (size_t k = 0; k < GRAM_ORDERS; k++) {
        values[VALUE_CORRECT + k] = o->correct[k];
        values[VALUE_GUESS + k] = o->guess[k];
    }
    values[VALUE_LENGTH] = o->length;
    values[VALUE_CLOSEST] = o->closest;
    values[VALUE_ROUGE] = o->rouge;
    values[VALUE_CIDER] = values[VALUE_CIDER_D] = o->cider;
    values_of_set(values);
}

void values_chair(double values[VALUES], const ChairCounts *c)
{
    values[VALUE_CHAIR_S] = c->invented > 0;
    values[VALUE_INVENTED] = (double)c->invented;
    values[VALUE_MENTIONED] = (double)c->mentioned;
    values[VALUE_FOUND] = (double)c->found;
    values[VALUE_OBJECTS] = (double)c->objects;
    values_of_set(values);
}

void values_of_set(double values[VALUES])
{
    for (size_t k = 0; k < GRAM_ORDERS; k++)
        values[VALUE_BLEU + k] = isnan(values[VALUE_CORRECT]) ? NAN : 0;
    values[VALUE_CHAIR_I] = values[VALUE_CHAIR_RECALL] = isnan(values[VALUE_MENTIONED]) ? NAN : 0;
}
