# ./dev chaos [--minutes N] [--rate N] [--seed N]: three real nodes, killed, paused, drained, ended all at once, and moved to
# other addresses, under load of N requests a second.
#
# $cache/chaos/log      what was done to the nodes and when; spec/chaos/load.lua reads it, and adds when all is whole again
# $cache/chaos/output   what the load printed: what became of its requests, and which promises were broken
chaos_home=$cache/chaos
chaos_whole_s=300 # until nodes see each other again
chaos_faults=(pause kill lost dark drain moved)
chaos_bases=(127.0.0.111 127.0.1.111) # where the nodes are by turns

chaos_note() { printf '%s %s\n' "$EPOCHREALTIME" "$*" | tee -a "$chaos_home/log" >&2; }

chaos_signal() { # SIGNAL NODE...
    local node
    for node in "${@:2}"; do kill "-$1" "$(node_pid "$(state_folder)/node$node")"; done
}

chaos_load_lives() { kill -0 "$chaos_load" 2>/dev/null; }

# Waits until the load says that every node answers for every other.
chaos_wait_until_whole() {
    local tries
    chaos_note ready "$*"
    for ((tries = 0; tries < chaos_whole_s * 5; tries++)); do
        ! tail -n 1 "$chaos_home/log" | grep -q whole || return 0
        chaos_load_lives || return 1
        sleep 0.2
    done
    die "chaos: the nodes are not whole again after $chaos_whole_s s; logs: $(state_folder)/node*/logs"
}

chaos_start_again() { # NODE
    local tries
    launch_node "$(state_folder)/node$1"
    for ((tries = 0; tries < chaos_whole_s * 2; tries++)); do
        ! cql_ready "$1" || return 0
        sleep 0.5
    done
    die "chaos: node $1 does not come back; logs: $(state_folder)/node$1/logs"
}

# As processes end that are asked to, however long it takes: what was acknowledged is on the disk.
chaos_end_all() {
    local tries
    chaos_signal TERM 1 2 3
    for ((tries = 0; tries < chaos_whole_s * 10; tries++)); do
        [ "$(running_nodes)" -gt 0 ] || break
        sleep 0.1
    done
    [ "$(running_nodes)" -eq 0 ] || die "chaos: the nodes do not end; logs: $(state_folder)/node*/logs"
    chaos_note down
}

chaos_start_all() { # the seed first: the others do not start without one
    chaos_start_again 1
    chaos_note back
    chaos_start_again 2
    chaos_start_again 3
}

# The same data at other addresses; the nodes are down.
chaos_move() { # ADDRESS_BASE
    local former node
    former=$(state_folder)
    address_base=$1
    rm -rf "$(state_folder)"
    mv "$former" "$(state_folder)"
    for node in 1 2 3; do write_node_configuration "$node"; done
    configuration >"$(instance_folder)/running"
}

chaos_other_base() { # the one where they are not
    local base
    for base in "${chaos_bases[@]}"; do [ "$base" = "$address_base" ] || echo "$base"; done
}

chaos_fault() { # FAULT NODE OTHER_NODE
    case $1 in
        pause)
            chaos_note pause "$2"
            chaos_signal STOP "$2"
            sleep $((5 + RANDOM % chaos_pause_s))
            chaos_signal CONT "$2"
            ;;
        lost) # no quorum is alive, for longer than requests have time
            chaos_note lost "$2 $3"
            chaos_signal STOP "$2" "$3"
            sleep $((12 + RANDOM % 5))
            chaos_signal CONT "$2" "$3"
            ;;
        kill)
            chaos_note kill "$2"
            chaos_signal KILL "$2"
            sleep $((1 + RANDOM % 5))
            chaos_start_again "$2"
            ;;
        drain) # what Cassandra does on SIGTERM
            chaos_note drain "$2"
            stop_node "$(state_folder)/node$2"
            chaos_start_again "$2"
            ;;
        dark)
            chaos_note dark
            chaos_end_all
            sleep $((5 + RANDOM % 10))
            chaos_start_all
            ;;
        moved)
            chaos_note moved
            chaos_end_all
            chaos_move "$(chaos_other_base)"
            chaos_start_all
            ;;
    esac
    chaos_wait_until_whole "$2"
}

chaos_wait_for_begin() {
    until grep -q ' begin$' "$chaos_home/log"; do
        chaos_load_lives || return 1
        sleep 0.2
    done
}

# One fault at a time, in turns, until the time is up; at least a pause and a kill.
chaos_inject() { # MINUTES
    local end i node
    end=$(($(now_ms) + $1 * 60000))
    for ((i = 0; i < 2 || $(now_ms) < end; i++)); do
        node=$((1 + RANDOM % nodes))
        chaos_fault "${chaos_faults[i % ${#chaos_faults[@]}]}" "$node" $((node % nodes + 1)) || return 1
        sleep 1
    done
    chaos_note end
}

chaos_stop() {
    [ -z "${chaos_load:-}" ] || kill "$chaos_load" 2>/dev/null || true
    chaos_signal CONT 1 2 3 2>/dev/null || true # a stopped process does not end
    if [ "$address_base" != "${chaos_bases[0]}" ]; then
        stop_instance
        chaos_move "${chaos_bases[0]}"
    elif [ "$chaos_started" = yes ]; then stop_instance; fi
}

dev_chaos() {
    local minutes=5 rate=200 seed=$$ status=0
    while [ $# -gt 0 ]; do
        case $1 in
            --minutes) minutes=${2:-} && shift ;;
            --rate) rate=${2:-} && shift ;;
            --seed) seed=${2:-} && shift ;;
            *) die "chaos: unknown argument '$1' (see ./dev help)" ;;
        esac
        shift
    done
    [[ "$minutes $rate $seed" =~ ^[1-9][0-9]*\ [1-9][0-9]*\ [0-9]+$ ]] ||
        die "chaos: --minutes, --rate and --seed are whole numbers"
    if [ -z "${CQLUA_BUILD:-}" ]; then # else ctest has built it, and set the environment
        dev_build
        export_environment
    fi
    instance=chaos nodes=3 address_base=${chaos_bases[0]}
    chaos_pause_s=$((minutes > 1 ? 30 : 10))
    RANDOM=$seed
    chaos_started=no
    [ "$(running_nodes)" -eq "$nodes" ] || chaos_started=yes # nodes that were there before stay
    trap chaos_stop EXIT
    (start_instance) || exit 1
    read_back
    mkdir -p "$chaos_home"
    : >"$chaos_home/log"
    luajit spec/chaos/load.lua "${chaos_bases[*]}" "$chaos_home/log" "$seed" "$rate" >"$chaos_home/output" 2>&1 &
    chaos_load=$!
    if chaos_wait_for_begin && chaos_inject "$minutes"; then :; fi
    wait "$chaos_load" || status=1
    cat "$chaos_home/output"
    [ $status -eq 0 ] || die "chaos: failed (--seed $seed); what was done to the nodes: $chaos_home/log; their logs:" \
        "$(state_folder)/node*/logs"
}
