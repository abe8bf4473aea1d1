/* The vocabularies: tokenizers learnt from captions of the world. */
#include <stdlib.h>
#include <string.h>

#include "media/image.h"
#include "text/train.h"
#include "world/lessons/teach.h"

enum { SCENES = 20000 };

typedef struct Vocabulary {
    const char *name;
    TokenizerKind kind;
    size_t size;
} Vocabulary;

/* One caption a line, with `front` before it: detailed ones and such as the web writes. */
static void add_captions(Buffer *text, const char *front, uint64_t seed)
{
    for (uint64_t number = 0; number < SCENES; number++) {
        char caption[CAPTION_MAX];
        Scene s = scene_draw(seed, SPLIT_TRAIN, number, NULL);
        Dice d = dice_make(seed, 7, number);
        Plan plan = number % 2 ? plan_range(&d) : plan_web(&web_default, &d);
        caption_write(caption, &s, &plan, &d);
        buffer_add(text, front, strlen(front));
        buffer_add(text, caption, strlen(caption));
        buffer_add(text, "\n", 1);
    }
}

/* The words of SmolVLM's prompt, so often that each is one piece: else it has more rows than a caption. */
static void add_prompts(Buffer *text)
{
    static const char prompt[] = "User:Describe the image.\nAssistant:\n";
    for (int i = 0; i < SCENES / 10; i++)
        buffer_add(text, prompt, strlen(prompt));
}

static bool learn(const char *folder, const Vocabulary *v, const Buffer *text, Error *err)
{
    char *path = path_join(folder, v->name);
    bool ok =
        folder_make(path, err) && tokenizer_train(path, v->kind, (Slice){(const char *)text->data, text->size}, v->size, err);
    free(path);
    return ok;
}

bool teach_words(const char *folder, uint64_t seed, Error *err)
{
    /* So few merges that rarer words stay in pieces: what the word rules have to put together. */
    static const Vocabulary all[] = {{"opt", TOKENIZER_OPT, 490},
                                     {"bert", TOKENIZER_BERT, 320},
                                     {"clip", TOKENIZER_CLIP, 760},
                                     {"llama", TOKENIZER_SENTENCEPIECE, 480}};
    static const Vocabulary prompted = {"smolvlm", TOKENIZER_BYTES, 520}; /* whose captions come behind "Assistant:" */
    Buffer text = {0}, behind = {0};
    bool ok = true;
    add_captions(&text, "", seed);
    for (size_t i = 0; i < sizeof all / sizeof all[0] && ok; i++)
        ok = learn(folder, &all[i], &text, err);
    add_captions(&behind, " ", seed);
    add_prompts(&behind);
    ok = ok && learn(folder, &prompted, &behind, err);
    buffer_release(&text);
    buffer_release(&behind);
    return ok;
}
