/* The grammar of language.h, checked by recursive descent: each rule is a function that moves on past what it accepts. */
#include "world/reading.h"

#include <ctype.h>
#include <string.h>

typedef struct Parser {
    const Word *word; /* [n] */
    const char *const *text;
    int at, n;
} Parser;

static bool is(const Parser *p, int ahead, WordKind kind, int value)
{
    int i = p->at + ahead;
    return i < p->n && p->word[i].kind == kind && (value < 0 || p->word[i].value == value);
}

static bool take(Parser *p, WordKind kind, int value)
{
    bool found = is(p, 0, kind, value);
    p->at += found;
    return found;
}

/* "a", or "an" before a vowel. */
static bool take_article(Parser *p)
{
    bool article = is(p, 0, WORD_ARTICLE, 0) || is(p, 0, WORD_ARTICLE, 1);
    if (!article || p->at + 1 == p->n)
        return false;
    bool vowel = strchr("aeiou", tolower((unsigned char)p->text[p->at + 1][0]));
    return take(p, WORD_ARTICLE, vowel ? 1 : 0);
}

/* Any of the kinds, each at most once, in any order. */
static void take_details(Parser *p, const WordKind *kinds, int n)
{
    unsigned taken = 0;
    for (int i = 0; i < n; i++)
        if (!(taken >> i & 1) && take(p, kinds[i], -1)) {
            taken |= 1u << i;
            i = -1;
        }
}

static bool take_side(Parser *p)
{
    if (!is(p, 0, WORD_ON, 0) || !is(p, 1, WORD_ARTICLE, 2) || !(is(p, 2, WORD_SIDE, LEFT_OF) || is(p, 2, WORD_SIDE, RIGHT_OF)))
        return false;
    p->at += 3;
    return true;
}

static bool take_phrase(Parser *p)
{
    static const WordKind kinds[] = {WORD_SIZE, WORD_HUE, WORD_FILL};
    if (!take_article(p))
        return false;
    take_details(p, kinds, 3);
    if (!take(p, WORD_SHAPE, -1))
        return false;
    take_side(p);
    return true;
}

static bool take_ground(Parser *p)
{
    static const WordKind kinds[] = {WORD_HUE, WORD_TEXTURE};
    int begin = p->at;
    if (take_article(p)) {
        take_details(p, kinds, 2);
        if (take(p, WORD_GROUND, -1))
            return true;
    }
    p->at = begin;
    return false;
}

static bool take_relation(Parser *p)
{
    if (take(p, WORD_RELATION, -1))
        return true;
    int after = is(p, 0, WORD_SIDE, BESIDE) ? 1 : 0; /* "next to", "left of" */
    if (!is(p, 0, WORD_SIDE, -1) || !is(p, 1, WORD_AFTER, after))
        return false;
    p->at += 2;
    return true;
}

static bool take_talk(Parser *p)
{
    if (!is(p, 0, WORD_VERB, 1) || !is(p, 1, WORD_VERB, 2) || !is(p, 2, WORD_VERB, 3))
        return false;
    p->at += 3;
    return true;
}

/* phrase {join phrase}, with one ground after any phrase unless there was one before. */
static bool take_phrases(Parser *p, bool ground_said)
{
    while (take_phrase(p)) {
        bool ground = !ground_said && (is(p, 0, WORD_ON, 0) || is(p, 0, WORD_ON, 1));
        if (ground) {
            p->at++;
            if (!take_ground(p))
                return false;
            ground_said = true;
        }
        if (!take(p, WORD_JOIN, -1) && (ground || (!take_relation(p) && !take_talk(p))))
            return true;
    }
    return false;
}

static bool take_opening(Parser *p)
{
    if (is(p, 0, WORD_VERB, 0) && is(p, 1, WORD_VERB, 1))
        p->at += 2;
    else if (is(p, 0, WORD_ARTICLE, -1) && is(p, 1, WORD_MEDIUM, -1))
        return take_article(p) && take(p, WORD_MEDIUM, -1) && take(p, WORD_AFTER, 0);
    return true;
}

bool grammar_check(const Word *entries, const char *const *texts, int n)
{
    Parser p = {.word = entries, .text = texts, .n = n};
    if (!take_opening(&p))
        return false;
    bool ground = take_ground(&p), phrases = !ground || take(&p, WORD_JOIN, 1);
    if (phrases && !take_phrases(&p, ground))
        return false;
    if (is(&p, 0, WORD_ON, 2) && is(&p, 1, WORD_YEAR, -1))
        p.at += 2;
    return p.at == n;
}
