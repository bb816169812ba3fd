# The options of ./dev cassandra.

# What one call is about; parse_cassandra_options fills them in.
instance=dev nodes=1 version=5.0.5 auth=no tls=no heap=512M port=9042 address_base=127.0.0.1 all_instances=no

parse_cassandra_options() { # COMMAND "OPTIONS THAT IT TAKES" ARGUMENT...
    local command=$1 known=" $2 "
    shift 2
    while [ $# -gt 0 ]; do
        [[ $1 == --* && $known == *" $1 "* ]] || die "cassandra $command: unknown argument '$1' (see ./dev cassandra help)"
        case $1 in
            --auth) auth=yes ;;
            --tls) tls=yes ;;
            --tls-client-auth) tls=client-auth ;;
            --all) all_instances=yes ;;
            *) [ $# -ge 2 ] || die "cassandra $command: $1 needs a value" ;;
        esac
        case $1 in
            --nodes) nodes=$2 && shift ;;
            --version) version=$2 && shift ;;
            --heap) heap=$2 && shift ;;
            --instance) instance=$2 && shift ;;
            --port) port=$2 && shift ;;
            --address-base) address_base=$2 && shift ;;
        esac
        shift
    done
    check_cassandra_options
}

check_cassandra_options() {
    [[ $nodes =~ ^[1-9]$ ]] || die "--nodes is a number from 1 to 9, not '$nodes'"
    [[ $port =~ ^[0-9]+$ && $port -ge 1024 && $port -le 65535 ]] || die "--port is a number from 1024 to 65535, not '$port'"
    [[ " $cassandra_versions " == *" $version "* ]] || die "--version is one of $cassandra_versions, not '$version'"
    [[ $heap =~ ^[0-9]+[MG]$ ]] || die "--heap is a size like 512M or 1G, not '$heap'"
    [[ $instance =~ ^[A-Za-z0-9_-]+$ ]] || die "--instance is a name of letters, digits, _ and -, not '$instance'"
    [[ $address_base =~ ^127\.[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "--address-base is a loopback address, not '$address_base'"
}
