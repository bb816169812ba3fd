# Starting an instance: its jars, its nodes one after another, and the wait until each answers.
node_timeout_s=${CQLUA_NODE_TIMEOUT:-240}

fetch_jars() { fetch_with_maven "$cassandra_home/jars-$version" "org.apache.cassandra:cassandra-all:$version"; }

start_instance() {
    [ "$(java_major)" -ge 11 ] && have mvn || die "Java 11 or later, or Maven, is missing: ./dev setup"
    mkdir -p "$(instance_folder)"
    if have flock; then # two starts of one instance at once: the second waits and finds it running
        exec 9>"$cassandra_home/$instance.lock"
        flock 9
    fi
    stop_former && return 0
    refuse_taken_addresses
    [ -d "$cassandra_home/jars-$version" ] || step "cassandra $version: fetch its jars" fetch_jars || exit 1
    [ "$tls" = no ] || make_certificates || exit 1
    configuration >"$(instance_folder)/running"
    local i
    for ((i = 1; i <= nodes; i++)); do start_node "$i"; done
    [ "$tls" = no ] || echo "certificates: $(instance_folder)/tls"
}

# True if what is asked for runs already; otherwise what runs under this name is stopped.
stop_former() {
    local wanted former
    wanted=$(configuration)
    read_back || return 1
    former=$(configuration)
    if [ "$former" = "$wanted" ] && [ "$(running_nodes)" -eq "$nodes" ] && all_answer; then
        echo "cassandra '$instance': runs already ($former)"
        return 0
    fi
    [ "$(running_nodes)" -eq 0 ] || stop_instance
    local word
    for word in $wanted; do printf -v "${word%%=*}" '%s' "${word#*=}"; done
    return 1
}

all_answer() {
    local i
    for ((i = 1; i <= nodes; i++)); do cql_ready "$i" || return 1; done
}

refuse_taken_addresses() {
    local i address taken
    for ((i = 1; i <= nodes; i++)); do
        address=$(address_of "$i")
        for taken in "$port" "$(storage_port)"; do
            ! is_open "$address" "$taken" || die "$address:$taken is in use by something that ./dev cassandra start" \
                "--instance $instance did not start: stop it, or choose another --address-base or --port (for the specs," \
                "CQLUA_TEST_CONTACT_POINTS may name a server to use)"
        done
    done
}

start_node() { # NODE
    local folder address started elapsed pid label
    folder=$(state_folder)/node$1 address=$(address_of "$1") started=$(now_ms)
    label="cassandra $version '$instance' on $address:$port"
    write_node_configuration "$1"
    launch_node "$folder"
    pid=$(<"$folder/pid")
    until cql_ready "$1"; do
        elapsed=$((($(now_ms) - started) / 1000))
        if ! kill -0 "$pid" 2>/dev/null; then # not node_pid: the process may not have become java yet
            node_failed "$folder" "$label: the process ended"
        elif [ "$elapsed" -ge "$node_timeout_s" ]; then
            stop_node "$folder"
            node_failed "$folder" "$label: no answer after $elapsed s"
        fi
        [ ! -t 1 ] || printf '\r%-50s %6d s ' "$label" "$elapsed"
        sleep 0.3
    done
    [ ! -t 1 ] || printf '\r'
    printf '%-50s %8s\n' "$label" "$(seconds $(($(now_ms) - started)))"
}

node_failed() { # NODE_FOLDER MESSAGE
    local log
    printf '\n' >&2
    for log in stdout.log system.log; do
        [ ! -s "$1/logs/$log" ] || tail -n 25 "$1/logs/$log" | cut -c 1-300 >&2
    done
    die "$2; its logs: $1/logs"
}
