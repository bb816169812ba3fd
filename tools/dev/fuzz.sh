# ./dev fuzz [TARGET|all] [SECONDS]: the fuzz targets under clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
# $cache/fuzz/TARGET           all inputs that reached something new, from run to run
# $cache/fuzz/crashes          what stopped a target
# fuzz/corpus/TARGET           the few that reach every branch: kept with the sources, replayed by ctest
fuzz_home=$cache/fuzz
fuzz_build=$root/build-fuzz
fuzz_seconds=60

fuzz_targets() {
    local file
    for file in fuzz/*_fuzz.c; do basename "$file" _fuzz.c; done
}

# Names the package that is missing: clang comes without libFuzzer's part.
need_fuzzer() {
    local major
    have clang || die "fuzz: clang is missing: on Debian, apt-get install clang libclang-rt-14-dev"
    mkdir -p "$fuzz_home/crashes"
    echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return b == 0 && n == 1; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o "$fuzz_home/probe" - 2>/dev/null && return
    major=$(clang -dumpversion)
    die "fuzz: clang cannot link libFuzzer: on Debian, apt-get install libclang-rt-${major%%.*}-dev"
}

build_fuzz() {
    configure "$fuzz_build" -DCMAKE_C_COMPILER=clang -DCQLUA_SANITIZE=ON -DCQLUA_FUZZ=ON -DCQLUA_TESTS=OFF -DCQLUA_WERROR=OFF &&
        ninja -C "$fuzz_build" fuzz
}

# libFuzzer with what all its runs have in common.
run_libfuzzer() { # TARGET OPTION...
    UBSAN_OPTIONS=print_stacktrace=1 "$fuzz_build/fuzz/$1" -artifact_prefix="$fuzz_home/crashes/$1-" -timeout=20 "${@:2}" \
        >"$fuzz_home/$1.log" 2>&1
}

files_in() { find "$1" -type f | wc -l; }

# Adds to the kept corpus what reaches a branch that nothing in it reaches; how often a branch is taken does not count, so that
# the corpus stays small.
keep_inputs() { # TARGET
    local name=$1 before
    before=$(files_in "fuzz/corpus/$name")
    run_libfuzzer "$name" -merge=1 -use_counters=0 -max_len=4096 \
        "fuzz/corpus/$name" "$fuzz_home/seeds/$name" "$fuzz_home/$name" || return 1
    echo "$before -> $(files_in "fuzz/corpus/$name")"
}

fuzz_one() { # TARGET SECONDS
    local name=$1 found='' corpus log=$fuzz_home/$1.log runs reason
    mkdir -p "$fuzz_home/$name" "fuzz/corpus/$name" "$fuzz_home/seeds/$name"
    run_libfuzzer "$name" -max_total_time="$2" -print_final_stats=1 -use_value_profile=1 -max_len=4096 \
        "$fuzz_home/$name" "fuzz/corpus/$name" "$fuzz_home/seeds/$name" || found=crash
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ -n "$found" ]; then
        cp "$log" "$fuzz_home/crashes/$name.log"
        reason=$(grep -m 1 -E 'does not hold|runtime error|ERROR' "$log" || true)
        printf '%-12s FAILED after %s runs: %s\n' "$name" "${runs:-?}" "$reason"
        sed -n "s,^.*Test unit written to \(.*\),    $fuzz_build/fuzz/$name \1,p" "$log"
        return 1
    fi
    corpus=$(keep_inputs "$name") || { tail -n 20 "$log" >&2; return 1; }
    printf '%-12s %10s runs, corpus %s\n' "$name" "$runs" "$corpus"
}

dev_fuzz() {
    local targets name status=0 seconds=${2:-$fuzz_seconds}
    mapfile -t targets < <(fuzz_targets)
    case ${1:-all} in
        all) ;;
        *[!0-9]*)
            [[ " ${targets[*]} " == *" $1 "* ]] || die "fuzz: unknown target '$1'; there are: all ${targets[*]}"
            targets=("$1")
            ;;
        *) die "fuzz: which target? ./dev fuzz [TARGET|all] [SECONDS]" ;;
    esac
    [[ $seconds =~ ^[0-9]+$ ]] || die "fuzz: '$seconds' is no number of seconds"
    need_fuzzer
    step "build the fuzz targets" build_fuzz
    rm -rf "$fuzz_home/seeds"
    mkdir -p "$fuzz_home/seeds"
    "$fuzz_build/fuzz/seed" "$fuzz_home/seeds"
    for name in "${targets[@]}"; do fuzz_one "$name" "$seconds" || status=1; done
    [ $status -eq 0 ] || echo "fuzz: the lines above run a crash again; reports: $fuzz_home/crashes/TARGET.log"
    return $status
}
