/* The lexicon; see words.h. */
#include "world/words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "world/scene.h"

const Word words[] = {
    {"circle", WORD_SHAPE, CIRCLE},
    {"disc", WORD_SHAPE, CIRCLE},
    {"square", WORD_SHAPE, SQUARE},
    {"box", WORD_SHAPE, SQUARE},
    {"triangle", WORD_SHAPE, TRIANGLE},
    {"wedge", WORD_SHAPE, TRIANGLE},
    {"star", WORD_SHAPE, STAR},
    {"sparkle", WORD_SHAPE, STAR},
    {"diamond", WORD_SHAPE, DIAMOND},
    {"lozenge", WORD_SHAPE, DIAMOND},
    {"cross", WORD_SHAPE, CROSS},
    {"plus", WORD_SHAPE, CROSS},
    {"arrow", WORD_SHAPE, ARROW},
    {"pointer", WORD_SHAPE, ARROW},
    {"crescent", WORD_SHAPE, CRESCENT},
    {"moon", WORD_SHAPE, CRESCENT},
    {"red", WORD_HUE, RED},
    {"orange", WORD_HUE, ORANGE},
    {"yellow", WORD_HUE, YELLOW},
    {"green", WORD_HUE, GREEN},
    {"blue", WORD_HUE, BLUE},
    {"purple", WORD_HUE, PURPLE},
    {"pink", WORD_HUE, PINK},
    {"white", WORD_HUE, WHITE},
    {"black", WORD_HUE, BLACK},
    {"grey", WORD_HUE, GREY},
    {"beige", WORD_HUE, BEIGE},
    {"brown", WORD_HUE, BROWN},
    {"teal", WORD_HUE, TEAL},
    {"navy", WORD_HUE, NAVY},
    {"maroon", WORD_HUE, MAROON},
    {"olive", WORD_HUE, OLIVE},
    {"lavender", WORD_HUE, LAVENDER},
    {"big", WORD_SIZE, BIG},
    {"large", WORD_SIZE, BIG},
    {"huge", WORD_SIZE, BIG},
    {"small", WORD_SIZE, SMALL},
    {"little", WORD_SIZE, SMALL},
    {"tiny", WORD_SIZE, SMALL},
    {"solid", WORD_FILL, SOLID},
    {"filled", WORD_FILL, SOLID},
    {"opaque", WORD_FILL, SOLID},
    {"striped", WORD_FILL, STRIPED},
    {"banded", WORD_FILL, STRIPED},
    {"lined", WORD_FILL, STRIPED},
    {"hollow", WORD_FILL, HOLLOW},
    {"outlined", WORD_FILL, HOLLOW},
    {"empty", WORD_FILL, HOLLOW},
    {"plain", WORD_TEXTURE, PLAIN},
    {"smooth", WORD_TEXTURE, PLAIN},
    {"checkered", WORD_TEXTURE, CHECKERED},
    {"tiled", WORD_TEXTURE, CHECKERED},
    {"speckled", WORD_TEXTURE, SPECKLED},
    {"dotted", WORD_TEXTURE, SPECKLED},
    {"wavy", WORD_TEXTURE, WAVY},
    {"rippled", WORD_TEXTURE, WAVY},
    {"above", WORD_RELATION, ABOVE},
    {"over", WORD_RELATION, ABOVE},
    {"below", WORD_RELATION, BELOW},
    {"under", WORD_RELATION, BELOW},
    {"beneath", WORD_RELATION, BELOW},
    {"beside", WORD_RELATION, BESIDE},
    {"left", WORD_SIDE, LEFT_OF},
    {"right", WORD_SIDE, RIGHT_OF},
    {"next", WORD_SIDE, BESIDE},
    {"of", WORD_AFTER, 0},
    {"to", WORD_AFTER, 1},
    {"background", WORD_GROUND, 0},
    {"backdrop", WORD_GROUND, 0},
    {"a", WORD_ARTICLE, 0},
    {"an", WORD_ARTICLE, 1},
    {"the", WORD_ARTICLE, 2},
    {"and", WORD_JOIN, 0},
    {"with", WORD_JOIN, 1},
    {"on", WORD_ON, 0},
    {"against", WORD_ON, 1},
    {"in", WORD_ON, 2},
    {"image", WORD_MEDIUM, 0},
    {"video", WORD_MEDIUM, 1},
    {"photo", WORD_MEDIUM, 2},
    {"view", WORD_MEDIUM, 3},
    {"there", WORD_VERB, 0},
    {"is", WORD_VERB, 1},
    {"talking", WORD_VERB, 2},
    {"about", WORD_VERB, 3},
};

const size_t n_words = sizeof words / sizeof *words;

static bool is_year(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return n == 4;
}

Word word_find(const char *text, size_t n)
{
    for (size_t i = 0; i < n_words; i++)
        if (strncasecmp(words[i].text, text, n) == 0 && words[i].text[n] == '\0' && n > 0)
            return words[i];
    return (Word){"", is_year(text, n) ? WORD_YEAR : WORD_UNKNOWN, 0};
}

const char *word_saying(WordKind kind, int value, int i)
{
    for (size_t k = 0; k < n_words; k++)
        if (words[k].kind == kind && words[k].value == value && i-- == 0)
            return words[k].text;
    return NULL;
}

bool word_may_repeat(const Word *w)
{
    switch (w->kind) {
    case WORD_HUE:
    case WORD_RELATION:
    case WORD_AFTER:
    case WORD_ARTICLE:
    case WORD_ON:
        return true;
    default:
        return w->kind == WORD_JOIN && w->value == 1; /* "with" is a preposition, "and" is none */
    }
}
