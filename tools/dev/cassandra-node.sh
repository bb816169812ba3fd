# One node: its cassandra.yaml, its log configuration, its java process.

# Between the nodes of a cluster. Derived, so that instances on one address but different ports stay apart.
storage_port() {
    if [ "$port" -eq 9042 ]; then
        echo 7000
    else
        echo $((port > 32767 ? port - 20000 : port + 20000))
    fi
}

write_node_configuration() { # NODE
    local folder
    folder=$(state_folder)/node$1
    mkdir -p "$folder/conf" "$folder/logs"
    node_yaml "$folder" "$(address_of "$1")" >"$folder/conf/cassandra.yaml"
    cat >"$folder/conf/logback.xml" <<XML
<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>$folder/logs/system.log</file>
    <encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
XML
}

node_yaml() { # FOLDER ADDRESS
    local authenticator=AllowAllAuthenticator authorizer=AllowAllAuthorizer
    [ "$auth" = no ] || authenticator=PasswordAuthenticator authorizer=CassandraAuthorizer
    cat <<YAML
cluster_name: cqlua-$instance
num_tokens: 8
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
commitlog_sync: periodic
commitlog_sync_period: 10000ms
data_file_directories: [$1/data]
commitlog_directory: $1/commitlog
hints_directory: $1/hints
saved_caches_directory: $1/saved_caches
cdc_raw_directory: $1/cdc_raw
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{ seeds: "$address_base:$(storage_port)" }]
listen_address: $2
storage_port: $(storage_port)
rpc_address: $2
native_transport_port: $port
authenticator: $authenticator
authorizer: $authorizer
concurrent_reads: 8
concurrent_writes: 8
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
commitlog_total_space: 256MiB
auto_snapshot: false
YAML
    if [ "$tls" != no ]; then
        cat <<YAML
client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: $([ "$tls" = client-auth ] && echo true || echo false)
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: $(instance_folder)/tls/server.pem
  truststore: $(instance_folder)/tls/ca.pem
YAML
    fi
}

# What Cassandra reaches into on Java 11 to 21, one --add-exports or --add-opens each.
java_modules() {
    local name
    for name in java.base/{jdk.internal.misc,jdk.internal.ref,sun.nio.ch,java.lang.ref,java.lang.reflect} java.sql/java.sql \
        java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/{sun.rmi.registry,sun.rmi.server} \
        jdk.unsupported/sun.misc; do
        echo "--add-exports=$name=ALL-UNNAMED"
    done
    for name in java.base/{java.lang.module,jdk.internal.loader,jdk.internal.ref,jdk.internal.reflect,jdk.internal.math} \
        java.base/{jdk.internal.module,jdk.internal.util.jar,sun.nio.ch,java.io,java.lang,java.lang.reflect,java.nio,java.util} \
        java.base/java.util.concurrent{,.atomic} jdk.management/com.sun.management.internal java.rmi/sun.rmi.transport.tcp; do
        echo "--add-opens=$name=ALL-UNNAMED"
    done
}

launch_node() { # FOLDER
    local jars=$cassandra_home/jars-$version flags detach=(setsid)
    have setsid || detach=(nohup)
    mapfile -t flags < <(java_modules)
    case $version in
        4.*) flags+=("-javaagent:$(ls "$jars"/jamm-*.jar)") ;; # 4.x does not start on Java 17 without it
    esac
    "${detach[@]}" java "${flags[@]}" "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
        -Djdk.attach.allowAttachSelf=true \
        "-Dcassandra.config=file://$1/conf/cassandra.yaml" "-Dlogback.configurationFile=$1/conf/logback.xml" \
        "-Dcassandra.storagedir=$1" "-Dcassandra.logdir=$1/logs" \
        -Dcassandra.ring_delay_ms=2000 -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.superuser_setup_delay_ms=0 \
        -Dcassandra-foreground=yes -cp "$1/conf:$jars/*" org.apache.cassandra.service.CassandraDaemon \
        </dev/null >"$1/logs/stdout.log" 2>&1 9>&- &
    echo $! >"$1/pid"
}
