# ./dev cassandra start | stop | status | wipe: real Cassandra nodes on loopback, by name of an instance.
#
# $cache/cassandra/jars-VERSION     the server's jars, from Maven Central
# $cache/cassandra/NAME/running     the configuration that `start` last brought up: one line of name=value words
# $cache/cassandra/NAME/tls         ca.pem, server.pem, client.pem, client.key
# $cache/cassandra/NAME/CONFIG/nodeI  one node's data, conf, logs and pid; each configuration has its own
cassandra_home=$cache/cassandra
cassandra_versions='5.0.5 4.1.9'

cassandra_usage() {
    cat <<TEXT
usage: ./dev cassandra start  [--nodes N] [--version ${cassandra_versions// /|}] [--auth] [--tls] [--tls-client-auth]
                              [--heap 512M] [--instance NAME] [--port 9042] [--address-base 127.0.0.1]
       ./dev cassandra stop   [--instance NAME | --all]
       ./dev cassandra wipe   [--instance NAME | --all]    stops it and deletes its data
       ./dev cassandra status [--instance NAME]

Node I listens on the I-th address from --address-base on. With --auth the user is cassandra, password cassandra; with
--tls clients must use TLS: ca.pem, client.pem and client.key lie in the folder that status names; with --tls-client-auth
they must show that certificate. Instances of different names run beside each other if their addresses or ports differ;
without --instance the name is "dev".
TEXT
}

address_of() { echo "${address_base%.*}.$((${address_base##*.} + $1 - 1))"; } # NODE
instance_folder() { echo "$cassandra_home/$instance"; }
configuration() { echo "version=$version nodes=$nodes auth=$auth tls=$tls heap=$heap port=$port address_base=$address_base"; }
state_folder() { echo "$cassandra_home/$instance/$version-n$nodes-auth_$auth-tls_$tls-$address_base-$port"; }

instances() { # the names of all that were ever started
    local file
    for file in "$cassandra_home"/*/running; do
        [ -f "$file" ] && basename "$(dirname "$file")"
    done
    return 0
}

# Each instance that the call means, one after another, with its own configuration read back.
for_instances() { # FUNCTION
    local name names=$instance
    [ "$all_instances" = no ] || names=$(instances)
    for name in $names; do
        instance=$name
        read_back
        "$1"
    done
}

# Sets version, nodes, ... to what the instance was started with; false if it never was.
read_back() {
    local file word
    file=$(instance_folder)/running
    [ -f "$file" ] || return 1
    for word in $(<"$file"); do
        printf -v "${word%%=*}" '%s' "${word#*=}"
    done
}

# The pid of a node if the process is still that very node: its command line names the node's own configuration file.
node_pid() { # NODE_FOLDER
    local pid
    [ -f "$1/pid" ] && pid=$(<"$1/pid") && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    if [ -r "/proc/$pid/cmdline" ]; then
        tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "-Dcassandra.config=file://$1/conf/cassandra.yaml" || return 1
    else
        ps -o args= -p "$pid" 2>/dev/null | grep -qF -- "file://$1/conf/cassandra.yaml" || return 1
    fi
    echo "$pid"
}

running_nodes() { # how many nodes of the instance's configuration live
    local i count=0
    for ((i = 1; i <= nodes; i++)); do
        ! node_pid "$(state_folder)/node$i" >/dev/null || count=$((count + 1))
    done
    echo "$count"
}

stop_node() { # NODE_FOLDER
    local pid tries
    pid=$(node_pid "$1") || { rm -f "$1/pid"; return 0; }
    kill -TERM "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 150; tries++)); do
        node_pid "$1" >/dev/null || break
        [ $tries -ne 100 ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.1
    done
    rm -f "$1/pid"
}

stop_instance() {
    local i live
    live=$(running_nodes)
    for ((i = nodes; i >= 1; i--)); do stop_node "$(state_folder)/node$i"; done
    if [ "$live" -gt 0 ]; then echo "cassandra '$instance': stopped"; else echo "cassandra '$instance': was not running"; fi
}

wipe_instance() {
    stop_instance
    rm -rf "${cassandra_home:?}/$instance"
    echo "cassandra '$instance': wiped"
}

status_instance() {
    local i pid answers
    if ! read_back; then
        echo "cassandra '$instance': never started"
        return 0
    fi
    echo "cassandra '$instance': $(running_nodes) of $nodes nodes run; $(configuration)"
    for ((i = 1; i <= nodes; i++)); do
        pid=$(node_pid "$(state_folder)/node$i") || pid=none
        answers='does not answer'
        ! cql_ready "$i" || answers=answers
        echo "  $(address_of "$i"):$port  pid $pid  $answers  logs $(state_folder)/node$i/logs"
    done
    [ "$tls" = no ] || echo "  certificates: $(instance_folder)/tls"
}

dev_cassandra() {
    local command=${1:-help}
    [ $# -eq 0 ] || shift
    case $command in
        start)
            parse_cassandra_options start \
                "--nodes --version --auth --tls --tls-client-auth --heap --instance --port --address-base" "$@"
            start_instance
            ;;
        stop | wipe)
            parse_cassandra_options "$command" "--instance --all" "$@"
            for_instances "${command}_instance"
            ;;
        status)
            all_instances=yes
            [ $# -eq 0 ] || all_instances=no
            parse_cassandra_options status "--instance --all" "$@"
            [ -n "$(instances)" ] || echo "cassandra: no instance was started"
            for_instances status_instance
            ;;
        help | -h | --help) cassandra_usage ;;
        *) die "cassandra: unknown command '$command'; there are: start stop status wipe help" ;;
    esac
}
