/* Words that captions came to say; see changes.h. */
#include "pages/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting ---- */

static bool of_word(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool joins(const char *p)
{
    return (*p == '\'' || *p == '-') && of_word((unsigned char)p[1]);
}

/* Sets word to one in lower case and returns what follows it; NULL where there is none. */
static const char *next_word(char *word, const char *text)
{
    while (*text && !of_word((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    while (of_word((unsigned char)*text) || joins(text)) {
        char c = *text++;
        *word++ = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    *word = '\0';
    return text;
}

void word_shares_add(WordShares *w, const char *text)
{
    char *word = xmalloc(strlen(text) + 1);
    json_t *seen = json_object();
    if (!w->counts)
        w->counts = json_object();
    w->captions++;
    while ((text = next_word(word, text))) {
        if (json_object_get(seen, word))
            continue;
        json_object_set_new(seen, word, json_true());
        json_object_set_new(w->counts, word, json_integer(1 + json_integer_value(json_object_get(w->counts, word))));
    }
    json_decref(seen);
    free(word);
}

void word_shares_release(WordShares *w)
{
    json_decref(w->counts);
    *w = (WordShares){0};
}

/* ---- comparing ---- */

typedef struct Change {
    const char *word;
    double before, after;
} Change;

static int by_gain(const void *a, const void *b)
{
    const Change *x = a, *y = b;
    double gain = (y->after - y->before) - (x->after - x->before);
    return gain > 0 ? 1 : gain < 0 ? -1 : strcmp(x->word, y->word);
}

static double share_of(const WordShares *w, const char *word)
{
    return w->captions ? (double)json_integer_value(json_object_get(w->counts, word)) / (double)w->captions : 0;
}

static json_t *change_json(const Change *c)
{
    return json_pack("[s, f, f]", c->word, c->before, c->after);
}

json_t *words_changed(const WordShares *before, const WordShares *after, size_t most)
{
    const char *word;
    json_t *count, *gained = json_array(), *lost = json_array();
    size_t n = 0;
    Change *all = xcalloc(json_object_size(before->counts) + json_object_size(after->counts) + 1, sizeof *all);
    json_object_foreach (after->counts, word, count)
        all[n++] = (Change){word, share_of(before, word), share_of(after, word)};
    json_object_foreach (before->counts, word, count)
        if (!json_object_get(after->counts, word))
            all[n++] = (Change){word, share_of(before, word), 0};
    qsort(all, n, sizeof *all, by_gain);
    for (size_t i = 0; i < n && i < most && all[i].after > all[i].before; i++)
        json_array_append_new(gained, change_json(&all[i]));
    for (size_t i = 0; i < n && i < most && all[n - 1 - i].after < all[n - 1 - i].before; i++)
        json_array_append_new(lost, change_json(&all[n - 1 - i]));
    free(all);
    return json_pack("{s:o, s:o}", "gained", gained, "lost", lost);
}
