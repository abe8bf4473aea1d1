/* Numbers, addresses, tags, faces, runs of marks. */
#include "text/ptb_marks.h"

#include <string.h>

static size_t longer(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t run_end(const PtbText *t, size_t i, const char *set)
{
    while (ptb_among(t, i, set))
        i++;
    return i;
}

/* ---- numbers ---- */

static bool is_slash(const PtbText *t, size_t i)
{
    return ptb_at(t, i) == '/' || ptb_at(t, i) == 0x2044;
}

/* 1/2 */
static size_t fraction_end(const PtbText *t, size_t i)
{
    size_t slash = ptb_digits_end(t, i);
    if (slash == i || !is_slash(t, slash) || !ptb_is_digit(t, slash + 1))
        return i;
    return ptb_digits_end(t, slash + 1);
}

/* 2 1/2 and 2-1/2 */
static size_t mixed_end(const PtbText *t, size_t i)
{
    size_t end = ptb_digits_end(t, i);
    if (end == i || !ptb_among(t, end, " -"))
        return i;
    size_t fraction = fraction_end(t, end + 1);
    return fraction > end + 1 ? fraction : i;
}

/* 1,2.3:4, with any of the three before it */
static size_t decimal_end(const PtbText *t, size_t i)
{
    size_t end = ptb_digits_end(t, i);
    while (ptb_among(t, end, ".,:") && ptb_is_digit(t, end + 1))
        end = ptb_digits_end(t, end + 1);
    return end;
}

/* 3.5-inch, red,co-ed: what has a full stop or comma inside and goes on with a hyphen. */
static size_t measure_end(const PtbText *t, size_t i)
{
    size_t end = ptb_words_end(t, i);
    while (end > i && ptb_among(t, end, ".,") && ptb_is_word(t, end + 1))
        end = ptb_words_end(t, end + 1);
    if (end == i)
        return i;
    size_t last = i;
    while (ptb_at(t, end) == '-' && ptb_is_word(t, end + 1))
        last = end = ptb_words_end(t, end + 1);
    return last;
}

static size_t count_digits(const PtbText *t, size_t i, size_t least, size_t most)
{
    size_t n = ptb_digits_end(t, i) - i;
    return n >= least && n <= most ? i + n : 0;
}

/* (212) 555-1234, 212 555 1234 */
static size_t subscriber_end(const PtbText *t, size_t i)
{
    bool round = ptb_at(t, i) == '(';
    size_t at = count_digits(t, i + round, 2, 4);
    if (at == 0 || (round && ptb_at(t, at++) != ')'))
        return 0;
    at = count_digits(t, at + ptb_among(t, at, " -"), 3, 4);
    return at > 0 && ptb_among(t, at, " -") ? count_digits(t, at + 1, 3, 5) : 0;
}

/* The same, or with the number of a country before it: +44 20 7946 0958. */
static size_t telephone_end(const PtbText *t, size_t i)
{
    size_t country = count_digits(t, i + (ptb_at(t, i) == '+'), 2, 4), end = 0;
    if (country > 0 && ptb_among(t, country, " -") && ptb_at(t, country + 1) != '(')
        end = subscriber_end(t, country + 1);
    return longer(i, longer(end, subscriber_end(t, i)));
}

size_t ptb_number_end(const PtbText *t, size_t i)
{
    size_t end = decimal_end(t, i + ptb_among(t, i, "+-"));
    if (end == i + 1 && ptb_among(t, i, "+-"))
        end = i;
    end = longer(end, measure_end(t, i));
    end = longer(end, mixed_end(t, i));
    return longer(end, telephone_end(t, i));
}

/* ---- addresses ---- */

/* No address of more characters is looked for: a text without spaces takes its time times this at most. */
enum { LONGEST_ADDRESS = 500 };

/* Whether the character may stand in an address: no space and none of `apart`. */
static bool in_address(const PtbText *t, size_t i, const char *apart)
{
    uint32_t c = ptb_at(t, i);
    return i < t->n && c > ' ' && c != 0xA0 && c != 0x3000 && !ptb_among(t, i, apart);
}

/* Up to a space or bracket, without the punctuation at its end. */
static size_t path_end(const PtbText *t, size_t i)
{
    size_t end = i;
    while (end < i + LONGEST_ADDRESS && in_address(t, end, "\"()<>{}|"))
        end++;
    while (end > i && ptb_among(t, end - 1, "!,-.?"))
        end--;
    return end;
}

/* http://a.b/c */
static size_t scheme_end(const PtbText *t, size_t i)
{
    size_t start = i + (ptb_says(t, i, "https://") ? 8 : 7);
    if (!ptb_says(t, i, "https://") && !ptb_says(t, i, "http://"))
        return i;
    size_t end = path_end(t, start);
    for (size_t dot = start + 1; dot + 1 < end; dot++)
        if (ptb_at(t, dot) == '.')
            return end;
    return i;
}

/* The longest of the endings, lower case, that stands at i; 0 for none. */
static size_t ending_size(const PtbText *t, size_t i, const char *const *endings, size_t n)
{
    size_t best = 0;
    for (size_t k = 0; k < n; k++)
        if (ptb_says(t, i, endings[k]) && strlen(endings[k]) > best)
            best = strlen(endings[k]);
    return best;
}

/* foo.com, with what follows a slash: a host ends in one of a few domains; what begins with www. may have more characters in it.
 */
static size_t host_end(const PtbText *t, size_t i)
{
    bool www = ptb_says(t, i, "www.");
    const char *apart = www ? "\"(),<>{}|" : "!\"$'(),-/:;<=>?@[\\]^_`{|}ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t best = i;
    if ((ptb_at(t, i) >= '0' && ptb_at(t, i) <= '9') || ptb_at(t, i) == '.')
        return i;
    for (size_t at = i; at < i + LONGEST_ADDRESS && in_address(t, at, apart); at++) {
        if (ptb_at(t, at) != '.')
            continue;
        size_t size = at > i && ptb_at(t, at - 1) != '.' ? ending_size(t, at + 1, ptb_domains, ptb_n_domains) : 0;
        if (size == 0 || ptb_is_word(t, at + 1 + size))
            continue;
        best = at + 1 + size;
        size_t path = ptb_at(t, best) == '/' ? path_end(t, best + 1) : 0;
        if (path > best + 1)
            return path;
    }
    return best;
}

/* 0123.jpg */
static size_t file_end(const PtbText *t, size_t i)
{
    size_t stop = ptb_words_end(t, i);
    if (stop == i || ptb_at(t, stop) != '.')
        return i;
    size_t size = ending_size(t, stop + 1, ptb_file_endings, ptb_n_file_endings);
    return size > 0 && !ptb_is_word(t, stop + 1 + size) ? stop + 1 + size : i;
}

/* a@b: after the first character, whatever is no space or bracket. */
static size_t mail_end(const PtbText *t, size_t i)
{
    static const char apart[] = "\"()<>{}|";
    size_t start = i + (ptb_at(t, i) == '<'), at = 0, end = start;
    if (!ptb_is_latin(t, start) && !(ptb_at(t, start) >= '0' && ptb_at(t, start) <= '9'))
        return i;
    for (; end < start + LONGEST_ADDRESS && in_address(t, end, apart); end++)
        if (at == 0 && ptb_at(t, end) == '@')
            at = end;
        else if (at > 0 && ptb_at(t, end) == '.' && (!in_address(t, end + 1, apart) || ptb_at(t, end + 1) == '.'))
            break;
    if (at == 0 || end <= at + 1 || ptb_at(t, at + 1) == '.')
        return i;
    return end + (ptb_at(t, end) == '>');
}

/* @name */
static size_t mention_end(const PtbText *t, size_t i)
{
    if (ptb_at(t, i) != '@' || !(ptb_is_latin(t, i + 1) || ptb_at(t, i + 1) == '_'))
        return i;
    i++;
    while (ptb_is_latin(t, i) || ptb_at(t, i) == '_' || (ptb_at(t, i) >= '0' && ptb_at(t, i) <= '9'))
        i++;
    return i;
}

/* #tag: letters alone */
static size_t hash_end(const PtbText *t, size_t i)
{
    size_t end = i + 1;
    if (ptb_at(t, i) != '#')
        return i;
    while (ptb_is_letter(t, end) || ptb_kind(t, end) == PTB_MODIFIER)
        end++;
    return end;
}

size_t ptb_address_end(const PtbText *t, size_t i)
{
    size_t end = longer(longer(scheme_end(t, i), host_end(t, i)), longer(mail_end(t, i), file_end(t, i)));
    return longer(end, longer(mention_end(t, i), hash_end(t, i)));
}

/* ---- tags ---- */

static bool in_name(const PtbText *t, size_t i)
{
    uint32_t c = ptb_at(t, i);
    return ptb_is_latin(t, i) || (c >= '0' && c <= '9') || ptb_among(t, i, "_:.-");
}

static size_t spaces_end(const PtbText *t, size_t i)
{
    return run_end(t, i, " \t\r\n");
}

/* name or name="value" */
static size_t attribute_end(const PtbText *t, size_t i)
{
    size_t end = i;
    if (!ptb_is_latin(t, i))
        return i;
    while (in_name(t, end))
        end++;
    size_t value = spaces_end(t, end);
    if (ptb_at(t, value) != '=')
        return end;
    value = spaces_end(t, value + 1);
    uint32_t quote = ptb_at(t, value);
    if (quote != '"' && quote != '\'')
        return i;
    for (value++; value < t->n && ptb_at(t, value) != quote;)
        value++;
    return value < t->n ? value + 1 : i;
}

static size_t element_end(const PtbText *t, size_t i)
{
    bool closing = ptb_at(t, i + 1) == '/';
    size_t end = i + 1 + closing;
    if (ptb_at(t, i) != '<' || !ptb_is_latin(t, end))
        return i;
    while (in_name(t, end))
        end++;
    for (;;) {
        size_t next = spaces_end(t, end);
        size_t attribute = next > end && !closing ? attribute_end(t, next) : next;
        if (attribute == next) {
            end = next;
            break;
        }
        end = attribute;
    }
    end += !closing && ptb_at(t, end) == '/';
    return ptb_at(t, end) == '>' ? end + 1 : i;
}

/* &eacute; and its like; &#39; */
static size_t entity_end(const PtbText *t, size_t i)
{
    static const char *const accents[] = {"acute;", "grave;", "uml;"};
    if (ptb_at(t, i) != '&')
        return i;
    if (ptb_at(t, i + 1) == '#') {
        size_t end = ptb_digits_end(t, i + 2);
        return end > i + 2 && ptb_at(t, end) == ';' ? end + 1 : i;
    }
    for (size_t k = 0; k < sizeof accents / sizeof *accents; k++)
        if (ptb_among(t, i + 1, "aeiouAEIOU") && ptb_says(t, i + 2, accents[k]))
            return i + 2 + strlen(accents[k]);
    return i;
}

size_t ptb_tag_end(const PtbText *t, size_t i)
{
    return longer(element_end(t, i), entity_end(t, i));
}

/* ---- faces ---- */

size_t ptb_face_end(const PtbText *t, size_t i)
{
    static const char eyes[] = "-^x=~<>'";
    if (ptb_among(t, i, eyes) && ptb_at(t, i + 1) == '_' && ptb_among(t, i + 2, eyes))
        return i + 3;
    if (ptb_at(t, i) == '(' && ptb_among(t, i + 1, "-^=<>'")) {
        size_t second = i + 2 + (ptb_at(t, i + 2) == '_');
        if (ptb_among(t, second, "-^=<>'") && ptb_at(t, second + 1) == ')')
            return second + 2;
    }
    size_t end = i + ptb_among(t, i, "<>");
    if (!ptb_among(t, end, ":;="))
        return i;
    end += 1 + ptb_among(t, end + 1, "-o*'");
    return ptb_among(t, end, "()DPpdO@[]\\{}|") && !ptb_is_word(t, end + 1) ? end + 1 : i;
}

/* ---- runs ---- */

/* US$: a dollar sign with the letters of its country. */
static size_t dollar_end(const PtbText *t, size_t i)
{
    size_t end = i;
    while (ptb_is_capital(t, end))
        end++;
    return end > i && ptb_at(t, end) == '$' ? end + 1 : i;
}

bool ptb_is_quote(const PtbText *t, size_t i)
{
    uint32_t c = ptb_at(t, i);
    return ptb_is_grave(t, i) || c == 0x92 || c == 0x93 || c == 0x94 || c == 0xAB || c == 0xBB || c == 0x2019 || c == 0x201C ||
           c == 0x201D || c == 0x2039 || c == 0x203A;
}

size_t ptb_run_end(const PtbText *t, size_t i)
{
    if (ptb_is_quote(t, i))
        return i + 1 + ptb_is_quote(t, i + 1);
    if (ptb_at(t, i) == '\'' && ptb_at(t, i + 1) == '\'')
        return i + 2;
    static const char *const alike[] = {"?!", "*", "#", "-", "_", "@"};
    for (size_t k = 0; k < sizeof alike / sizeof *alike; k++)
        if (ptb_among(t, i, alike[k]))
            return run_end(t, i, alike[k]);
    if (ptb_says(t, i, "<<") || ptb_says(t, i, ">>"))
        return i + 2;
    while (ptb_says(t, i, "\\*"))
        i += 2;
    if (ptb_says(t, i, "c++"))
        return i + 3;
    if (ptb_among(t, i, "cfCF") && ptb_at(t, i + 1) == '#')
        return i + 2;
    return dollar_end(t, i);
}
