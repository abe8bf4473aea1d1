# The page of vlrm cron-eval: $frames (records with their images) down, the captions of each run ($texts: run, id, text, rank,
# clipscore) across. All that comes from data goes through @html.
def image: if .frame.image then "data:image/" + @html "\(.frame.encoding)" + ";base64," + .frame.image["$bin"] else @html "\(.frame.path // "")" end;
def cell: if . then "<td>" + @html "\(.text)" + @html " <small>rank \(.rank), cosine \(.clipscore * 1000 | round / 1000)</small></td>" else "<td></td>" end;
($texts | map(.run) | reduce .[] as $r ([]; if index([$r]) then . else . + [$r] end)) as $runs |
($texts | map({key: (.run + "\u0000" + .id), value: .}) | from_entries) as $by |
"<!DOCTYPE html><meta charset=\"utf-8\"><title>vlrm: captions</title>",
"<style>td,th{vertical-align:top;padding:6px;max-width:22em}img.t{width:160px}</style>",
"<img src=\"metrics.svg\" alt=\"metrics over steps\"><table><tr><th></th>" + ($runs | map("<th>" + @html "\(.)" + "</th>") | add) + "</tr>",
($frames[] | . as $f |
    "<tr><td><img class=\"t\" alt=\"" + @html "\(.id)" + "\" src=\"" + image + "\"></td>" +
    ($runs | map($by[. + "\u0000" + $f.id] | cell) | add) + "</tr>"),
"</table>"
