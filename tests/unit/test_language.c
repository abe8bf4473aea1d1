/* The miniature world's language: captions that are true, negatives that are not, grammar, and verdicts worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "world/language.h"
#include "world/reading.h"
#include "world/sentence.h"

enum { SCENES = 3000 };

static Verdict judge(const Scene *s, const char *caption)
{
    Reading r;
    if (!caption_read(&r, caption))
        fail_msg("cannot be read: %s", caption);
    return scene_judge(s, &r);
}

static bool grammatical(const char *caption)
{
    Reading r;
    assert_true(caption_read(&r, caption));
    return r.grammatical;
}

static void captions_are_true_sentences(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SCENES; i++) {
        Scene s = scene_draw(1, (Split)(i % SPLITS), i, NULL);
        Dice d = dice_make(4, 0, i);
        Plan range = plan_range(&d);
        const Plan *plans[] = {&plan_bare, &plan_short, &plan_long, &range};
        for (int k = 0; k < 4; k++) {
            char caption[CAPTION_MAX];
            Sentence words_of;
            caption_write(caption, &s, plans[k], &d);
            Verdict v = judge(&s, caption);
            if (verdict_wrong(&v) || !grammatical(caption))
                fail_msg("untrue or no sentence: %s", caption);
            assert_true(verdict_said(&v) > 0 && verdict_found(&v) <= verdict_there(&v));
            assert_true(sentence_split(&words_of, caption));
            if (sentence_repeats(&words_of))
                fail_msg("repeats itself: %s", caption);
            if (k == 2 && (verdict_found(&v) != verdict_there(&v) || words_of.n > 26))
                fail_msg("not everything, or too long: %s", caption);
        }
    }
}

static void captions_differ_from_draw_to_draw(void **state)
{
    (void)state;
    Scene s = scene_draw(1, SPLIT_TRAIN, 4, NULL);
    char first[CAPTION_MAX], other[CAPTION_MAX];
    Dice d = dice_make(1, 0, 1), again = d;
    caption_write(first, &s, &plan_long, &d);
    caption_write(other, &s, &plan_long, &d);
    assert_string_not_equal(first, other);
    caption_write(other, &s, &plan_long, &again);
    assert_string_equal(first, other);
}

/* The phrases of share/bad-phrases.txt as one pattern each, on word boundaries. */
static size_t bad_phrases(char ***phrases)
{
    Error err = {0};
    char *path = share_path("bad-phrases.txt"), *text = file_read(path, NULL, &err), *line, *next = NULL;
    size_t n = 0, capacity = 0;
    if (!text)
        fail_msg("%s", err.text);
    *phrases = NULL;
    for (line = strtok_r(text, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
        *phrases = array_reserve(*phrases, &capacity, n + 1, sizeof **phrases);
        (*phrases)[n++] = xstrdup(line);
    }
    free(path);
    free(text);
    return n;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool has_phrase(const char *caption, const char *phrase)
{
    size_t n = strlen(phrase);
    for (const char *at = caption; (at = strcasestr(at, phrase)); at++)
        if ((at == caption || !is_letter(at[-1])) && !is_letter(at[n]))
            return true;
    return false;
}

/* True captions have no bad phrase and no year; those of the web have, at about the rates asked for. */
static void true_captions_need_no_bad_phrase(void **state)
{
    (void)state;
    char **phrases, caption[CAPTION_MAX];
    size_t n = bad_phrases(&phrases);
    int punished = 0;
    assert_true(n > 200);
    for (uint64_t i = 0; i < SCENES; i++) {
        Scene s = scene_draw(1, SPLIT_TRAIN, i, NULL);
        Dice d = dice_make(8, 0, i);
        Plan range = plan_range(&d), web = plan_web(&web_default, &d);
        const Plan *plans[] = {&plan_short, &plan_long, &range, &web};
        for (int k = 0; k < 4; k++) {
            caption_write(caption, &s, plans[k], &d);
            bool bad = strpbrk(caption, "0123456789") != NULL;
            for (size_t p = 0; p < n && !bad; p++)
                bad = has_phrase(caption, phrases[p]);
            if (k < 3 && bad)
                fail_msg("punished: %s", caption);
            punished += k == 3 && bad;
            assert_true(grammatical(caption));
        }
    }
    assert_in_range(punished, SCENES / 10, SCENES / 3);
    for (size_t p = 0; p < n; p++)
        free(phrases[p]);
    free(phrases);
}

/* Words that may repeat are those of share/exempt-words.txt, and none that is not there may. */
static void repeatable_words_are_exempt(void **state)
{
    (void)state;
    Error err = {0};
    char *path = share_path("exempt-words.txt"), *text = file_read(path, NULL, &err), *lines;
    assert_non_null(text);
    lines = xasprintf("\n%s", text);
    for (size_t i = 0; i < n_words; i++) {
        char *line = xasprintf("\n%s\n", words[i].text);
        if (word_may_repeat(&words[i]) && !strstr(lines, line))
            fail_msg("\"%s\" is not exempt", words[i].text);
        free(line);
    }
    free(lines);
    free(text);
    free(path);
}

static int word_count(const char *caption)
{
    Sentence s;
    assert_true(sentence_split(&s, caption));
    return s.n;
}

/* The word that differs, articles aside: they follow their words. */
static Word differing(const char *caption, const char *negative)
{
    Sentence a, b;
    Word found = {0};
    int n = 0;
    assert_true(sentence_split(&a, caption) && sentence_split(&b, negative) && a.n == b.n);
    for (int i = 0; i < a.n; i++)
        if (strcmp(a.word[i], b.word[i]) != 0 && strcmp(a.word[i], "a") != 0 && strcmp(a.word[i], "an") != 0) {
            found = word_find(b.word[i], strlen(b.word[i]));
            n++;
        }
    assert_int_equal(n, 1);
    return found;
}

static bool of_an_object(const Word *w, const Scene *scene)
{
    bool of = false;
    for (int j = 0; j < scene->n_objects; j++) {
        const Object *o = &scene->objects[j];
        const int values[] = {[WORD_SHAPE] = o->shape, [WORD_HUE] = o->colour, [WORD_SIZE] = o->size, [WORD_FILL] = o->fill};
        assert_true(w->kind == WORD_SHAPE || w->kind == WORD_HUE || w->kind == WORD_SIZE || w->kind == WORD_FILL);
        of |= w->value == values[w->kind];
    }
    return of;
}

static void negatives_have_one_false_claim(void **state)
{
    (void)state;
    int exchanged = 0, borrowed = 0, related = 0;
    for (uint64_t i = 0; i < SCENES; i++) {
        Scene s = scene_draw(9, SPLIT_TRAIN, i, NULL);
        Dice d = dice_make(9, 1, i);
        Plan range = plan_range(&d);
        const Plan *plans[] = {&plan_short, &plan_long, &range};
        for (int k = 0; k < 3; k++) {
            char caption[CAPTION_MAX], negative[CAPTION_MAX];
            caption_write(caption, &s, plans[k], &d);
            if (!caption_falsify(negative, &s, caption, FALSE_ANY, &d))
                fail_msg("no negative for: %s", caption);
            Verdict v = judge(&s, caption), w = judge(&s, negative);
            if (verdict_wrong(&w) != 1 || verdict_said(&w) != verdict_said(&v) || !grammatical(negative))
                fail_msg("%s -> %s: %d wrong", caption, negative, verdict_wrong(&w));
            assert_int_equal(word_count(caption), word_count(negative));
            if (caption_falsify(negative, &s, caption, FALSE_BORROWED, &d)) {
                Word other = differing(caption, negative);
                w = judge(&s, negative);
                if (verdict_wrong(&w) != 1 || s.n_objects < 2 || !grammatical(negative) || !of_an_object(&other, &s))
                    fail_msg("%s -> %s: %d wrong", caption, negative, verdict_wrong(&w));
                borrowed++;
            }
            if (caption_falsify(negative, &s, caption, FALSE_RELATION, &d)) {
                Word other = differing(caption, negative);
                w = judge(&s, negative);
                if (verdict_wrong(&w) != 1 || !grammatical(negative) || (other.kind != WORD_RELATION && other.kind != WORD_SIDE))
                    fail_msg("%s -> %s: %d wrong", caption, negative, verdict_wrong(&w));
                related++;
            }
            if (!caption_exchange(negative, &s, caption, &d))
                continue;
            w = judge(&s, negative);
            assert_true(verdict_wrong(&w) > 0 && grammatical(negative));
            exchanged++;
        }
    }
    assert_true(exchanged > SCENES / 2 && borrowed > SCENES / 2 && related > SCENES / 4);
}

static void grammar_refuses_what_is_no_sentence(void **state)
{
    (void)state;
    static const char *const sentences[] = {"a circle",
                                            "An orange box.",
                                            "a big red striped disc on the left above a star",
                                            "a grey backdrop",
                                            "a plain grey background with a disc and an arrow next to a plus",
                                            "a star on a teal backdrop with a moon",
                                            "an image of a circle in 1993",
                                            "there is a square",
                                            "a circle is talking about a square",
                                            "a red box left of a blue star on an olive wavy background"};
    static const char *const others[] = {"",
                                         "circle",
                                         "a",
                                         "an circle",
                                         "a orange box",
                                         "a red red circle",
                                         "a red blue circle",
                                         "a circle a square",
                                         "a circle and",
                                         "a circle above",
                                         "a circle left a star",
                                         "a circle next of a star",
                                         "a circle on the star",
                                         "a checkered circle",
                                         "a big background",
                                         "a circle on a teal backdrop above a star",
                                         "a circle on a backdrop with a star on a backdrop",
                                         "a zebra",
                                         "an image of",
                                         "a circle in 199",
                                         "1993",
                                         "a circle in 1993 and a star",
                                         "circle a red"};
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (!grammatical(sentences[i]))
            fail_msg("refused: %s", sentences[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (grammatical(others[i]))
            fail_msg("accepted: %s", others[i]);
}

/* A scene whose verdicts can be worked out by hand. */
static Scene scene_by_hand(void)
{
    Scene s = {.ground = GREY, .texture = WAVY, .n_objects = 2};
    s.objects[0] = (Object){.shape = CIRCLE, .colour = RED, .size = BIG, .fill = SOLID, .x = 0.3, .y = 0.3};
    s.objects[1] = (Object){.shape = STAR, .colour = BLUE, .size = SMALL, .fill = HOLLOW, .x = 0.3, .y = 0.7};
    return s;
}

static void verdicts_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *caption;
        int found, said, wrong, hues;
    } cases[] = {
        {"a circle", 1, 1, 0, 0},
        {"a red circle", 2, 2, 0, 1},
        {"a blue circle", 1, 2, 1, 1},                 /* blue is the star's, the circle's is red */
        {"a red circle and a red circle", 2, 4, 2, 1}, /* there is but one */
        {"a red circle above a blue star", 5, 5, 0, 2},
        {"a red circle below a blue star", 4, 5, 1, 2},
        {"a hollow star beneath a disc", 4, 4, 0, 0},
        {"a circle on the left", 1, 2, 0, 0},
        {"a circle on the right", 1, 2, 1, 0},
        {"a grey wavy background with a star", 3, 3, 0, 1},
        {"a grey plain background with a box", 1, 3, 2, 1},
        {"a big red", 2, 2, 0, 1}, /* breaks off, and is held to what it says */
        {"a red blue circle", 2, 3, 1, 2},
        {"a wavy circle", 1, 2, 1, 0},
        {"a zebra", 0, 0, 0, 0},
        {"", 0, 0, 0, 0},
        {"circle red above star", 3, 4, 1, 1}, /* no sentence: the red thing is another object */
    };
    Scene s = scene_by_hand();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Verdict v = judge(&s, cases[i].caption);
        if (verdict_there(&v) != 11 || verdict_found(&v) != cases[i].found || verdict_said(&v) != cases[i].said ||
            verdict_wrong(&v) != cases[i].wrong || v.hues_found != cases[i].hues || v.hues_there != 3)
            fail_msg("\"%s\": found %d, said %d, wrong %d, hues %d of %d", cases[i].caption, verdict_found(&v), verdict_said(&v),
                     verdict_wrong(&v), v.hues_found, v.hues_there);
    }
}

/* Each word's objects as a digit, '.' for none: those before, then those after. */
static void words_are_about_objects(void **state)
{
    (void)state;
    static const struct {
        const char *caption, *before, *after;
    } cases[] = {
        {"a red big circle above a blue star", ".0000.11", "....1..."},
        {"a hollow star next to a red disc", ".111..00", "...0...."},
        {"a star left of a disc on a grey wavy background", ".11..0.....", "..0........"},
        {"a grey backdrop with a star on the left and a circle", ".....1.....0", "............"},
        {"a green box", "...", "..."}, /* nothing that the star or the circle is */
        {"an image of a small star", "....11", "......"},
        {"circle red above star", "", ""}, /* no sentence */
    };
    const Scene s = scene_by_hand();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        WordObjects objects[SENTENCE_MAX];
        const int n = caption_objects(objects, SENTENCE_MAX, &s, cases[i].caption);
        char before[SENTENCE_MAX + 1] = "", after[SENTENCE_MAX + 1] = "";
        for (int w = 0; w < n; w++) {
            before[w] = (char)(objects[w].before < 0 ? '.' : '0' + objects[w].before);
            after[w] = (char)(objects[w].after < 0 ? '.' : '0' + objects[w].after);
        }
        if (strcmp(before, cases[i].before) != 0 || strcmp(after, cases[i].after) != 0)
            fail_msg("\"%s\": %s %s", cases[i].caption, before, after);
        assert_int_equal(caption_objects(objects, n - 1, &s, cases[i].caption), 0);
    }
}

/* Thousands of words, or letters of no language, are read or refused, but do no harm. */
static void odd_captions_do_no_harm(void **state)
{
    (void)state;
    size_t n = 100000;
    char *text = xmalloc(n + 1);
    for (int kind = 0; kind < 3; kind++) {
        static const char *const pieces[] = {"a red circle above ", "red ", "\xff\xfe\n\t "};
        size_t k = strlen(pieces[kind]);
        for (size_t i = 0; i < n; i++)
            text[i] = pieces[kind][i % k];
        text[n] = '\0';
        Reading r;
        assert_int_equal(caption_read(&r, text), kind != 0);
        if (kind != 0)
            assert_false(r.grammatical);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_true_sentences),
        cmocka_unit_test(captions_differ_from_draw_to_draw),
        cmocka_unit_test(true_captions_need_no_bad_phrase),
        cmocka_unit_test(repeatable_words_are_exempt),
        cmocka_unit_test(negatives_have_one_false_claim),
        cmocka_unit_test(grammar_refuses_what_is_no_sentence),
        cmocka_unit_test(verdicts_by_hand),
        cmocka_unit_test(words_are_about_objects),
        cmocka_unit_test(odd_captions_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
