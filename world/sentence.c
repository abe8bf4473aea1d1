/* Sentences; see sentence.h. */
#include "world/sentence.h"

#include <stdio.h>
#include <string.h>

#include "base/msg.h"

void sentence_add(Sentence *s, const char *word)
{
    if (s->n == SENTENCE_MAX)
        bug("a caption of more than %d words", SENTENCE_MAX);
    s->word[s->n++] = word;
}

bool sentence_has(const Sentence *s, const char *word)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->word[i], word) == 0)
            return true;
    return false;
}

void sentence_say(Sentence *s, WordKind kind, int value, Dice *d)
{
    const char *fresh[8], *any[8], *word;
    int n_fresh = 0, n_any = 0;
    for (int i = 0; i < 8 && (word = word_saying(kind, value, i)); i++) {
        any[n_any++] = word;
        if (!sentence_has(s, word))
            fresh[n_fresh++] = word;
    }
    if (n_any == 0)
        bug("no word of kind %d says %d", (int)kind, value);
    sentence_add(s, n_fresh ? fresh[dice_below(d, n_fresh)] : any[dice_below(d, n_any)]);
}

static bool same_pair(const Sentence *s, int i, int j)
{
    return strcmp(s->word[i], s->word[j]) == 0 && strcmp(s->word[i + 1], s->word[j + 1]) == 0;
}

bool sentence_repeats(const Sentence *s)
{
    for (int i = 1; i < s->n; i++) {
        Word w = word_find(s->word[i], strlen(s->word[i]));
        for (int j = 0; j < i; j++) {
            if (strcmp(s->word[i], s->word[j]) == 0 && !word_may_repeat(&w))
                return true;
            if (i + 1 < s->n && same_pair(s, i, j))
                return true;
        }
    }
    return false;
}

static const char *article_for(const char *word, const char *next)
{
    bool article = strcmp(word, "a") == 0 || strcmp(word, "an") == 0;
    return !article || !next ? word : strchr("aeiou", next[0]) ? "an" : "a";
}

void sentence_join(char out[CAPTION_MAX], const Sentence *s)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < s->n; i++) {
        const char *word = article_for(s->word[i], i + 1 < s->n ? s->word[i + 1] : NULL);
        n += (size_t)snprintf(out + n, CAPTION_MAX - n, "%s%s", i ? " " : "", word);
        if (n >= CAPTION_MAX)
            bug("a caption of more than %d bytes", CAPTION_MAX);
    }
}

bool sentence_split(Sentence *s, const char *caption)
{
    size_t n = strlen(caption);
    s->n = 0;
    if (n >= sizeof s->kept)
        return false;
    memcpy(s->kept, caption, n + 1);
    char *state = NULL;
    for (char *word = strtok_r(s->kept, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
        if (s->n == SENTENCE_MAX)
            return false;
        s->word[s->n++] = word;
    }
    return true;
}
