/*
 * The world's language: captions written for a scene. What is said is true, but for the made-up talk of web captions.
 *
 *   caption  = [opening] body ["in" year]
 *   opening  = "an image of" | "a video of" | "a photo of" | "a view of" | "there is"
 *   body     = phrase {join phrase} ["on" ground | "against" ground]      the ground may also follow an earlier phrase,
 *            | ground ["with" phrase {join phrase}]                       and then "and" or "with" goes on
 *   phrase   = article {size | colour | fill, each once, any order} shape ["on the left" | "on the right"]
 *   ground   = article {colour | texture, each once, any order} ("background" | "backdrop")
 *   join     = "and" | "with" | relation | "is talking about"
 *   relation = "above" | "over" | "below" | "under" | "beneath" | "beside" | "next to" | "left of" | "right of"
 *
 * The article is "an" before a vowel. A relation stands between the phrases before and after it. Openings, years, talk and
 * "on the left" are what the paper's rules punish; a Plan without them needs none of the punished phrases, and repeats no word
 * but colours, prepositions and articles, and no two words in a row (a beam search that bans repeated bigrams can write it).
 */
#ifndef WORLD_LANGUAGE_H
#define WORLD_LANGUAGE_H

#include "base/msg.h"
#include "world/dice.h"
#include "world/scene.h"

enum { CAPTION_MAX = 512 }; /* bytes of any caption, its zero included */

/* How a caption is made: chances, each drawn anew. */
typedef struct Plan {
    double more;                 /* that a further object of the scene follows the ones said */
    double size, colour, fill;   /* that an object's is said */
    double relation;             /* that two neighbours are joined by a relation */
    double ground, hue, texture; /* that the background is said at all; then its colour and texture */
    double place;                /* that an object's side of the frame is said: a punished phrase, and true */
    double opening, year, talk;  /* punished phrases without meaning */
} Plan;

extern const Plan plan_bare;  /* one object, its shape alone: "a circle" */
extern const Plan plan_short; /* one object, rarely its details */
extern const Plan plan_long;  /* everything that is there */

/* A plan whose richness is drawn from the whole range between bare and long: what ITM and CLIP see. */
Plan plan_range(Dice *d);

/* What web captions are made of, for the captioner's pretraining. */
typedef struct Web {
    double detailed;            /* share of captions that are detailed (half of them plan_long, half plan_range) */
    double attribute;           /* in the others: that the one object's colour, size or fill is said, each */
    double opening, year, talk; /* in all: chances of the meaningless phrases */
    double place;
    double ground; /* in short ones: that the background is said */
    bool neat;     /* detailed ones have nothing that the paper's rules punish */
} Web;

extern const Web web_default;

/* The plan of one web caption. */
Plan plan_web(const Web *web, Dice *d);

/* Writes one caption of the scene by the plan. */
void caption_write(char out[CAPTION_MAX], const Scene *s, const Plan *plan, Dice *d);

/* What a falsified caption has in the place of a true word. */
typedef enum Falsehood {
    FALSE_ANY,      /* another word of the same kind */
    FALSE_BORROWED, /* one that is true of another object: who does not know which object a word is about sees nothing wrong */
    FALSE_RELATION, /* another relation between two objects */
} Falsehood;

/*
 * The caption with one word replaced by another of its kind, so that exactly one claim more is wrong: a hard negative of the same
 * length. The caption must be grammatical. false when nothing in it can be falsified so (with FALSE_ANY never for true captions).
 */
MUST_USE bool caption_falsify(char out[CAPTION_MAX], const Scene *s, const char *caption, Falsehood falsehood, Dice *d);

/* How many of the caption's claims do not hold of the scene; of a caption that cannot be read, as many as an int can say. */
int caption_wrong(const Scene *s, const char *caption);

/* The share of what there is in the scene that the caption says, 0 to 1; of a caption that cannot be read, 0. */
double caption_told(const Scene *s, const char *caption);

/* The caption with one detail of two of its objects exchanged ("a red box and a blue star" for "a blue box and a red star");
 * false when it has no such pair, or would still be true. */
MUST_USE bool caption_exchange(char out[CAPTION_MAX], const Scene *s, const char *caption, Dice *d);

#endif
