# Shared by all commands of ./dev: messages, timed quiet steps, the cache folder.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cqlua
mkdir -p "$cache/log"

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

now_ms() {
    local now=${EPOCHREALTIME/[.,]/}
    echo $((now / 1000))
}

# seconds MS: "12.3 s"
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# step LABEL COMMAND...: runs it quietly, shows one line with its time; upon failure the end of what it wrote. Bash ignores
# `set -e` in what it runs: a function given here joins its commands with && or returns at the first that fails.
step() {
    local label=$1 log started status=0
    shift
    log=$cache/log/${label//[^A-Za-z0-9.]/-}.log
    started=$(now_ms)
    printf '%-50s' "$label"
    ("$@") </dev/null >"$log" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then
        printf ' %8s\n' "$(seconds $(($(now_ms) - started)))"
        return 0
    fi
    printf ' FAILED after %s\n' "$(seconds $(($(now_ms) - started)))"
    tail -n "${STEP_TAIL:-60}" "$log" >&2
    printf 'dev: "%s" failed; its whole output: %s\n' "$label" "$log" >&2
    return "$status"
}

# no_more_arguments COMMAND "$@": an option that does not exist is said, not ignored.
no_more_arguments() {
    [ $# -eq 1 ] || die "$1: unknown argument '$2' (see ./dev help)"
}
