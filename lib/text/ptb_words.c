/* Words with their joints and endings, initials, abbreviations. */
#include "text/ptb_words.h"

#include <string.h>

#include "text/ptb_marks.h"

/* ---- joints ---- */

static bool is_hyphen(const PtbText *t, size_t i)
{
    uint32_t c = ptb_at(t, i);
    return c == '-' || c == '_' || c == 0x58A || c == 0x2010 || c == 0x2011;
}

static bool joins(const PtbText *t, size_t i)
{
    return ptb_is_letter(t, i) || ptb_is_digit(t, i);
}

/* The end of a short form that begins with one letter and an apostrophe: o'clock, d'art, O'Brien. Two characters follow at least.
 */
static size_t elided_end(const PtbText *t, size_t i)
{
    bool letter = ptb_is_capital(t, i) ? !ptb_among(t, i, "IY") : ptb_among(t, i, "dlno");
    if (!letter || !(ptb_is_apostrophe(t, i + 1) || ptb_is_grave(t, i + 1)))
        return i;
    size_t end = ptb_words_end(t, i + 2);
    if (ptb_among(t, i, "nN") && ptb_among(t, i + 2, "tT") && ptb_is_digit(t, i + 3))
        return i;
    return end >= i + 4 || ptb_says(t, i, "o'o") ? end : i;
}

static bool is_wordlike(const PtbText *t, size_t i)
{
    return ptb_is_letter(t, i) || ptb_kind(t, i) == PTB_MODIFIER;
}

/* "'s" and its like; a letter may not follow, unless the apostrophe is one of print. */
static size_t ending_end(const PtbText *t, size_t i)
{
    static const char *const endings[] = {"'ll", "'re", "'ve", "'d", "'m", "'s"};
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
        if (ptb_says(t, i, endings[k]) && (ptb_at(t, i) != '\'' || !is_wordlike(t, i + strlen(endings[k]))))
            return i + strlen(endings[k]);
    return i;
}

/* Hawai'i, ma'am: an apostrophe between vowels, two letters at least before it. */
static size_t between_vowels_end(const PtbText *t, size_t i)
{
    static const char vowels[] = "aeiouyAEIOUY", after[] = "aeiouABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t end = ptb_latin_end(t, i);
    if (end < i + 2 || !(ptb_is_apostrophe(t, end) || ptb_is_grave(t, end)) || !ptb_among(t, end - 1, vowels) ||
        !ptb_among(t, end + 1, after))
        return i;
    if (ending_end(t, end) > end)
        return i;
    return ptb_latin_end(t, end + 1);
}

static size_t listed_end(const PtbText *t, size_t i)
{
    static const char *const forms[] = {"anti-", "c'mon",      "cap'n", "e'er", "ev'ry",  "li'l",
                                        "nat'l", "nor'easter", "o'er",  "pro-", "s'mores"};
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        if (ptb_says(t, i, forms[k]))
            return i + strlen(forms[k]);
    return i;
}

static size_t longer(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Letters with a full stop each. */
static size_t letters_end(const PtbText *t, size_t i)
{
    while (ptb_is_latin(t, i) && ptb_at(t, i + 1) == '.')
        i += 2;
    return i;
}

/* A part between hyphens. */
static size_t part_end(const PtbText *t, size_t i)
{
    size_t letters = letters_end(t, i);
    if (letters > i + 2)
        return letters;
    return longer(elided_end(t, i), ptb_words_end(t, i));
}

/* Parts with hyphens from `end`, where the first part ends. Before the first hyphen a full stop or comma may stand. */
static size_t hyphens_end(const PtbText *t, size_t end)
{
    size_t skip = ptb_among(t, end, ".,") && ptb_at(t, end + 1) == '-';
    for (;; skip = 0) {
        size_t hyphen = end + skip;
        if (!joins(t, end - 1) || !is_hyphen(t, hyphen) || !joins(t, hyphen + 1))
            return end;
        end = part_end(t, hyphen + 1);
    }
}

static size_t plain_end(const PtbText *t, size_t i)
{
    while (ptb_at(t, i) < 0x80 && joins(t, i))
        i++;
    return i;
}

/* Words of ASCII with two slashes at most; hyphens in them stand before letters. */
static size_t slashes_end(const PtbText *t, size_t i)
{
    size_t last = i, next = i, slashes = 0;
    for (;;) {
        size_t end = plain_end(t, next);
        if (end == next)
            return last;
        while (ptb_at(t, end) == '-' && ptb_is_latin(t, end + 1))
            end = plain_end(t, end + 1);
        last = end;
        if (ptb_at(t, end) != '/' || ++slashes > 2)
            return last;
        next = end + 1;
    }
}

/* end.Next: Latin letters, digits from the second character on. */
static size_t stops_end(const PtbText *t, size_t i)
{
    if (!ptb_is_letter(t, i))
        return i;
    size_t end = ptb_words_end(t, i);
    while (ptb_among(t, end, ".!?") && ptb_is_word(t, end + 1) && !ptb_is_digit(t, end + 1))
        end = ptb_words_end(t, end + 1);
    return hyphens_end(t, end);
}

/* AT&T: capitals on both sides. */
static size_t ampersands_end(const PtbText *t, size_t i)
{
    size_t end = i;
    while (ptb_is_capital(t, end)) {
        while (ptb_is_capital(t, end))
            end++;
        if (ptb_at(t, end) != '&' || !ptb_is_capital(t, end + 1))
            return end;
        end++;
    }
    return end;
}

/* y'all, j'ai, d'a, ol': what keeps its apostrophe and parts from the word behind it. */
static size_t fore_end(const PtbText *t, size_t i)
{
    size_t mark = i + (ptb_says(t, i, "ol") ? 2 : 1);
    bool known = ptb_among(t, i, "dlDLjJyY") || mark == i + 2, y = ptb_among(t, i, "yY");
    if (!known || !ptb_is_apostrophe(t, mark) || (y && !ptb_is_letter(t, mark + 1)))
        return i;
    if (ptb_among(t, mark + 1, "dmsDMS"))
        return ptb_among(t, i, "dlDL") ? mark + 1 : i;
    return mark == i + 2 && ptb_is_letter(t, mark + 1) && !ptb_is_capital(t, mark + 1) && ptb_is_letter(t, mark + 2) ? i
                                                                                                                     : mark + 1;
}

/* A word before ".," and its like keeps the full stop. */
static size_t with_stop(const PtbText *t, size_t end)
{
    return ptb_at(t, end) == '.' && ptb_among(t, end + 1, ",;:") ? end + 1 : end;
}

size_t ptb_word_end(const PtbText *t, size_t i)
{
    if (!ptb_is_word(t, i))
        return i;
    size_t end = hyphens_end(t, part_end(t, i));
    end = longer(end, stops_end(t, i));
    end = with_stop(t, longer(end, ampersands_end(t, i)));
    end = longer(end, slashes_end(t, i));
    end = longer(end, fore_end(t, i));
    end = longer(end, between_vowels_end(t, i));
    return longer(end, listed_end(t, i));
}

/* ---- endings ---- */

static bool is_space(const PtbText *t, size_t i)
{
    return ptb_among(t, i, " \t\n\r");
}

static bool at_gap(const PtbText *t, size_t i)
{
    return i >= t->n || is_space(t, i);
}

static bool is_negation(const PtbText *t, size_t i)
{
    return ptb_among(t, i, "nN") && (ptb_is_apostrophe(t, i + 1) || ptb_is_grave(t, i + 1)) && ptb_among(t, i + 2, "tT");
}

size_t ptb_stem_end(const PtbText *t, size_t i, size_t end)
{
    static const struct {
        const char *word;
        size_t stem;
    } joined[] = {{"cannot", 3}, {"gonna", 3}, {"gotta", 3}, {"lemme", 3}, {"gimme", 3}, {"wanna", 3}};
    if (end > i + 1 && is_negation(t, end - 1) && ptb_latin_end(t, i) == end) /* the word ends at the apostrophe */
        return end - 1;
    for (size_t k = 0; k < sizeof joined / sizeof *joined; k++)
        if (end == i + strlen(joined[k].word) && ptb_says(t, i, joined[k].word) && ending_end(t, end) == end)
            return i + joined[k].stem;
    return end;
}

bool ptb_is_ending(const PtbText *t, size_t start, size_t end)
{
    return is_negation(t, start) || (ptb_is_apostrophe(t, start) && end > start + 1 && ending_end(t, start) == end);
}

size_t ptb_short_end(const PtbText *t, size_t i)
{
    static const char *const forms[] = {"'em", "'cause", "'til", "'n'"};
    if (is_negation(t, i))
        return i + 3;
    if (!ptb_is_apostrophe(t, i))
        return i;
    size_t end = ending_end(t, i);
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        if (ptb_says(t, i, forms[k]))
            end = longer(end, i + strlen(forms[k]));
    if (ptb_says(t, i, "'n") && at_gap(t, i + 2))
        end = longer(end, i + 2);
    if (ptb_at(t, i) == '\'' && (ptb_says(t, i, "'tis") || ptb_says(t, i, "'twas")))
        end = longer(end, i + 2);
    if (ptb_is_digit(t, i + 1) && ptb_at(t, i + 1) != '0' && ptb_is_digit(t, i + 2)) {
        if (ptb_at(t, i + 1) != '1' && ptb_at(t, i + 2) == '0' && ptb_at(t, i + 3) == 's')
            end = longer(end, i + 4);
        else if (at_gap(t, i + 3))
            end = longer(end, i + 3);
    }
    return end;
}

/* ---- full stops ---- */

static int compare_words(const char *word, const PtbText *t, size_t i, size_t end)
{
    for (; i < end; i++, word++) {
        int c = (int)(ptb_at(t, i) | 0x20);
        if (*word != c)
            return *word < c ? -1 : 1;
    }
    return *word ? 1 : 0;
}

/* Whether a word that begins a sentence, or a tag, comes next, behind a space. */
static bool opens_sentence(const PtbText *t, size_t i)
{
    if (!is_space(t, i))
        return false;
    if (ptb_at(t, i + 1) == '<' && ptb_tag_end(t, i + 1) > i + 1)
        return at_gap(t, ptb_tag_end(t, i + 1));
    while (is_space(t, i))
        i++;
    size_t end = ptb_latin_end(t, i), low = 0, high = ptb_n_openers;
    if (!ptb_is_capital(t, i) || (end < t->n && !is_space(t, end)))
        return false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_words(ptb_openers[middle], t, i, end);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

size_t ptb_initials_end(const PtbText *t, size_t i)
{
    size_t end = i;
    if (ptb_says(t, i, "ph.d.") || ptb_says(t, i, "ed.d."))
        end = i + 5;
    end = letters_end(t, end);
    if (end == i)
        return i;
    size_t on = hyphens_end(t, end - 1);
    if (on > end)
        return on;
    return end == i + 2 && opens_sentence(t, end) ? i : end;
}

static unsigned written(const PtbText *t, size_t i, size_t end)
{
    size_t capitals = 0;
    for (size_t k = i; k < end; k++)
        capitals += ptb_is_capital(t, k);
    return capitals == 0 ? PTB_LOWER : capitals == end - i ? PTB_UPPER : PTB_TITLE;
}

size_t ptb_abbreviation_end(const PtbText *t, size_t i)
{
    size_t end = ptb_latin_end(t, i), low = 0, high = ptb_n_abbreviations;
    if (end < i + 2 || ptb_at(t, end) != '.')
        return i;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const PtbAbbreviation *a = &ptb_abbreviations[middle];
        int order = compare_words(a->word, t, i, end);
        if (order == 0) {
            size_t next = end + 1;
            next += is_space(t, next);
            bool kept = a->cases == PTB_NUMBERED ? ptb_is_digit(t, next) : (a->cases & written(t, i, end)) != 0;
            return kept ? end + 1 : i;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return i;
}
