/* Which objects the words of a caption are about; see reading.h. */
#include <string.h>

#include "world/reading.h"
#include "world/sentence.h"

static bool begins_relation(const Word *w, const Word *next)
{
    return w->kind == WORD_RELATION || (w->kind == WORD_SIDE && next && next->kind == WORD_AFTER);
}

/* From the last word to the first, for details stand before what they are of. */
static void ground_words(WordObjects *out, const Word *entries, int n, const int *object, int n_said)
{
    int said = n_said, of = -1;
    for (int i = n - 1; i >= 0; i--) {
        const Word *w = &entries[i];
        out[i] = (WordObjects){-1, -1};
        switch (w->kind) {
        case WORD_SHAPE:
            of = object[--said];
            out[i].before = of;
            break;
        case WORD_HUE:
        case WORD_SIZE:
        case WORD_FILL:
            out[i].before = of;
            break;
        default:
            of = -1;
            if (begins_relation(w, i + 1 < n ? w + 1 : NULL) && said > 0 && said < n_said)
                out[i] = (WordObjects){object[said - 1], object[said]};
        }
    }
}

int caption_objects(WordObjects *out, int max, const Scene *s, const char *caption)
{
    Reading r;
    Sentence sentence;
    Word entries[SENTENCE_MAX];
    int object[SAID_MAX];
    if (!caption_read(&r, caption) || !r.grammatical || !sentence_split(&sentence, caption) || sentence.n > max)
        return 0;
    for (int i = 0; i < sentence.n; i++)
        entries[i] = word_find(sentence.word[i], strlen(sentence.word[i]));
    scene_match(object, s, &r);
    ground_words(out, entries, sentence.n, object, r.n_objects);
    return sentence.n;
}
