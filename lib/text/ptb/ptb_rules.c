/*
 * The rules of Penn Treebank tokens as the caption metrics take them. Where two match equally much the first counts, so words
 * stand before what is like them.
 *
 * What the tokenizer that is followed does otherwise, but always with the same tokens, has no rule here: two punctuation
 * marks are as good as one, since both are removed.
 */
#include "text/ptb/ptb_rules.h"

/* ---- what is in several rules ---- */

#define GAP "[ \t-\r\xC2\x85\u00A0\u2000-\u200A\u2028\u2029\u3000]"
#define APOSTROPHE "['\xC2\x92’]"
#define TICK "['\xC2\x92’`\xC2\x91‘‛]"
/* What an address has none of; what it does not end in, besides. */
#define APART " \t\n\f\r\"<>|()"
#define LAST "[^" APART ".!?{},-]"

const LexerName ptb_names[] = {
    {"letter", NULL, &ptb_letters},
    {"mark", NULL, &ptb_marks},
    {"digit", NULL, &ptb_digits},
    {"symbol", NULL, &ptb_symbols},
    {"blank", "[ \t\u00A0\u2000-\u200A\u3000]", NULL},
    {"apostrophe", APOSTROPHE "|&apos;", NULL},
    {"tick", TICK "|&apos;", NULL}, /* an apostrophe, or what is typed for one */
    {"hyphen", "[-_\u058A\u2010\u2011]", NULL},
    {"pause", "[,;:、]", NULL},
    {"wordy", "{letter}|{mark}|&[aeiouAEIOU](acute|grave|uml);", NULL},
    {"inner", "{wordy}|{digit}", NULL},
    {"word", "{wordy}{inner}*([.!?]{wordy}{inner}*)*", NULL}, /* end.Next is one */
    {"plain", "({letter}|{digit})+", NULL},
    {"part", "([DLOdlo]{tick}({letter}|{digit}))?{plain}", NULL}, /* of a word with hyphens: o'clock */

    {"nation", "(Canada|EU|Japan|Korean|non|Sino)-U[.]S|U[.]S[.]-U[.](K|S[.]S[.]R)", NULL},
    {"initials", "[A-Za-z]([.][A-Za-z])+|{nation}", NULL},
    {"run", "[A-Za-z0-9][A-Za-z0-9.,\u00AD]*(-([A-Za-z0-9\u00AD]+|{initials}[.]))+", NULL}, /* 3.5-inch, U.S.-led */
    {"company", "[A-Z]+(([+&]|&amp;)[A-Z]+)+", NULL},                                       /* AT&T */

    /* Abbreviations that keep their full stop, unless nothing follows; those that keep it always. */
    {"seldom last",
     "al|ala|apr|ariz|[A]rk|assn|aug|[A]z|bancorp|bhd|bldg|blvd|bros|calif|colo|conn|corp|cos?|ct|dak|dec|[D]el|ed[.]d|esq|est|"
     "etc|ext|feb|fla|fri|ga|[I]ll|inc|ind|intl|jan|jr|jul|jun|kans?|ky|[L]a|ltd|mar|[M]ass|md|mich|minn|[M]iss|mo|mon|mont|neb|"
     "nev|nov|oct|okla|[O]re|[P]a|penn|ph[.]d|plc|pp?t[ey]s?|rd|rt|sept?|seq|sq|sr|sys|tel|tenn|[T]ex|thu|thurs|tue|tues|univ|"
     "va|vt|[W]ash|wed|wisc?|wyo",
     NULL},
    {"never last",
     "adj|adm|adv|a[.]k[.]a|alex|assoc|asst|attys?|ave|brig|capt|cf|cie|co?mdr|col|cpl|dept|det|drs?|elec|ens|ft|gen|govs?|hon|"
     "insp|invt|jos|lieut|lt|m[ft]g|maj|messrs|[M]iss|mlle|mme|mrs?|ms|msgr|mt|natl|pfc|ph|pres|profs?|pvt|reps?|rev|sens?|sfc|"
     "sgt|spc|ste?|supts?|treas|vs|wm",
     NULL},
    {"numbered", "art|bldg|ca|figs?|nos?|op|pp|prop", NULL}, /* before a number only */
    {"file ending",
     "bat|bmp|c|cgi|class|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip",
     NULL},
    /* With a capital they begin a sentence. */
    {"opener",
     "[A](bout|ccording|dditionally|fter|n|s|t)?|[B]ut|[E]arlier|[H](e|er|ere|owever)|[I](f|n|t)|[L]ast|[M](any|ore|r[.]|s[.])|[N]ow|"
     "[O](nce|ne|ther|ur)|[S](he|ince|o|ome|uch)|[T](hat|he|heir|hen|here|hese|hey|his)|[W](e|hat|hen|hile)|[Y](et|ou)",
     NULL},

    {"name", "[A-Za-z][A-Za-z0-9_:.-]*", NULL},
    {"tag", "<([!?][A-Za-z-][^>\r\n]*|{name}( +{name}( *= *('[^']*'|\"[^\"]*\"))?)* */?|/{name}) *>", NULL},
};
const size_t ptb_n_names = sizeof ptb_names / sizeof *ptb_names;

/* ---- the rules ---- */

const PtbRule ptb_rules[] = {
    /* words that are two */
    {.looks = "cannot", .back = 3},
    {.looks = "g(onna|otta|imme)|lemme|wanna|'tis", .back = 2},
    {.looks = "'twas", .back = 3},
    {.looks = "[A-Za-z]", .before = "[.](" GAP ")+({opener}|{tag})" GAP}, /* "grade A. The" is no initial */

    {.looks = "{tag}", .write = PTB_BOUND},
    {.looks = "&(md|mdash|ndash);|[\xC2\x96\xC2\x97–—―]", .as = "--"},
    {.looks = "&amp;", .as = "&"},
    {.looks = "&(ht|tl|ur|lr|qc|ql|qr|odq|cdq|#[0-9]+);"},

    /* words, apart from 's and n't */
    {.looks = "{word}", .before = APOSTROPHE "[dmsDMS]", .write = PTB_JOINED},
    {.looks = "{word}", .before = APOSTROPHE "(ll|re|ve)", .write = PTB_JOINED},
    {.looks = "{word}", .before = "&apos;[dmsDMS]", .write = PTB_JOINED},
    {.looks = "{word}", .before = "&apos;(ll|re|ve)", .write = PTB_JOINED},
    {.looks = "[A-Za-z\u00AD]*[A-MO-Za-mo-z]\u00AD*", .before = "n" TICK "t", .write = PTB_JOINED},
    {.looks = "[A-Za-z\u00AD]*[A-MO-Za-mo-z]\u00AD*", .before = "n&apos;t", .write = PTB_JOINED},
    {.looks = "{word}", .write = PTB_JOINED},
    {.looks = "{apostrophe}(n{apostrophe}?|em|cause|till?|[2-9]0s)"},
    {.looks = "([DJLdjl]|ol|dunkin|somethin){apostrophe}"},
    {.looks = "[A-HJ-XZn]{tick}{letter}{letter}+|O{tick}o"},       /* O'Brien */
    {.looks = "{letter}+[aeiouyAEIOUY]{tick}[aeiouA-Z]{letter}*"}, /* ma'am */
    {.looks = "c'mon|cont'd[.]?|e'er|ev'ry|li'l|nat'l|nor'easter|s'mores"},
    {.looks = "y{apostrophe}", .before = "{letter}"},

    /* addresses */
    {.looks = "https?://[^" APART "{}]+" LAST},
    {.looks = "(www[.]([^" APART ".!?{},]+[.])+[A-Za-z]{2,4}|([^" APART "`'.!?{},-_$]+[.])+(com|edu|net|org))(/[^" APART "]+" LAST
              ")?"},
    {.looks = "(<|&lt;)?[A-Za-z0-9][^" APART "\u00A0{}]*@([^" APART "\u00A0{}.]+[.])*[^" APART "\u00A0{}.]+(>|&gt;)?"},
    {.looks = "@[A-Za-z_][A-Za-z0-9_]*|#{wordy}+"},

    {.looks = "{apostrophe}([dmsDMS]|ll|re|ve)", .before = "[^A-Za-z]", .write = PTB_QUOTED},
    {.looks = "n{tick}t", .before = "[^A-Za-z]", .write = PTB_QUOTED},

    /* numbers */
    {.looks = "{digit}{1,2}[-/]{digit}{1,2}[-/]{digit}{2,4}"},
    {.looks = "[-+]?({digit}+|{digit}*([.:,\u00AD\u066B\u066C]{digit}+)+)", .write = PTB_JOINED},
    {.looks = "[⁺⁻₊₋]?([¹²³⁰⁴-⁹]+|[₀-₉]+)"},
    {.looks = "({digit}{1,4}[- \u00A0])?{digit}{1,4}([\\\\]?/|\u2044){digit}{1,4}", .write = PTB_BOUND},
    {.looks = "¼", .as = "1/4"},
    {.looks = "½", .as = "1/2"},
    {.looks = "¾", .as = "3/4"},
    {.looks = "⅓", .as = "1/3"},
    {.looks = "⅔", .as = "2/3"},

    {.looks = "-[LRlr][CRScrs]b-|C[.]D[.]s|pro-|anti-|S(&|&amp;)(P-500|Ls)|cap{apostrophe}n|c{apostrophe}est", .write = PTB_AND},
    {.looks = "[A-Za-z0-9]+(-[A-Za-z]+){0,2}([\\\\]?/[A-Za-z0-9]+(-[A-Za-z]+){0,2}){1,2}"}, /* and/or */
    {.looks = "[A-Z]*[$]|#"},
    {.looks = "¢", .as = "cents"},
    {.looks = "£", .as = "#"},
    {.looks = "[\xC2\x80¤₠€]", .as = "$"},

    /* abbreviations */
    {.looks = "{numbered}[.]", .before = "{digit}"},
    {.looks = "{numbered}[.]", .before = GAP "{digit}"},
    {.looks = "(pt[eyEY]|co)[.]", .before = "{blank}(ltd|lim)"},
    {.looks = "{seldom last}[.]", .before = ".."},
    {.looks = "({never last}|[A-Za-z]|{initials})[.]"},
    {.looks = "{nation}", .before = GAP},
    {.looks = "{apostrophe}[0-9][0-9]", .before = GAP},
    {.looks = "{inner}+([.]{inner}+)*[.]{file ending}", .before = GAP "|[.?!,]"},
    {.looks = "{word}[.]", .before = "{pause}", .write = PTB_JOINED},

    /* telephones: (212) 555-1234, +44 20 7946 0958, 555.123.4567 */
    {.looks = "([(][0-9]{2,3}[)][ \u00A0]?|([+][+]?)?([0-9]{2,4}[- \u00A0])?[0-9]{2,4}[- \u00A0])[0-9]{3,4}[- \u00A0]?[0-9]{3,5}|"
              "(([+][+]?)?[0-9]{2,4}[.])?[0-9]{2,4}[.][0-9]{3,4}[.][0-9]{3,5}",
     .write = PTB_ROUND},

    /* marks */
    {.looks = "\"|&quot;", .as = "''"},
    {.looks = "<|&lt;", .as = "<"},
    {.looks = ">|&gt;", .as = ">"},
    {.looks = "[<>]?[:;=][-o*']?[()DPdpO\\\\{@|[\\]]", .before = "[^A-Za-z0-9]", .write = PTB_ROUND},
    {.looks = "[-^x=~<>']_[-^x=~<>']|[(][-^x=~<>'][_.]?[-^x=~<>'][)]|[(][x^=~<>']-[x^=~<>'`][)]", .write = PTB_ROUND},
    {.looks = "[(]", .as = "-lrb-"},
    {.looks = "[)]", .as = "-rrb-"},
    {.looks = "[[]", .as = "-lsb-"},
    {.looks = "[\\]]", .as = "-rsb-"},
    {.looks = "[{]", .as = "-lcb-"},
    {.looks = "[}]", .as = "-rcb-"},
    {.looks = "---|----", .as = "--"},
    {.looks = "[.]{3,5}|([.][ \u00A0]){2,4}[.]|[\xC2\x85…]", .as = "..."},
    {.looks = "-+|@+|#+|_+|[*]+|([\\\\][*]){1,3}|[?!]+|<<|>>|c[+][+]|[cfCF]#"},

    /* words with hyphens, after what they might be */
    {.looks = "{run}[.]", .before = "{pause}", .write = PTB_JOINED},
    {.looks = "{run}", .write = PTB_JOINED},
    {.looks = "({part}({hyphen}{part})*)[.]", .before = "{pause}"},
    {.looks = "{part}({hyphen}{part})*"},
    {.looks = "{company}[.]", .before = "{pause}", .write = PTB_AND},
    {.looks = "{company}", .write = PTB_AND},

    /* quotes, where no word begins or ends */
    {.looks = "'", .before = "[A-Za-z][^ \t\n\r\u00A0]", .as = "`"},
    {.looks = "{apostrophe}([dmsDMS]|ll|re|ve)|n{tick}t", .write = PTB_QUOTED},
    {.looks = "{apostrophe}|''|[`‘’‚‛“”\xC2\x91-\xC2\x94„‟‹›«»]{1,2}", .write = PTB_QUOTED},

    {.looks = "&nbsp;", .as = ""},
    {.looks = "{symbol}"},
};
const size_t ptb_n_rules = sizeof ptb_rules / sizeof *ptb_rules;
