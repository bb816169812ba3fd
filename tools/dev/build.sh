# ./dev build, run, env: the development build in build/ (build-asan/, build-tsan/ with sanitizers).

configure() { # FOLDER OPTION...
    [ -f "$1/build.ninja" ] || cmake -S "$root" -B "$1" -G Ninja "${@:2}"
}

build_into() { # FOLDER "OPTIONS" TARGET...
    local folder=$1
    # shellcheck disable=SC2086 # options are words
    configure "$folder" $2 && ninja -C "$folder" "${@:3}"
}

dev_build() {
    local folder=$root/build options= label=build
    if [ "${1:-}" = --sanitize ]; then
        folder=$root/build-asan options=-DCQLUA_SANITIZE=ON label="build with sanitizers"
        shift
    elif [ "${1:-}" = --sanitize-threads ]; then
        folder=$root/build-tsan options=-DCQLUA_SANITIZE_THREADS=ON label="build with ThreadSanitizer"
        shift
    fi
    case ${1:-} in --*) die "build: unknown option '$1'; there are --sanitize, --sanitize-threads" ;; esac
    have cmake && have ninja || die "cmake or ninja is missing: ./dev setup"
    step "$label" build_into "$folder" "$options" "$@"
}

# Built if need be; says nothing unless something is built or fails.
ensure_built() {
    if [ -f "$root/build/build.ninja" ] && ninja -C "$root/build" -n 2>/dev/null | grep -q 'no work to do'; then
        return 0
    fi
    dev_build >&2
}

export_environment() {
    export LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH:-;}"
    export LUA_CPATH="$root/build/lua/?.so;${LUA_CPATH:-;}"
    export LD_LIBRARY_PATH="$root/build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

dev_env() {
    no_more_arguments env "$@"
    export_environment
    printf 'export %s=%q\n' LUA_PATH "$LUA_PATH" LUA_CPATH "$LUA_CPATH" LD_LIBRARY_PATH "$LD_LIBRARY_PATH"
}

dev_run() {
    [ $# -gt 0 ] || die "run: which script? ./dev run FILE.lua [ARG...]"
    have luajit || die "luajit is missing: ./dev setup"
    (cd "$called_from" && [ -f "$1" ]) || die "run: there is no file '$1'"
    ensure_built
    export_environment
    cd "$called_from"
    exec luajit "$@"
}
