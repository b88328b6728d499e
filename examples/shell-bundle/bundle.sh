#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bundle in shell: the least that one has to do. Tasks are functions of this file; they have no steps and no waits of
# their own, for which a task waits with sensors before it. Needs bash, head, od, sed and awk.
#
#     perch bundles check examples/shell-bundle/bundle.sh --task shell_hello/slow
#     perch standalone --set bundle.executable=examples/shell-bundle/bundle.sh
set -u
export LC_ALL=C

# --- The DAGs: their definitions, and a function DAG.TASK for each task. What it prints as its last line is its output, as
# JSON; what it prints as errors goes to the log of the attempt, or the engine's; a code other than 0 fails the try.

definitions=(
    '{"dag_id":"shell_hello","schedule":"none","tasks":[
        {"task_id":"rested","sensor":{"trigger":{"kind":"time","target":"after 1 s","due":{"after":1000000},"definition":{}},"timeout":60000000}},
        {"task_id":"count","operator":"shell","upstream":[0],"retries":2,"retry_delay":1000000},
        {"task_id":"slow","operator":"shell","upstream":[],"has_on_kill":true,"kill_timeout":5000000}]}'
)

shell_hello.count() { ls / | wc -l; }

shell_hello.slow() {
    sleep 3
    echo '"rested"'
}

# --- The protocol.

version=3
oldest=1
longest=$((16 << 20))

say() { printf 'bundle.sh: %s\n' "$1" >&2; }

# Ends with everything that was started, where this leads a group of its own, as it does under an engine.
end() {
    local fields
    read -r fields </proc/$$/stat
    fields=(${fields##*) })
    [ "${fields[2]}" != $$ ] || kill -KILL 0
    kill $(jobs -p) 2>/dev/null
    exit "$1"
}

# A text as it stands within the quotes of a JSON string.
quoted() { printf '%s' "$1" | awk 'BEGIN { RS = "\001" } { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); gsub(/\n/, "\\n"); gsub(/[\001-\037]/, " "); printf "%s", $0 }'; }

# Sends one frame: its length, most significant byte first, and the text. One write, so that no other comes between.
send() {
    local n=${#1} octal
    octal=$(printf '\\%03o\\%03o\\%03o\\%03o' $((n >> 24)) $((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255)))
    printf "$octal%s" "$1" >&3
}

# The scalar members of the object on standard input, a line each: name, a tab, the value as it is written. What lies in
# other objects and arrays is passed over, and so is a text that is too long for a name. Nothing where it is no object.
members() {
    # Without escaped characters every quote begins or ends a string.
    sed -e 's/\\\\/\\u005c/g' -e 's/\\"/\\u0022/g' | awk '
        BEGIN { RS = "\""; isText = 0; depth = 0; isOver = 0; name = ""; hasName = 0; hasText = 0 }
        isText {
            isText = 0
            if (length($0) > 65536) next
            if (depth == 1 && hasName) { value = "\"" $0 "\""; hasText = 1 }
            else if (depth == 1) text = $0
            next
        }
        {
            isText = 1
            n = length($0)
            for (i = 1; i <= n; i++) {
                c = substr($0, i, 1)
                if (isOver && c !~ /[ \n\r\t]/) bad()
                if (depth == 0 && !isOver && c != "{" && c !~ /[ \n\r\t]/) bad()
                if (c == "{" || c == "[") { depth++ }
                else if (c == "}" || c == "]") {
                    if (depth == 1) { put(); isOver = 1 }
                    depth--
                }
                else if (depth == 1 && c == ":") { name = text; hasName = 1; value = ""; hasText = 0 }
                else if (depth == 1 && c == ",") put()
                else if (depth == 1 && hasName && !hasText && c !~ /[ \n\r\t]/) value = value c
            }
        }
        function put() { if (hasName && value != "") line[++lines] = name "\t" value; hasName = 0; value = "" }
        function bad() { lines = 0; broken = 1; exit 1 }
        END { if (!broken && isOver && depth == 0) for (i = 1; i <= lines; i++) print line[i] }'
}

declare -A task_of=() pid_of=() member=()
is_draining=0

# Runs a task in a process of its own, and says how it ended.
run() {
    local dispatch=$1 function=$2 output code alive
    exec </dev/null
    trap 'trap "" TERM; kill $alive $work 2>/dev/null; send "{\"type\":\"result\",\"dispatch_id\":$dispatch,\"outcome\":\"cancelled\"}"; exit 0' TERM
    (while sleep 10; do send '{"type":"alive"}'; done) &
    alive=$!
    output=$(mktemp) || exit 1
    "$function" >"$output" 3>&- &
    work=$!
    wait $work
    code=$?
    trap '' TERM
    kill $alive 2>/dev/null
    if [ $code -eq 0 ]; then
        last=$(tail -n 1 "$output")
        send "{\"type\":\"result\",\"dispatch_id\":$dispatch,\"outcome\":\"success\",\"output\":\"$(quoted "${last:-null}")\"}"
    else
        send "{\"type\":\"result\",\"dispatch_id\":$dispatch,\"outcome\":\"failure\",\"message\":\"it exited with code $code\",\"retryable\":true}"
    fi
    rm -f "$output"
}

# A member that has to be a whole number, or the engine has broken the protocol.
number() {
    [[ ${member[$1]-} =~ ^-?[0-9]+$ ]] || { say "the engine broke the protocol: '$1' is no number"; end 1; }
    printf -v "$2" %s "${member[$1]}"
}

# A member that has to be a text.
text() {
    [[ ${member[$1]-} == \"*\" ]] || { say "the engine broke the protocol: '$1' is no text"; end 1; }
    local value=${member[$1]#\"}
    printf -v "$2" %s "${value%\"}"
}

handle() {
    local type dispatch dag task function texts definition wait run after count
    text type type
    case $type in
    hello)
        send "{\"type\":\"hello\",\"protocol_version\":$version,\"oldest_version\":$oldest,\"bundle_version\":\"$own\",\"pid\":$$}" ;;
    describe)
        texts=
        for definition in "${definitions[@]}"; do texts+=${texts:+,}\"$(quoted "$definition")\"; done
        send "{\"type\":\"described\",\"bundle_version\":\"$own\",\"dags\":[$texts],\"problems\":[]}" ;;
    run)
        number dispatch_id dispatch
        text dag_id dag
        text task_id task
        function=$dag.$task
        if ! declare -F -- "$function" >/dev/null; then
            send "{\"type\":\"result\",\"dispatch_id\":$dispatch,\"outcome\":\"failure\",\"message\":\"this bundle has no code for the task '$task' of the DAG '$dag'\",\"retryable\":false}"
        else
            run "$dispatch" "$function" &
            pid_of[$dispatch]=$!
        fi ;;
    cancel | refused)
        number dispatch_id dispatch
        [ -z "${pid_of[$dispatch]-}" ] || kill -TERM "${pid_of[$dispatch]}" 2>/dev/null ;;
    tell-ticks)
        text dag_id dag
        number after after
        send "{\"type\":\"ticks\",\"dag_id\":\"$dag\",\"after\":$after,\"problem\":\"this bundle has no timetables\"}" ;;
    host-trigger)
        number wait_id wait
        number run run
        send "{\"type\":\"trigger-failed\",\"wait_id\":$wait,\"run\":$run,\"reason\":\"unknown\",\"message\":\"this bundle hosts no triggers\"}" ;;
    recorded | looked-up | trigger-woken | trigger-stored | end-trigger | clock | unknown) ;;
    drain)
        wait $(jobs -p)
        exit 0 ;;
    *)
        send "{\"type\":\"unknown\",\"message_type\":\"$type\"}" ;;
    esac
}

[ -S /dev/stdin ] || { say 'this is a bundle: an engine starts it, with a socket as its standard input'; exit 64; }
# The code of tasks must not read what the engine says.
exec 3<&0 4<&0 0</dev/null
own=$(cksum <"$0" | tr ' ' -)

while header=($(head -c 4 <&4 | od -An -v -tu1)) && [ ${#header[@]} -eq 4 ]; do
    length=$((header[0] << 24 | header[1] << 16 | header[2] << 8 | header[3]))
    [ $length -le $longest ] || { say "the engine sent a frame of $length bytes"; end 1; }
    member=()
    while IFS=$'\t' read -r name value; do member[$name]=$value; done < <(head -c $length <&4 | members)
    handle
done
end 0
