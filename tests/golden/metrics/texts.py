"""Texts like captions, and unlike them: words of a list, numbers, units, dates, abbreviations, short forms, hyphens, addresses, marks,
scripts; for make.py."""

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


def captions(seed, n):
    r = random.Random(seed)
    return [caption(r) for _ in range(n)]
