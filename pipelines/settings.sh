# shellcheck shell=bash
# Where the options of a recipe come from, strongest first: the command line, the environment (VLRM_NAME), --config FILE, --recipe NAME,
# the recipe's own defaults. Source it after stages.sh; options_read must have been called.
#
#   option KIND NAME TEXT    one of the command line            settings_file FILE WHAT    those of a file, unless they were given
#   option_default ...       unless it was given at all         settings_print             all of them, as --config takes them back
#
# given[NAME] and plain[NAME] are all that was given of an option and the last of it, origins[NAME] is where it comes from: "command line",
# "environment", a file's name, "recipe NAME", or the name of the program that sets it. Values are KIND text, json or bytes (train.jq).

# shellcheck disable=SC2034 # recipes read them
declare -A given=() plain=() origins=()
entries=() sources=()

# settings_die TEXT: wrong usage.
settings_die() {
    # shellcheck disable=SC2154 # the caller's
    echo "vlrm $recipe_name: $1; see vlrm $recipe_name --help" >&2
    exit 2
}

# entry KIND NAME TEXT: keeps it. A text that is no UTF-8 is kept by its bytes.
entry() {
    local LC_ALL=C # by bytes
    if [ "$1" = text ] && [[ $3 = *[$'\x80'-$'\xff']* ]] && ! iconv -f UTF-8 -t UTF-8 <<<"$3" >/dev/null 2>&1; then
        entries+=("bytes $2 $(printf %s "$3" | base64 -w 0)")
    else
        entries+=("$1 $2 $3")
    fi
}

# variable_of NAME: sets `variable` to the option's in the environment.
variable_of() {
    variable=VLRM_${1//-/_}
    variable=${variable^^}
}

# option KIND NAME TEXT [ORIGIN]: an option given again becomes a list, of which single values take the last.
option() {
    local variable
    variable_of "$2"
    unset "$variable" # what is given here is stronger than the environment, the file that stages read would be weaker
    plain[$2]=$3 given[$2]+=,$3 origins[$2]=${4:-command line}
    entry "$1" "$2" "$3"
}

# is_given NAME: by the command line, the environment, or a file that was read before.
is_given() {
    local variable
    variable_of "$1"
    [ -n "${given[$1]-}" ] || [ -n "${!variable+x}" ]
}

# option_default KIND NAME TEXT: unless it is given.
option_default() {
    is_given "$2" || option "$1" "$2" "$3" "vlrm $recipe_name"
}

# value_of NAME: sets `value` to that of a text option; empty where there is none.
value_of() {
    local variable
    variable_of "$1"
    value=${plain[$1]-${!variable-}}
}

# has NAME: whether the option has a value.
has() {
    value_of "$1"
    [ -n "$value" ]
}

# settings_known NAME: whether a stage has the option.
settings_known() {
    case $1 in *' '* | config | help | version | verbose) return 1 ;; esac # every program's own
    [ -n "${takes[$1]-}" ]
}

# settings_near NAME: what may be meant: an option of the same letters and digits, or one that begins so.
settings_near() {
    local name plain_name=${1//[!A-Za-z0-9]/} near=
    for name in "${!takes[@]}"; do
        settings_known "$name" || continue
        case ${name//-/} in "${plain_name,,}") near=$name; break ;; "${plain_name,,}"*) near=$name ;; esac
    done
    [ -z "$near" ] || printf '; did you mean "%s"?' "$near"
}

# settings_file FILE WHAT: the options of a JSON object by name, a run's train.json or config.json among them, unless they are given. WHAT
# is kept as their origin. The caller's settings_refused NAME says which have no use here.
settings_file() {
    local fields i name origin=$2
    [ -r "$1" ] || settings_die "$2: cannot read $1"
    jq -e 'type == "object"' "$1" >/dev/null 2>&1 || settings_die "$1: expected a JSON object of options by name"
    mapfile -d '' -t fields < <(jq -j 'to_entries[] | select(.value != null)
        | .key, "\u0000", (.value | tojson), "\u0000",
          (.value | if type == "array" then map(tostring) | join(",") elif type == "object" then "" else tostring end), "\u0000"' "$1")
    for ((i = 0; i < ${#fields[@]}; i += 3)); do
        name=${fields[i]}
        case $name in digests | version | changes | upstream | sources) continue ;; esac # of a run, formats/run.md
        settings_known "$name" || settings_die "$1: no stage has an option \"$name\"$(settings_near "$name")"
        settings_refused "$name" && settings_die "$1: \"$name\" cannot be used in training"
        if [ "${takes[$name]}" = 0 ]; then
            case ${fields[i + 1]} in true | false) ;; *) settings_die "$1: \"$name\" is ${fields[i + 1]}, expected true or false" ;; esac
        fi
        is_given "$name" && continue
        option json "$name" "${fields[i + 1]}" "$origin"
        plain[$name]=${fields[i + 2]} given[$name]=,${fields[i + 2]}
    done
    [ "${#sources[@]}" -gt 0 ] || mapfile -d '' -t sources < <(jq -j '.sources[]? | strings | ., "\u0000"' "$1")
}

# settings_recipe NAME: those of share/recipes/NAME.json, or of the file NAME.json.
settings_recipe() {
    local folder file=$1
    case $1 in
    */* | *.json) ;;
    *)
        folder=${VLRM_SHARE:-$(readlink -m "$stages_folder/..")}/recipes # as installed
        [ -d "$folder" ] || folder=$(readlink -m "$stages_folder/../share/recipes")
        file=$folder/$1.json
        [ -e "$file" ] || settings_die "no recipe \"$1\": there are $(find "$folder" -name '*.json' -printf '%f\n' | sed 's/[.]json$//' | sort | paste -sd ' '), or name a file NAME.json"
        ;;
    esac
    settings_file "$file" "recipe $1"
}

# settings_json: one JSON object of options by name, and the sources, of what was given but by the environment.
settings_json() {
    local name
    for name in "${sources[@]}"; do entry text sources "$name"; done
    # shellcheck disable=SC2016 # jq's variable
    (
        set -o pipefail
        printf '%s\0' "${entries[@]}" | xargs -0 jq -n '$ARGS.positional[]' --args | jq -n --indent 1 -f "$stages_folder/train.jq"
    )
}

# settings_print: the same with the environment's, to stdout; with $1 each option's origin to stderr.
settings_print() {
    local name variable
    for name in "${!takes[@]}"; do
        settings_known "$name" || continue
        variable_of "$name"
        [ -n "${!variable+x}" ] || continue
        if [ "${takes[$name]}" = 1 ]; then
            entry text "$name" "${!variable}"
        else
            case ${!variable} in true | 1) entry json "$name" true ;; *) entry json "$name" false ;; esac
        fi
        origins[$name]=environment
    done
    settings_json || recipe_die 'cannot print the options'
    [ -z "$1" ] || for name in "${!origins[@]}"; do echo "$name: ${origins[$name]}"; done | sort >&2
}
