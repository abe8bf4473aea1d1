/*
 * Captions read: what they claim, whether they are sentences of the world's language, and whether the claims are true.
 *
 * Claims are read from any text, word by word, so that a caption which is no sentence is still held to what it says: details
 * belong to the next shape or background, a relation to the shapes before and after it. Grammar is judged apart, strictly.
 */
#ifndef WORLD_READING_H
#define WORLD_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"
#include "world/scene.h"
#include "world/words.h"

enum { SAID_MAX = 64 }; /* objects of one caption */

/* Bit masks of values said; more than one bit where the caption contradicts itself. odd: details that it cannot have. */
typedef struct SaidObject {
    uint32_t shapes, hues, sizes, fills, sides; /* sides: 1 << LEFT_OF, 1 << RIGHT_OF */
    int odd;
} SaidObject;

typedef struct SaidRelation {
    int from, to; /* into objects */
    Relation relation;
} SaidRelation;

typedef struct Reading {
    SaidObject objects[SAID_MAX];
    SaidRelation relations[SAID_MAX];
    int n_objects, n_relations;
    uint32_t grounds, textures; /* of the background */
    int odd;                    /* details that no background has */
    int words, hue_words;       /* how many in all; colour words among them */
    bool grammatical;
} Reading;

/* Reads a caption; false when it has more than SAID_MAX objects or relations. */
MUST_USE bool caption_read(Reading *r, const char *text);

/* Whether the words are a sentence of the grammar (language.h). reading.c gives every word's entry; texts are the words. */
bool grammar_check(const Word *entries, const char *const *texts, int n);

/* Kinds of claims. SIDE claims ("on the left") can be right or wrong, but nobody is expected to make them. */
typedef enum Detail {
    DETAIL_SHAPE,
    DETAIL_COLOUR,
    DETAIL_SIZE,
    DETAIL_FILL,
    DETAIL_RELATION,
    DETAIL_GROUND,
    DETAIL_TEXTURE,
    DETAIL_SIDE,
    DETAILS,
} Detail;

/* "shape", "colour", .. */
const char *detail_name(Detail k);

/*
 * Counts by kind. there: what a full caption says: four details of each object, the background's two, and one relation fewer
 * than objects. found: how many of those are said and true. said, wrong: claims made, claims that do not hold.
 */
typedef struct Verdict {
    int there[DETAILS], found[DETAILS], said[DETAILS], wrong[DETAILS];
    int hues_there, hues_found; /* different colours of the scene, and how many of them the caption names */
} Verdict;

/* Which object of the scene each said one stands for, so that the most claims hold: out [n_objects of r]; -1 for none. */
void scene_match(int *out, const Scene *s, const Reading *r);

/* What a word of a caption is about: the number of an object in the scene, -1 for none. */
typedef struct WordObjects {
    int before; /* the object that a detail or a shape says something of; of a relation, the one that stands in it */
    int after;  /* of a relation, the one to which; of other words -1 */
} WordObjects;

/* Of each word of a caption, in order: out [max]. Returns how many words there are, 0 when it is no sentence or has more. */
int caption_objects(WordObjects *out, int max, const Scene *s, const char *caption);

/* Judges claims against the truth. Said objects are matched with the scene's so that the most claims hold; one that matches none
 * is wrong in all that is said of it. */
Verdict scene_judge(const Scene *s, const Reading *r);

/* Sums over kinds. */
int verdict_there(const Verdict *v);
int verdict_found(const Verdict *v);
int verdict_said(const Verdict *v);
int verdict_wrong(const Verdict *v);

#endif
