/* Claims read from a caption, word by word; see reading.h. */
#include "world/reading.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Details said that wait for their noun. */
typedef struct Pending {
    SaidObject object;
    uint32_t textures;
    int relation; /* Relation from the last object, or -1 */
    bool any;
} Pending;

typedef struct Text {
    char *bytes;        /* owned: the caption, a zero after each word */
    const char **texts; /* owned */
    Word *entries;      /* owned */
    int n;
} Text;

static int bits(uint32_t mask)
{
    return __builtin_popcount(mask);
}

/* Words stand between white space; a full stop at the very end belongs to none. */
static void text_split(Text *t, const char *caption)
{
    size_t size = strlen(caption);
    *t = (Text){xstrdup(caption), xcalloc(size / 2 + 1, sizeof *t->texts), xcalloc(size / 2 + 1, sizeof *t->entries), 0};
    while (size > 0 && isspace((unsigned char)t->bytes[size - 1]))
        t->bytes[--size] = '\0';
    if (size > 0 && t->bytes[size - 1] == '.')
        t->bytes[size - 1] = '\0';
    char *state = NULL;
    for (char *w = strtok_r(t->bytes, " \t\n", &state); w; w = strtok_r(NULL, " \t\n", &state)) {
        t->texts[t->n] = w;
        t->entries[t->n++] = word_find(w, strlen(w));
    }
}

static void text_release(Text *t)
{
    free(t->bytes);
    free(t->texts);
    free(t->entries);
}

/* The pending details become an object, with a shape or, when the caption breaks off, without. */
static bool object_end(Reading *r, Pending *p)
{
    if (r->n_objects == SAID_MAX || r->n_relations == SAID_MAX)
        return false;
    p->object.odd += bits(p->textures);
    r->objects[r->n_objects] = p->object;
    if (p->relation >= 0 && r->n_objects > 0)
        r->relations[r->n_relations++] = (SaidRelation){r->n_objects - 1, r->n_objects, (Relation)p->relation};
    r->n_objects++;
    *p = (Pending){.relation = -1};
    return true;
}

static void ground_end(Reading *r, Pending *p)
{
    r->grounds |= p->object.hues;
    r->textures |= p->textures;
    r->odd += bits(p->object.sizes) + bits(p->object.fills);
    *p = (Pending){.relation = -1};
}

static bool dangling_end(Reading *r, Pending *p)
{
    return !p->any || object_end(r, p);
}

/* "left" and "right" begin a relation before "of", and are a place after "the"; "next" begins one before "to". */
static bool side_read(Reading *r, Pending *p, const Text *t, int i)
{
    const Word *w = &t->entries[i], *next = i + 1 < t->n ? w + 1 : NULL;
    if (next && next->kind == WORD_AFTER)
        p->relation = w->value;
    else if (i > 0 && w[-1].kind == WORD_ARTICLE && w->value != BESIDE && r->n_objects > 0)
        r->objects[r->n_objects - 1].sides |= 1u << w->value;
    return true;
}

static bool word_read(Reading *r, Pending *p, const Text *t, int i)
{
    const Word *w = &t->entries[i];
    uint32_t bit = 1u << w->value;
    switch (w->kind) {
    case WORD_HUE:
        r->hue_words++;
        p->object.hues |= bit;
        return p->any = true;
    case WORD_SIZE:
        p->object.sizes |= bit;
        return p->any = true;
    case WORD_FILL:
        p->object.fills |= bit;
        return p->any = true;
    case WORD_TEXTURE:
        p->textures |= bit;
        return p->any = true;
    case WORD_SHAPE:
        p->object.shapes |= bit;
        return object_end(r, p);
    case WORD_GROUND:
        ground_end(r, p);
        return true;
    case WORD_SIDE:
        return dangling_end(r, p) && side_read(r, p, t, i);
    case WORD_RELATION:
        if (!dangling_end(r, p))
            return false;
        p->relation = w->value;
        return true;
    case WORD_JOIN:
        if (!dangling_end(r, p))
            return false;
        p->relation = -1;
        return true;
    case WORD_ARTICLE:
        return dangling_end(r, p);
    default:
        return true;
    }
}

bool caption_read(Reading *r, const char *text)
{
    Text t;
    Pending p = {.relation = -1};
    text_split(&t, text);
    *r = (Reading){.words = t.n};
    bool fits = true;
    for (int i = 0; i < t.n && fits; i++)
        fits = word_read(r, &p, &t, i);
    fits = fits && dangling_end(r, &p);
    r->grammatical = grammar_check(t.entries, t.texts, t.n);
    text_release(&t);
    return fits;
}
