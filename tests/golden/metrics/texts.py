"""Texts like captions, and unlike them, for make.py: KINDS has a generator for each kind. A text has no line end in it."""

import random

LIST = "/usr/share/dict/american-english-large"  # Debian's wamerican-large
W = open(LIST, encoding="utf-8").read().split()
COMMON = "a an the of with on in and is are two man woman dog cat street table red blue white black small large standing sitting next to near that it's there's isn't don't can't won't they're he'll I'm we've The A There This Man".split()
NUM = [
    "{}",
    "{}",
    "{},{:03}",
    "{}.{}",
    "{}/{}",
    "{}:{:02}",
    "{}-{}",
    "{}x{}",
    "{}th",
    "{}s",
    "{}'s",
    "${}",
    "${}.{}",
    "£{}",
    "€{}",
    "{}%",
    "{}-inch",
    "{}mm",
    "{}.{} m",
    "{}°",
    "#{}",
    "No. {}",
    "{} 1/2",
    "½",
    "{}¢",
    "{}/{}/{}",
    "{}-{}-{}",
    "{}.{}.{}",
    "'{}0s",
    "{}:{:02} p.m.",
    "{} a.m.",
    "-{}",
    ".{}",
    "+{}",
    "{}-year-old",
    "{}pm",
    "{}am",
    "{}-{}%",
    '{}"',
    "{}'{}\"",
    "(212) 555-{}",
    "555-{}",
    "US${}",
    "{}MP",
    "{}–{}",
    "{}²",
    "iPhone {}",
    "Route {}",
    "F-{}",
    "{}ft",
    "{}kg",
    "{}st",
    "A{}",
    "{}D",
    "7-Eleven",
    "{}+",
]
ABB = "U.S. U.K. Mr. Mrs. Dr. St. Jr. Ave. Inc. Co. Corp. Ltd. Jan. Feb. Sept. Oct. e.g. i.e. etc. vs. a.m. p.m. J. B. Ph.D. No. Fig. approx. ft. Mt. Ft. Sgt. Capt. D.C. U.S.A. L.A. N.Y. J.R.R. Rd. Blvd. Prof. Calif. Mass. Wash. St.-Denis U.S.-made p. pp. vol. min. sec. in. lb. oz. Gen. Gov. Sen. dept. est. U.S U.K a.m p.m".split()
CON = "isn't don't can't won't wouldn't ain't I'm he's dog's dogs' they're we've she'd it'll y'all o'clock ma'am 'em 'til 'tis 'twas 'cause rock'n'roll 'n' d'oh O'Brien L'Oréal D'Angelo s'mores c'mon cannot gonna wanna gimme gotta lemme shouldn't've who's men's children's '90s '50 Hawai'i li'l cap'n mustn't DON'T IT'S jack-o'-lantern o'er ol' y'know 's 'd Macy's McDonald's Levi's Wendy's".split()
HYP = "black-and-white t-shirt T-shirt co-ed snow-covered and/or he/she w/ w/o c/o x-ray two-toned AT&T R&B B&W H&M A&W Q&A salt&pepper pre- -ish mid-air hot-dog half-eaten stop/go up-to-date user_name no_parking well-dressed-man ping-pong Coca-Cola 7-up rear-view/side M&M's M&Ms D&G".split()
WEB = "www.foo.com http://www.flickr.com/photos/12 https://a.org/b-c?d=1 foo@bar.com joe.smith@mail.example.org photo.jpg IMG_0123.JPG example.com amazon.co.uk @name @user_1 #tag #nofilter #2 file.html www.site.net Flickr.com foo.com's".split()
MARK = "! ? . , ; : - -- --- ... .. !! ?! !!! ( ) [ ] { } \" ' ` `` '' & + = / \\ * ** ~ ^ | _ % $ @ # < > << >> :) ;-) :( :D :-P ^_^ <3 xD >_< -_- • ™ ® © ° × <b> </b> <br> <unk> <person> [UNK] &amp; &quot; &lt; &gt; &nbsp; &apos; &#39;".split()
UNI = "café naïve résumé été ñandú Zürich русский слово Ελλάδα ΣΟΦΟΣ 中文 日本語 한국어 العربية ٣٤ עברית ไทย हिन्दी 😀 👍🏽 ’s ‘quoted’ “quoted” — – … ½ ¼ ¾ £ € ¥ ¢ § ¶ ¿ ¡ º ª µ ﬁ ＡＢＣ １２ Ⅳ ① e\u0301 soft\u00adhyphen non\u2011break zero\u200bwidth nbsp\u00a0x thin\u2009x don’t it’s dog’s dogs’ ’90s rock’n’roll a—b 1–2 O’Brien ‘em ’em ʻokina Hawaiʻi İstanbul straße ÆØÅ ™ № ℃ ♥ → ★ 10× ✓ ".split(
    " "
)


def num(r):
    f = r.choice(NUM)
    n = f.count("{}") + f.count("{:03}") + f.count("{:02}")
    return f.format(*[r.choice([r.randint(0, 9), r.randint(10, 99), r.randint(100, 2020)]) for _ in range(n)])


def word(r):
    k = r.random()
    if k < 0.35:
        return r.choice(COMMON)
    if k < 0.5:
        w = r.choice(W)
        return r.choice([w, w, w.capitalize(), w.upper()])
    if k < 0.62:
        return num(r)
    if k < 0.7:
        return r.choice(ABB)
    if k < 0.79:
        return r.choice(CON)
    if k < 0.86:
        return r.choice(HYP)
    if k < 0.90:
        return r.choice(WEB)
    if k < 0.95:
        return r.choice(MARK)
    return r.choice(UNI)


WRAP = ["{}"] * 12 + [
    "{}.",
    "{},",
    "{}!",
    "{}?",
    "{};",
    "{}:",
    '"{}"',
    "'{}'",
    "({})",
    "[{}]",
    "{}...",
    '"{}',
    '{}"',
    "({}",
    "{})",
    "{}'s",
    "{}-",
    "-{}",
    "“{}”",
    "‘{}’",
    "{}’s",
    "{} -",
    "{}.",
    " {}",
    "{}/",
    "#{}",
    "*{}*",
    "_{}_",
    "{}--",
]


def caption(r):
    out = []
    for i in range(r.randint(1, 14)):
        out.append(r.choice(WRAP).format(word(r)))
    s = " ".join(out)
    if r.random() < 0.3:
        s = s.capitalize()
    if r.random() < 0.5:
        s += r.choice([".", "!", " ."])
    return s



# ---- unlike captions ----

PRINTED = [chr(c) for c in range(33, 127)]
MARKS = [c for c in PRINTED if not c.isalnum()]
LETTERS = list("aeinostTAIJU")
ALPHABETS = [PRINTED, MARKS, LETTERS + MARKS, LETTERS + MARKS + list("0123456789"), list("a1.,-'/nt"), list(".!?-,:;'`\"")]


def characters(r):
    alphabet = r.choice(ALPHABETS) + [" "]
    return "".join(r.choice(alphabet) for _ in range(r.randint(1, 30)))


LINE_ENDS = {0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029}
NEAR = [*range(0x80, 0x250), *range(0x300, 0x400), *range(0x2000, 0x20D0), *range(0x2150, 0x2160)]


def unicode(r):
    """Random characters, those near to Latin text more often."""

    def one():
        k = r.random()
        if k < 0.3:
            return ord(r.choice("aeinostTAIJU0 -.'"))
        if k < 0.7:
            return r.choice(NEAR)
        return r.randrange(0x21, 0x30000 if r.random() < 0.1 else 0xFFFE)

    codes = (one() for _ in range(r.randint(1, 20)))
    return "".join(chr(c) for c in codes if c not in LINE_ENDS and not 0xD800 <= c < 0xE000)


JOINTS = ["", "", "", "-", ".", ",", "/", "'", " ", ":", "&", "_", "’", "--", "...", "@", "#", "n't", "'s"]


def together(r):
    """Words that run into each other."""
    return "".join(r.choice([word, word, num])(r) + r.choice(JOINTS) for _ in range(r.randint(1, 7)))


def mistyped(r):
    s = list(caption(r))
    for _ in range(r.randint(1, 6)):
        i, k = r.randrange(len(s)), r.random()
        if k < 0.4:
            s.insert(i, r.choice(PRINTED + [" ", "’", "–", "é"]))
        elif k < 0.7 and len(s) > 1:
            del s[i]
        else:
            s[i - 1], s[i] = s[i], s[i - 1]
    return "".join(s)


BESIDE_NUMBERS = "½ ¼ ⅓ ² $ US$ € £ ¢ % ° ( ) + - No. p. th s 's am p.m. ft x a ⁄ \u00a0 ٣ # ++ °F \u00ad".split(" ")
BETWEEN_NUMBERS = ["", "", "", " ", "-", ".", ",", ":", "/", "\\/", "(", ") ", "\u00a0", "'"]


def numbers(r):
    digits = lambda: str(r.randrange(10 ** r.randint(1, 7)))
    one = lambda: r.choice([digits(), digits(), r.choice(BESIDE_NUMBERS)])
    return "".join(one() + r.choice(BETWEEN_NUMBERS) for _ in range(r.randint(1, 6)))


PARTS = "foo a Bar x1 é b-c my_ 1 www http mail joe 日本 &amp; %20 q?a=1 index IMG_1 😀".split()
SCHEMES = ["http://", "https://", "HTTP://", "ftp://", "http:/", "www."]
DOMAINS = "com org net edu uk co.uk COM c html jpg mp3 tar.gz PNG class museum de".split()
PATHS = ["", "", "/", "/a", "/foo/b-c.html", "?x=1&y=(2)", "#top", ":80/"]
BEHIND = ["", "", ".", ",", ")", "!", "?", " and", "'s", ";", ":", " x", ".mp3", '"', "…"]


def addresses(r):
    part = lambda: r.choice(PARTS)
    host = lambda most: ".".join([part() for _ in range(r.randint(1, most))] + [r.choice(DOMAINS)])
    one = r.choice(
        [
            lambda: r.choice(SCHEMES) + host(3) + r.choice(PATHS),
            lambda: r.choice(["", "<", "&lt;"]) + r.choice(["joe", "j.d", "a+b", "x_", "é"]) + "@" + host(2) + r.choice(["", ">", "&gt;"]),
            lambda: host(3),
            lambda: r.choice("@#") + r.choice(["", part(), "a_b", "Tag1", "_x", "1a"]),
            lambda: r.choice(["C:\\", "/usr/", "~/", "./", "\\\\"]) + part() + r.choice("/\\") + host(1),
            lambda: part() + r.choice(["@", "://", ".", "/", ":"]) + part(),
        ]
    )
    return r.choice(["", "", "see ", "("]) + one() + r.choice(BEHIND)


ENTITIES = "&amp; &lt; &gt; &quot; &apos; &nbsp; &mdash; &ndash; &eacute; &Uuml; &agrave; &#39; &#8217; &#x27; &MD; &hellip; &HT; &odq; &AMP; & &a; ;".split()
TAGS = ["<b>", "</b>", "<br/>", "<br />", '<a href="x y">', "<a href='x'>", "<img src=\"a\" alt = 'b c'>", "<!-- x -->", "<?php a?>"]
TAGS += ["<!DOCTYPE html>", "<3", "< b>", "<b", "<unk>", "<|x|>", "<a b c>", "</ b>", "<a b=c>", "<x_y-z.1:q>", "<person's>"]


def entities(r):
    one = lambda: r.choice([r.choice(ENTITIES), r.choice(TAGS), word(r), r.choice(LETTERS)])
    return "".join(one() + r.choice(["", "", " "]) for _ in range(r.randint(1, 7)))


TICKS = ["'", "’", "‘", "`"] + "‛ \u0092 \u0091 &apos; \" “ ” '' `` « » ‹ › „ ‚ ´ ʼ \u0093 \u0094".split()
SHORT = "s S m d re ve ll t T em til till tis twas cause n N nt 90s 20 99 no o O e Y y all know ol Dunkin somethin cont D l j L c est mon".split()
SHORT += "Cap er ev ry li nat nor easter mores Hawai i ma am Brien Oréal is do don can won Isn HASN ai dogs the I a x men rock roll clock".split()
AFTER_SHORT = [" ", " ", "-", ".", ","]


def quotes(r):
    one = lambda: r.choice([r.choice(SHORT), r.choice(SHORT), r.choice(W), word(r)])
    mark = lambda: r.choice([r.choice(TICKS), r.choice(TICKS[:4]), r.choice(TICKS[:2]), r.choice(AFTER_SHORT)])
    return "".join(one() + mark() for _ in range(r.randint(1, 8)))


FACES = "😀 👍🏽 ❤️ 👨‍👩‍👧 🇺🇸 ☀ ♥ ★ → ✓ ^_^ :) ;-) :D <3 xD >_< -_- =^.^= (^_^) (-.-) :-* :'( :p ;P 8) B) :o) :]".split()
DASHES = "- -- --- ---- ----- – — ― ‐ ‑ ‒ − _ __ . .. ... .... ..... ...... …".split() + [". . .", ". . . . ."]
SIGNS = list("€£$¥¢₤₠¤₹#%°&+=*@!?|~^\\")


def signs(r):
    one = lambda: r.choice([r.choice(FACES), r.choice(DASHES), r.choice(COMMON), word(r), r.choice(SIGNS)])
    return "".join(one() + r.choice(["", " ", " "]) for _ in range(r.randint(1, 8)))


STOPPED = "Mr Mrs Ms Miss Dr St Jr Sr Ave Inc Co Cos Corp Ltd Pty Pte Ptys Jan May Sept Oct Mon Tue Sat Ala Ark Calif Ill La Pa Tex Wash".split()
STOPPED += "Mass etc al seq vs a.k.a e.g i.e U.S U.K Ph.D Ed.D p pp No Nos fig Figs art ca op prop bldg Mfg Mtg Natl Dept Elec Invt Gov Gen".split()
STOPPED += "Sgt Capt Messrs ext est tel sq Blvd Rd Esq Bros Univ Intl Sys A B C I J J.R.R U.S.S.R non-U.S EU-U.S Canada-U.S U.S.-U.K".split()
STOPPED += "Sino-U.S U.S.-U.S.S.R Alex Wm Jos Cie cf Treas Kan Kans Wis Wisc Comdr Cmdr cont'd".split()
STOPS = [".", ".", ".", "", ".,", ".:", ".-", ". ", ".'s", ".)"]
NEXT = "The A An He It I You Then Than Mr. Ms. Smith the of 5 12 ½ Ltd ltd Lim <b> B. 's , ; : - . ! ? ( ) -led \u00a05 \u00a0The /".split(" ")


def abbreviations(r):
    def one():
        w = r.choice(STOPPED)
        w = r.choice([w, w, w, w.lower(), w.upper(), w.capitalize(), w.swapcase()])
        return r.choice(["", "", " ", "(", "-", "/"]) + w + r.choice(STOPS) + r.choice([" ", " ", "", "  "]) + r.choice(NEXT)

    return "".join(one() + r.choice([" ", " ", ""]) for _ in range(r.randint(1, 6)))


KINDS = {
    "captions": caption,
    "characters": characters,
    "unicode": unicode,
    "together": together,
    "mistyped": mistyped,
    "numbers": numbers,
    "addresses": addresses,
    "entities": entities,
    "quotes": quotes,
    "signs": signs,
    "abbreviations": abbreviations,
}


def texts(kind, seed, n):
    """n texts of a kind, or of all kinds in turn where it is "all"; the same for the same seed."""
    kinds = list(KINDS) if kind == "all" else [kind]
    r = random.Random(f"{kind} {seed}")
    return [KINDS[kinds[i % len(kinds)]](r) or "a" for i in range(n)]
