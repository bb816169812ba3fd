# What the interop specs need, fetched by `./dev test --all` only: another codec and another fake cluster (Java), another driver
# (Python), and a proxy with faults (Go).
interop_home=$cache/interop

have_jdk() { have javac && [ "$(java_major)" -ge 11 ]; }

# What `./dev test --all` installs besides the packages of ./dev setup: for these, for the rock, and a Lua to be refused.
packages_of_all() {
    have_jdk || echo openjdk-17-jdk-headless
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    echo nginx libnginx-mod-http-lua wrk curl # spec/hosts/nginx_spec.lua
    can_compile_i386 || echo gcc-multilib
    echo lua-socket lua-cjson # to drive programs over HTTP
    have luarocks || echo luarocks
    have lua5.2 || echo lua5.2
}

fetch_codec() {
    fetch_with_maven "$interop_home/jars" com.datastax.oss:native-protocol:1.5.2 org.lz4:lz4-java:1.8.0
}

fetch_simulacron() {
    fetch_with_maven "$interop_home/simulacron" com.datastax.oss.simulacron:simulacron-standalone:0.12.0
}

# The newest that Go 1.19 builds.
fetch_toxiproxy() {
    local partial=$interop_home/toxiproxy-partial-$$
    GOBIN=$partial go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.7.0 && mv "$partial/server" "$interop_home/toxiproxy"
    local status=$?
    rm -rf "$partial"
    return $status
}

fetch_driver() {
    local venv=$interop_home/python
    rm -rf "$venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install -q cassandra-driver==3.30.1 lz4==4.4.5 && touch "$venv/complete"
}

# One line for what cannot be had here; the specs then skip.
fetch_interop() {
    mkdir -p "$interop_home"
    if [ ! -d "$interop_home/jars" ] && have_jdk && have mvn; then
        step "interop: fetch the codec native-protocol" fetch_codec || true
    fi
    if [ ! -d "$interop_home/simulacron" ] && have_jdk && have mvn; then
        step "interop: fetch Simulacron" fetch_simulacron || true
    fi
    if [ ! -f "$interop_home/toxiproxy" ] && have go; then
        step "interop: build toxiproxy" fetch_toxiproxy || true
    fi
    if [ ! -f "$interop_home/python/complete" ] && have python3; then
        step "interop: fetch the Python driver" fetch_driver || true
    fi
    return 0
}
