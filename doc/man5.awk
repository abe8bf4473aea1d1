# A page of formats/ as a manual page of section 5: awk -v name=vlrm-caption -v version=0.1 -f doc/man5.awk formats/caption.md.
# It knows what those pages use: headings, paragraphs, tables, lists, code, links; a row of a table becomes a tagged paragraph, its
# first cell the tag, cells between in parentheses.

function escape(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    return s
}

# Roff takes a line that begins with a dot or a quote for a request.
function guarded(s) {
    return s ~ /^[.']/ ? "\\&" s : s
}

# `code`, **bold**, *italics* and [text](link), whose link is said where it leads elsewhere.
function inline(s,    out, at, end, text, link) {
    while ((at = match(s, /`[^`]+`|\*\*[^*]+\*\*|\*[^* ][^*]*\*|\[[^]]+\]\([^)]+\)/)) > 0) {
        end = RSTART + RLENGTH
        out = out escape(substr(s, 1, at - 1))
        text = substr(s, at, RLENGTH)
        s = substr(s, end)
        if (text ~ /^`/) {
            out = out "\\fB" escape(substr(text, 2, length(text) - 2)) "\\fR"
        } else if (text ~ /^\*\*/) {
            out = out "\\fB" escape(substr(text, 3, length(text) - 4)) "\\fR"
        } else if (text ~ /^\*/) {
            out = out "\\fI" escape(substr(text, 2, length(text) - 2)) "\\fR"
        } else {
            link = text
            sub(/^.*\]\(/, "", link)
            sub(/\)$/, "", link)
            sub(/^\[/, "", text)
            sub(/\]\([^)]*\)$/, "", text)
            gsub(/`/, "", text)
            if (link ~ /^[a-z]+\.md/) {
                sub(/\.md.*/, "", link)
                link = "vlrm-" link "(5)"
            }
            out = out escape(text) " (" escape(link) ")"
        }
    }
    return out escape(s)
}

function flush_paragraph() {
    if (paragraph != "")
        print guarded(inline(paragraph))
    paragraph = ""
}

function code(on) {
    if (on != in_code)
        print on ? ".PP\n.nf\n.RS 4" : ".RE\n.fi"
    in_code = on
}

# | a | b | c |: the tag is a, then (b), then c.
function row(line,    cells, n, i, tag, middle) {
    gsub(/\\\|/, "\001", line)
    sub(/^\| */, "", line)
    sub(/ *\|$/, "", line)
    n = split(line, cells, / *\| */)
    tag = cells[1]
    for (i = 2; i < n; i++)
        if (cells[i] != "")
            middle = middle (middle == "" ? "" : ", ") cells[i]
    line = ".TP\n" guarded(inline(tag == "" ? "\"" : tag)) (middle == "" ? "" : " (" inline(middle) ")") "\n" guarded(inline(cells[n]))
    gsub("\001", "|", line)
    print line
}

BEGIN {
    upper = toupper(name)
    print ".\\\" made from formats/ by doc/man5.awk"
}

/^<!--.*-->$/ {next}

/^```/ {flush_paragraph(); fenced = !fenced; code(fenced); next}

fenced || /^    [^ ]/ || (in_code && /^    /) {
    flush_paragraph()
    code(1)
    sub(/^    /, fenced ? "    " : "")
    print guarded(escape($0))
    next
}

in_code && !/^$/ {code(0)}

/^# / {
    title = substr($0, 3)
    print ".TH " upper " 5 \"\" \"vlrm " version "\" \"vlrm\"\n.SH NAME\n" escape(name) " \\- " inline(title) "\n.SH DESCRIPTION"
    next
}

/^## / {flush_paragraph(); print ".SH " toupper(inline(substr($0, 4))); next}

/^### / {flush_paragraph(); print ".SS " inline(substr($0, 5)); next}

/^\|[- |]+\|$/ {header = ""; in_table = 1; next}

/^\|/ {
    flush_paragraph()
    if (in_table)
        row($0)
    next
}

/^[-*] / {flush_paragraph(); print ".IP \\(bu 2"; paragraph = substr($0, 3); next}

/^$/ {
    flush_paragraph()
    if (in_code && !fenced)
        code(0)
    in_table = 0
    gap = 1
    next
}

{
    if (gap && paragraph == "")
        print ".PP"
    gap = 0
    paragraph = paragraph (paragraph == "" ? "" : " ") $0
}

END {
    flush_paragraph()
    code(0)
    print ".SH SEE ALSO\nvlrm(7)"
}
