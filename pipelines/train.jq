# train.json: what vlrm train was given, as one object of options by name, and the sources. Each input is "KIND NAME TEXT", where
# KIND says what TEXT is: text; json; bytes, base64 of a text that is no UTF-8, which becomes {"$str": base64} (formats/run.md).
# Of an option that was given several times all values are kept, in a list.
def entry:
  index(" ") as $at | .[:$at] as $kind | .[$at + 1:] | index(" ") as $at | .[$at + 1:] as $text
  | {name: .[:$at],
     value: (if $kind == "json" then $text | fromjson elif $kind == "bytes" then {"$str": $text} else $text end)};

[inputs | entry]
| (reduce (.[] | select(.name != "sources")) as $e ({}; .[$e.name] += [$e.value])
   | map_values(if length == 1 then first else . end))
  + {sources: map(select(.name == "sources") | .value)}
