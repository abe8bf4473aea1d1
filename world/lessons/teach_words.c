/* The vocabularies: tokenizers learnt from captions of the world. */
#include <stdlib.h>
#include <string.h>

#include "media/image.h"
#include "text/train.h"
#include "world/lessons/teach.h"

enum { SCENES = 20000 };

/* One caption a line: detailed ones and such as the web writes. */
static void add_captions(Buffer *text, uint64_t seed, uint64_t number)
{
    char caption[CAPTION_MAX];
    Scene s = scene_draw(seed, SPLIT_TRAIN, number, NULL);
    Dice d = dice_make(seed, 7, number);
    Plan plan = number % 2 ? plan_range(&d) : plan_web(&web_default, &d);
    caption_write(caption, &s, &plan, &d);
    buffer_add(text, caption, strlen(caption));
    buffer_add(text, "\n", 1);
}

bool teach_words(const char *folder, uint64_t seed, Error *err)
{
    /* So few merges that rarer words stay in pieces: what the word rules have to put together. */
    static const struct {
        const char *name;
        TokenizerKind kind;
        size_t size;
    } all[] = {{"opt", TOKENIZER_OPT, 490}, {"bert", TOKENIZER_BERT, 320}, {"clip", TOKENIZER_CLIP, 760}};
    Buffer text = {0};
    bool ok = true;
    for (uint64_t i = 0; i < SCENES; i++)
        add_captions(&text, seed, i);
    for (size_t i = 0; i < sizeof all / sizeof all[0] && ok; i++) {
        char *path = path_join(folder, all[i].name);
        ok = folder_make(path, err) &&
             tokenizer_train(path, all[i].kind, (Slice){(const char *)text.data, text.size}, all[i].size, err);
        free(path);
    }
    buffer_release(&text);
    return ok;
}
