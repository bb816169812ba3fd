# ./dev quickstart, ./dev test [--all], ./dev bench.

# A node for the live specs, the quickstart and the benchmark: the instance "dev", one plain node, unless one is named.
ensure_cassandra() {
    if [ -n "${CQLUA_TEST_CONTACT_POINTS:-}" ]; then
        echo "cassandra: the one at $CQLUA_TEST_CONTACT_POINTS (CQLUA_TEST_CONTACT_POINTS)"
        return 0
    fi
    [ "$(running_nodes)" -gt 0 ] || started_cassandra=yes
    (start_instance) || exit 1
}

stop_own_cassandra() {
    [ "${started_cassandra:-no}" = no ] || stop_instance
}

dev_quickstart() {
    no_more_arguments quickstart "$@"
    dev_setup
    dev_build
    ensure_cassandra
    printf '\n'
    export_environment
    luajit examples/quickstart.lua || die "examples/quickstart.lua failed"
    printf '\nCassandra still runs (./dev cassandra stop). Your own script: ./dev run FILE.lua\n'
}

run_ctest() { # FOLDER OPTION...
    printf '\n'
    ctest --test-dir "$1" --output-on-failure --no-tests=error -j 2 "${@:2}" </dev/null
}

# What --all would run and cannot here, one line each.
say_what_is_skipped() {
    have shellcheck || echo "skipped: shellcheck is not installed"
    have stylua || echo "skipped: stylua is not installed; the format of the Lua files is not checked"
    have luarocks || echo "skipped: luarocks is not installed; the rock is not installed (its file list is checked)"
    [ -d "$interop_home/jars" ] || echo "skipped: frames exchanged with another codec: no JDK, or its jars could not be fetched"
    [ -d "$interop_home/simulacron" ] || echo "skipped: Simulacron: no JDK, or its jars could not be fetched"
    [ -f "$interop_home/toxiproxy" ] || echo "skipped: faults of the network by toxiproxy: no Go, or it could not be built"
    [ -f "$interop_home/python/complete" ] || echo "skipped: values exchanged with the Python driver: it could not be fetched"
    have_i386 || echo "skipped: the specs on 32 bits: gcc-multilib or Debian's i386 libraries could not be had"
    echo "skipped: fuzzing beyond the kept inputs: ./dev fuzz"
    luajit -e 'assert(tonumber(require("copas")._VERSION:match "%d+") >= 4)' 2>/dev/null ||
        echo "skipped: the host copas: copas 4 or later is not installed (Debian has 1.2.0; luarocks install copas)"
}

# The specs of authentication, against a node of their own that asks for a password.
test_auth() {
    local status=0 place='--instance auth --address-base 127.0.0.40'
    # shellcheck disable=SC2086
    ./dev cassandra start --auth $place || return 1
    CQLUA_TEST_AUTH_CONTACT_POINTS=127.0.0.40:9042 run_ctest build -R '^live\.auth$' || status=1
    ./dev cassandra stop --instance auth
    return $status
}

# The specs of TLS, against a node that wants it and one that wants the client's certificate too.
test_tls() {
    local status=0 folder=$cassandra_home/tls/tls mutual=$cassandra_home/tls-client/tls
    ./dev cassandra start --tls --instance tls --address-base 127.0.0.61 || return 1
    if ./dev cassandra start --tls-client-auth --instance tls-client --address-base 127.0.0.62; then
        CQLUA_TEST_TLS_CONTACT_POINTS=127.0.0.61:9042 CQLUA_TEST_TLS_FOLDER=$folder \
            CQLUA_TEST_TLS_CLIENT_CONTACT_POINTS=127.0.0.62:9042 CQLUA_TEST_TLS_CLIENT_FOLDER=$mutual \
            run_ctest build -R '^(live\.tls|hosts\.nginx_tls)$' || status=1
    else status=1; fi
    ./dev cassandra stop --instance tls-client
    ./dev cassandra stop --instance tls
    return $status
}

# The specs of a cluster, against three nodes.
test_cluster() {
    local status=0
    ./dev cassandra start --nodes 3 --instance three --address-base 127.0.0.101 || return 1
    CQLUA_TEST_CLUSTER=127.0.0.101:9042 run_ctest build -R '^live\.cluster$' || status=1
    ./dev cassandra stop --instance three
    return $status
}

# Sessions in several threads, under ThreadSanitizer.
test_threads() {
    dev_build --sanitize-threads hosts_threads && run_ctest build-tsan -R '^hosts\.threads$'
}

test_all() {
    local status=0
    test_threads || status=1
    test_auth || status=1
    test_tls || status=1
    test_cluster || status=1
    dev_build --sanitize || return 1
    run_ctest build-asan -LE 'check|nojit|lua53' || status=1 # Lua 5.4 runs the same code
    if fetch_i386; then
        dev_build_i386 || return 1
        # io_resolver: Debian's c-ares has times of 32 bits there, the specs are built with 64
        run_ctest build-i386 -LE 'all|check|interop' -E '^unit\.io_resolver$' || status=1
    fi
    return $status
}

dev_test() {
    local all=no status=0 labels=(-LE '^all$') started
    started=$(now_ms)
    case ${1:-} in --all) all=yes labels=() && shift ;; esac
    no_more_arguments test "$@"
    # shellcheck disable=SC2207 # names of packages are words
    [ "$all" = no ] || packages+=($(packages_of_all))
    dev_setup
    dev_build
    trap stop_own_cassandra EXIT
    ensure_cassandra
    [ "$all" = no ] || fetch_interop
    run_ctest build "${labels[@]}" || status=1
    [ "$all" = no ] || test_all || status=1
    printf '\n'
    linters || status=1 # ctest has run the project's own checks already
    [ "$all" = no ] || say_what_is_skipped
    if [ $status -eq 0 ]; then echo "all passed"; else echo "FAILED"; fi
    echo "in $(seconds $(($(now_ms) - started)))"
    return $status
}

dev_bench() {
    if [ "${1:-}" = hosts ]; then
        dev_build
        bench/hosts "${@:2}"
        return
    fi
    local workload workloads='read write page fanout'
    for workload in "$@"; do
        [[ " $workloads " == *" $workload "* ]] || die "bench: unknown workload '$workload'; there are: $workloads"
    done
    [ -z "${CQLUA_TEST_CONTACT_POINTS:-}" ] || die "bench: unset CQLUA_TEST_CONTACT_POINTS: its Cassandra is on 127.0.0.1:9042"
    dev_build
    trap stop_own_cassandra EXIT
    ensure_cassandra
    PROJECT=$root bench/rig/compare "$@"
}
